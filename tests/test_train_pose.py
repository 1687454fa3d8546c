import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_train import same

from learn2dance.data import checkpoint
from learn2dance.gan import pose_training
from learn2dance.music2pose import training

QUICK = "--steps 40 --every 10 --width 16 --layers 1 --batch 16 --latent 4 --critic-steps 2".split()


def test_the_poses_of_a_data_root(root, run_stage):
    ended = run_stage("train_pose.py", root / "poses", *QUICK)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    runs = root / "models" / "runs" / "pose_gan"
    assert [p.name for p in sorted(runs.glob("*.png"))] == [f"step_{step:06d}.png" for step in (10, 20, 30, 40)]
    assert (runs / "step_000040.png").read_bytes()[:4] == b"\x89PNG"
    assert {"val/FID", "val/FID_g", "val/precision", "train/gradient penalty"} <= set(training.history(runs))
    generator, _ = pose_training.load_poses(root / "models" / "pose_gan.pt")
    assert generator.config.joints == 15 and len(generator.config.styles) > 1
    best = checkpoint.load(root / "models" / "pose_gan.pt", "pose_gan")
    assert best["loss"] == pytest.approx(training.history(runs)["val/FID"][:, 1].min(), rel=1e-5)
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
    assert pose_training.generate_poses(pose_training.load_poses(out)[0], np.zeros(5, int), 0).shape == (5, 9, 2)


def test_interrupted_and_resumed_it_ends_in_the_same_bytes(root, run_stage):
    whole, parts = root / "models" / "whole.pt", root / "models" / "parts.pt"
    hyperparameters = [*QUICK, "--steps", "200"]
    assert run_stage("train_pose.py", root / "poses", "--out", whole, *hyperparameters).returncode == 0
    command = [sys.executable, "train_pose.py", str(root / "poses"), "--out", str(parts), *hyperparameters]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 30"):
            break
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].startswith("interrupted") and process.returncode == 130
    ended = run_stage("train_pose.py", root / "poses", "--out", parts, *hyperparameters, "--resume")
    assert ended.returncode == 0 and "resuming at step" in ended.stdout
    assert parts.read_bytes() == whole.read_bytes()
    states = (checkpoint.load(path.with_suffix(".last.pt"), "pose_gan training") for path in (whole, parts))
    assert same(*states)


def test_a_critic_that_runs_away_is_stopped(root, run_stage):
    out = root / "models" / "p.pt"
    assert run_stage("train_pose.py", root / "poses", "--out", out, *QUICK).returncode == 0
    good = out.read_bytes()
    ended = run_stage("train_pose.py", root / "poses", "--out", out, *QUICK, "--lr", "1e6")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "training diverged (critic score gap" in ended.stderr and "is the last good model" in ended.stderr
    assert out.read_bytes() == good


def test_wrong_arguments_end_in_one_line(tmp_path, run_stage):
    for arguments, said in (
        (["nowhere"], "no such folder"),
        ([tmp_path], "no .npz with poses in it"),
        ([tmp_path, "--datadir", tmp_path], "not allowed with argument DATADIR"),
        ([], "DATADIR --datadir is required"),
        ([tmp_path, "--lr", "0"], "invalid positive float value"),
    ):
        ended = run_stage("train_pose.py", *arguments)
        assert ended.returncode == 2 and said in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr
