import shutil

import numpy as np
import pytest
import torch
from conftest import QUICK_PATHS, QUICK_POSES
from format_samples import TRUTH
from interruption import interrupt, stop_at

import train_pose
import train_seq
from learn2dance.data import checkpoint, curves
from learn2dance.errors import UserError
from learn2dance.gan import adversarial, dataset, generate, pose_folder, pose_training
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator
from learn2dance.gan.pose_space import PoseSpace


@pytest.fixture
def pose_gan(gan):
    return gan.with_name("pose_gan.pt")


def train(root, pose_gan, out, *more):
    """Train within this process: for what a process of its own would only make slower."""
    asked = [root / "poses", "--pose-gan", pose_gan, "--out", out, "--quiet", "--no-video", *QUICK_PATHS, *more]
    train_seq.main([str(word) for word in asked])


def test_the_dances_of_a_data_root(root, run_stage, pose_gan):
    shutil.copy(pose_gan, root / "models")
    ended = run_stage("train_seq.py", root / "poses", *QUICK_PATHS)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    assert "3 dances for training, 3 for validation, with music" in ended.stdout
    assert "the path over the floor is known in 3 of 3 training dances" in ended.stdout
    assert "next: python eval.py --model" in ended.stdout
    models = root / "models"
    runs = models / "runs" / "seq_gan"
    assert [p.name for p in sorted(runs.glob("*.mp4"))] == ["step_000004.mp4", "step_000008.mp4"]
    assert [p.name for p in sorted(runs.glob("*.png"))] == ["step_000004.png", "step_000008.png"]
    curve = curves.history(runs)
    assert {"val/FID_k", "val/FID_g", "val/jerk", "val/bar_locking", "train/critic score gap"} <= set(curve)
    best = checkpoint.load(models / "seq_gan.pt", "seq_gan")
    assert best["loss"] == pytest.approx(curve["val/FID"][:, 1].min(), rel=1e-5)
    np.testing.assert_allclose(curve["val/FID"][:, 1], curve["val/FID_k"][:, 1] + curve["val/FID_g"][:, 1], rtol=1e-5)
    assert (
        curve["train/critic score gap"][0, 1] == 0 != curve["train/critic score gap"][1, 1]
    )  # the critic joins after step 4
    model = generate.load(models / "seq_gan.pt")
    assert model.config.music and model.styles == ("chacha", "disco", "waltz") and len(model.profiles.style) == 3
    before = (models / "seq_gan.pt").stat().st_mtime_ns
    assert "up to date" in run_stage("train_seq.py", root / "poses", *QUICK_PATHS).stdout
    assert (models / "seq_gan.pt").stat().st_mtime_ns == before


def test_interrupted_and_resumed_it_ends_in_the_same_bytes(root, gan, pose_gan, tmp_path):
    longer = ["--steps", "30", "--every", "6", "--pretrain-steps", "9"]
    whole, parts = tmp_path / "whole.pt", tmp_path / "parts.pt"
    train(root, pose_gan, whole, *longer)
    asked = [root / "poses", "--pose-gan", pose_gan, "--out", parts, "--no-video", *QUICK_PATHS, *longer]
    interrupt(["train_seq.py", *asked], "step 12 of")
    assert 12 <= checkpoint.load(tmp_path / "parts.last.pt", "seq_gan training")["step"] < 30
    train(root, pose_gan, parts, *longer, "--resume")
    assert parts.read_bytes() == whole.read_bytes()
    assert parts.with_suffix(".last.pt").read_bytes() == whole.with_suffix(".last.pt").read_bytes()


def test_of_dances_that_do_not_fit_it_resumes_exactly_too(root, pose_gan, tmp_path, monkeypatch):
    """Of three dances two are held at a time: the one that exceeds the limit is the last."""
    read, held = dataset.read_pool, []
    opened = pose_folder.open_folder(root / "poses")
    dances, _ = read(dataset.DanceReader(opened), opened.train, np.random.default_rng(0))
    size = max(dance.poses.nbytes + dance.path.nbytes + dance.steps.nbytes for dance in dances)

    def limited(reader, names, rng, most=size):
        found = read(reader, names, rng, most)
        held.append([dance.name for dance in found[0]])
        return found

    monkeypatch.setattr(dataset, "read_pool", limited)
    more = ["--steps", "12", "--every", "3", "--resample-every", "2"]
    train(root, pose_gan, tmp_path / "whole.pt", *more)
    for stop in (7, 10):  # resumed at 6, where dances are drawn anew, or at 9, between
        out = tmp_path / f"parts {stop}.pt"
        with monkeypatch.context() as patch:
            stop_at(stop, patch)
            with pytest.raises(KeyboardInterrupt):
                train(root, pose_gan, out, *more)
        train(root, pose_gan, out, *more, "--resume")
        assert out.with_suffix(".last.pt").read_bytes() == (tmp_path / "whole.last.pt").read_bytes()
        assert out.read_bytes() == (tmp_path / "whole.pt").read_bytes()
    parts = [names for names in held if set(names) <= set(opened.train)]
    assert {len(names) for names in parts} == {2} and len(set(map(tuple, parts))) > 1


def stranger(path, count=4, joints=9, frames=240):
    path.mkdir()
    for i in range(count):
        rng, clock = np.random.default_rng(i), np.arange(frames)[:, None, None] / 30
        turns = clock * rng.uniform(0.2, 1.5, (1, joints, 2)) + rng.random((1, joints, 2))
        swings = np.sin(2 * np.pi * turns)
        poses = TRUTH[:1, :, :2] + 8 * swings if joints == 15 else 100 + 40 * swings
        np.savez(path / f"{i}.npz", poses=poses)
    return path


def test_a_strangers_folder(tmp_path, run_stage):
    """Nine joints, no fps, no music, no styles."""
    mine = stranger(tmp_path / "mine")
    train_pose.main([str(mine), "--quiet", *QUICK_POSES])
    ended = run_stage("train_seq.py", "--datadir", mine, "--no-video", *QUICK_PATHS)
    assert ended.returncode == 0, ended.stderr
    assert "30 frames a second assumed" in ended.stdout and "without music" in ended.stdout
    assert "seq_gan.pt --seconds 20" in ended.stdout
    dancer = generate.load(tmp_path / "models" / "seq_gan.pt")
    assert not dancer.config.music and not len(dancer.profiles.style)
    assert dancer.styles == () and dancer.poses.joints == 9
    assert generate.dance(dancer, None, 0, seconds=2)["poses"].shape == (60, 9, 2)


@pytest.mark.parametrize(("joints", "more"), [(9, []), (15, []), (15, ["waltz"])])
def test_a_pose_gan_of_other_joints_or_styles_is_refused(root, tmp_path, joints, more):
    other = stranger(tmp_path / "other", joints=joints)
    train_pose.main([str(other), "--quiet", *QUICK_POSES, "--steps", "1"])
    made = tmp_path / "models" / "pose_gan.pt"
    parts = torch.load(made, weights_only=True)
    if more:
        config = PoseConfig(15, tuple(more), 4, 16, 1)
        pose_training.save_poses(made, PoseSpace(15, 4), PoseGenerator(config))
    with pytest.raises(UserError, match=f"trained on {joints} joints, styles .*run train_pose.py") as fault:
        train(root, made, tmp_path / "s.pt")
    assert "\n" not in str(fault.value) and parts["kind"] == "pose_gan"


@pytest.mark.parametrize("alone", ["4", "100"])
def test_training_that_runs_away_is_stopped_and_the_last_good_one_is_kept(root, gan, pose_gan, tmp_path, alone):
    out = shutil.copy(gan, tmp_path / "s.pt")
    good = out.read_bytes()
    with pytest.raises(
        UserError, match=r"diverged \(critic score gap .*\); .*s\.pt is the last good model; try a lower --lr"
    ) as fault:
        train(root, pose_gan, out, "--lr", "1e7", "--pretrain-steps", alone)
    assert "\n" not in str(fault.value) and out.read_bytes() == good
    with pytest.raises(UserError, match="no model was saved"):
        train(root, pose_gan, tmp_path / "none.pt", "--lr", "1e7", "--pretrain-steps", alone)
    assert not (tmp_path / "none.pt").exists()


def test_a_critic_that_runs_away_is_stopped(root, pose_gan, tmp_path, monkeypatch, run_stage):
    whole = adversarial.critic_step
    monkeypatch.setattr(adversarial, "critic_step", lambda *given: (torch.tensor(1e9), whole(*given)[1]))
    with pytest.raises(UserError, match=r"step 5: training diverged \(critic score gap 1e\+09, denoising loss .*\)"):
        train(root, pose_gan, tmp_path / "s.pt")
    assert generate.load(tmp_path / "s.pt")  # of step 4, the last good one
    ended = run_stage(
        "train_seq.py", root / "poses", "--pose-gan", pose_gan, "--out", tmp_path / "t.pt", "--lr", "1e7", *QUICK_PATHS
    )
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "diverged" in ended.stderr


def test_dances_that_are_left_out_are_counted_and_a_missing_score_is_said(tmp_path, capsys):
    mine = stranger(tmp_path / "mine")
    for name in ("short 1", "short 2"):  # of 1.5 s, where 2 s are needed
        np.savez(mine / f"{name}.npz", poses=100 + 40 * np.random.default_rng(0).normal(size=(45, 9, 2)).cumsum(0))
    train_pose.main([str(mine), "--quiet", *QUICK_POSES, "--steps", "1"])
    train_seq.main([str(mine), "--no-video", *QUICK_PATHS, "--no-mirror"])
    said = capsys.readouterr().err
    assert "1 dances have less than 4 beats with all joints, and are left out" in said  # the other is for validation
    assert said.count("too little data for validation: there is no score, and the last model is kept") == 1


def test_dances_too_short(tmp_path):
    mine = stranger(tmp_path / "mine", frames=50)
    train_pose.main([str(mine), "--quiet", *QUICK_POSES, "--steps", "1"])
    with pytest.raises(UserError, match="no dance has 4 beats of poses with all joints; lower --beats"):
        train_seq.main([str(mine), "--quiet", *QUICK_PATHS])


def test_wrong_arguments_end_in_one_line(tmp_path, run_stage):
    for arguments, said in (
        (["nowhere"], "no such folder"),
        ([], "DATADIR --datadir is required"),
        ([tmp_path, "--lr", "-1"], "invalid positive float value"),
        ([tmp_path, "--beats", "3"], "four or more"),
        ([tmp_path, "--width", "48"], "--width: invalid"),
    ):
        ended = run_stage("train_seq.py", *arguments)
        assert ended.returncode == 2 and said in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr


def test_without_a_pose_gan_it_says_what_to_run(root):
    with pytest.raises(UserError, match="pose_gan.pt: no such model; .*train_pose.py"):
        train_seq.main([str(root / "poses"), "--quiet"])
    with pytest.raises(UserError, match="expected a 'pose_gan' checkpoint, found 'music2pose'"):
        train_seq.main([str(root / "poses"), "--quiet", "--pose-gan", str(root / "models" / "music2pose.pt")])
