"""Windows of motion as tokens: residual k-means.

Each window is written as one code a level, each level a k-means of what the levels before left over (residual vector
quantisation: Juang and Gray, ICASSP 1982; Chen, Guan and Wang, Sensors 2010).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from learn2dance.stage import Fault
from learn2dance.windows import join, limit_speed

IN_MEMORY = 1 << 30  # bytes of windows up to which k-means sees them all at once; above, it streams in mini-batches

FEWEST = 4  # windows a code: with fewer, codes are single windows learned by heart


@dataclass(frozen=True)
class Codebook:
    """Centroids of residual k-means.

    Attributes
    ----------
    centroids : np.ndarray [shape=(L, K, D), dtype=float32]
        In torso lengths; D is ``window_beats * frames_per_beat * J * 2``.
    mean : np.ndarray [shape=(D,), dtype=float32]
        The mean window of the train split.
    frames_per_beat, window_beats : int
        How windows are cut; the hop is one beat.
    top_speed : float
        Torso lengths a second: the fastest joint of a decoded dance is held to it.
    """

    centroids: np.ndarray
    mean: np.ndarray
    frames_per_beat: int = 24
    window_beats: int = 2
    top_speed: float = np.inf

    def encode(self, windows: np.ndarray) -> np.ndarray:
        """Return the codes int64 (W, L) of windows (W, D), each level the centroid nearest to what is left."""
        left = windows - self.mean
        labels = np.empty((len(windows), len(self.centroids)), np.int64)
        for level, centroids in enumerate(self.centroids):
            labels[:, level] = nearest(left, centroids)
            left = left - centroids[labels[:, level]]
        return labels

    def decode(self, labels: np.ndarray) -> np.ndarray:
        """Return the windows float32 (W, D) that the codes int64 (W, L) stand for; fewer levels give a coarser one."""
        return self.mean + sum(c[labels[:, level]] for level, c in enumerate(self.centroids[: labels.shape[1]]))

    def play(self, motion: np.ndarray, beats: np.ndarray, count: int, fps: float, start: float = 0.0) -> np.ndarray:
        """Play windows (W, D) on beats from a second on: `windows.join`, then `windows.limit_speed`.

        Returns
        -------
        np.ndarray [shape=(count, J, 2), dtype=float32]
            Normalised poses.
        """
        times = start + np.arange(count) / fps
        joined = join(motion, beats, times, self.frames_per_beat, self.window_beats)
        return limit_speed(joined, self.top_speed / fps)


def nearest(windows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the index int64 (W,) of the centroid (K, D) nearest to each window (W, D)."""
    return np.argmin((centroids**2).sum(1) - 2 * windows @ centroids.T, axis=1)


def fit(
    read: Callable[[], Iterable[np.ndarray]], levels: int, codes: int, seed: int, progress: Callable = iter
) -> tuple:
    """Fit residual k-means.

    Parameters
    ----------
    read : callable
        Gives, as often as it is called, the same windows (W, D) piece by piece (a clip at a time).
    levels, codes : int
        L levels of K codes.
    seed : int
        Of the k-means++ starts.
    progress : callable
        Wraps the iterable of levels, to show a bar.

    Returns
    -------
    centroids : np.ndarray [shape=(L, K, D), dtype=float32]
    mean : np.ndarray [shape=(D,), dtype=float32]

    Raises
    ------
    Fault
        If there are fewer than `FEWEST` windows a code.

    See Also
    --------
    sklearn.cluster.KMeans, sklearn.cluster.MiniBatchKMeans
        What fits a level when the windows fit into memory (`IN_MEMORY`), and when they do not.
    """
    count, total = 0, 0.0
    for piece in read():
        count, total = count + len(piece), total + piece.sum(0, dtype=np.float64)
    if count < FEWEST * codes:
        fewer = f" or fewer codes (-p CODES {count // FEWEST})" if count >= 2 * FEWEST else ""
        raise Fault(f"{count} windows are too few for {codes} codes; give more dances{fewer}")
    mean = (total / count).astype(np.float32)
    held = count * mean.nbytes <= IN_MEMORY
    left = np.concatenate(list(read())) - mean if held else None
    centroids = np.empty((levels, codes, len(mean)), np.float32)
    for level in progress(range(levels)):
        if held:
            centroids[level] = _kmeans(left, codes, seed + level)
            left -= centroids[level][nearest(left, centroids[level])]
        else:
            centroids[level] = _streamed(read, Codebook(centroids[:level], mean), codes, seed + level)
    return centroids, mean


def _kmeans(windows: np.ndarray, codes: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(codes, n_init=1, max_iter=50, random_state=seed).fit(windows).cluster_centers_


def _streamed(read: Callable[[], Iterable[np.ndarray]], before: Codebook, codes: int, seed: int, passes: int = 3):
    """Fit one level by mini-batches that are read anew in each pass; a batch holds at least four windows a code."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(codes, n_init=1, random_state=seed)
    for _ in range(passes):
        batch: list[np.ndarray] = []
        for piece in read():
            batch.append(piece - before.decode(before.encode(piece)))
            if sum(map(len, batch)) >= 4 * codes:
                model.partial_fit(np.concatenate(batch))
                batch = []
        if sum(map(len, batch)) >= codes:  # a short rest of the last pass would count as much as a whole batch
            model.partial_fit(np.concatenate(batch))
    return model.cluster_centers_


def residual_error(codebook: Codebook, pieces: Iterable[np.ndarray]) -> np.ndarray:
    """Measure what the codes leave over of windows (W, D), given piece by piece, level by level.

    Returns
    -------
    np.ndarray [shape=(L,)]
        Sum of squares of what is left after each level, as a share of that about the train split's mean; NaN where
        there are no windows.
    """
    squares = np.zeros(len(codebook.centroids) + 1)
    for windows in pieces:
        left = windows - codebook.mean
        labels = codebook.encode(windows)
        squares[0] += (left**2).sum(dtype=np.float64)
        for level, centroids in enumerate(codebook.centroids):
            left -= centroids[labels[:, level]]
            squares[level + 1] += (left**2).sum(dtype=np.float64)
    return squares[1:] / squares[0] if squares[0] else np.full(len(codebook.centroids), np.nan)
