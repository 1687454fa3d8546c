"""Training on two processes of this machine, each with half of every batch, against one process."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import QUICK, QUICK_PATHS, QUICK_POSES, ROOT
from ranks import launch

import train
import train_pose
import train_seq
from learn2dance.data import checkpoint
from learn2dance.data.curves import history
from learn2dance.distributed import Processes
from learn2dance.errors import UserError


def command(name, data, out, gan):
    """Return the arguments of a short training without dropout, whose batches cannot be halved."""
    if name == "train":
        return [data, *QUICK, "--dropout", 0, "--batch", 15, "--out", out]
    if name == "train_pose":
        return [data / "poses", *QUICK_POSES, "--batch", 15, "--threads", 1, "--out", out]
    short = [*QUICK_PATHS, "--batch", 5, "--threads", 1, "--no-video"]
    return [data / "poses", *short, "--pose-gan", gan.with_name("pose_gan.pt"), "--out", out]


def curves(out):
    return history(out.parent / "runs" / out.stem)


def assert_same_curves(found, expected):
    assert found.keys() == expected.keys() and len(expected) > 2
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-4, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("trainer", [train, train_pose, train_seq])
def test_two_processes_train_as_one_does_and_so_does_accumulation(trained, gan, tmp_path, trainer):
    name = trainer.__name__
    asked = {how: command(name, trained, tmp_path / how / "m.pt", gan) for how in ("one", "parts", "two")}
    trainer.main([*map(str, asked["one"]), "--quiet"])
    trainer.main([*map(str, asked["parts"]), "--quiet", "--accumulate", "3"])
    codes, said, complained = launch(name, asked["two"], asked["two"], weights=tmp_path / "weights")
    assert codes == [0, 0], complained
    one, parts, two = (curves(tmp_path / how / "m.pt") for how in ("one", "parts", "two"))
    assert_same_curves(parts, one)
    assert_same_curves(two, one)
    assert "2 processes" in said[0] and not said[1] and not complained[1]
    files = [sorted(p.name for p in (tmp_path / how).rglob("*") if "events" not in p.name) for how in ("one", "two")]
    assert files[0] == files[1] and len(list((tmp_path / "two").rglob("events*"))) == 1
    first, second = (torch.load(tmp_path / f"weights.{rank}") for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    saved = checkpoint.load(tmp_path / "two" / "m.last.pt", training(name))["network"]
    assert all(torch.equal(first[key], saved[key]) for key in first)


def training(name):
    return {"train": "music2pose", "train_pose": "pose_gan", "train_seq": "seq_gan"}[name] + " training"


def test_with_dropout_it_resumes_exactly_where_an_interrupted_process_ended_both(trained, tmp_path):
    asked = {how: [trained, *QUICK, "--patience", 9, "--out", tmp_path / how] for how in ("whole.pt", "parts.pt")}
    codes, _, complained = launch("train", *[asked["whole.pt"]] * 2)
    assert codes == [0, 0], complained
    codes, _, complained = launch("train", *[asked["parts.pt"]] * 2, fail={1: "KeyboardInterrupt"})
    assert codes == [2, 130] and complained[0] == "" and complained[1].startswith("interrupted: "), complained
    codes, said, complained = launch("train", *[[*asked["parts.pt"], "--resume"]] * 2)
    assert codes == [0, 0] and "resuming at step 10" in said[0], complained
    for end in (".pt", ".last.pt"):
        assert (tmp_path / f"parts{end}").read_bytes() == (tmp_path / f"whole{end}").read_bytes()


@pytest.mark.parametrize(
    ("fail", "more", "codes", "said"),
    [
        ({0: "Failure"}, [], [2, 2], "error: no space left"),
        ({1: "Failure"}, [], [2, 2], "error: no space left"),
        ({0: "Failure", 1: "Failure"}, [], [2, 2], "error: no space left"),
        ({1: int(signal.SIGKILL)}, [], [2, -signal.SIGKILL], "error: another process of this training has ended"),
        ({}, ["--batch", 1], [2, 2], "error: --batch 1: less than one example for each of 2 parts"),
        ({}, ["--device", "cpu:0"], [2, 2], "error: --device cpu:0: accelerate launch gives each process its device"),
        ({}, ["--batch", "x"], [2, 2], "error: argument --batch: invalid"),
    ],
)
def test_an_error_ends_both_and_is_said_once(trained, tmp_path, fail, more, codes, said):
    asked = [trained, *QUICK, *more, "--out", tmp_path / "m.pt"]
    found, _, complained = launch("train", asked, asked, fail=fail)
    assert found == codes and "".join(complained).count("\n") == 1 and said in "".join(complained), complained


def test_divergence_ends_both_and_is_said_once(trained, tmp_path):
    asked = [trained / "poses", *QUICK_POSES, "--lr", "1e12", "--out", tmp_path / "m.pt"]
    codes, _, complained = launch("train_pose", asked, asked)
    assert codes == [2, 2] and "".join(complained).count("\n") == 1 and "training diverged" in "".join(complained)
    assert not list(tmp_path.glob("*.pt"))


def test_processes_that_see_other_data_are_refused(trained, root, tmp_path):
    (root / "splits" / "train.txt").write_text((root / "splits" / "train.txt").read_text().split("\n")[0] + "\n")
    asked = [[data / "poses", *QUICK_POSES, "--out", tmp_path / "m.pt"] for data in (trained, root)]
    codes, _, complained = launch("train_pose", *asked)
    assert codes == [2, 2] and "".join(complained).count("\n") == 1
    assert "process 1 has other arguments, data or saved state than process 0" in "".join(complained)


def test_both_stop_early_at_the_same_step(trained, tmp_path):
    asked = [trained, *"--dropout 0 --steps 900 --every 5 --patience 2 --batch 64 --width 32 --no-video".split()]
    codes, _, complained = launch("train", *[[*asked, "--out", tmp_path / "m.pt"]] * 2, weights=tmp_path / "weights")
    assert codes == [0, 0], complained
    state = checkpoint.load(tmp_path / "m.last.pt", "music2pose training")
    assert state["waited"] == 2 and state["step"] == state["best_step"] + 10 < 900


def test_accelerate_launches_it_on_a_machine_without_gpus(trained, tmp_path):
    """With bfloat16, whose curve is near that of float32, and not the same."""
    asked = [trained, *QUICK, "--dropout", 0, "--device", "cpu", "--out"]
    options = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision bf16 --dynamo_backend no"
    launcher = [sys.executable, "-m", "accelerate.commands.launch", *options.split(), "--main_process_port", "0"]
    two = subprocess.run([*launcher, "train.py", *map(str, asked), tmp_path / "two.pt"], cwd=ROOT, capture_output=True)
    assert two.returncode == 0, two.stderr
    assert b"on cpu, 2 processes, bf16" in two.stdout
    train.main([*map(str, asked), str(tmp_path / "one.pt"), "--quiet"])
    found, expected = (curves(tmp_path / name)["train/loss"] for name in ("two.pt", "one.pt"))
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert (found != expected).any()


def test_a_launch_that_started_one_process_of_several_is_refused(trained, tmp_path, run_stage):
    """As `accelerate launch --num_processes 2` without --multi_gpu does where there is no GPU."""
    env = os.environ | {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    asked = ["train.py", trained, *QUICK, "--device", "cpu", "--out", tmp_path / "m.pt"]
    ended = run_stage(*asked, env=env)
    assert ended.returncode == 2 and "add --multi_gpu" in ended.stderr and ended.stderr.count("\n") == 1
    ended = run_stage(*asked, env=env | {"ACCELERATE_MIXED_PRECISION": "fp16"})
    assert ended.returncode == 2 and "--mixed_precision fp16: expected bf16 or no" in ended.stderr


def test_accelerate_is_not_imported_without_it(trained, tmp_path):
    code = f"import sys, train; train.main({[str(trained), *QUICK, '--quiet', '--out', str(tmp_path / 'm.pt')]})"
    code += "; sys.exit('accelerate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(("count", "processes", "accumulate"), [(15, 2, 2), (4, 4, 1), (7, 3, 2), (6, 1, 1)])
def test_the_weighted_means_of_the_parts_add_up_to_the_mean(count, processes, accumulate):
    values, total, seen = np.random.default_rng(0).normal(size=count), 0.0, []
    for rank in range(processes):
        one = Processes(accumulate=accumulate)
        one.count, one.rank = processes, rank
        found = one.parts(count)
        assert len(found) == accumulate
        for part, share in found:
            total += share * values[part].mean()
            seen += range(count)[part]
    assert seen == list(range(count)) and total == pytest.approx(values.mean())


def test_more_parts_than_examples_are_refused(trained, tmp_path):
    asked = [str(trained), *QUICK, "--quiet", "--out", str(tmp_path / "m.pt"), "--batch", "3", "--accumulate", "4"]
    with pytest.raises(UserError, match="--batch 3: less than one example for each of 4 parts"):
        train.main(asked)
