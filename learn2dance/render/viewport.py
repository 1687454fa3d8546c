"""Where a drawing looks: poses set upright, in time and in the frame, before a line of them is drawn.

Poses here are upright: float64 (T, J, 2), x right, y up, both coordinates NaN where a joint is not known.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from learn2dance.motion.skeleton import joints_ending

WILD = 2.0  # body sizes: no limb reaches so far from the body's middle


class View(NamedTuple):
    """What a fixed camera holds, in the poses' unit."""

    low: np.ndarray  # (2,) left and bottom
    high: np.ndarray  # (2,) right and top
    body: float  # the dancer's usual height
    floor: float | None  # height of the floor at its far end; None where the feet are not known


def upright(poses: np.ndarray, y_up: bool) -> np.ndarray:
    """Return poses as this module takes them, from poses [shape=(T, J, 2)] whose y grows upwards or downwards."""
    poses = poses * np.array([1.0, 1.0 if y_up else -1.0])
    poses[~np.isfinite(poses).all(-1)] = np.nan
    return poses


def centre(poses: np.ndarray) -> np.ndarray:
    """Return (T, 2): where the dancer is from left to right (the median of the joints, 0 if none is known), and 0."""
    known = np.isfinite(poses[..., 0]).any(1)
    result = np.zeros((len(poses), 2))
    result[known, 0] = np.nanmedian(poses[known, :, 0], axis=1)
    return result


def view(poses: np.ndarray) -> View:
    """Find the fixed view that holds every frame of a dance; wild joints, which no body could reach, are left out.

    A joint is wild where it is more than two body sizes from the middle (the median) of its frame's joints, or where
    that middle itself is so far from where it is in the frames around: a walk across the room is not wild, a leap
    there and back within half a second is.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Upright; at least one joint in one frame is known.

    Returns
    -------
    View
        Its margins are those of the joints: room for the thickness of a limb is the drawer's to add.
    """
    known = np.isfinite(poses).all(-1)
    seen = poses[known.any(1)]
    known = known[known.any(1)]
    body = float(np.median((np.nanmax(seen, 1) - np.nanmin(seen, 1)).max(-1)))
    middle = np.nanmedian(seen, axis=1)  # (T, 2)
    astray = np.linalg.norm(middle - median_filter(middle, size=(25, 1), mode="nearest"), axis=-1)
    reach = np.linalg.norm(seen - middle[:, None], axis=-1)
    tame = known & (reach <= WILD * body) & (astray <= WILD * body)[:, None]
    if body == 0 or tame.sum() < known.sum() / 2:  # no body that we know how to judge
        tame = known
    floor = None  # seen from above, a far dancer stands higher; the highest tenth is left to jumps and bent knees
    if feet := joints_ending(poses.shape[1], "Ankle", "Toe", "Heel"):
        lowest = np.where(tame, seen[..., 1], np.inf)[:, feet].min(1)
        if np.isfinite(lowest).any():
            floor = float(np.quantile(lowest[np.isfinite(lowest)], 0.9))
    return View(seen[tame].min(0), seen[tame].max(0), body or float(np.ptp(seen[tame], axis=0).max()) or 1.0, floor)


def room(seen: View) -> np.ndarray:
    """Return the width and height (2,), in the poses' unit, of a view with the head and limbs around its joints."""
    return seen.high - seen.low + 0.22 * seen.body


def fit(seen: View, corner: np.ndarray, cell: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit a view, and its room, into the middle of a cell.

    Parameters
    ----------
    seen : View
        What is to be held.
    corner, cell : np.ndarray [shape=(2,)]
        Left and bottom, and width and height, in pixels.

    Returns
    -------
    scale : float
        Pixels to the poses' unit; the same for x and y.
    origin : np.ndarray [shape=(2,)]
        Pixels: where the poses' (0, 0) comes to lie.
    """
    scale = float((cell / room(seen)).min())
    return scale, corner + cell / 2 - scale * (seen.low + seen.high) / 2
