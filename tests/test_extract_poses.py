"""extract_poses.sh as its user runs it, with a stand-in for docker."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fake_docker
import numpy as np
import pytest
from conftest import ROOT
from fake_docker import SCRIPT, calls, error_line
from test_video_reader import BUNDLED, CLICKS, corner, flashes, make, onset_seconds
from test_video_writer import pictures, song

extract, two = pytest.fixture(name="extract")(fake_docker.extract), pytest.fixture(name="two")(fake_docker.two)


def test_openpose_in_docker(tmp_path, extract, two):
    done = extract()
    assert done.returncode == 0, done.stderr
    assert "docker and an NVIDIA GPU found: --backend openpose" in done.stdout and "2 clips extracted" in done.stdout
    (a, b) = calls(tmp_path)  # the stand-in has checked the rest
    assert "cwaffles/openpose" in a and "/videos/b.mov.mp4" in b and a[5] != b[5]
    for clip, frames in {"a": 100, "b.mov": 120}.items():
        names = sorted(p.name for p in (tmp_path / "data" / "keypoints" / clip).glob("*.json"))
        assert names == [f"{clip}_{t:012}_keypoints.json" for t in range(frames)]
    assert sorted(p.name for p in (tmp_path / "data" / "keypoints").iterdir()) == ["a", "b.mov"]
    np.testing.assert_allclose(onset_seconds(tmp_path / "data/audio/a.wav"), CLICKS, atol=0.010)
    assert [p.name for p in (tmp_path / "data" / "audio").iterdir()] == ["a.wav"]
    assert "b.mov.mp4: no sound;" in done.stderr
    with open(tmp_path / "data" / "clips.csv") as file:
        assert {row["clip"]: float(row["fps"]) for row in csv.DictReader(file)} == {"a": 25, "b.mov": 30}
    parsed = subprocess.run([sys.executable, ROOT / "parse.py", tmp_path / "data"], capture_output=True, text=True)
    assert parsed.returncode == 0 and "b.mov: 120 frames at 30 fps" in parsed.stdout, parsed.stderr


def test_complete_clips_are_skipped_and_others_extracted_again(tmp_path, extract, two):
    assert extract().returncode == 0 and len(calls(tmp_path)) == 2
    done = extract()
    assert done.returncode == 0 and not calls(tmp_path) and "0 clips extracted, 2 skipped" in done.stdout
    (tmp_path / "data" / "keypoints" / "a" / "a_000000000007_keypoints.json").unlink()
    (tmp_path / "data" / "audio" / "a.wav").unlink()
    assert "1 clips extracted" in extract().stdout and len(calls(tmp_path)) == 1
    assert len(list((tmp_path / "data/keypoints/a").glob("*.json"))) == 100 and (tmp_path / "data/audio/a.wav").exists()
    (tmp_path / "data" / "audio" / "a.wav").unlink()
    assert extract().returncode == 0 and not calls(tmp_path) and (tmp_path / "data/audio/a.wav").exists()
    later = song(tmp_path / "s.wav", clicks=[1.0])
    make("-i", flashes(tmp_path / "p.mp4", seconds=2), "-i", later, two / "a.mp4")  # another video of this name
    (two / "new.mp4").write_bytes((two / "b.mov.mp4").read_bytes())
    assert "2 clips extracted, 1 skipped" in extract().stdout and len(calls(tmp_path)) == 2
    assert len(list((tmp_path / "data/keypoints/a").glob("*.json"))) == 50
    np.testing.assert_allclose(onset_seconds(tmp_path / "data/audio/a.wav"), [1.0], atol=0.010)


def test_files_of_other_tools_are_kept(tmp_path, extract, two):
    data = tmp_path / "data"
    (data / "keypoints" / "a").mkdir(parents=True)
    for t in range(100):
        (data / "keypoints" / "a" / f"{t:012}_keypoints.json").write_text('{"people": []}')
    (data / "keypoints" / "b.mov.tar.gz").write_bytes(b"packed")
    (data / "audio").mkdir()
    (data / "audio" / "a.ogg").write_bytes(b"music")
    (data / "clips.csv").write_text("clip,style,dancer\nz,waltz,me\na,tango,you\n")
    done = extract()
    assert done.returncode == 0 and not calls(tmp_path), done.stderr
    assert "found 100 files of another tool" in done.stdout and "b.mov.tar.gz exists" in done.stdout
    assert (data / "clips.csv").read_text() == "clip,style,dancer,fps\nz,waltz,me,\na,tango,you,25\n"
    assert [p.name for p in (data / "audio").iterdir()] == ["a.ogg"]
    (data / "keypoints" / "a" / "000000000000_keypoints.json").unlink()
    shutil.rmtree(data / "keypoints" / "a")  # now it is made, at the frames a second that clips.csv says
    (data / "clips.csv").write_text("clip,style,fps\na,tango,12.5\n")
    assert extract().returncode == 0 and len(list((data / "keypoints/a").glob("*.json"))) == 50
    assert [p.name for p in (data / "audio").iterdir()] == ["a.ogg"]


def test_television_rates_and_a_single_frame_are_complete(tmp_path, extract):
    make("-r", "30000/1001", "-i", flashes(tmp_path / "n.mp4", seconds=0.4), tmp_path / "videos" / "ntsc.mp4")
    make("-i", flashes(tmp_path / "p.mp4"), "-frames:v", 1, tmp_path / "videos" / "one.mp4")
    assert "2 clips extracted, 0 skipped" in extract().stdout and len(calls(tmp_path)) == 2
    assert "0 clips extracted, 2 skipped" in extract().stdout and not calls(tmp_path)


def test_videos_within_the_data_root(tmp_path, extract):
    (tmp_path / "data").mkdir()
    videos = (tmp_path / "videos").rename(tmp_path / "data" / "videos")
    flashes(videos / "a.mp4", seconds=0.4)
    for name in ("twice.mp4", "twice.mov"):
        shutil.copy(videos / "a.mp4", videos / name)
    assert "twice.mov, twice.mp4 have the same clip name" in error_line(extract("data/videos", "data"))
    assert [path.name for path in (tmp_path / "data" / "keypoints").iterdir()] == ["a"]
    parsed = subprocess.run([sys.executable, ROOT / "parse.py", tmp_path / "data"], capture_output=True, text=True)
    assert parsed.returncode == 0 and "1 clips written" in parsed.stdout, parsed.stderr


def test_make_goes_from_videos_to_films_past_a_damaged_one(tmp_path, extract):
    data = tmp_path / "my data"
    (data / "audio").mkdir(parents=True)
    videos = (tmp_path / "videos").rename(data / "videos")
    flashes(videos / "it's $me.mov.mp4", seconds=0.4)
    (videos / "bad.mp4").write_text("la la la")
    song(data / "audio" / "it's $me.mov.ogg")
    targets = ["-k", "-C", ROOT, "-o", "venv", f"PY={sys.executable}", f"DATA={data}", "keypoints", "poses", "films"]
    done = extract(*targets, script="make")
    assert done.returncode == 2 and "bad.mp4: found neither" in done.stderr, done.stderr
    assert "'films'" not in done.stderr
    assert len(pictures(data / "films" / "it's $me.mov.mp4")) == 10
    assert (
        "Audio:"
        in subprocess.run([BUNDLED, "-i", data / "films" / "it's $me.mov.mp4"], capture_output=True, text=True).stderr
    )


@pytest.mark.parametrize("name", ["two words", 'it\'s "quoted" $HOME `id`', "Füße 舞", "-dash", "50%d;#1", "a,b:c\\d"])
def test_any_name_will_do(tmp_path, extract, name):
    videos, data = f"my {name.replace(':', '')}", tmp_path / f"data {name.replace(':', '')}"
    (tmp_path / videos).mkdir()
    flashes(tmp_path / videos / f"{name}.mp4", seconds=0.4)
    done = extract("--backend", "openpose", "--", videos, data.name)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (data / "keypoints" / name).glob("*.json")}
    assert names == {f"{name}_{t:012}_keypoints.json" for t in range(10)}
    with open(data / "clips.csv", newline="", encoding="utf-8") as file:
        assert [row["clip"] for row in csv.DictReader(file)] == [name]


def test_a_phones_video_reaches_openpose_upright_and_even(tmp_path, extract):
    turned = make("-display_rotation", 90, "-i", corner(tmp_path / "p.mp4"), "-c", "copy", tmp_path / "videos/t.mov")
    done = extract()
    assert done.returncode == 0, done.stderr
    frame = json.loads((tmp_path / "data/keypoints/t/t_000000000009_keypoints.json").read_text())
    assert frame["people"][0]["pose_keypoints_2d"][:2] == [24, 48]  # the middle of 48x96, stored as 96x48
    assert turned.exists() and sorted(p.name for p in (tmp_path / "data/keypoints").iterdir()) == ["t"]
    (call,) = calls(tmp_path)
    assert "/videos/video.mp4" in call


def test_links_are_followed(tmp_path, extract):
    (tmp_path / "elsewhere").mkdir()
    flashes(tmp_path / "elsewhere" / "take 7.mp4", seconds=0.4)
    (tmp_path / "videos" / "me.mp4").symlink_to("../elsewhere/take 7.mp4")
    assert extract().returncode == 0
    names = {path.name for path in (tmp_path / "data" / "keypoints" / "me").glob("*.json")}
    assert names == {f"me_{t:012}_keypoints.json" for t in range(10)}


@pytest.fixture(scope="session")
def pose_python() -> str:
    """Return a Python that has mediapipe: ``L2D_POSE_PYTHON``, or .venv-pose's; else skip."""
    python = os.environ.get("L2D_POSE_PYTHON", str(ROOT / ".venv-pose" / "bin" / "python"))
    if not Path(python).exists():
        pytest.skip("no .venv-pose: ./extract_poses.sh --backend mediapipe makes it")
    return python


def test_mediapipe_follows_a_real_dancer(tmp_path, extract, pose_python, shared, two):
    """The whole way: sound laid under three seconds of a dancer, poses, music's features, and a film of both."""
    data = tmp_path / "my data"
    (data / "videos").mkdir(parents=True)
    wav = song(tmp_path / "s.wav", 3.0, clicks=np.arange(0.25, 3, 0.5))
    three = ["-map", "0:v", "-map", "1:a", "-t", "3", "-c:v", "libx264", data / "videos" / "the dancer.mp4"]
    make("-i", shared / "video" / "dancer_1.mp4", "-itsoffset", "0.1", "-i", wav, *three)
    flashes(data / "videos" / "nobody.mp4", seconds=0.4)
    done = extract("my data/videos", "my data", "--backend", "mediapipe", L2D_POSE_PYTHON=pose_python)
    assert done.returncode == 0, done.stderr
    assert "the dancer: 75 frames at 25 fps, a person in 100.0%, with sound" in done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert not said and "no person detected" in done.stderr and "no sound;" in done.stderr  # MediaPipe's noise is not
    nobody = sorted((data / "keypoints" / "nobody").glob("*.json"))
    assert len(nobody) == 10 and all(json.loads(path.read_text())["people"] == [] for path in nobody)
    np.testing.assert_allclose(onset_seconds(data / "audio" / "the dancer.wav")[0], 0.35, atol=0.010)
    shutil.rmtree(data / "keypoints" / "nobody")

    made = ["parse.py", data], ["-m", "learn2dance.notebook", "Process_Waves.ipynb", data]
    film = [data / "poses/the dancer.npz", "--over", data / "videos/the dancer.mp4", "--out", data / "over.mp4"]
    for stage in (*made, ["animate.py", *film]):
        done = subprocess.run([sys.executable, *map(str, stage)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (data / "music" / "the dancer.npz").exists() and len(pictures(data / "over.mp4")) == 75
    poses = np.load(data / "poses" / "the dancer.npz")["poses"]
    shown = pictures(shared / "video" / "dancer_1.mp4")[:75]  # on white: where it is dark, there is the dancer
    joints = np.nan_to_num(poses).round().astype(int)
    near = [
        (picture[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] < 235).any()
        for picture, frame in zip(shown, joints, strict=True)
        for x, y in frame
    ]
    assert np.mean(near) > 0.97


def test_shellcheck_is_clean():
    beside = Path(sys.executable).with_name("shellcheck")
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if not shellcheck and not os.environ.get("CI"):
        pytest.skip("no shellcheck; requirements.txt brings it")
    assert shellcheck, "no shellcheck in an environment built from requirements.txt"
    done = subprocess.run([shellcheck, SCRIPT, ROOT / ".ci" / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
