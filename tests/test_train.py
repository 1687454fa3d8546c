import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from conftest import QUICK, ROOT
from interruption import interrupt

from learn2dance.data import checkpoint, curves, data_root, npz
from learn2dance.media import video_reader

LONGER = [*QUICK, "--steps", "100", "--every", "5", "--patience", "99"]


def models(root):
    return {name: (root / "models" / name).read_bytes() for name in ("music2pose.pt", "music2pose.last.pt")}


def test_it_learns_the_songs_by_heart(root, run_stage):
    hyperparameters = "--dropout 0 --steps 150 --every 10 --patience 99 --batch 64 --warmup 5".split()
    ended = run_stage("train.py", root, "--out", root / "m.pt", *hyperparameters)
    assert ended.returncode == 0, ended.stderr
    curve = curves.history(root / "runs" / "m")["train/loss"]
    assert curve[-1, 1] < 0.1 * curve[0, 1]
    assert "next: python eval.py" in ended.stdout
    step = checkpoint.load(root / "m.pt", "music2pose")["step"]
    video = root / "runs" / "m" / f"step_{step:06d}.mp4"  # a real dance beside a generated one, of 8 s
    assert video_reader.look(video).frames == 8 * 30 and f"{video}: " in ended.stdout
    written = video.read_bytes()
    video.unlink()  # as if it had been interrupted there
    ended = run_stage("train.py", root, "--out", root / "m.pt", *hyperparameters)
    assert "m.pt: up to date" in ended.stdout and video.read_bytes() == written


def test_interrupted_and_resumed_it_ends_in_the_same_bytes(root, run_stage):
    assert run_stage("train.py", root, *LONGER).returncode == 0
    whole = models(root)
    for name in whole:
        (root / "models" / name).unlink()
    interrupt(["train.py", root, *LONGER], "step 15 of")
    assert not [p.name for p in (root / "models").iterdir() if p.name.startswith(".")]
    assert 15 <= checkpoint.load(root / "models" / "music2pose.last.pt", "music2pose training")["step"] < 100
    ended = run_stage("train.py", root, *LONGER, "--resume")
    assert "resuming at step" in ended.stdout and ended.returncode == 0
    assert models(root) == whole


def test_one_style_alone(root, run_stage):
    table = dict(line.split(",")[:2] for line in (root / "clips.csv").read_text().splitlines()[1:])
    split = {name: (root / "splits" / f"{name}.txt").read_text().split() for name in ("train", "val")}
    style = table[split["val"][0]]
    ended = run_stage("train.py", root, "--style", style, "--out", root / "one.pt", *QUICK)
    assert ended.returncode == 0, ended.stderr
    parts = checkpoint.load(root / "one.pt", "music2pose")
    assert parts["parents"]["train"] == [clip for clip in split["train"] if table[clip] == style]
    assert parts["config"]["styles"] == (style,) and set(parts["units"]["style"].tolist()) == {1}
    ended = run_stage("eval.py", root, "--model", root / "one.pt", "--no-video", "--split", "train")
    for clip in split["train"]:  # a label that the model does not know is said; there is no other style to choose
        line = next(line for line in ended.stdout.splitlines() if line.startswith(f"{clip}: style {style}"))
        assert line.endswith(f"the model does not know its style in clips.csv, {table[clip]}") == (table[clip] != style)
        assert "--style list" not in line
    ended = run_stage("train.py", root, "--style", "polka", *QUICK)
    assert ended.returncode == 2 and "--style polka: not in both" in ended.stderr and ended.stderr.count("\n") == 1


def test_done_is_done(root, run_stage):
    before = models(root)
    start = (root / "models" / "music2pose.pt").stat().st_mtime_ns
    assert "music2pose.pt: up to date" in run_stage("train.py", root, *QUICK).stdout
    assert models(root) == before and (root / "models" / "music2pose.pt").stat().st_mtime_ns == start


def test_another_run_is_not_resumed(root, run_stage):
    ended = run_stage("train.py", root, *LONGER, "--resume")
    assert ended.returncode == 2
    assert (
        "cannot resume, --steps was 20; --every was 10; --patience was 8" in ended.stderr
        and ended.stderr.count("\n") == 1
    )


def test_early_stopping(root, run_stage):
    # Without dropout the network soon knows the songs by heart, and what it says of others gets worse.
    hyperparameters = "--dropout 0 --steps 3000 --every 20 --patience 2 --batch 64".split()
    ended = run_stage("train.py", root, *hyperparameters, "--out", root / "m.pt")
    assert ended.returncode == 0, ended.stderr
    state = checkpoint.load(root / "m.last.pt", "music2pose training")
    assert state["waited"] == 2 and state["step"] == state["best_step"] + 40 < 3000
    curve = curves.history(root / "runs" / "m")["val/loss"]
    assert state["best"] == pytest.approx(curve[:, 1].min(), abs=1e-4)
    assert checkpoint.load(root / "m.pt", "music2pose")["step"] == state["best_step"]


def test_a_lost_model_is_written_again(root, run_stage):
    before = models(root)
    (root / "models" / "music2pose.pt").unlink()
    assert run_stage("train.py", root, *QUICK, "--resume").returncode == 0
    assert models(root)["music2pose.pt"] == before["music2pose.pt"]


def test_changed_data_are_learned_anew(root, run_stage):
    table = (root / "clips.csv").read_text()
    (root / "clips.csv").write_text(table.replace("waltz,", "polka,"))  # the style; the clips' names stay
    ended = run_stage("train.py", root, *QUICK, "--resume")
    assert ended.returncode == 0 and "the data or the program have changed since" in ended.stdout, ended.stderr
    assert "polka" in checkpoint.load(root / "models" / "music2pose.pt", "music2pose")["config"]["styles"]


def break_root(root, how):
    if how == "no clusters":
        (root / "clusters.npz").unlink()
    elif how == "no tokens":
        for file in (root / "tokens").iterdir():
            file.unlink()
    elif how == "other codebook":
        arrays = npz.load(root / "clusters.npz", "clusters")
        meta = arrays.pop("meta")
        npz.save(root / "clusters.npz", "clusters", "", meta["arguments"] | {"seed": 1}, meta["parents"], **arrays)
    elif how == "other music":
        for file in (root / "music").iterdir():
            arrays = npz.load(file, "music")
            meta = arrays.pop("meta")
            npz.save(file, "music", "", {}, meta["parents"], **arrays | {"beats": arrays["beats"] + 0.1})
    elif how == "no root":
        (root / "music").rename(root / "musik")
    elif how == "split changed":
        train, val = ((root / "splits" / f"{name}.txt") for name in ("train", "val"))
        texts = train.read_text(), val.read_text()
        train.write_text(texts[1])
        val.write_text(texts[0])
    elif how == "in two splits":
        with open(root / "splits" / "val.txt", "a") as file:
            file.write((root / "splits" / "train.txt").read_text())
    elif how == "cut short":
        clip = data_root.open_root(root).split("train", data_root.open_root(root).have("music"))[0]
        path = root / "music" / f"{clip}.npz"
        path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no clusters", "clusters.npz: no such file"),
        ("no tokens", "no clip has all of music, tokens (found 9 in music/, 0 in tokens/)"),
        ("other codebook", "computed from other clusters than now; run Clustering.ipynb"),
        ("other music", "computed from other music than now; run Clustering.ipynb"),
        ("no root", "no clip has all of music, tokens (found 0 in music/"),
        ("cut short", "computed from other music than now"),
        ("split changed", "fitted on another split than"),
        ("in two splits", "is in val.txt too"),
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


def test_a_full_disk_when_the_curves_are_begun(root, run_stage):
    import resource

    out = root / "new.pt"
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (36, 36))  # bytes: less than the first event
    ended = run_stage("train.py", root, *LONGER, "--out", out, preexec_fn=limit)
    assert ended.returncode == 2 and ended.stderr == f"error: {root / 'runs' / 'new'}: File too large\n"
    assert not out.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--steps", "0"],
        ["--style"],
        ["--lr", "-1"],
        ["--dropout", "2"],
        ["--layers", "2"],
        ["--width", "30"],
        ["--seed", "-1"],
    ],
)
def test_arguments_that_do_not_do(root, run_stage, wrong):
    start = time.monotonic()
    ended = run_stage("train.py", root, *wrong)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and time.monotonic() - start < 30


def test_importing_it_does_nothing():
    code = "import sys, train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
