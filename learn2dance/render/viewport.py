"""Choose the view of a drawing: orient poses, find the region that contains a dance, and fit it into a cell.

Poses here are upright: float64 (T, J, 2), x right, y up, both coordinates NaN where a joint is not observed.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from learn2dance.motion.skeleton import gaussian_mean, joints_ending

REACH = 2.0  # body sizes from the median of the joints: no limb reaches as far, so joints beyond are outliers


class View(NamedTuple):
    """The region that a fixed view shows, in the poses' unit."""

    low: np.ndarray  # (2,) left and bottom
    high: np.ndarray  # (2,) right and top
    body: float  # the dancer's median size
    floor: float | None  # y of the far edge of the floor; None if no feet are observed


def upright(poses: np.ndarray, y_up: bool) -> np.ndarray:
    """Return poses (T, J, 2), whose y points up or down, in the upright form that this module uses."""
    poses = poses * np.array([1.0, 1.0 if y_up else -1.0])
    poses[~np.isfinite(poses).all(-1)] = np.nan
    return poses


def centre(poses: np.ndarray) -> np.ndarray:
    """Return (T, 2): the median x of the joints in each frame (0 if none is observed), and y = 0."""
    known = np.isfinite(poses[..., 0]).any(1)
    result = np.zeros((len(poses), 2))
    result[known, 0] = np.nanmedian(poses[known, :, 0], axis=1)
    return result


def follow(poses: np.ndarray, fps: float) -> np.ndarray:
    """Move upright poses (T, J, 2) horizontally as a camera that follows the dancer, smoothly, sees them."""
    known = np.isfinite(poses[..., 0]).any(1)
    x = gaussian_mean(np.where(known, centre(poses)[:, 0], np.nan), 0.5 * fps, truncate=20)
    return poses - np.stack([np.nan_to_num(x), np.zeros(len(poses))], axis=1)[:, None]


def view(poses: np.ndarray) -> View:
    """Find the fixed view that contains every frame of a dance, without outliers; `room` adds a margin.

    A joint is an outlier if it is more than `REACH` body sizes from the median of its frame's joints, or if that median
    is as far from its own median over 25 frames. So a walk across the room is kept, and a brief jump away and back is
    not. The upright poses (T, J, 2) must have an observed joint.
    """
    known = np.isfinite(poses).all(-1)
    seen, known = poses[known.any(1)], known[known.any(1)]
    body = float(np.median((np.nanmax(seen, 1) - np.nanmin(seen, 1)).max(-1)))
    middle = np.nanmedian(seen, axis=1)  # (T, 2)
    jump = np.linalg.norm(middle - median_filter(middle, size=(25, 1), mode="nearest"), axis=-1)
    reach = np.linalg.norm(seen - middle[:, None], axis=-1)
    inlier = known & (reach <= REACH * body) & (jump <= REACH * body)[:, None]
    if body == 0 or inlier.sum() < known.sum() / 2:  # not a body of usual shape: keep all joints
        inlier = known
    feet = joints_ending(poses.shape[1], "Ankle", "Toe", "Heel")
    lowest = np.where(inlier, seen[..., 1], np.inf)[:, feet].min(1, initial=np.inf)
    lowest = lowest[np.isfinite(lowest)]
    # A camera above the floor shows far feet higher; the highest tenth may be jumps, so it is ignored.
    floor = float(np.quantile(lowest, 0.9)) if len(lowest) else None
    low, high = seen[inlier].min(0), seen[inlier].max(0)
    return View(low, high, body or float(max(high - low)) or 1.0, floor)


def room(seen: View) -> np.ndarray:
    """Return width and height (2,), in the poses' unit, of a view plus a margin for the head and limbs."""
    return seen.high - seen.low + 0.22 * seen.body


def fit(seen: View, corner: np.ndarray, cell: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit a view, with its margin, into a cell of pixels (left and bottom, width and height) and centre it.

    Return the scale, in pixels for one unit of the poses, and the pixel position (2,) of the poses' (0, 0).
    """
    scale = float((cell / room(seen)).min())
    return scale, corner + cell / 2 - scale * (seen.low + seen.high) / 2
