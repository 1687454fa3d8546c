"""Compare dances with real ones: distance between distributions, diversity, precision and recall, plausibility.

Inputs are features from `motion_features`, motion from `kinematics.low_pass`, or poses. The tests show what each metric
rewards. Metrics of dance against music are in `metrics.beat`.
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

NEIGHBOURS = 3  # k of precision and recall, as in their paper
STILL = 0.25  # torso lengths a second, about 12 cm/s: a frame is frozen if no joint is faster


def scale(reference: np.ndarray, least: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation (D,) of reference features (W, D), used to standardise all features.

    Kinetic features of wrist and hip differ by a factor of 100. Unscaled, the wrists alone would determine distances.
    A relation that never holds in the reference gets the deviation ``least``: one frame of a window of 100.
    """
    return reference.mean(0), np.maximum(reference.std(0), least)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of scaled features (W, D).

    |m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½): Dowson and Landau 1982; Heusel et al., NeurIPS 2017. It is biased
    upwards, more so with fewer windows: compare only equal numbers of windows, and with the value of real against real.
    In squared standard deviations of the features; 0 for equal sets, NaN if one has fewer than two windows.
    """
    if min(len(a), len(b)) < 2:
        return np.nan
    difference = a.mean(0) - b.mean(0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # tr (A B)^½ is the sum of square roots of the eigenvalues of A^½ B A^½. It is symmetric, so they stay real.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return max(float(difference @ difference + np.trace(first) + np.trace(second) - 2 * shared), 0.0)


def diversity(features: np.ndarray) -> float:
    """Return the mean distance of all pairs of windows, given as scaled features (W, D); NaN for fewer than two.

    Li et al., ICCV 2021. A larger value is not better: compare it with the value of real dances.
    """
    return float(pdist(features).mean()) if len(features) > 1 else np.nan


def multimodality(dances: list[np.ndarray]) -> float:
    """Return the mean distance between windows of different dances to one song, over all pairs of dances.

    After Lee et al., NeurIPS 2019, "multimodality". The scaled features (W, D) of window w of each dance start at the
    same time in the song. NaN for fewer than two dances.
    """
    pairs = [
        np.linalg.norm(a[:least] - b[:least], axis=1).mean()
        for i, a in enumerate(dances)
        for b in dances[:i]
        if (least := min(len(a), len(b)))
    ]
    return float(np.mean(pairs)) if pairs else np.nan


def manifold_radii(points: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Return the distance (W,) of each point (W, D), W > k, to its k-th nearest neighbour among the others."""
    return np.partition(cdist(points, points), k, axis=1)[:, k]  # index 0 is the point itself


def in_manifold(points: np.ndarray, manifold: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return whether each point (V, D) is within the radius of each point of a manifold (W, D): bool (V, W).

    A point is in the manifold if it is within one radius (W,) at least; see `precision_recall`.
    """
    return cdist(points, manifold) <= radii


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Return precision and recall: fractions of generated points in the real manifold, and of real in the generated.

    Kynkäänniemi et al., NeurIPS 2019: a point is in the manifold of a set if it is no farther from one of the set's
    points than that point's k-th nearest neighbour. Both grow with the number of points: compare equal numbers only.
    Takes poses or scaled features (W, D) and (V, D); NaN if either set has no more than k points.
    """
    if min(len(real), len(generated)) <= k:
        return np.nan, np.nan
    precision = in_manifold(generated, real, manifold_radii(real, k)).any(1).mean()
    recall = in_manifold(real, generated, manifold_radii(generated, k)).any(1).mean()
    return float(precision), float(recall)


def style_classifier(features: np.ndarray, styles: np.ndarray) -> Pipeline:
    """Fit a style classifier to features (W, D) of real training windows and their styles, str (W,).

    It is a logistic regression on standardised features in which all styles have equal weight. It needs no seed.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    return make_pipeline(StandardScaler(), classifier).fit(features, styles)


def jerk(motion: np.ndarray, joints: np.ndarray = MOVING) -> float:
    """Return the mean norm of the joints' third derivative, in torso lengths / s³, of `kinematics.low_pass` motion."""
    third = np.linalg.norm(np.diff(motion[:, joints], n=3, axis=0), axis=-1) * METRIC_FPS**3
    return float(np.nanmean(third)) if np.isfinite(third).any() else np.nan


def top_speed(motion: np.ndarray) -> float:
    """Return the 99th percentile over frames of the fastest joint's speed, in torso lengths a second."""
    fastest = speed(motion).max(1)
    return float(np.nanpercentile(fastest, 99)) if np.isfinite(fastest).any() else np.nan


def frozen(motion: np.ndarray) -> float:
    """Return the fraction of valid frames in which no joint is faster than `STILL`."""
    fastest = speed(motion).max(1)
    fastest = fastest[np.isfinite(fastest)]
    return float((fastest < STILL).mean()) if len(fastest) else np.nan


def limb_lengths(poses: np.ndarray) -> np.ndarray:
    """Measure the length of each of ``skeleton.bones(15)`` in poses (T, 15, 2), NaN where missing: (14,) torso lengths.

    A limb that points towards the camera looks shorter, so the 95th percentile over frames is taken as its length.
    """
    ends = np.array(skeleton.bones(poses.shape[1]))
    return np.nanpercentile(np.linalg.norm(poses[:, ends[:, 0]] - poses[:, ends[:, 1]], axis=-1), 95, axis=0)


def nearest_training_distance(windows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return each window's (W, D) distance to the nearest training window (V, D) or mirrored training window.

    Windows, of any number of beats, are from `windows.cut`, on the beat grid, so that copies at another tempo are found
    too. The distances (W,) are root mean squares over frames and joints, in torso lengths. Compare with real dances
    outside the training set: values far below theirs mean that training data was copied.
    """
    from sklearn.metrics import pairwise_distances_argmin_min  # unlike cdist, without the matrix of all distances

    mirrored = skeleton.mirror(train.reshape(-1, 15, 2)).reshape(train.shape)
    nearest = [pairwise_distances_argmin_min(windows, known)[1] for known in (train, mirrored)]
    return np.min(nearest, axis=0) / np.sqrt(windows.shape[1] / 2)
