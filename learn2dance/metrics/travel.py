"""How a dance travels over the floor, and whether its feet hold the floor.

All take `kinematics.low_pass` motion (T, 15, 2) with the dancer's path, in torso lengths, y up, and ignore NaN frames.
"""

import numpy as np

from learn2dance.motion.kinematics import METRIC_FPS, speed
from learn2dance.motion.skeleton import MID_HIP
from learn2dance.motion.travel import FEET

STILL = 1e-3  # torso lengths per second: slower feet do not move


def travel_speed(motion: np.ndarray) -> float:
    """Return the mean speed of the MidHip across the floor, in torso lengths per second."""
    return _mean(np.abs(np.diff(motion[:, MID_HIP, 0])) * METRIC_FPS)


def travel_range(motion: np.ndarray) -> float:
    """Return the width of the floor that the MidHip covers, in torso lengths."""
    across = motion[np.isfinite(motion[:, MID_HIP, 0]), MID_HIP, 0]
    return float(np.ptp(across)) if len(across) else np.nan


def foot_slide(motion: np.ndarray) -> float:
    """Return the mean speed of the lower ankle relative to that of the other.

    The lower foot carries the weight and should stand still, as far as the other steps: 0 if it does, 1 if both move
    alike, and NaN if neither moves. Foot skating is usually measured as the speed of feet that touch the floor (Zhang
    et al., "Mode-Adaptive Neural Networks", ACM TOG 2018); in 2D, the contact is not known, but which foot is lower is.
    """
    speeds = speed(motion)[:, FEET]
    height = motion[:, FEET, 1]
    lower = np.argmin(height[1:] + height[:-1], axis=1)
    frames = np.arange(len(speeds))
    standing, stepping = _mean(speeds[frames, lower]), _mean(speeds[frames, 1 - lower])
    return standing / stepping if stepping > STILL else np.nan


def _mean(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else np.nan
