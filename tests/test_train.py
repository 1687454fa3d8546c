import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import QUICK, ROOT

from learn2dance import dataroot, store, training

LONGER = [*QUICK, "--steps", "100", "--every", "5", "--patience", "99"]


def models(root):
    return {name: (root / "models" / name).read_bytes() for name in ("music2pose.pt", "music2pose.last.pt")}


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_it_learns_the_songs_by_heart(root, run_stage, model):
    knobs = "--width 64 --layers 1 --dropout 0 --steps 150 --every 50 --patience 9 --batch 8 --beats 12".split()
    ended = run_stage("train.py", root, "--model", model, "--out", root / "m.pt", *knobs)
    assert ended.returncode == 0, ended.stderr
    curve = training.history(root / "runs" / "m")["train/loss"]
    assert curve[-1, 1] < 0.6 * curve[0, 1]
    assert "next: python eval.py" in ended.stdout


def test_interrupted_and_resumed_it_ends_in_the_same_bytes(root, run_stage):
    assert run_stage("train.py", root, *LONGER).returncode == 0
    whole = models(root)
    for name in whole:
        (root / "models" / name).unlink()
    command = [sys.executable, "train.py", str(root), *LONGER]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 15"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.startswith("interrupted") and said.count("\n") == 1
    assert not [p.name for p in (root / "models").iterdir() if p.name.startswith(".")]
    assert 15 <= store.load_checkpoint(root / "models" / "music2pose.last.pt", "music2pose training")["step"] < 100
    ended = run_stage("train.py", root, *LONGER, "--resume")
    assert "goes on from step" in ended.stdout and ended.returncode == 0
    assert (root / "models" / "music2pose.pt").read_bytes() == whole["music2pose.pt"]
    (root / "models" / "whole.pt").write_bytes(whole["music2pose.last.pt"])
    states = (
        store.load_checkpoint(root / "models" / name, "music2pose training")
        for name in ("music2pose.last.pt", "whole.pt")
    )
    assert same(*states)  # bit for bit; their pickles may share strings differently


def same(a, b):
    """Compare nested containers of tensors and values for equality."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_done_is_done(root, run_stage):
    before = models(root)
    start = (root / "models" / "music2pose.pt").stat().st_mtime_ns
    assert "music2pose.pt: fresh" in run_stage("train.py", root, *QUICK).stdout
    assert models(root) == before and (root / "models" / "music2pose.pt").stat().st_mtime_ns == start


def test_another_run_is_not_resumed(root, run_stage):
    ended = run_stage("train.py", root, *LONGER, "--resume")
    assert ended.returncode == 2
    assert (
        "cannot go on, --steps was 20; --every was 10; --patience was 8" in ended.stderr
        and ended.stderr.count("\n") == 1
    )


def test_early_stopping(root, run_stage):
    knobs = ["--steps", "400", "--every", "2", "--patience", "2", "--lr", "0.3"]  # so fast that it soon gets worse
    ended = run_stage("train.py", root, *QUICK, *knobs)
    last = store.load_checkpoint(root / "models" / "music2pose.last.pt", "music2pose training")
    assert ended.returncode in (0, 2) and last["step"] < 400


def break_root(root, how):
    if how == "no clusters":
        (root / "clusters.npz").unlink()
    elif how == "no labels":
        for file in (root / "labels").iterdir():
            file.unlink()
    elif how == "other codebook":
        arrays = store.load(root / "clusters.npz", "clusters")
        arrays.pop("meta")
        store.save(root / "clusters.npz", "clusters", "", {"seed": 1}, {}, **arrays)
    elif how == "other beats":
        for file in (root / "music").iterdir():
            arrays = store.load(file, "music")
            meta = arrays.pop("meta")
            store.save(file, "music", "", {}, meta["parents"], **arrays | {"beats": arrays["beats"] + 0.1})
    elif how == "no root":
        (root / "music").rename(root / "musik")
    elif how == "cut short":
        clip = dataroot.open_root(root).split("train", dataroot.open_root(root).have("music"))[0]
        path = root / "music" / f"{clip}.npz"
        path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no clusters", "clusters.npz: no such file"),
        ("no labels", "no clip has all of music, labels (found 9 in music/, 0 in labels/)"),
        ("other codebook", "written in another codebook than"),
        ("other beats", "cut on other beats than"),
        ("no root", "no clip has all of music, labels (found 0 in music/"),
        ("cut short", "not a whole .npz file"),
    ],
)
def test_faults_in_the_data_root(root, run_stage, how, said):
    break_root(root, how)
    before = models(root)
    ended = run_stage("train.py", root, *QUICK)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr and ended.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in ended.stderr and models(root) == before


def full_disk():
    """Let no file of this process grow over 50 kB: what a full disk looks like to it."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_a_full_disk(root, run_stage):
    before = models(root)
    ended = run_stage("train.py", root, *LONGER, preexec_fn=full_disk)
    assert ended.returncode == 2 and "File too large" in ended.stderr and "Traceback" not in ended.stderr
    assert models(root) == before
    assert not [p.name for p in (root / "models").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    "wrong", [["--steps", "0"], ["--model", "gan"], ["--lr", "-1"], ["--dropout", "2"], ["--heads"]]
)
def test_arguments_that_do_not_do(run_stage, wrong):
    start = time.monotonic()
    ended = run_stage("train.py", "nowhere", *wrong)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and time.monotonic() - start < 30


def test_importing_it_does_nothing():
    code = "import sys, train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
