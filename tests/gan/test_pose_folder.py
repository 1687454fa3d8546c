from types import SimpleNamespace

import numpy as np
import pytest
from format_samples import TRUTH, T

from learn2dance.errors import UserError
from learn2dance.gan import completion, pose_folder


def folder(path, count=3, joints=7, frames=50, seed=0, **more):
    rng = np.random.default_rng(seed)
    path.mkdir(exist_ok=True)
    for i in range(count):
        np.savez(path / f"dance {i}.npz", poses=rng.normal(size=(frames, joints, 2)) * 40 + [300, 200], **more)
    return path


def test_a_folder_outside_a_data_root_is_split(tmp_path, caplog):
    found = pose_folder.open_folder(folder(tmp_path / "x", count=20))
    assert len(found.val) == 2 and len(found.train) == 18 and not set(found.val) & set(found.train)
    assert found.joints == 7 and found.names() == ()
    alone = pose_folder.open_folder(folder(tmp_path / "y", count=1))
    assert alone.train == alone.val == ["dance 0"]


def test_the_poses_of_a_data_root_have_its_splits_and_styles(trained):
    found = pose_folder.open_folder(trained / "poses")
    assert set(found.train) == set((trained / "splits" / "train.txt").read_text().split())
    assert set(found.val) == set((trained / "splits" / "val.txt").read_text().split())
    assert len(found.names()) > 1 and found.joints in (15, 25)


def test_unit_and_origin_make_no_difference(tmp_path):
    folder(tmp_path / "x", count=1)
    poses = np.load(tmp_path / "x" / "dance 0.npz")["poses"]
    (tmp_path / "y").mkdir()
    np.savez(tmp_path / "y" / "dance 0.npz", poses=poses * 0.01 - [7, 3])
    one, other = (pose_folder.read(pose_folder.open_folder(tmp_path / name), "dance 0") for name in "xy")
    np.testing.assert_allclose(one[0], other[0], atol=1e-4)
    np.testing.assert_allclose(one[1], other[1], atol=1e-4)  # the path
    assert one[2] == 30  # assumed
    np.testing.assert_allclose(one[0].mean(1), 0, atol=1e-5)
    assert np.corrcoef(one[0][:, 0, 1], -(poses - poses.mean(1, keepdims=True))[:, 0, 1])[0, 1] > 0.999  # y up


def test_poses_with_unknown_joints_are_left_out(tmp_path):
    path = folder(tmp_path / "x", count=2, fps=25.0)
    arrays = dict(np.load(path / "dance 0.npz"))
    arrays["poses"][10:30, 2] = np.nan
    np.savez(path / "dance 0.npz", **arrays)
    found = pose_folder.open_folder(path)
    (poses, style), everything = pose_folder.pool(found, ["dance 0"], np.random.default_rng(0))
    assert poses.shape == (30, 7, 2) and np.isfinite(poses).all() and (style == 0).all() and everything
    assert pose_folder.read(found, "dance 0")[2] == 25


def test_only_a_part_of_a_large_folder_is_read(tmp_path):
    found = pose_folder.open_folder(folder(tmp_path / "x", count=40))
    size = 50 * 7 * 2 * 4
    drawn = [pose_folder.pool(found, found.train, np.random.default_rng(seed), 10 * size) for seed in (0, 0, 1)]
    assert all(len(poses) <= 11 * 50 and not everything for (poses, _), everything in drawn)
    np.testing.assert_array_equal(drawn[0][0][0], drawn[1][0][0])
    assert (drawn[0][0][0] != drawn[2][0][0]).any()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda path: None, "no .npz with poses in it, found nothing"),
        (lambda path: np.savez(path / "a.npz", joints=np.ones(3)), "no key 'poses', found joints"),
        (lambda path: np.savez(path / "a.npz", poses=np.ones((5, 4, 3))), r"'poses' is float64 \(5, 4, 3\)"),
        (lambda path: (path / "a.npz").write_bytes(b"PK nothing"), "a.npz"),
    ],
)
def test_unusable_folders_are_refused(tmp_path, break_it, message):
    break_it(tmp_path)
    with pytest.raises(UserError, match=message):
        pose_folder.open_folder(tmp_path)


def test_skeletons_are_not_mixed(tmp_path):
    path = folder(tmp_path / "x", count=2)
    np.savez(path / "dance 1.npz", poses=np.ones((5, 9, 2)))
    with pytest.raises(UserError, match="dance 1.npz: 9 joints, expected 7"):
        pose_folder.read(pose_folder.open_folder(path), "dance 1")


def test_nothing_but_unknown_joints(tmp_path):
    (tmp_path / "x").mkdir()
    np.savez(tmp_path / "x" / "a.npz", poses=np.full((9, 4, 2), np.nan))
    found = pose_folder.open_folder(tmp_path / "x")
    with pytest.raises(UserError, match="no pose in .* has all joints"):
        pose_folder.pool(found, found.train, np.random.default_rng(0))


def test_one_pose_a_file_is_refused(tmp_path):
    found = pose_folder.open_folder(folder(tmp_path / "x", count=2, frames=1))
    with pytest.raises(UserError, match="dance 0.npz: .* one pose, expected the frames of a dance"):
        pose_folder.read(found, "dance 0")


def test_half_bodies_are_named_and_can_be_learned_from_as_they_are(tmp_path):
    poses = TRUTH[..., :2].copy()
    poses[:, 8:] = np.nan
    for name, part in (("whole", poses), ("upper", poses[:, :8])):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "a.npz", poses=part, fps=25.0)
    found = pose_folder.open_folder(tmp_path / "whole")
    with pytest.raises(UserError, match="MidHip, RHip, .* never seen in a: half bodies cannot be learned from"):
        pose_folder.pool(found, found.train, np.random.default_rng(0))
    found = pose_folder.open_folder(tmp_path / "upper")
    assert pose_folder.pool(found, found.train, np.random.default_rng(0))[0][0].shape == (T, 8, 2)
    with pytest.raises(UserError, match="not known in the given frames: MidHip, RHip, .* at least MidHip and Neck"):
        completion.read_given(
            tmp_path / "whole" / "a.npz", SimpleNamespace(poses=SimpleNamespace(joints=15)), ["0:9"], None, 0
        )
