"""How near dances come to real ones: distances between distributions, variety, fidelity, and what a body can do.

All take features or motion as `motion_features` makes them; what they do and do not reward is held by
tests/metrics/test_distribution.py.
Whether a dance goes with its music is asked by `metrics_beat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist, pdist

from learn2dance.motion import skeleton
from learn2dance.motion.kinematics import METRIC_FPS, speed
from learn2dance.motion.skeleton import MOVING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STILL = 0.25  # torso lengths a second, about 12 cm/s: a frame in which no joint is faster is frozen


def scale(reference: np.ndarray, least: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation (D,) of reference features (W, D), by which all features are divided.

    Kinetic features differ a hundredfold from wrist to hip; unscaled, the wrists would be all that a distance sees.

    Parameters
    ----------
    least : float
        The smallest deviation, for a relation that the reference never shows: one frame of a window of 100.
    """
    return reference.mean(0), np.maximum(reference.std(0), least)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Measure the Fréchet distance between the Gaussians of two sets of features (W, D), already scaled.

    |m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½): Dowson and Landau 1982; Heusel et al., NeurIPS 2017. Biased upwards,
    and the more so the fewer the windows: compare only at the same numbers, and beside a real-against-real floor.

    Returns
    -------
    float
        In squared deviations of the features; 0 for the same set, NaN where one has less than two windows.
    """
    if min(len(a), len(b)) < 2:
        return np.nan
    difference = a.mean(0) - b.mean(0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # tr (A B)^½ is the sum of the roots of the eigenvalues of A^½ B A^½, which is symmetric: no complex rounding.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return max(float(difference @ difference + np.trace(first) + np.trace(second) - 2 * shared), 0.0)


def diversity(features: np.ndarray) -> float:
    """Measure how different the windows of dances are: the mean distance of all pairs of scaled features (W, D).

    Li et al., ICCV 2021. More is not better: it is to be read beside the same figure of real dances.
    """
    return float(pdist(features).mean()) if len(features) > 1 else np.nan


def multimodality(dances: list[np.ndarray]) -> float:
    """Measure how different several dances to one song are: the mean distance of their windows, over all pairs of them.

    After Lee et al., NeurIPS 2019, "multimodality". Windows are compared at the same place in the song.

    Parameters
    ----------
    dances : list of np.ndarray [shape=(W, D)]
        Scaled features of one song's dances, window for window.

    Returns
    -------
    float
        NaN for less than two.
    """
    pairs = [
        np.linalg.norm(a[:least] - b[:least], axis=1).mean()
        for i, a in enumerate(dances)
        for b in dances[:i]
        if (least := min(len(a), len(b)))
    ]
    return float(np.mean(pairs)) if pairs else np.nan


def precision_recall(real: np.ndarray, made: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Measure which share of what was made lies among the real, and which share of the real lies among what was made.

    Kynkäänniemi et al., NeurIPS 2019: to lie among a set is to be no farther from one of its points than that point's
    k-th nearest neighbour in the set. Both grow with the number of points: compare only at the same numbers.

    Parameters
    ----------
    real, made : np.ndarray [shape=(W, D)]
        Poses or scaled features.
    k : int
        3, the paper's.

    Returns
    -------
    precision, recall : float
        0 to 1; NaN where there are no more than k of either.
    """
    if min(len(real), len(made)) <= k:
        return np.nan, np.nan
    between = cdist(real, made)

    def radii(points: np.ndarray) -> np.ndarray:
        return np.partition(cdist(points, points), k, axis=1)[:, k]  # the nearest of all is the point itself

    precision = (between <= radii(real)[:, None]).any(0).mean()
    recall = (between <= radii(made)[None]).any(1).mean()
    return float(precision), float(recall)


def style_classifier(features: np.ndarray, styles: np.ndarray) -> Pipeline:
    """Fit a classifier of styles on features (W, D) of real train windows and their styles str (W,).

    A logistic regression on scaled features, each style weighing the same: what it gets right is a matter of the
    features, and it has no seed.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), classifier).fit(features, styles)


def jerk(motion: np.ndarray, joints: np.ndarray = MOVING) -> float:
    """Return the mean norm of the third derivative of `kinematics.steady` motion of joints: torso lengths / s³."""
    third = np.linalg.norm(np.diff(motion[:, joints], n=3, axis=0), axis=-1) * METRIC_FPS**3
    return float(np.nanmean(third)) if np.isfinite(third).any() else np.nan


def top_speed(motion: np.ndarray) -> float:
    """Return the 99th percentile over frames of the fastest joint's speed: torso lengths a second."""
    fastest = speed(motion).max(1)
    return float(np.nanpercentile(fastest, 99)) if np.isfinite(fastest).any() else np.nan


def frozen(motion: np.ndarray) -> float:
    """Return the share of known frames in which no joint is faster than `STILL`."""
    fastest = speed(motion).max(1)
    known = np.isfinite(fastest)
    return float((fastest[known] < STILL).mean()) if known.any() else np.nan


def limb_lengths(poses: np.ndarray) -> np.ndarray:
    """Measure the limbs of dances (T, 15, 2), NaN where not known: one length a bone, in torso lengths.

    A picture shortens a limb that points towards the camera, so the length that only one frame in twenty exceeds stands
    for the limb's own.

    Returns
    -------
    np.ndarray [shape=(14,)]
        In the order of ``skeleton.bones(15)``.
    """
    ends = np.array(skeleton.bones(poses.shape[1]))
    return np.nanpercentile(np.linalg.norm(poses[:, ends[:, 0]] - poses[:, ends[:, 1]], axis=-1), 95, axis=0)


def nearest_training_distance(windows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Measure how far each window (W, D) is from the nearest training window (V, D), or from its mirror image.

    Windows are those of `windows.cut`: beats, not seconds, so that what is replayed at another tempo is found too.

    Returns
    -------
    np.ndarray [shape=(W,)]
        Torso lengths: root of the mean over frames and joints of the squared distance. To be read beside the same
        figure of real dances that were not trained on: far below, a dance replays.
    """
    from learn2dance.motion.windows import mirror

    nearest = np.full(len(windows), np.inf)
    for known in (train, mirror(train)):
        squares = (windows**2).sum(1)[:, None] + (known**2).sum(1) - 2 * windows @ known.T
        nearest = np.minimum(nearest, squares.min(1))
    return np.sqrt(np.maximum(nearest, 0) / (windows.shape[1] / 2))
