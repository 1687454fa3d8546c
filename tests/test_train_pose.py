import numpy as np
import pytest
from interruption import interrupt, stop_at

import train_pose
from learn2dance.data import checkpoint, curves, npz
from learn2dance.errors import UserError
from learn2dance.gan import pose_folder, pose_space, pose_training
from learn2dance.motion import travel

QUICK = "--steps 40 --every 10 --width 16 --layers 1 --batch 16 --pretrain-steps 20".split()


def test_the_poses_of_a_data_root(root, run_stage):
    ended = run_stage("train_pose.py", root / "poses", *QUICK)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    runs = root / "models" / "runs" / "pose_gan"
    assert [p.name for p in sorted(runs.glob("*.png"))] == [f"step_{step:06d}.png" for step in (10, 20, 30, 40)]
    assert (runs / "step_000040.png").read_bytes()[:4] == b"\x89PNG"
    curve = curves.history(runs)
    assert {"val/FID", "val/FID_g", "val/precision", "train/critic score gap", "train/gradient norm²"} <= set(curve)
    assert (curve["train/critic score gap"][:2, 1] == 0).all() and (curve["train/critic score gap"][2:, 1] != 0).all()
    space, generator = pose_training.load_poses(root / "models" / "pose_gan.pt")
    poses = npz.load_poses(next((root / "poses").glob("*.npz")))
    poses, *_ = travel.split(poses["poses"], poses["fps"], poses["y_up"], poses["nearer"], poses["travel"])
    assert pose_space.error(space, poses[np.isfinite(poses).all((1, 2))]) < 0.03  # torso lengths
    assert "reproduce the joints of validation poses" in ended.stdout
    assert generator.config.joints == 15 and len(generator.config.styles) > 1
    best = checkpoint.load(root / "models" / "pose_gan.pt", "pose_gan")
    assert best["loss"] == pytest.approx(curve["val/FID"][:, 1].min(), rel=1e-5)
    assert "up to date" in run_stage("train_pose.py", root / "poses", *QUICK).stdout


def test_a_strangers_folder(tmp_path, run_stage):
    (tmp_path / "mine").mkdir()
    for i in range(3):
        poses = np.random.default_rng(i).normal(size=(60, 9, 2)) * 100
        np.savez(tmp_path / "mine" / f"{i}.npz", poses=poses)
    out = tmp_path / "p.pt"
    ended = run_stage("train_pose.py", "--datadir", tmp_path / "mine", "--out", out, *QUICK)
    assert ended.returncode == 0, ended.stderr
    assert "30 frames a second assumed" in ended.stdout
    assert pose_training.generate_poses(*pose_training.load_poses(out), np.zeros(5, int), 0).shape == (5, 9, 2)


def test_interrupted_and_resumed_it_ends_in_the_same_bytes(root):
    whole, parts = root / "models" / "whole.pt", root / "models" / "parts.pt"
    asked = [str(root / "poses"), *QUICK, "--steps", "120", "--every", "15", "--pretrain-steps", "60"]
    train_pose.main([*asked, "--quiet", "--out", str(whole)])
    interrupt(["train_pose.py", *asked, "--out", parts], "step 30 of")
    assert 30 <= checkpoint.load(parts.with_suffix(".last.pt"), "pose_gan training")["step"] < 120
    train_pose.main([*asked, "--quiet", "--out", str(parts), "--resume"])
    assert parts.read_bytes() == whole.read_bytes()
    assert parts.with_suffix(".last.pt").read_bytes() == whole.with_suffix(".last.pt").read_bytes()


def test_of_poses_that_do_not_fit_it_resumes_exactly_too(tmp_path, monkeypatch):
    """Of three dances two are held at a time; training stops at 30, where others are drawn, and between."""
    mine = tmp_path / "mine"
    mine.mkdir()
    for i in range(4):
        np.savez(mine / f"{i}.npz", poses=np.random.default_rng(i).normal(size=(60, 9, 2)) * 100)
    pool, size = pose_folder.pool, 60 * 9 * 2 * 4
    monkeypatch.setattr(pose_folder, "pool", lambda folder, names, rng: pool(folder, names, rng, most=size))
    asked = [str(mine), "--quiet", *QUICK, "--resample-every", "15"]
    train_pose.main([*asked, "--out", str(tmp_path / "whole.pt")])
    for stop in (24, 31):
        parts = tmp_path / f"parts {stop}.pt"
        with monkeypatch.context() as patch:
            stop_at(stop, patch)
            with pytest.raises(KeyboardInterrupt):
                train_pose.main([*asked, "--out", str(parts)])
        assert checkpoint.load(parts.with_suffix(".last.pt"), "pose_gan training")["step"] in (20, 30)
        train_pose.main([*asked, "--out", str(parts), "--resume"])
        assert parts.with_suffix(".last.pt").read_bytes() == (tmp_path / "whole.last.pt").read_bytes()
        assert parts.read_bytes() == (tmp_path / "whole.pt").read_bytes()


@pytest.mark.parametrize("rate", ["100", "1e4", "1e12"])
@pytest.mark.parametrize("pretraining", ["0", "20"])
def test_training_that_runs_away_is_stopped_and_the_last_good_one_is_kept(trained, tmp_path, rate, pretraining):
    out = tmp_path / "p.pt"
    out.write_bytes(b"good")
    asked = [str(trained / "poses"), "--quiet", *QUICK, "--lr", rate, "--pretrain-steps", pretraining, "--out"]
    with pytest.raises(UserError, match=r"diverged \(critic score gap .*\); .*p\.pt is the last good model") as fault:
        train_pose.main([*asked, str(out)])
    assert "\n" not in str(fault.value) and out.read_bytes() == b"good"
    with pytest.raises(UserError, match="no model was saved; try a lower --lr"):
        train_pose.main([*asked, str(tmp_path / "none.pt")])
    assert not (tmp_path / "none.pt").exists()


def test_divergence_ends_in_one_line(trained, tmp_path, run_stage):
    ended = run_stage("train_pose.py", trained / "poses", "--out", tmp_path / "p.pt", *QUICK, "--lr", "1e12")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "training diverged (critic score gap" in ended.stderr


def test_a_single_pose_is_no_error(tmp_path):
    """Somebody stands still, so that nothing can be learned but this pose."""
    (tmp_path / "mine").mkdir()
    poses = np.random.default_rng(0).normal(size=(1, 9, 2)).repeat(60, 0)
    np.savez(tmp_path / "mine" / "still.npz", poses=poses, fps=30.0)
    train_pose.main([str(tmp_path / "mine"), "--quiet", *QUICK, "--out", str(tmp_path / "p.pt")])
    fake = pose_training.generate_poses(*pose_training.load_poses(tmp_path / "p.pt"), np.zeros(3, int), 0)
    np.testing.assert_allclose(fake, np.repeat(fake[:1], 3, 0), atol=1e-3)


def test_wrong_arguments_end_in_one_line(tmp_path, run_stage):
    for arguments, said in (
        (["nowhere"], "no such folder"),
        ([tmp_path], "no .npz with poses in it"),
        ([tmp_path, "--datadir", tmp_path], "not allowed with argument DATADIR"),
        ([], "DATADIR --datadir is required"),
        ([tmp_path, "--lr", "0"], "invalid positive float value"),
        ([tmp_path, "--pretrain-steps", "-1"], "--pretrain-steps: invalid"),
        ([tmp_path, "--decay", "2"], "--decay: invalid number from 0 to 1"),
    ):
        ended = run_stage("train_pose.py", *arguments)
        assert ended.returncode == 2 and said in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr
