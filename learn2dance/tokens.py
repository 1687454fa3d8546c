"""Motion as tokens: windows of poses cut on the beat grid, residual k-means over them, and the way back.

A window is two beats of normalised poses, resampled to 24 frames a beat; windows start one beat apart. Cut on beats
and played back on another song's beats, the motion stays locked to the music. Residual k-means writes each window as
one code a level, each level a k-means of what the levels before left over (residual vector quantisation: Juang and
Gray, ICASSP 1982; Chen, Guan and Wang, Sensors 2010).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline

from learn2dance import skeleton
from learn2dance.stage import Fault

IN_MEMORY = 1 << 30  # bytes of windows up to which k-means sees them all at once; above, it streams in mini-batches


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
    """

    centroids: np.ndarray
    mean: np.ndarray
    frames_per_beat: int = 24
    window_beats: int = 2

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

    def dance(self, labels: np.ndarray, beats: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Decode codes (W, L) and play them on these beats: see `join`."""
        return join(self.decode(labels), beats, times, self.frames_per_beat, self.window_beats)


def nearest(windows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the index int64 (W,) of the centroid (K, D) nearest to each window (W, D)."""
    return np.argmin((centroids**2).sum(1) - 2 * windows @ centroids.T, axis=1)


def cut(
    poses: np.ndarray, fps: float, beats: np.ndarray, frames_per_beat: int = 24, window_beats: int = 2
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut normalised poses into windows on the beat grid.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Normalised; frame 0 at time 0; NaN where not known.
    fps : float
        Frames a second.
    beats : np.ndarray [shape=(B,)]
        Seconds, increasing.
    frames_per_beat, window_beats : int
        Samples in each beat, and beats in each window.

    Returns
    -------
    windows : np.ndarray [shape=(W, D), dtype=float32]
        One for every beat from which the whole window lies within the poses; unknown joints are interpolated.
    known : np.ndarray [shape=(W,), dtype=bool]
        Whether every joint was known all through the window.
    start : int
        Index of the beat with which the first window starts.
    """
    length = (len(poses) - 1) / fps
    inside = np.flatnonzero((beats >= 0) & (beats <= length))
    start = int(inside[0]) if len(inside) else 0
    beats = beats[inside]
    count = max(len(beats) - window_beats, 0)
    flat = poses.reshape(len(poses), -1)
    lost = np.isnan(flat).any(1)
    if count == 0 or np.isnan(flat).all(0).any():
        return (
            np.zeros((count, frames_per_beat * window_beats * flat.shape[1]), np.float32),
            np.zeros(count, bool),
            start,
        )
    positions = np.arange((len(beats) - 1) * frames_per_beat) / frames_per_beat
    times = np.interp(positions, np.arange(len(beats)), beats)
    clock = np.arange(len(poses)) / fps
    for column in flat.T if lost.any() else ():
        gaps = np.isnan(column)
        column[gaps] = np.interp(clock[gaps], clock[~gaps], column[~gaps])
    sampled = make_interp_spline(clock, flat, k=min(3, len(poses) - 1))(times).astype(np.float32)
    lost = np.interp(times, clock, lost) > 0
    size = frames_per_beat * window_beats
    index = np.arange(count)[:, None] * frames_per_beat + np.arange(size)
    return sampled[index].reshape(count, -1), ~lost[index].any(1), start


def join(
    windows: np.ndarray, beats: np.ndarray, times: np.ndarray, frames_per_beat: int, window_beats: int
) -> np.ndarray:
    """Join windows by overlap-add on beats, and sample the motion at these times.

    Window w starts at ``beats[w]``. Each is weighted by sin² over its length, so that it fades in while the one before
    fades out; two-beat windows one beat apart add up to one.

    Parameters
    ----------
    windows : np.ndarray [shape=(W, D)]
        Motion in torso lengths.
    beats : np.ndarray [shape=(W + window_beats,)]
        Seconds, increasing.
    times : np.ndarray [shape=(T,)]
        Seconds; held at the ends outside the beats.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        Normalised poses.
    """
    size = frames_per_beat * window_beats
    windows = windows.reshape(len(windows), size, -1)
    weight = np.sin(np.pi * (np.arange(size) + 0.5) / size)[:, None] ** 2
    total = np.zeros(((len(windows) - 1) * frames_per_beat + size, windows.shape[-1]))
    weights = np.zeros((len(total), 1))
    for w, window in enumerate(windows):
        span = slice(w * frames_per_beat, w * frames_per_beat + size)
        total[span] += weight * window
        weights[span] += weight
    positions = np.interp(times, beats, np.arange(len(beats))) * frames_per_beat
    motion = make_interp_spline(np.arange(len(total)), total / weights, k=3)
    return motion(np.clip(positions, 0, len(total) - 1)).reshape(len(times), -1, 2).astype(np.float32)


def mirror(windows: np.ndarray, joints: int = 15) -> np.ndarray:
    """Mirror windows (W, D) left to right."""
    return skeleton.mirror(windows.reshape(-1, joints, 2)).reshape(windows.shape)


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
        If there are fewer windows than codes.

    See Also
    --------
    sklearn.cluster.KMeans, sklearn.cluster.MiniBatchKMeans
        What fits a level when the windows fit into memory (`IN_MEMORY`), and when they do not.
    """
    count, total = 0, 0.0
    for piece in read():
        count, total = count + len(piece), total + piece.sum(0, dtype=np.float64)
    if count < codes:
        raise Fault(
            f"{count} windows to learn {codes} codes from; give more dances, or fewer codes (-p CODES {count // 4})"
        )
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
