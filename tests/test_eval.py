import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_train import full_disk

from learn2dance import dataroot, store


@pytest.fixture
def song(trained, tmp_path):
    """Return a song under a name that needs care, beside no data root."""
    root = dataroot.open_root(trained)
    return shutil.copy(root.audio[root.split("test", root.have("music"))[0]], tmp_path / "my 'söng' -1.wav")


@pytest.fixture
def model(trained):
    return trained / "models" / "music2pose.pt"


def test_a_dance_to_any_file(run_stage, song, model, tmp_path):
    ended = run_stage(
        "eval.py", "--audio", song, "--model", model, "--out", tmp_path / "out", "--no-video", "--seed", 5
    )
    assert ended.returncode == 0, ended.stderr
    dance = store.load(tmp_path / "out" / "my 'söng' -1.npz", "dance")
    assert len(dance["poses"]) == 8 * 30 and dance["seed"] == 5 and dance["fps"] == 30
    assert str(tmp_path / "out" / "my 'söng' -1.npz") in ended.stdout


def test_the_weights_that_come_along_dance_without_more_ado(run_stage, song, tmp_path):
    ended = run_stage(
        "eval.py", "--audio", song, "--style", "waltz", "--out", tmp_path / "out", "--no-video", "--quiet"
    )
    assert ended.returncode == 0 and not ended.stdout, ended.stderr
    poses = store.load(tmp_path / "out" / "my 'söng' -1.npz", "dance")["poses"]
    assert poses.shape == (240, 15, 2)
    speed = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(1) * 30
    assert speed.reshape(-1)[:210].reshape(7, 30).mean(1).min() > 0.2  # torso lengths a second: it never freezes


def test_a_film_with_sound(run_stage, song, model, tmp_path):
    from learn2dance import video

    ended = run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = video.probe(tmp_path / "my 'söng' -1.mp4")
    assert found["audio"] and abs(found["duration"] - 8) < 0.1


def test_several_dances_differ_and_each_can_be_had_again(run_stage, song, model, tmp_path):
    several = run_stage(
        "eval.py", "--audio", song, "--model", model, "--out", tmp_path, "--no-video", "--n", 2, "--seed", 7
    )
    assert several.returncode == 0, several.stderr
    seven, eight = (store.load(tmp_path / f"my 'söng' -1_{seed}.npz", "dance") for seed in (7, 8))
    assert (seven["tokens"] != eight["tokens"]).any()
    run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path / "one", "--no-video", "--seed", 8)
    np.testing.assert_array_equal(store.load(tmp_path / "one" / "my 'söng' -1.npz", "dance")["poses"], eight["poses"])


def test_the_songs_of_a_split(root, run_stage):
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 0, ended.stderr
    expected = (root / "splits" / "test.txt").read_text().split()
    made = sorted((root / "dances" / "music2pose").glob("*.npz"))
    assert sorted(expected) == [p.stem for p in made]
    times = [p.stat().st_mtime_ns for p in made]
    assert run_stage("eval.py", root, "--split", "test", "--no-video").returncode == 0
    assert times == [p.stat().st_mtime_ns for p in made]  # fresh: not danced again


def test_goes_on_from_poses(root, run_stage):
    clip = (root / "splits" / "test.txt").read_text().split()[0]
    take = root / "poses" / f"{clip}.npz"
    audio, model = dataroot.open_root(root).audio[clip], root / "models" / "music2pose.pt"
    ended = run_stage("eval.py", "--audio", audio, "--model", model, "--prefix", take, "--out", root, "--no-video")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--audio", "{tmp}/none.mp3"], "none.mp3"),
        (["--audio", "{tmp}/text.mp3"], "text.mp3"),
        (["--audio", "{tmp}/empty.wav"], "empty.wav"),
        (["--audio", "{song}", "--model", "{tmp}/none.pt"], "no such model"),
        (["--audio", "{song}", "--model", "{trained}/clusters.npz"], "checkpoint"),
        (
            ["--audio", "{song}", "--model", "{trained}/models/music2pose.last.pt"],
            "expected a 'music2pose' or 'seq_gan' checkpoint",
        ),
        (["--audio", "{song}", "--style", "polka"], "--style polka: "),
        (["--audio", "{song}", "{song}"], "two songs of the same name"),
        (["--audio", "{song}", "--prefix", "{trained}/clusters.npz"], "no key 'poses'"),
        (["--audio", "{song}", "--seed", "-1"], "invalid whole number value: '-1'"),
        (["--audio", "{song}", "--device", "cpu:x"], "--device cpu:x"),
        (["{tmp}", "--split", "test"], "expected keypoints/ and audio/"),
        (["{trained}", "--audio", "{song}"], "a data root or --audio"),
        ([], "give a data root, --audio FILE, --given POSES.npz, or --seconds S"),
    ],
)
def test_faults_of_the_user(run_stage, song, model, trained, tmp_path, wrong, said):
    (tmp_path / "text.mp3").write_text("this is no music")
    (tmp_path / "empty.wav").touch()
    asked = [word.format(tmp=tmp_path, song=song, trained=trained) for word in wrong]
    more = [] if "--model" in asked or "--audio" not in asked else ["--model", model]
    ended = run_stage("eval.py", *asked, *more, "--out", tmp_path / "out")
    assert ended.returncode == 2, ended.stdout
    assert said in ended.stderr.splitlines()[-1] and "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_what_it_dances_to_and_from_is_not_overwritten(run_stage, song, model, tmp_path):
    run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path, "--no-video")
    dance = tmp_path / "my 'söng' -1.npz"
    before = dance.read_bytes()
    again = ["--audio", song, "--model", model, "--no-video"]
    ended = run_stage("eval.py", *again, "--prefix", dance, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr and dance.read_bytes() == before
    film = shutil.copy(song, tmp_path / "film.mp4")
    ended = run_stage("eval.py", "--audio", film, "--model", model, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr


def test_a_model_of_another_codebook(root, run_stage):
    clusters = root / "clusters.npz"
    arrays = store.load(clusters, "clusters")
    arrays.pop("meta")
    store.save(clusters, "clusters", "", {"seed": 1}, {}, **arrays)
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 2 and "trained on codebook" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_full_disk(run_stage, song, model, tmp_path):
    ended = run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path / "out", preexec_fn=full_disk)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and ended.stderr.startswith("error: ")
    left = list((tmp_path / "out").iterdir())
    assert [p.suffix for p in left] == [".npz"]  # what was written stays whole, and nothing half-written is left
    store.load(left[0], "dance")


def test_ctrl_c(song, model, tmp_path):
    asked = ["--audio", song, "--model", model, "--out", tmp_path / "out", "--no-video", "--n", 999]
    command = [sys.executable, "eval.py", *map(str, asked)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().endswith("_0.npz\n")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.startswith("interrupted") and said.count("\n") == 1
    for path in (tmp_path / "out").iterdir():
        store.load(path, "dance")
