"""How fast and how large motion is."""

import numpy as np
from scipy.special import ndtri

from learn2dance.motion.skeleton import MOVING
from learn2dance.motion.windows import POSE


def speed_and_size(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure root-centred motion (…, N, 15, 2), in torso lengths: two arrays (…,), NaN where a joint is missing.

    The speed is the mean displacement of the joints from frame to frame, in torso lengths per frame. The size is the
    root mean square distance of the joints from their mean positions in these N frames, in torso lengths: a dancer who
    holds a wide pose has size 0. MidHip, which is the origin, is left out.
    """
    joints = motion[..., MOVING, :]
    speed = np.linalg.norm(np.diff(joints, axis=-3), axis=-1).mean((-2, -1))
    return speed, np.sqrt(joints.var(-3).sum(-1).mean(-1))


def unit_energy(windows: np.ndarray, style: np.ndarray, frames: int) -> np.ndarray:
    """Measure how energetic windows are, relative to the other windows of their style.

    It is the sum of speed and size (`speed_and_size`). These, and their sum, are replaced by the normal scores of their
    ranks in the style, which are about normally distributed, so that windows in which a dancer stands still are no
    outliers. Speed is per beat, as windows are: the tempo of the music they were danced to does not count.

    Parameters
    ----------
    windows : float32 (N, F)
        Windows of ``frames`` frames, with or without travel (`windows.cut`). Travel does not count.
    style : int64 (N,)
        The style of each.
    frames : int
        Number of frames in a window.

    Returns
    -------
    energy : float64 (N,)
        Mean 0 and deviation about 1 in each style; 0 if all windows of a style are alike.
    """
    poses = windows.reshape(len(windows), frames, -1)[..., :POSE].reshape(len(windows), frames, -1, 2)
    speed, size = speed_and_size(poses.astype(np.float64))
    energy = np.zeros(len(windows))
    for label in np.unique(style):
        here = style == label
        energy[here] = _normal_scores(_normal_scores(speed[here]) + _normal_scores(size[here]))
    return energy


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return the quantiles of the standard normal distribution at the ranks of values (N,); equal values share one."""
    ordered = np.sort(values)
    below, up_to = np.searchsorted(ordered, values), np.searchsorted(ordered, values, "right")
    return ndtri((below + up_to) / 2 / len(values))
