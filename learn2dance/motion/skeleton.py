"""Joints, bones, left and right, and the normalisation of poses.

Poses are arrays (T, J, 2): T frames, J joints, x then y.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

# OpenPose's BODY_25 (its documentation, "Output format"); the first 15 are the body without eyes, ears and feet.
BODY_25 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
).split()
BODY_15 = BODY_25[:15]
# OpenPose's COCO-18, without a MidHip, and the COCO-17 of the COCO key-point challenge, without a Neck.
COCO_18 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar LEar"
).split()
COCO_17 = (
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle"
).split()
JOINTS = {15: BODY_15, 17: COCO_17, 18: COCO_18, 25: BODY_25}  # by the number of joints

# Head, arms and legs, right then left: every joint of BODY_15 once.
LIMBS = ((0, 1), (2, 3, 4), (5, 6, 7), (8, 9, 10, 11), (12, 13, 14))

NECK, MID_HIP = BODY_25.index("Neck"), BODY_25.index("MidHip")

_LIMBS = (  # bones, used if the skeleton has both joints
    "Nose-Neck Neck-RShoulder RShoulder-RElbow RElbow-RWrist Neck-LShoulder LShoulder-LElbow LElbow-LWrist "
    "Neck-MidHip MidHip-RHip RHip-RKnee RKnee-RAnkle MidHip-LHip LHip-LKnee LKnee-LAnkle "
    "Nose-REye REye-REar Nose-LEye LEye-LEar "
    "RAnkle-RBigToe RBigToe-RSmallToe RAnkle-RHeel LAnkle-LBigToe LBigToe-LSmallToe LAnkle-LHeel"
)
_EXTRA = {17: "LShoulder-RShoulder LHip-RHip LShoulder-LHip RShoulder-RHip", 18: "Neck-RHip Neck-LHip"}
MOVING = np.array([j for j in range(15) if j != MID_HIP])  # MidHip is the origin, so it never moves


def bones(joints: int) -> list[tuple[int, int]]:
    """List the bones, pairs of joints, of a skeleton with this number of joints; empty if the number is unknown."""
    names = JOINTS.get(joints, [])
    pairs = [limb.split("-") for limb in (_LIMBS + " " + _EXTRA.get(joints, "")).split()]
    return [(names.index(a), names.index(b)) for a, b in pairs if a in names and b in names]


def side(joints: int, joint: int) -> str:
    """Return ``"left"``, ``"right"`` or ``"middle"``: the side of the dancer's body on which a joint is."""
    name = JOINTS[joints][joint] if joints in JOINTS else ""
    return {"L": "left", "R": "right"}.get(name[:1], "middle")


def mirror_order(joints: int) -> np.ndarray:
    """Return the order int64 (J,) of joints that swaps left and right; no swap if the number is unknown."""
    names = JOINTS.get(joints, [str(j) for j in range(joints)])
    swapped = [{"L": "R", "R": "L"}.get(n[0], n[0]) + n[1:] for n in names]
    return np.array([names.index(n) for n in swapped])


def mirror(poses: np.ndarray) -> np.ndarray:
    """Mirror normalised poses (T, J, 2): negate x, and swap left and right joints."""
    return poses[:, mirror_order(poses.shape[1])] * np.array([-1, 1], poses.dtype)


def torso_length(poses: np.ndarray, fps: float, seconds: float = 1.0) -> np.ndarray:
    """Measure the length from Neck to MidHip, smoothed over time.

    The length in the picture changes when the dancer comes nearer, which is to be removed, and when the dancer bends,
    which is not. It is therefore smoothed with a Gaussian and kept at or above half its median.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Any unit, joints in the order of BODY_25 (J is 15 or 25); NaN where missing.
    fps : float
        Frames per second.
    seconds : float
        Standard deviation of the Gaussian.

    Returns
    -------
    np.ndarray [shape=(T,)]
        In the unit of the poses; all NaN if no frame has both joints.
    """
    length = np.linalg.norm(poses[:, NECK] - poses[:, MID_HIP], axis=-1).astype(np.float64)
    known = np.isfinite(length) & (length > 0)
    if not known.any():
        return np.full(len(poses), np.nan)
    median = np.median(length[known])
    weight = gaussian_filter1d(known.astype(float), seconds * fps, mode="nearest", truncate=8)
    total = gaussian_filter1d(np.where(known, length, 0), seconds * fps, mode="nearest", truncate=8)
    smooth = np.divide(total, weight, out=np.full(len(poses), median), where=weight > 1e-6)
    return np.maximum(smooth, median / 2)


def normalise(poses: np.ndarray, fps: float) -> np.ndarray:
    """Normalise poses: origin at MidHip, y up, torso length 1.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Pixels, x right, y down, joints in the order of BODY_25; NaN where missing.
    fps : float
        Frames per second.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        Torso lengths, x right, y up, MidHip at the origin; NaN where the joint or the MidHip is missing.
    """
    scale = torso_length(poses, fps)[:, None, None]
    return ((poses - poses[:, MID_HIP : MID_HIP + 1]) / scale * np.array([1, -1])).astype(np.float32)


def ground(poses: np.ndarray, fps: float, leak: float = 2.0) -> np.ndarray:
    """Place a root-centred dance on the floor, for display.

    With the origin at MidHip, the hips do not move and the feet slide. Here the lower foot stays on the floor and the
    body moves over it, which recovers the bounce and travel of the hips as far as 2D poses show them. The travel decays
    over time, so that the dancer stays in place.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Normalised, y up, joints in the order of BODY_25 (J is 15 or 25). Other poses are returned unchanged.
    fps : float
        Frames per second.
    leak : float
        Time constant of the travel's decay, seconds.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        With the floor at y = 0.
    """
    if poses.shape[1] not in (15, 25):
        return poses
    feet = poses[:, [BODY_25.index("RAnkle"), BODY_25.index("LAnkle")]].astype(np.float64)  # (T, 2, 2)
    feet = gaussian_filter1d(feet, 0.05 * fps, axis=0, mode="nearest")
    height = feet[..., 1]
    # The lower foot carries the weight; if both are about equally low they share it, so that it shifts smoothly.
    bears = 1 / (1 + np.exp((height[:, :1] - height[:, 1:]) / 0.05))
    bears = np.concatenate([bears, 1 - bears], axis=1)
    step = -(np.diff(feet[..., 0], axis=0, prepend=feet[:1, :, 0]) * bears).sum(1)
    kept = np.exp(-1 / (leak * fps))
    travel = np.zeros(len(poses))
    for t in range(1, len(poses)):
        travel[t] = kept * travel[t - 1] + step[t]
    lift = -(height * bears).sum(1)
    return (poses + np.stack([travel, lift], axis=1)[:, None]).astype(np.float32)


def joints_ending(joints: int, *names: str) -> list[int]:
    """List the joints whose names end with one of ``names``; none if the number of joints is unknown."""
    return [i for i, name in enumerate(JOINTS.get(joints, [])) if name.endswith(names)]


def normalise_any(poses: np.ndarray, fps: float) -> np.ndarray:
    """Normalise the position and scale of poses (T, J, 2) with y down, of any skeleton; the result has y up.

    Poses of 15 or 25 joints in the order of BODY_25 go through `normalise`. For others, the origin is the mean of each
    frame's joints, and the unit is the root mean square distance of joints from it, median over the dance.
    """
    if poses.shape[1] in (15, 25):
        return normalise(poses, fps)
    whole = np.isfinite(poses).all((1, 2))
    middle = poses.mean(1, keepdims=True)
    spread = np.sqrt(((poses - middle)[whole] ** 2).sum(-1).mean(1))
    size = np.median(spread) if len(spread) else 1.0
    return ((poses - middle) / (size or 1.0) * np.array([1, -1])).astype(np.float32)
