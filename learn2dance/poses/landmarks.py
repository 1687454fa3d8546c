"""Convert MediaPipe's 33 landmarks to OpenPose's BODY_25 and to OpenPose's JSON.

The landmarks and their order: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020, figure 3,
and MediaPipe's documentation of Pose.
"""

import numpy as np

from learn2dance.motion.skeleton import BODY_25

COUNT = 33
# For each joint of BODY_25: its landmark, or the two landmarks whose midpoint it is. MediaPipe's foot index is the tip
# of the big toe. It has no small toe, so that joint counts as not detected.
_FROM = {
    "Nose": (0,),
    "LEye": (2,),
    "REye": (5,),
    "LEar": (7,),
    "REar": (8,),
    "LShoulder": (11,),
    "RShoulder": (12,),
    "LElbow": (13,),
    "RElbow": (14,),
    "LWrist": (15,),
    "RWrist": (16,),
    "LHip": (23,),
    "RHip": (24,),
    "LKnee": (25,),
    "RKnee": (26,),
    "LAnkle": (27,),
    "RAnkle": (28,),
    "LHeel": (29,),
    "RHeel": (30,),
    "LBigToe": (31,),
    "RBigToe": (32,),
    "Neck": (11, 12),
    "MidHip": (23, 24),
}


def body_25(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert MediaPipe's landmarks to the joints of BODY_25.

    Parameters
    ----------
    landmarks : np.ndarray [shape=(33, 3)]
        x and y as fractions of the image's width and height, from its left and top; visibility 0-1.
    size : (int, int)
        Width and height of the image in pixels.

    Returns
    -------
    np.ndarray [shape=(25, 3), dtype=float64]
        x right and y down in pixels, and the visibility as confidence (for a midpoint, the lower of the two). All 0
        for the small toes, and for joints outside the image, which MediaPipe estimates and OpenPose does not detect.
    """
    points = np.asarray(landmarks, np.float64) * [*size, 1]
    outside = (points[:, :2] < 0).any(1) | (points[:, :2] >= size).any(1) | ~np.isfinite(points).all(1)
    points[outside] = 0
    joints = np.zeros((len(BODY_25), 3))
    for name, some in _FROM.items():
        pair = points[list(some)]
        joint = [*pair[:, :2].mean(0), pair[:, 2].min()]
        joints[BODY_25.index(name)] = joint if joint[2] > 0 else 0
    return joints


def openpose_json(joints: np.ndarray | None) -> str:
    """Return one frame as OpenPose's JSON: one person with these joints (25, 3), or nobody if None."""
    if joints is None:
        return '{"version":1.3,"people":[]}'
    numbers = ",".join(f"{value:.6g}" for value in np.ravel(joints))
    none = ",".join(f'"{part}_keypoints_2d":[]' for part in ("face", "hand_left", "hand_right"))
    none += "," + ",".join(f'"{part}_keypoints_3d":[]' for part in ("pose", "face", "hand_left", "hand_right"))
    return f'{{"version":1.3,"people":[{{"person_id":[-1],"pose_keypoints_2d":[{numbers}],{none}}}]}}'
