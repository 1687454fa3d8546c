"""The toy data command: it generates what is missing, refuses bad arguments and other data, and can be interrupted."""

import functools
import itertools
import signal
import subprocess
import sys
import time

import orjson
import pytest
from conftest import ROOT
from test_toy_data import people, tree

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.synthetic import __main__ as toy_command
from learn2dance.synthetic import toy_data


def test_only_what_is_missing_or_stale_is_generated(tmp_path):
    assert len(toy_data.make(tmp_path, 9, 4.0)) == 9
    before = tree(tmp_path)
    assert toy_data.make(tmp_path, 9, 4.0) == []
    (tmp_path / "audio" / "disco_02.wav").unlink()
    assert toy_data.make(tmp_path, 9, 4.0) == ["disco_02"]
    assert tree(tmp_path) == before
    assert len(toy_data.make(tmp_path, 10, 4.0)) == 1  # the others stay as they are
    assert len(toy_data.make(tmp_path, 10, 5.0)) == 10
    assert len(people(tmp_path, "waltz_01")) == 5 * 25
    assert not [path for path in tmp_path.rglob(".*")]


@pytest.mark.parametrize("index", [0, 2])  # a folder, an archive
def test_a_full_disk_leaves_no_incomplete_files(tmp_path, monkeypatch, index):
    frame, dumps = itertools.count(), orjson.dumps

    def full(content):
        if next(frame) == 7:
            raise OSError(28, "No space left on device")
        return dumps(content)

    monkeypatch.setattr(orjson, "dumps", full)
    clip = toy_data._clip(index)
    job = (tmp_path, clip, {"seed": 0, "seconds": 4.0}, {})
    with pytest.raises(OSError, match="No space"):
        toy_data._make_clip(job)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not list(tmp_path.glob("keypoints/*"))
    monkeypatch.undo()
    toy_data._make_clip(job)
    assert len(people(tmp_path, clip.name)) == 100


@pytest.fixture
def run(run_stage):
    return functools.partial(run_stage, "-m", "learn2dance.synthetic")


def test_the_command_reports_what_it_generated_and_the_next_command(run, tmp_path):
    done = run(tmp_path / "toy", "--clips", 9, "--seconds", 4, "--jobs", 2)
    assert done.returncode == 0 and done.stderr == ""
    assert "9 clips of 4 s generated, 0 kept" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("next: python parse.py")
    second = run(tmp_path / "toy", "--clips", 9, "--seconds", 4, "--quiet")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--clips", 8], "--clips 8"), (["--seconds", 1], "--seconds 1"), (["--seed", -1], "argument --seed")],
)
def test_bad_arguments_end_in_one_line(run, tmp_path, arguments, named):
    done = run(tmp_path / "toy", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "toy").exists()


def test_arguments_that_are_no_numbers_are_refused(tmp_path, capsys):
    for arguments in (["--clips", "many"], ["--seconds", "nan"], ["--clips", "0"], ["--jobs", "0"], ["--claps", "3"]):
        with pytest.raises(SystemExit) as ended:
            toy_command.main([str(tmp_path / "toy"), *arguments])
        assert ended.value.code == 2
        assert arguments[0] in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "toy").exists()


def test_a_file_where_a_folder_should_be_is_named(run, tmp_path):
    (tmp_path / "toy").write_text("mine")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "keypoints").write_text("mine")
    for root, file in (("toy", "toy"), ("root", "root/keypoints")):
        done = run(tmp_path / root, "--clips", 9, "--seconds", 4, "--jobs", 1)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and str(tmp_path / file) in done.stderr
        assert (tmp_path / file).read_text() == "mine"


@pytest.mark.parametrize("mine", ["keypoints/C_2/C_2_0_keypoints.json", "audio/song.mp3", "videos/a.mp4", "clips.csv"])
def test_a_folder_with_other_data_is_refused(tmp_path, mine):
    (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mine).write_text("clip,style,fps\nC_2,cha-cha,25\n")
    before = tree(tmp_path)
    with pytest.raises(UserError, match="not one of the 9 toy clips"):
        toy_data.make(tmp_path, 9, 4.0)
    assert tree(tmp_path) == before


def test_ctrl_c_leaves_complete_clips(tmp_path):
    command = [sys.executable, "-m", "learn2dance.synthetic", tmp_path, "--clips", "90", "--jobs", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if list((tmp_path / "truth").glob("[!.]*")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr and len(stderr.splitlines()) == 1
    assert not [path for path in tmp_path.rglob(".*")]
    truths = list((tmp_path / "truth").iterdir())
    assert 0 < len(truths) < 90
    for truth in truths:
        assert len(people(tmp_path, truth.stem)) == len(npz.load(truth, "truth")["poses"])
