"""Travel: the path of a dancer's MidHip over the floor, beside the root-centred poses of `skeleton.normalise`.

A path is float32 (T, 3): ``across`` (torso lengths, x right), ``up`` (torso lengths, y up) and ``nearer`` (natural
logarithm of the dancer's size in the picture, larger towards the camera). All are relative to the dance's own middle.
"""

from itertools import accumulate

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from learn2dance.motion.skeleton import BODY_25, MID_HIP, normalise, normalise_any, spread, torso_length

ACROSS, UP, NEARER = range(3)
FEET = [BODY_25.index("RAnkle"), BODY_25.index("LAnkle")]
CROUCH = 0.1  # torso lengths: typical deviation of the hips' height, against which the camera's height is estimated
CONTACT = 0.05  # torso lengths: with this difference in height, the lower foot carries e times the weight of the other
LEAK = 2.0  # seconds: time constant with which travel that is estimated from the feet decays
STAGE = 12.0  # torso lengths: default width of the stage; the median dance of the ballroom data needs 11
DEPTH = np.log(1.6)  # log size: how much nearer than the far edge of the stage the near edge is
HORIZON = 1.0  # torso lengths: height of the camera above the hips in `perspective`, about the neck's
DRIFT = 8.0  # seconds: deviation of the Gaussian mean that is the drift of a path
UNMOVED = 1e-3  # torso lengths: a MidHip that moves less in a whole clip is the origin of root-centred poses
KNEE = 0.8  # of the distance to an edge: from here on, `stay` holds a path back


def from_camera(poses: np.ndarray, fps: float) -> np.ndarray:
    """Measure the path (T, 3) of poses (T, 15 or 25, 2) in pixels, y down, filmed by a camera that stands still.

    A dancer at the height of the horizon stays at the same height in the picture when coming nearer; hips above or
    below it do not. That part is estimated by least squares on the dancer's size (with a normal prior on the camera's
    height, of a torso length) and removed from ``up``. NaN where the MidHip is missing, and throughout if it never
    moves: such poses are root-centred and have no path.
    """
    size = torso_length(poses, fps)
    x, y = poses[:, MID_HIP].astype(np.float64).T
    known = np.isfinite(x + size)
    if not known.any() or max(np.ptp(x[known]), np.ptp(y[known])) < UNMOVED * np.median(size[known]):
        return np.full((len(poses), 3), np.nan, np.float32)
    change = size[known] - size[known].mean()
    slope = (change * y[known]).mean() / ((change**2).mean() + (CROUCH * np.median(size[known])) ** 2)
    level = y[known].mean() - slope * size[known].mean()
    path = np.stack([(x - np.median(x[known])) / size, (level + slope * size - y) / size, np.log(size)], axis=1)
    return (path - np.median(path[known], axis=0)).astype(np.float32)


def from_feet(poses: np.ndarray, fps: float, leak: float = LEAK) -> np.ndarray:
    """Estimate the path (T, 3) of root-centred poses (T, J, 2), y up, from the feet: the lower foot stays where it is.

    This recovers the bounce of the hips and short travel as far as 2D poses show them. The travel decays over ``leak``
    seconds (infinity: never), so that errors do not add up. ``nearer`` is 0. Poses other than of 15 or 25 joints give a
    path of zeros; NaN feet count as standing still.
    """
    path = np.zeros((len(poses), 3))
    if poses.shape[1] in (15, 25) and len(poses) > 1:
        feet = _filled(poses[:, FEET].astype(np.float64).reshape(len(poses), 4)).reshape(-1, 2, 2)
        feet = gaussian_filter1d(feet, 0.05 * fps, axis=0, mode="nearest")
        weight = support(feet)
        step = -(np.diff(feet[..., 0], axis=0) * weight[1:]).sum(1)
        decay = np.exp(-1 / (leak * fps))
        path[1:, ACROSS] = list(accumulate(step, lambda total, change: decay * total + change))
        path[:, UP] = -(feet[..., 1] * weight).sum(1)
    return (path - np.median(path, axis=0)).astype(np.float32)


def support(feet: np.ndarray) -> np.ndarray:
    """Return the share of the weight (…, 2) on each of two feet (…, 2, 2), y up: the lower foot carries it.

    If both are about equally low they share it, so that it shifts smoothly (`CONTACT`).
    """
    right = expit((feet[..., 1, 1] - feet[..., 0, 1]) / CONTACT)
    return np.stack([right, 1 - right], axis=-1)


def edge_cost(position: np.ndarray, stage: float) -> np.ndarray:
    """Return how near positions (…, 2), across and nearer, are to the edges of the stage: from 0 to 1 at an edge.

    It grows with the fourth power of the distance, so that dances move freely in the middle and turn back near an edge.
    """
    return ((position / (np.array([stage, DEPTH]) / 2)) ** 4).sum(-1)


def stay(path: np.ndarray, fps: float, stage: float) -> np.ndarray:
    """Keep a path (T, 3), which starts in the middle of the stage, within its edges: float32.

    A path that leaves the stage loses as much of its drift (its Gaussian mean over `DRIFT` seconds) as needed. What is
    still beyond `KNEE` of the way to an edge is compressed by a hyperbolic tangent. Other paths do not change.
    """
    path, shares = (path - path[:1]).astype(np.float64), np.linspace(0, 1, 11)
    for column, half in ((ACROSS, stage / 2), (NEARER, DEPTH / 2)):
        drift = gaussian_filter1d(path[:, column], DRIFT * fps, mode="nearest")
        drift -= drift[0]
        farthest = np.array([np.abs(path[:, column] - share * drift).max() for share in shares])
        path[:, column] -= shares[(farthest <= np.maximum(half, farthest.min())).argmax()] * drift
        beyond = np.maximum(np.abs(path[:, column]) - KNEE * half, 0)
        held = (1 - KNEE) * half * np.tanh(beyond / ((1 - KNEE) * half))
        path[:, column] -= np.sign(path[:, column]) * (beyond - held)
    return path.astype(np.float32)


def split(
    poses: np.ndarray, fps: float, y_up: bool = False, nearer: np.ndarray | None = None, still: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Split poses (T, J, 2) into root-centred poses (T, J, 2), y up, and the dancer's path (T, 3), both float32.

    The poses are in pixels, y down; or, if ``y_up``, in torso lengths, with the ``nearer`` (T,) of a ``dance`` file or
    None for 0. Pixels are normalised by `skeleton.normalise_any`. Skeletons other than of 15 or 25 joints have the path
    of the joints' centre, in units of `skeleton.spread`, with ``nearer`` 0. The path is NaN where not known: throughout
    if the camera does not stand ``still``, or if the poses do not move from the origin, as they are root-centred.
    """
    body = poses.shape[1] in (15, 25)
    root = poses[:, MID_HIP] if body else poses.mean(1)
    depth = np.zeros(len(poses)) if nearer is None else nearer
    if y_up:
        centred, path = poses - root[:, None], np.column_stack([root, depth])
    elif body:
        centred, path = normalise(poses, fps), from_camera(poses, fps)
    else:
        centred = normalise_any(poses, fps)
        path = np.column_stack([root / spread(poses) * np.array([1, -1]), depth])
    known = np.isfinite(path).all(1)
    if not still or not known.any() or np.ptp(path[known], axis=0).max() < UNMOVED:
        path = np.full_like(path, np.nan)
    else:
        path = path - np.median(path[known], axis=0)
    return centred.astype(np.float32), path.astype(np.float32)


def or_feet(path: np.ndarray, poses: np.ndarray, fps: float) -> np.ndarray:
    """Return a path (T, 3), or that of `from_feet` of the root-centred poses (T, J, 2) if it is not known anywhere."""
    return path if np.isfinite(path).all(1).any() else from_feet(poses, fps)


def place(poses: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Move root-centred poses (T, J, 2) along a path (T, 3), whose first known frame becomes the origin: float32."""
    moved = path[:, :NEARER] - path[np.isfinite(path).all(1).argmax(), :NEARER]
    return (poses + moved[:, None]).astype(np.float32)


def rooted(poses: np.ndarray) -> np.ndarray:
    """Return poses (T, 15 or 25, 2) with the MidHip at the origin in every frame."""
    return poses - poses[:, MID_HIP : MID_HIP + 1]


def on_stage(poses: np.ndarray, path: np.ndarray, fps: float, stage: float) -> dict[str, np.ndarray]:
    """Return ``poses`` and ``nearer`` of a ``dance`` file: root-centred poses (T, J, 2) on a path held by `stay`."""
    path = stay(path, fps, stage)
    return {"poses": place(poses, path), "nearer": path[:, NEARER]}


def perspective(poses: np.ndarray, nearer: np.ndarray) -> np.ndarray:
    """Enlarge upright poses (T, J, 2) with ``nearer`` (T,), as a camera at the height `HORIZON` sees them: float32."""
    horizon = np.array([0, HORIZON])
    return (horizon + (poses - horizon) * np.exp(nearer)[:, None, None]).astype(np.float32)


def _filled(columns: np.ndarray) -> np.ndarray:
    """Interpolate NaN in the columns of (T, C); zeros if a column is all NaN."""
    times = np.arange(len(columns))
    for column in columns.T:
        known = np.isfinite(column)
        column[~known] = np.interp(times[~known], times[known], column[known]) if known.any() else 0
    return columns
