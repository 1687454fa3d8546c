"""Poses from elsewhere: what is certain is converted, what cannot be right is refused."""

import numpy as np
import pytest
from format_samples import BODY, COCO, DANCE, TRUTH, T, joint

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion import plausibility

POSES, COCO_POSES = TRUTH[..., :2], DANCE[..., :2]
# As their makers list them: OpenPose's train repository, Microsoft's JointType, VideoPose3D's Human3.6M.
FEET = {"big_toe": (6, 8), "small_toe": (10, 7), "heel": (-3, 6)}
OTHERS = {
    "BODY_25B": (
        *COCO, "upper neck", "head top", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
        "right_small_toe", "right_heel",
    ),
    "Kinect": (
        "mid_hip", "middle", "upper neck", "nose", "left_shoulder", "left_elbow", "left_wrist", "left_wrist",
        "right_shoulder", "right_elbow", "right_wrist", "right_wrist", "left_hip", "left_knee", "left_ankle",
        "left_ankle", "right_hip", "right_knee", "right_ankle", "right_ankle", "neck", "left_wrist", "left_wrist",
        "right_wrist", "right_wrist",
    ),
    "Human3.6M": (
        "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "middle", "neck",
        "nose", "head top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    ),
    "OpenPose's MPI": (*(name for name in BODY if name != "mid_hip"), "middle"),
}  # fmt: skip


def place(name, t):
    """Where a joint of any of these models is."""
    if name in ("middle", "upper neck", "head top"):
        part = {"middle": 0.5, "upper neck": -0.2, "head top": -0.6}[name]
        return (1 - part) * joint("neck", t) + part * joint("mid_hip", t)
    side, _, foot = name.partition("_")
    return joint(f"{side}_ankle", t) + FEET[foot] if foot in FEET else joint(name, t)


@pytest.mark.parametrize("model", OTHERS)
def test_other_orders_of_joints_are_converted_and_said(model):
    poses = np.array([[place(name, t) for name in OTHERS[model]] for t in range(T)])
    found = plausibility.checked("a.npz", poses, pixels=True)
    np.testing.assert_allclose(found.poses[:, :15], POSES)
    assert found.notes == [f"joints are in the order of {model}: converted"]
    assert found.poses.shape[1] == (25 if model == "BODY_25B" else 15)


def test_orders_that_nobody_knows_are_refused():
    rng = np.random.default_rng(0)
    for poses in (POSES, COCO_POSES):
        for _ in range(50):
            with pytest.raises(UserError, match=r"^a.npz: .*expected the order of .*in another order\?$"):
                plausibility.checked("a.npz", poses[:, rng.permutation(poses.shape[1])])
    odd = np.random.default_rng(1).uniform(100, 200, (T, 21, 2))
    assert plausibility.checked("a.npz", odd).poses is odd  # no order is known for 21 joints


@pytest.mark.parametrize("unit", [1, 0.01, 1 / 80, 25.4], ids=["pixels", "metres", "torso lengths", "millimetres"])
@pytest.mark.parametrize("centred", [False, True])
def test_any_unit_that_is_the_same_for_x_and_y_will_do(unit, centred):
    poses = (POSES - POSES[:, 8:9] if centred else POSES) * unit
    found = plausibility.checked("a.npz", poses)
    assert found.poses is poses and not found.notes
    if unit < 1:
        with pytest.raises(UserError, match="expected pixels"):
            plausibility.checked("a.npz", poses, pixels=True)


@pytest.mark.parametrize(
    ("scale", "shift", "says"),
    [
        ((1 / 1280, 1 / 720), 0, "from 0 to 1"),
        ((2 / 1280, 2 / 720), -1, "from -1 to 1"),
        ((100 / 1280, 100 / 720), 0, "100"),
    ],
)
def test_parts_of_the_picture_are_refused(scale, shift, says):
    for pixels in (True, False):
        with pytest.raises(
            UserError, match=f"found coordinates .*{says}, .*multiply x by its width and y by its height"
        ):
            plausibility.checked("a.npz", POSES * scale + shift, pixels)


@pytest.mark.parametrize(("scale", "shift"), [(1, (0, 720)), (1, (0, 0)), (1 / 80, (-400 / 80, 300 / 80))])
def test_y_up_is_turned_over_and_said(scale, shift):
    found = plausibility.checked("a.npz", POSES * [scale, -scale] + shift)
    assert "y points up: turned over" in found.notes[0]
    np.testing.assert_allclose(np.diff(found.poses, axis=1), np.diff(POSES, axis=1) * scale, atol=1e-9)


def test_half_bodies_are_turned_over_too():
    for seen in ([*range(8)], [0, 2, 5], [2, 5, 9, 12]):
        poses = np.full(POSES.shape, np.nan)
        poses[:, seen] = POSES[:, seen]
        assert not plausibility.checked("a.npz", poses).notes
        assert "turned over" in plausibility.checked("a.npz", poses * [1, -1]).notes[0]


def test_a_dancer_who_stands_on_the_head_is_left_so():
    poses = POSES.copy()
    poses[:40, :, 1] = 720 - poses[:40, :, 1]
    found = plausibility.checked("a.npz", poses)
    assert found.poses is poses and "upside down in 67% of the frames" in found.notes[0]
    poses[20:] = POSES[20:]
    assert not plausibility.checked("a.npz", poses).notes


def test_a_dancer_of_unusual_width_is_noted():
    for stretch, noted in ((9 / 16, True), (1, False), (16 / 9, True)):
        notes = plausibility.checked("a.npz", POSES * [stretch, 1]).notes
        assert bool(notes) == noted and all("shoulders" in note for note in notes)


def test_real_dances_are_left_as_they_are(shared):
    files = [*shared.glob("*/truth/*.npz"), *shared.glob("street/keypoints/*.npz")]
    assert len(files) > 100
    for file in files:
        poses = np.load(file)["poses"]
        found = plausibility.checked(file, poses, pixels=True)
        assert found.poses is poses and not found.notes


def test_marks_of_missing_joints():
    poses = POSES.copy()
    poses[3, 4], poses[5, 6], poses[9] = 0, -1, 0
    missing = np.isnan(plausibility.mark_missing(poses)).all(-1)
    assert missing.sum() == 2 + 15 and missing[3, 4] and missing[5, 6] and missing[9].all()
    centred = POSES - POSES[:, 8:9]  # the MidHip is at (0, 0) in every frame
    centred[3, 4], centred[9] = 0, 0
    missing = np.isnan(plausibility.mark_missing(centred)).all(-1)
    assert missing.sum() == 1 + 15 and not missing[:9, 8].any()
    half = POSES.copy()
    half[:, 8:] = 0  # a half body: legs and MidHip are never seen
    assert np.isnan(plausibility.mark_missing(half)).all(-1).sum(0).tolist() == [0] * 8 + [T] * 7


def test_files_of_other_programs_are_checked_when_they_are_loaded(tmp_path, caplog):
    npz.log.propagate = True
    poses = POSES * [1, -1] + [0, 720]
    poses[3, 4] = 0
    np.savez(tmp_path / "a.npz", poses=poses)
    found = npz.load_poses(tmp_path / "a.npz")["poses"]
    assert np.isnan(found).all(-1).nonzero()[0].tolist() == [3] and found[0, 0, 1] < found[0, 14, 1]
    npz.load_poses(tmp_path / "a.npz")
    assert caplog.text.count("y points up") == 1  # once for a file, however often it is read
    for wrong, says in (
        (POSES.transpose(1, 0, 2), "are frames and joints exchanged"),
        (POSES[0], "is it one pose"),
        (POSES.transpose(0, 2, 1), "are axes exchanged"),
        (POSES.reshape(T, 30), "are the joints flat"),
        (TRUTH, "is the third number a confidence"),
    ):
        np.savez(tmp_path / "b.npz", poses=wrong)
        with pytest.raises(UserError, match=f"b.npz: 'poses' is .*{says}"):
            npz.load_poses(tmp_path / "b.npz")
