"""Windows of motion as tokens: residual k-means of the whole body, then of each limb and of travel.

A window is encoded level by level. Each level is a k-means of the residual of the levels before it (residual vector
quantisation: Juang and Gray, ICASSP 1982; Chen, Guan and Wang, Sensors 2010). Each of the first levels has one token
for the whole body. Each of the others has one token per limb, and one for travel (product quantisation: Jégou, Douze
and Schmid, TPAMI 2011). These levels encode the details, which differ from dance to dance.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import vq

from learn2dance import cli
from learn2dance.errors import UserError
from learn2dance.motion.kinematics import limit_speed
from learn2dance.motion.skeleton import LIMBS
from learn2dance.motion.windows import CHANNELS, POSE, dct_coefficients, from_dct, overlap_add

# Bytes of DCT coefficients that k-means is fitted on, which needs three times as much memory; of more, as many are
# drawn at random. These are 85,000 windows, 330 for each of 256 centroids. Faiss by default uses at most 256 for each
# (Douze et al., "The Faiss library", arXiv 2401.08281).
IN_MEMORY = 1 << 28
PARTS = [[c for joint in limb for c in (2 * joint, 2 * joint + 1)] for limb in LIMBS] + [[*range(POSE, CHANNELS)]]
FEWEST = 4  # training windows per centroid: with fewer, centroids become copies of single windows


@dataclass(frozen=True)
class Codebook:
    """Centroids of residual k-means, for windows of ``window_beats`` beats that start one beat apart."""

    centroids: np.ndarray  # float32 (L, K, D): DCT coefficients (`windows.dct_coefficients`), torso lengths
    whole: int  # number of whole-body levels, which come first; in the others, each of `PARTS` has its own token
    mean: np.ndarray  # float32 (D,): mean DCT coefficients of the train split
    frames_per_beat: int = 24
    window_beats: int = 2
    top_speed: float = np.inf  # torso lengths per second: upper limit for the fastest joint of a decoded dance

    @property
    def columns(self) -> int:
        """Number of tokens per window (C)."""
        return self.columns_of(len(self.centroids))

    def columns_of(self, levels: int) -> int:
        """Return the number of tokens of the first levels."""
        return min(levels, self.whole) + len(PARTS) * max(levels - self.whole, 0)

    @property
    def frames(self) -> int:
        """Number of frames per window."""
        return self.frames_per_beat * self.window_beats

    def encode(self, windows: np.ndarray) -> np.ndarray:
        """Return the tokens int64 (W, C) of windows (W, F): each is the centroid nearest to the residual."""
        residual = dct_coefficients(windows, self.frames) - self.mean
        tokens = np.empty((len(windows), self.columns), np.int64)
        for column, level, part in parts(len(self.centroids), self.whole, len(self.mean)):
            centroids = self.centroids[level][:, part]
            tokens[:, column] = vq(residual[:, part], centroids)[0]
            residual[:, part] -= centroids[tokens[:, column]]
        return tokens

    def spectra(self, tokens: np.ndarray) -> np.ndarray:
        """Return the DCT coefficients float32 (W, D) of tokens int64 (W, C); fewer columns give a coarser result."""
        total = np.tile(self.mean, (len(tokens), 1))
        for column, level, part in parts(len(self.centroids), self.whole, len(self.mean))[: tokens.shape[1]]:
            total[:, part] += self.centroids[level][:, part][tokens[:, column]]
        return total

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """Return the windows float32 (W, F) of tokens int64 (W, C); see `spectra`."""
        return from_dct(self.spectra(tokens), self.frames)

    def play(
        self, motion: np.ndarray, beats: np.ndarray, count: int, fps: float, start: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Render windows (W, F) on beats (W + window_beats,): `windows.overlap_add`, then `kinematics.limit_speed`.

        Returns root-centred poses, float32 (count, 15, 2), and their `travel` path, float32 (count, 3); frame t is at
        ``start + t / fps`` seconds.
        """
        times = start + np.arange(count) / fps
        frames = overlap_add(motion, beats, times, self.frames_per_beat, self.window_beats)
        return limit_speed(frames[:, :POSE].reshape(count, 15, 2), self.top_speed / fps, frames[:, POSE:])


def parts(levels: int, whole: int, size: int) -> list[tuple[int, int, np.ndarray]]:
    """List for each token its column, its level, and the indices int64 (P,) of its DCT coefficients (size,)."""
    indices = np.arange(size).reshape(-1, CHANNELS)
    tokens = [(level, indices.ravel()) for level in range(whole)]
    tokens += [(level, indices[:, part].ravel()) for level in range(whole, levels) for part in PARTS]
    return [(column, level, part) for column, (level, part) in enumerate(tokens)]


def fit(
    read: Callable[[], Iterable[np.ndarray]], frames: int, levels: int, whole: int, codes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit residual k-means (`sklearn.cluster.KMeans`, initialised by k-means++ with ``seed``).

    ``read`` yields the same windows (W, F) of ``frames`` frames at every call, piece by piece (one clip at a time). Of
    more than `IN_MEMORY`, as many are drawn at random.
    There are L levels, ``whole`` of them for the whole body, with K = ``codes`` centroids each. With fewer than
    `FEWEST` windows per centroid, K is the highest power of two for which there are enough, and a warning says so.
    Returns the centroids, float32 (L, K, D), and the mean, float32 (D,). Raises a UserError if K would be 1.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    lengths, size = [], 0
    for piece in read():
        lengths.append(len(piece))
        size = piece.shape[1] // 2 * 4
    count = sum(lengths)
    if count < 2 * FEWEST:
        raise UserError(f"found {count} windows, expected at least {2 * FEWEST}; add dances")
    if count < FEWEST * codes:
        fewer = 2 ** int(np.log2(count // FEWEST))
        cli.log.warning("found %d windows, too few for %d codes: %d are used", count, codes, fewer)
        codes = fewer
    drawn = np.zeros(count, bool)  # not every n-th: of windows 4 or 12 beats apart, all may begin on a downbeat
    drawn[np.random.default_rng(seed).permutation(count)[: IN_MEMORY // size]] = True
    pieces = zip(read(), np.split(drawn, np.cumsum(lengths)[:-1]), strict=True)
    residual = np.concatenate([dct_coefficients(piece[part], frames) for piece, part in pieces if part.any()])
    mean = residual.mean(0, dtype=np.float64).astype(np.float32)
    residual -= mean
    centroids = np.zeros((levels, codes, len(mean)), np.float32)
    for column, level, part in cli.progress(parts(levels, whole, len(mean)), "k-means"):
        with warnings.catch_warnings():  # of dances that repeat exactly, a level may need fewer centroids
            warnings.simplefilter("ignore", ConvergenceWarning)
            kmeans = KMeans(codes, n_init=1, max_iter=50, random_state=seed + column, copy_x=False)
            kmeans.fit(residual.take(part, axis=1))  # a copy, in the order of k-means, so that it makes no other
        centroids[level][:, part] = kmeans.cluster_centers_
        residual[:, part] -= kmeans.cluster_centers_[kmeans.labels_]
    return centroids, mean


def reconstruction_error(codebook: Codebook, pieces: Iterable[np.ndarray]) -> np.ndarray:
    """Measure the reconstruction error (L,) of windows (W, F), given piece by piece, after each level.

    It is the sum of squared residuals over that of squared deviations from the train split's mean; NaN without windows.
    """
    levels = len(codebook.centroids)
    squares = np.zeros(levels + 1)
    for windows in pieces:
        tokens = codebook.encode(windows)
        for level in range(levels + 1):
            decoded = codebook.decode(tokens[:, : codebook.columns_of(level)])
            squares[level] += ((windows - decoded) ** 2).sum(dtype=np.float64)
    return squares[1:] / squares[0] if squares[0] else np.full(levels, np.nan)
