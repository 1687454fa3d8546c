"""The same seed gives the same bytes, whatever the number of processes."""

from conftest import QUICK_POSES, make_trained

import eval as eval_stage
import train_pose


def written(folder):
    """Return the content of all files but the curves of training, which hold times."""
    files = [path for path in folder.rglob("*") if path.is_file() and "runs" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_all_stages_with_one_process_and_with_two(root, gan, tmp_path):
    two = tmp_path / "two"
    make_trained(two, jobs=2)
    for path in (root, two):
        eval_stage.main([str(path), "--split", "test", "--quiet", "--no-video"])
    assert written(two) == written(root)
    assert {"clusters.npz", "models/music2pose.pt", "poses/waltz_01.npz", "music/waltz_01.npz"} <= written(two).keys()
    train_pose.main([str(two / "poses"), "--out", str(two / "pose_gan.pt"), "--quiet", *QUICK_POSES])
    assert (two / "pose_gan.pt").read_bytes() == gan.with_name("pose_gan.pt").read_bytes()
