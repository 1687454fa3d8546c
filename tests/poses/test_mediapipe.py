import numpy as np
import pytest

from learn2dance.data import openpose_files
from learn2dance.motion.skeleton import BODY_25
from learn2dance.poses import mediapipe
from learn2dance.poses.formats import openpose_json

# MediaPipe's documentation of Pose ("Pose landmark detection guide"), landmark by landmark.
GUIDE = (
    "nose,left eye (inner),left eye,left eye (outer),right eye (inner),right eye,right eye (outer),left ear,right ear,"
    "mouth (left),mouth (right),left shoulder,right shoulder,left elbow,right elbow,left wrist,right wrist,left pinky,"
    "right pinky,left index,right index,left thumb,right thumb,left hip,right hip,left knee,right knee,left ankle,"
    "right ankle,left heel,right heel,left foot index,right foot index"
).split(",")


def person(**places) -> np.ndarray:
    """Return landmarks, each at its own place, sure to its own degree; ``left_hip=(x, y, visibility)`` moves it."""
    number = np.arange(33.0)
    result = np.stack([0.1 + number / 100, 0.9 - number / 50, 1 - number / 100], axis=1)
    for name, place in places.items():
        result[GUIDE.index(name.replace("_", " "))] = place
    return result


def test_each_joint_is_the_landmark_of_its_name():
    joints = mediapipe.body_25(person(), (1000, 500))
    for name, joint in zip(BODY_25, joints, strict=True):
        if name in ("Neck", "MidHip", "LSmallToe", "RSmallToe"):
            continue
        side = {"L": "left ", "R": "right "}.get(name[0], "")
        number = GUIDE.index(side + (name[1:] if side else name).lower().replace("bigtoe", "foot index"))
        expected = [(0.1 + number / 100) * 1000, (0.9 - number / 50) * 500, 1 - number / 100]
        np.testing.assert_allclose(joint, expected, err_msg=name)


def test_neck_and_mid_hip_are_midpoints_with_the_lower_confidence():
    places = {"left_shoulder": (0.6, 0.2, 0.9), "right_shoulder": (0.4, 0.3, 0.4)}
    joints = mediapipe.body_25(person(**places, left_hip=(0.5, 0.5, 0.3), right_hip=(0.4, 0.6, 0.8)), (200, 100))
    np.testing.assert_allclose(joints[BODY_25.index("Neck")], [100, 25, 0.4])
    np.testing.assert_allclose(joints[BODY_25.index("MidHip")], [90, 55, 0.3])


@pytest.mark.parametrize("place", [(-0.01, 0.5, 1), (0.5, -0.01, 1), (1.0, 0.5, 1), (0.5, 1.3, 1), (np.nan, 0.5, 1)])
def test_what_is_outside_the_picture_is_not_seen(place):
    joints = mediapipe.body_25(person(left_wrist=place, right_hip=place), (640, 480))
    for name in ("LWrist", "RHip", "MidHip", "LSmallToe", "RSmallToe"):
        assert joints[BODY_25.index(name)].tolist() == [0, 0, 0], name
    assert (joints[:, 2] > 0).sum() == 20


def test_parse_reads_it(tmp_path):
    joints = mediapipe.body_25(person(), (640, 480))
    files = [
        ("a_000000000000_keypoints.json", openpose_files.text([]).encode()),
        ("a_000000000001_keypoints.json", openpose_files.text([joints]).encode()),
    ]
    found = openpose_json.read(tmp_path, files)
    assert (found.frames, found.missing, found.impossible, found.frame.tolist()) == (2, 0, 0, [1])
    np.testing.assert_allclose(found.people[0], joints, rtol=1e-5)
