"""k-means with 256 centroids on windows of motion: ours, scikit-learn's with its best of ten, and one distance matrix.

The inertia is the sum of squared distances to the nearest centroid; the least is the best.
"""

from functools import partial
from pathlib import Path

import numpy as np
from benchmarks import inputs
from benchmarks.row import Row
from scipy.cluster.vq import vq
from sklearn.cluster import KMeans

from learn2dance.motion import windows
from learn2dance.tokens import codebook, tokenize

CODES = 256
SETTINGS = tokenize.Settings(levels=1, whole=1)
FRAMES = SETTINGS.frames_per_beat * SETTINGS.window_beats


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of one level of k-means on all windows of a data root and their mirror images."""
    pieces = all_windows(work, data)
    points = np.concatenate([windows.dct_coefficients(piece, FRAMES) for piece in pieces])
    points -= points.mean(axis=0)
    iterations = KMeans(CODES, n_init=1, max_iter=50, random_state=0).fit(points).n_iter_
    found: dict[str, np.ndarray] = {}

    def fit() -> None:
        centroids, _ = codebook.fit(lambda: pieces, FRAMES, levels=1, whole=1, codes=CODES, seed=0)
        found["ours"] = centroids[0]

    def best_of_ten() -> None:
        found["usual"] = KMeans(CODES, n_init=10, random_state=0).fit(points).cluster_centers_

    def inertia(name: str) -> str:
        return f"inertia {np.square(vq(points, found[name])[1], dtype=np.float64).sum():,.1f}"

    def distances() -> None:
        for _ in range(iterations):
            points @ points[:CODES].T

    stage, unit = f"k-means of {len(points):,} windows", (len(points), "windows")
    return [
        Row(stage, "codebook.fit", "ours", fit, *unit, note=partial(inertia, "ours")),
        Row(stage, "KMeans(n_init=10)", "usual", best_of_ten, *unit, note=partial(inertia, "usual")),
        Row(stage, f"matrix product of the distances, {iterations} iterations", "floor", distances, *unit),
    ]


def all_windows(work: Path, data: Path | None) -> list[np.ndarray]:
    """Return the windows (W, F) of each clip and their mirror images."""
    root = inputs.processed(work, data)
    return list(tokenize.known_windows(root, root.have("poses", "music"), SETTINGS, mirror=True))
