"""extract_poses.sh as its user runs it, with a stand-in for docker that checks its arguments and writes as OpenPose."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_animate import running
from test_video_reader import BUNDLED, CLICKS, corner, flashes, make, noise, onset_seconds
from test_video_writer import pictures, song

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "extract_poses.sh"

# Refuses what docker and OpenPose would refuse; writes a file for each frame of the video, with a person whose nose is
# in the middle of the picture. DOCKER_DOES makes it fail in a way that docker or OpenPose fails.
DOCKER = r"""
import json, os, pathlib, re, subprocess, sys, time
log = pathlib.Path(os.environ["DOCKER_LOG"])
with open(log, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\n")
does, stem = os.environ.get("DOCKER_DOES", ""), ""
if sys.argv[1] == "kill":
    sys.exit()
if does.startswith("says "):
    code, text = does[5:].split(" ", 1)
    print(text, file=sys.stderr)
    sys.exit(int(code))
expected = (
    "run --rm --gpus all --name NAME --volume VIDEOS:/videos:ro --volume TARGET:/keypoints --workdir /openpose IMAGE "
    "./build/examples/openpose/openpose.bin --video VIDEO --write_json /keypoints --display 0 --render_pose 0 "
    "--model_pose BODY_25"
).split()
got = sys.argv[1:]
assert len(got) == len(expected), got
values = {}
for word, pattern in zip(got, expected):
    capital = re.search("[A-Z]{4,}$|^[A-Z]{4,}", pattern)
    if capital and pattern != "BODY_25":
        rest = pattern.replace(capital[0], "")
        assert word.endswith(rest), (word, pattern)
        values[capital[0]] = word[: len(word) - len(rest)]
    else:
        assert word == pattern, (word, pattern)
assert re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9_.-]+", values["NAME"])  # what docker takes
assert re.fullmatch("[a-z0-9./:_-]+", values["IMAGE"]) and os.path.isabs(values["VIDEOS"])
assert values["VIDEO"].startswith("/videos/") and not os.listdir(values["TARGET"])
video = pathlib.Path(values["VIDEOS"], values["VIDEO"][8:])
assert video.is_file() and "%" not in video.name
about = subprocess.run([os.environ["FFMPEG"], "-noautorotate", "-i", f"file:{video}", "-f", "rawvideo", "-pix_fmt",
                        "gray", "-fps_mode", "passthrough", "-"], capture_output=True, stdin=subprocess.DEVNULL)
width, height = map(int, re.search(rb"(\d{2,})x(\d{2,})", about.stdout and about.stderr).groups())
for t in range(len(about.stdout) // (width * height)):
    joints = [width / 2, height / 2, 0.9] + [width / 2, 1.0, 0.8] * 24
    name = video.stem + f"_{t:012}_keypoints.json"
    person = {"person_id": [-1], "pose_keypoints_2d": joints}
    pathlib.Path(values["TARGET"], name).write_text(json.dumps({"version": 1.3, "people": [person]}))
    if does == "hangs" and t == 5:
        time.sleep(600)
    if does == "stops early" and t == 5:
        break
    if does == "crashes in bad" and t == 5 and "bad" in video.name:
        print("Error:\nCuda check failed (2 vs. 0): out of memory", file=sys.stderr)
        sys.exit(255)
print("OpenPose demo successfully finished.")
"""


@pytest.fixture
def extract(tmp_path):
    """Return a function that runs the script in the test's folder, with a stand-in for docker."""
    (tmp_path / "bin").mkdir()
    for name, code in {"docker": DOCKER, "nvidia-smi": ""}.items():
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\n{code}")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "videos").mkdir()

    def run(*arguments, does="", start=subprocess.run, script=SCRIPT, **more):
        more = {name: str(value) for name, value in more.items()}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        ours = {"PATH": path, "L2D_PYTHON": sys.executable, "DOCKER_LOG": str(tmp_path / "log"), "FFMPEG": BUNDLED}
        kept = {k: v for k, v in os.environ.items() if k not in ("OPENPOSE_IMAGE", "POSE_BACKEND", "L2D_POSE_PYTHON")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
        command = [str(script), *map(str, arguments or ("videos", "data"))]
        return start(command, env=kept | ours | {"DOCKER_DOES": does} | more, **pipes)

    return run


def calls(tmp_path) -> list[list[str]]:
    """Return the arguments of each call of docker so far, and forget them."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def told(done) -> str:
    """Return the one line of a run that ended with 2."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0]


@pytest.fixture
def two(tmp_path, extract):
    """Two videos, one with sound."""
    make("-i", flashes(tmp_path / "p.mp4"), "-i", song(tmp_path / "s.wav", clicks=CLICKS), tmp_path / "videos/a.mp4")
    flashes(tmp_path / "videos" / "b.mov.mp4", 30)
    return tmp_path / "videos"


def test_openpose_in_docker(tmp_path, extract, two):
    done = extract()
    assert done.returncode == 0, done.stderr
    assert "docker and an NVIDIA GPU are here: --backend openpose" in done.stdout and "2 clips made" in done.stdout
    (a, b) = calls(tmp_path)  # the stand-in has checked the rest
    assert "cwaffles/openpose" in a and "/videos/b.mov.mp4" in b and a[5] != b[5]
    for clip, frames in {"a": 100, "b.mov": 120}.items():
        names = sorted(p.name for p in (tmp_path / "data" / "keypoints" / clip).glob("*.json"))
        assert names == [f"{clip}_{t:012}_keypoints.json" for t in range(frames)]
    assert sorted(p.name for p in (tmp_path / "data" / "keypoints").iterdir()) == ["a", "b.mov"]
    np.testing.assert_allclose(onset_seconds(tmp_path / "data/audio/a.wav"), CLICKS, atol=0.010)
    assert [p.name for p in (tmp_path / "data" / "audio").iterdir()] == ["a.wav"]
    assert "b.mov.mp4: no sound in it" in done.stderr
    with open(tmp_path / "data" / "clips.csv") as file:
        assert {row["clip"]: float(row["fps"]) for row in csv.DictReader(file)} == {"a": 25, "b.mov": 30}
    parsed = subprocess.run([sys.executable, ROOT / "parse.py", tmp_path / "data"], capture_output=True, text=True)
    assert parsed.returncode == 0 and "b.mov: 120 frames at 30 fps" in parsed.stdout, parsed.stderr


def test_what_is_whole_is_left_alone_and_what_is_not_is_made_anew(tmp_path, extract, two):
    assert extract().returncode == 0 and len(calls(tmp_path)) == 2
    done = extract()
    assert done.returncode == 0 and not calls(tmp_path) and "0 clips made, 2 were whole" in done.stdout
    (tmp_path / "data" / "keypoints" / "a" / "a_000000000007_keypoints.json").unlink()
    (tmp_path / "data" / "audio" / "a.wav").unlink()
    assert "1 clips made" in extract().stdout and len(calls(tmp_path)) == 1
    assert len(list((tmp_path / "data/keypoints/a").glob("*.json"))) == 100 and (tmp_path / "data/audio/a.wav").exists()
    (tmp_path / "data" / "audio" / "a.wav").unlink()
    assert extract().returncode == 0 and not calls(tmp_path) and (tmp_path / "data/audio/a.wav").exists()
    later = song(tmp_path / "s.wav", clicks=[1.0])
    make("-i", flashes(tmp_path / "p.mp4", seconds=2), "-i", later, two / "a.mp4")  # another video of this name
    (two / "new.mp4").write_bytes((two / "b.mov.mp4").read_bytes())
    assert "2 clips made, 1 were whole" in extract().stdout and len(calls(tmp_path)) == 2
    assert len(list((tmp_path / "data/keypoints/a").glob("*.json"))) == 50
    np.testing.assert_allclose(onset_seconds(tmp_path / "data/audio/a.wav"), [1.0], atol=0.010)


def test_what_others_put_there_is_not_touched(tmp_path, extract, two):
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
    assert "another's 100 files" in done.stdout and "there is b.mov.tar.gz" in done.stdout
    assert (data / "clips.csv").read_text() == "clip,style,dancer,fps\nz,waltz,me,\na,tango,you,25\n"
    assert [p.name for p in (data / "audio").iterdir()] == ["a.ogg"]
    (data / "keypoints" / "a" / "000000000000_keypoints.json").unlink()
    shutil.rmtree(data / "keypoints" / "a")  # now it is made, at the frames a second that clips.csv says
    (data / "clips.csv").write_text("clip,style,fps\na,tango,12.5\n")
    assert extract().returncode == 0 and len(list((data / "keypoints/a").glob("*.json"))) == 50
    assert [p.name for p in (data / "audio").iterdir()] == ["a.ogg"]


def test_one_that_fails_does_not_stop_the_others(tmp_path, extract, two):
    flashes(two / "bad.mp4")
    cut = noise(tmp_path / "cut", "mp4").read_bytes()
    (two / "cut.mp4").write_bytes(cut[: len(cut) // 2])
    (two / "text.avi").write_text("la la la")
    make("-i", song(tmp_path / "s.wav"), two / "song.mp4")
    flashes(two / "twice.mp4")
    shutil.copy(two / "twice.mp4", two / "twice.mov")
    (two / ("long" * 60 + ".mp4")).write_bytes(b"")
    (two / "gone.mp4").symlink_to("nowhere.mp4")
    (two / "two\nlines.mp4").write_bytes(b"")
    (two / os.fsdecode(b"latin1 \xe4.mp4")).write_bytes(b"")
    os.mkfifo(two / "pipe.mp4")
    (two / "notes.txt").write_text("left alone")
    done = extract(does="crashes in bad")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert len(lines) == 9 and lines[-1].startswith("error: ") and lines[-1].endswith("(9 of 11 videos failed)")
    for name, why in {
        "bad.mp4": "the GPU has too little memory",
        "cut.mp4": "cut short",
        "text.avi": "neither sound nor picture",
        "song.mp4": "found only sound",
        "twice.mov, twice.mp4": "would be the same clip 'twice'",
        "longlong": "200 bytes",
        "gone.mp4": "cannot be read (No such file",
        "two\\nlines": "not one line of UTF-8",
        "latin1 ": "not one line of UTF-8",
    }.items():
        assert [name in line and why in line for line in lines].count(True) == 1, (name, lines)
    assert sorted(p.name for p in (tmp_path / "data" / "keypoints").iterdir()) == ["a", "b.mov"]
    assert "bad" not in (tmp_path / "data" / "clips.csv").read_text()
    assert extract().returncode == 2 and (tmp_path / "data/keypoints/bad").is_dir()


def test_the_rates_of_television_and_a_single_frame_are_whole_as_well(tmp_path, extract):
    make("-r", "30000/1001", "-i", flashes(tmp_path / "n.mp4", seconds=0.4), tmp_path / "videos" / "ntsc.mp4")
    make("-i", flashes(tmp_path / "p.mp4"), "-frames:v", 1, tmp_path / "videos" / "one.mp4")
    assert "2 clips made, 0 were whole" in extract().stdout and len(calls(tmp_path)) == 2
    assert "0 clips made, 2 were whole" in extract().stdout and not calls(tmp_path)


def test_videos_within_the_data_root(tmp_path, extract):
    (tmp_path / "data").mkdir()
    videos = (tmp_path / "videos").rename(tmp_path / "data" / "videos")
    flashes(videos / "a.mp4", seconds=0.4)
    for name in ("twice.mp4", "twice.mov"):
        shutil.copy(videos / "a.mp4", videos / name)
    assert "twice.mov, twice.mp4 would be the same clip" in told(extract("data/videos", "data"))
    assert [path.name for path in (tmp_path / "data" / "keypoints").iterdir()] == ["a"]
    parsed = subprocess.run([sys.executable, ROOT / "parse.py", tmp_path / "data"], capture_output=True, text=True)
    assert parsed.returncode == 0 and "1 clips made" in parsed.stdout, parsed.stderr


def test_make_goes_from_videos_to_films_past_a_damaged_one(tmp_path, extract):
    data = tmp_path / "my data"
    (data / "audio").mkdir(parents=True)
    videos = (tmp_path / "videos").rename(data / "videos")
    flashes(videos / "it's $me.mov.mp4", seconds=0.4)
    (videos / "bad.mp4").write_text("la la la")
    song(data / "audio" / "it's $me.mov.ogg")
    targets = ["-k", "-C", ROOT, "-o", "venv", f"PY={sys.executable}", f"DATA={data}", "keypoints", "poses", "films"]
    done = extract(*targets, script="make")
    assert (
        done.returncode == 2
        and "bad.mp4: found neither sound nor picture" in done.stderr
        and "'films'" not in done.stderr
    ), done.stderr
    assert len(pictures(data / "films" / "it's $me.mov.mp4")) == 10
    assert (
        "Audio:"
        in subprocess.run([BUNDLED, "-i", data / "films" / "it's $me.mov.mp4"], capture_output=True, text=True).stderr
    )


def test_what_is_wrong_with_the_data_root_is_told_once(tmp_path, extract, two):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clips.csv").write_text("name,fps\na,25\n")
    assert "no column 'clip'" in told(extract()) and not calls(tmp_path)


def test_openpose_that_ends_early_has_failed(tmp_path, extract, two):
    assert "6 of 120 frames were written" in extract(does="stops early").stderr
    assert not list((tmp_path / "data" / "keypoints").iterdir())


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (
            "says 126 docker: permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied.",
            "usermod -aG docker",
        ),
        ("says 125 docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "not running"),
        (
            "says 125 Unable to find image 'x:latest' locally\ndocker: Error response from daemon: pull access denied "
            "for x, repository does not exist or may require 'docker login'.",
            "the image cannot be pulled",
        ),
        (
            "says 125 Unable to find image 'x:latest' locally\ndocker: Error response from daemon: Get \"https://"
            'registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host.',
            "is there a network",
        ),
        (
            'says 125 docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
            "NVIDIA Container Toolkit",
        ),
        (
            "says 127 Unable to find image 'x:latest' locally\nStatus: Downloaded newer image for x:latest\n"
            "docker: Error response from daemon: failed to create task for container: exec: "
            '"./build/examples/openpose/openpose.bin": stat ./build: no such file or directory: unknown.',
            "give another OPENPOSE_IMAGE",
        ),
        ("says 134 F1 Check failed: error == cudaSuccess (209 vs. 0)  no kernel image is available", "igait-openpose"),
    ],
)
def test_what_no_video_would_escape_ends_the_run_in_one_line(tmp_path, extract, two, does, said):
    assert said in told(extract(does=does, OPENPOSE_IMAGE="x"))
    (call,) = calls(tmp_path)  # not once for each video
    assert "x" in call
    assert not list((tmp_path / "data" / "keypoints").iterdir())


def test_a_fault_of_one_video_that_speaks_of_docker_is_that_videos_alone(tmp_path, extract, two):
    """OpenPose's own words, not docker's, which begin with its name: other videos may do."""
    done = extract(does="says 1 Error in /home/docker/openpose: no such file or directory: /videos/a.mp4")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert done.returncode == 2 and len(lines) == 2 and "a.mp4: OpenPose failed (Error in" in lines[0]
    assert len(calls(tmp_path)) == 2


def test_ctrl_c_leaves_no_half_clip(tmp_path, extract, two):
    stage = extract(does="hangs", start=subprocess.Popen)
    until = time.monotonic() + 60
    while len(list((tmp_path / "data").glob("keypoints/.*/new/*"))) < 6 and time.monotonic() < until:
        time.sleep(0.05)
    stage.send_signal(signal.SIGINT)
    _, said = stage.communicate(timeout=60)
    assert stage.returncode == 130 and said.startswith("interrupted") and "Traceback" not in said
    assert not list((tmp_path / "data" / "keypoints").iterdir())
    run, kill = calls(tmp_path)
    assert kill == ["kill", run[5]]  # Ctrl-C does not reach what runs in the container
    assert not running(str(tmp_path / "bin" / "docker"))
    assert extract().returncode == 0 and "whole" in extract().stdout


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


def test_faults_of_the_arguments(tmp_path, extract):
    (tmp_path / "file").touch()
    assert "no videos in it" in told(extract())
    assert "did you mean videos" in told(extract("video", "data"))
    assert "expected a folder of videos" in told(extract("file", "data"))
    assert "found 1 folders" in told(extract("videos"))
    assert "found 3 folders" in told(extract("videos", "my", "data"))
    assert "unknown option --back" in told(extract("videos", "data", "--back"))
    assert "expected openpose or mediapipe" in told(extract("videos", "data", "--backend"))
    assert "--backend x: expected" in told(extract("videos", "data", "--backend", "x"))
    assert "POSE" not in told(extract("videos", "data", POSE_BACKEND="x"))
    assert "make venv" in told(extract(L2D_PYTHON="/nowhere/python"))
    assert not (tmp_path / "data").exists()
    make("-i", song(tmp_path / "s.wav"), tmp_path / "videos" / "song.mp3")
    assert "no videos in it" in told(extract())
    (tmp_path / "a:b").mkdir()
    flashes(tmp_path / "a:b" / "v.mp4", seconds=0.2)
    assert "':' in its path" in told(extract("a:b", "data"))
    done = extract("--help")
    assert done.returncode == 0 and "OPENPOSE_IMAGE" in done.stdout and "set -e" not in done.stdout


@pytest.fixture
def bare(tmp_path, extract):
    """Return a copy of the script without environments, and a PATH on which there is no Python, docker or GPU."""
    here, tools = tmp_path / "the clone", tmp_path / "tools"
    here.mkdir()
    tools.mkdir()
    for name in ("extract_poses.sh", "requirements-pose.txt"):
        shutil.copy(ROOT / name, here)
    (here / "learn2dance").symlink_to(ROOT / "learn2dance")
    for name in "bash env dirname sed mktemp grep tail rm cmp cp".split():
        (tools / name).symlink_to(shutil.which(name))
    return here, tools


def test_without_docker_or_gpu_it_is_mediapipe_which_may_not_be_installable(tmp_path, extract, bare, two):
    here, tools = bare
    offline = {"PATH": tools, "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path, "script": here / "extract_poses.sh"}
    done = extract(**offline)
    assert "no docker here: --backend mediapipe" in done.stdout
    assert "mediapipe cannot be installed (ERROR: No matching distribution" in told(done)
    (tools / "docker").symlink_to(tmp_path / "bin" / "docker")
    assert "no NVIDIA GPU here: --backend mediapipe" in extract(**offline).stdout
    assert not (tmp_path / "data").exists() and not calls(tmp_path)


def test_a_python_without_mediapipe_is_told(tmp_path, extract, bare, two):
    here, tools = bare
    newer = tmp_path / "python"
    newer.write_text(
        f'#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; *python_version*) echo 3.13.1 ;; '
        f'*) exec {sys.executable} "$@" ;; esac\n'
    )
    newer.chmod(0o755)
    done = extract(script=here / "extract_poses.sh", PATH=tools, L2D_PYTHON=newer)
    assert "runs on Python 3.9 to 3.12, found only 3.13.1" in told(done)


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
    assert not said and "nobody was seen" in done.stderr and "no sound in it" in done.stderr  # MediaPipe's noise is not
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


def test_a_broken_environment_of_mediapipe_is_told(tmp_path, extract, two):
    (two / "b.mov.mp4").unlink()
    line = told(extract("--backend", "mediapipe", "videos", "data", L2D_POSE_PYTHON=sys.executable))
    assert "a.mp4: MediaPipe failed (ModuleNotFoundError: No module named 'mediapipe')" in line
    assert not list((tmp_path / "data" / "keypoints").iterdir())


def test_a_pose_python_that_is_nowhere_is_told_once(tmp_path, extract, two):
    line = told(extract("--backend", "mediapipe", "videos", "data", L2D_POSE_PYTHON="/nowhere/python"))
    assert line == "error: L2D_POSE_PYTHON=/nowhere/python: no such program; name a Python that has mediapipe"
    assert not (tmp_path / "data").exists()


def test_shellcheck_is_clean():
    beside = Path(sys.executable).with_name("shellcheck")
    shellcheck = str(beside) if beside.exists() else shutil.which("shellcheck")
    if not shellcheck and not os.environ.get("CI"):
        pytest.skip("no shellcheck; requirements.txt brings it")
    assert shellcheck, "no shellcheck in an environment built from requirements.txt"
    done = subprocess.run([shellcheck, SCRIPT, ROOT / ".ci" / "run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
