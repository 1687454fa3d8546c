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
COCO_18 = [name for name in BODY_25[:19] if name != "MidHip"]
COCO_17 = (
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle"
).split()
JOINTS = {15: BODY_15, 17: COCO_17, 18: COCO_18, 25: BODY_25}  # by the number of joints
# Other orders, with the nearest of these names; "" for joints that have none. BODY_25B and MPI: OpenPose's experimental
# and older models. Human3.6M: Ionescu et al., TPAMI 2014, the usual 17 joints. Kinect: JointType of its SDK 2.0.
BODY_25B = [*COCO_17, "", "", *"LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel".split()]
MPI_15 = [name for name in BODY_15 if name != "MidHip"] + [""]
_HUMAN36M = "MidHip RHip RKnee RAnkle LHip LKnee LAnkle - Neck Nose - LShoulder LElbow LWrist RShoulder RElbow RWrist"
_KINECT = (
    "MidHip - - Nose LShoulder LElbow LWrist - RShoulder RElbow RWrist - LHip LKnee LAnkle - RHip RKnee RAnkle - "
    "Neck - - - -"
)
HUMAN36M_17, KINECT_25 = (["" if name == "-" else name for name in text.split()] for text in (_HUMAN36M, _KINECT))
ORDERS = {  # number of joints -> model -> names of its joints; the first is the usual one
    15: {"BODY_25 (its first 15 joints)": BODY_15, "OpenPose's MPI": MPI_15},
    17: {"COCO": COCO_17, "Human3.6M": HUMAN36M_17},
    18: {"OpenPose's COCO": COCO_18},
    25: {"BODY_25": BODY_25, "BODY_25B": BODY_25B, "Kinect": KINECT_25},
}

# Head, arms and legs, right then left: every joint of BODY_15 once.
LIMBS = ((0, 1), (2, 3, 4), (5, 6, 7), (8, 9, 10, 11), (12, 13, 14))

NECK, MID_HIP = BODY_25.index("Neck"), BODY_25.index("MidHip")

_BONES = (  # used if the skeleton has both joints
    "Nose-Neck Neck-RShoulder RShoulder-RElbow RElbow-RWrist Neck-LShoulder LShoulder-LElbow LElbow-LWrist "
    "Neck-MidHip MidHip-RHip RHip-RKnee RKnee-RAnkle MidHip-LHip LHip-LKnee LKnee-LAnkle "
    "Nose-REye REye-REar Nose-LEye LEye-LEar "
    "RAnkle-RBigToe RBigToe-RSmallToe RAnkle-RHeel LAnkle-LBigToe LBigToe-LSmallToe LAnkle-LHeel"
)
_EXTRA_BONES = {17: "LShoulder-RShoulder LHip-RHip LShoulder-LHip RShoulder-RHip", 18: "Neck-RHip Neck-LHip"}
MOVING = np.array([j for j in range(15) if j != MID_HIP])  # MidHip is the origin, so it never moves


def names_of(joints: int) -> list[str]:
    """Return the names of the joints of a skeleton with this number of joints; empty if the number is unknown."""
    return list(JOINTS.get(joints, []))


def to_order(poses: np.ndarray, names: list[str]) -> np.ndarray:
    """Convert poses (…, J, 2 or 3) whose joints have these names to BODY_25, or its first 15 without feet or eyes.

    A missing Neck and MidHip become the midpoints of the shoulders and of the hips. Of a third number, the confidence,
    they have the lower one; 0 means not detected, and then all three are 0.
    """
    for middle, pair in (("Neck", "Shoulder"), ("MidHip", "Hip")):
        if middle not in names:
            sides = poses[..., [names.index(side + pair) for side in "RL"], :]
            midpoint = sides.mean(axis=-2, keepdims=True)
            midpoint[..., 2:] = sides[..., 2:].min(axis=-2, keepdims=True)
            midpoint[(midpoint[..., 2:] == 0).any(-1)] = 0
            poses, names = np.concatenate([poses, midpoint], axis=-2), [*names, middle]
    order = BODY_25 if set(BODY_25) <= set(names) else BODY_15
    return poses[..., [names.index(name) for name in order], :]


def named_joints(poses: np.ndarray, wanted: list[str]) -> np.ndarray:
    """Return the joints of these names (T, len(wanted), 2) of poses (T, J, 2), J being a number in `JOINTS`.

    Neck and MidHip are midpoints as in `to_order`; other joints that the poses lack are NaN.
    """
    names = names_of(poses.shape[1])
    missing = np.full_like(poses[:, :1], np.nan)
    joints = np.concatenate([poses, to_order(poses, names)[:, : len(BODY_15)], missing], axis=1)
    names = [*names, *BODY_15]
    return joints[:, [names.index(name) if name in names else -1 for name in wanted]]


def never_seen(poses: np.ndarray) -> str:
    """List the joints of poses (T, J, 2) that are NaN in every frame, by name, or by number if the order is unknown.

    Of BODY_25's order, only the first 15 count. Empty if there are none.
    """
    joints = poses.shape[1]
    names = BODY_15 if joints in (15, 25) else names_of(joints) or [f"joint {j}" for j in range(joints)]
    unseen = ~np.isfinite(poses).all(-1).any(0)
    return ", ".join(name for name, missing in zip(names, unseen, strict=False) if missing)


HALF_BODY = (
    "half bodies cannot be learned from; film the whole body, or train the GAN on files of poses[:, joints seen]"
)


def bones(joints: int) -> list[tuple[int, int]]:
    """List the bones, pairs of joints, of a skeleton with this number of joints; empty if the number is unknown."""
    names = JOINTS.get(joints, [])
    pairs = [bone.split("-") for bone in (_BONES + " " + _EXTRA_BONES.get(joints, "")).split()]
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


def gaussian_mean(values: np.ndarray, sigma: float, truncate: float = 4.0) -> np.ndarray:
    """Smooth values (T,) with a Gaussian of ``sigma`` frames over those that are not NaN; NaN where none is near."""
    known = np.isfinite(values)
    weight = gaussian_filter1d(known.astype(float), sigma, mode="nearest", truncate=truncate)
    total = gaussian_filter1d(np.where(known, values, 0), sigma, mode="nearest", truncate=truncate)
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=weight > 1e-6)


def torso_length(poses: np.ndarray, fps: float) -> np.ndarray:
    """Measure the length (T,) from Neck to MidHip in poses (T, 15 or 25, 2), smoothed; NaN if it is never known.

    The length in the picture changes when the dancer comes nearer, which is to be removed, and when the dancer bends,
    which is not. It is therefore smoothed over a second and kept at or above half its median.
    """
    length = np.linalg.norm(poses[:, NECK] - poses[:, MID_HIP], axis=-1).astype(np.float64)
    length[~np.isfinite(length) | (length == 0)] = np.nan
    if np.isnan(length).all():
        return length
    median = np.nanmedian(length)
    return np.maximum(np.nan_to_num(gaussian_mean(length, fps, truncate=8), nan=median), median / 2)


def normalise(poses: np.ndarray, fps: float) -> np.ndarray:
    """Normalise poses (T, 15 or 25, 2) in pixels, y down, joints in the order of BODY_25; NaN where missing.

    Returns float32 (T, J, 2) in torso lengths, y up, MidHip at the origin; NaN where the joint or the MidHip is
    missing.
    """
    scale = torso_length(poses, fps)[:, None, None]
    return ((poses - poses[:, MID_HIP : MID_HIP + 1]) / scale * np.array([1, -1])).astype(np.float32)


def joints_ending(joints: int, *names: str) -> list[int]:
    """List the joints whose names end with one of ``names``; none if the number of joints is unknown."""
    return [i for i, name in enumerate(JOINTS.get(joints, [])) if name.endswith(names)]


def normalise_any(poses: np.ndarray, fps: float) -> np.ndarray:
    """Normalise the position and scale of poses (T, J, 2) with y down, of any skeleton; the result has y up.

    Poses of 15 or 25 joints in the order of BODY_25 go through `normalise`. For others, the origin is the mean of each
    frame's joints, and the unit is their `spread`.
    """
    if poses.shape[1] in (15, 25):
        return normalise(poses, fps)
    centred = poses - poses.mean(1, keepdims=True)
    return (centred / spread(poses) * np.array([1, -1])).astype(np.float32)


def spread(poses: np.ndarray) -> float:
    """Return the root mean square distance of the joints of poses (T, J, 2) from their centre, median over the dance.

    It is 1 if no pose is complete, or if all joints are in one place.
    """
    complete = poses[np.isfinite(poses).all((1, 2))]
    distances = np.sqrt(((complete - complete.mean(1, keepdims=True)) ** 2).sum(-1).mean(1))
    return float(np.median(distances) if len(distances) else 1.0) or 1.0
