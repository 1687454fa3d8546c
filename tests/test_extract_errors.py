"""extract_poses.sh with videos, arguments and tools that are wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time

import fake_docker
import pytest
from conftest import ROOT
from fake_docker import calls, error_line
from test_animate import running
from test_video_reader import flashes, make, noise
from test_video_writer import song

extract, two = pytest.fixture(name="extract")(fake_docker.extract), pytest.fixture(name="two")(fake_docker.two)


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
        "twice.mov, twice.mp4": "have the same clip name 'twice'",
        "longlong": "200 bytes",
        "gone.mp4": "cannot be read (No such file",
        "two\\nlines": "one line of UTF-8",
        "latin1 ": "one line of UTF-8",
    }.items():
        assert [name in line and why in line for line in lines].count(True) == 1, (name, lines)
    assert sorted(p.name for p in (tmp_path / "data" / "keypoints").iterdir()) == ["a", "b.mov"]
    assert "bad" not in (tmp_path / "data" / "clips.csv").read_text()
    assert extract().returncode == 2 and (tmp_path / "data/keypoints/bad").is_dir()


def test_an_error_of_the_data_root_is_reported_once(tmp_path, extract, two):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clips.csv").write_text("name,fps\na,25\n")
    assert "no column 'clip'" in error_line(extract()) and not calls(tmp_path)


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
            "use another OPENPOSE_IMAGE",
        ),
        ("says 134 F1 Check failed: error == cudaSuccess (209 vs. 0)  no kernel image is available", "igait-openpose"),
    ],
)
def test_an_error_that_every_video_would_have_ends_the_run(tmp_path, extract, two, does, said):
    assert said in error_line(extract(does=does, OPENPOSE_IMAGE="x"))
    (call,) = calls(tmp_path)  # not once for each video
    assert "x" in call
    assert not list((tmp_path / "data" / "keypoints").iterdir())


def test_an_error_of_one_video_that_mentions_docker_does_not_end_the_run(tmp_path, extract, two):
    """OpenPose's own words, not docker's, which begin with its name: other videos may do."""
    done = extract(does="says 1 Error in /home/docker/openpose: no such file or directory: /videos/a.mp4")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert done.returncode == 2 and len(lines) == 2 and "a.mp4: OpenPose failed (Error in" in lines[0]
    assert len(calls(tmp_path)) == 2


def test_ctrl_c_leaves_no_incomplete_clip(tmp_path, extract, two):
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
    assert extract().returncode == 0 and "complete" in extract().stdout


def test_wrong_arguments(tmp_path, extract):
    (tmp_path / "file").touch()
    assert "expected videos" in error_line(extract())
    assert "did you mean videos" in error_line(extract("video", "data"))
    assert "expected a folder of videos" in error_line(extract("file", "data"))
    assert "found 1 folders" in error_line(extract("videos"))
    assert "found 3 folders" in error_line(extract("videos", "my", "data"))
    assert "unknown option --back" in error_line(extract("videos", "data", "--back"))
    assert "expected openpose or mediapipe" in error_line(extract("videos", "data", "--backend"))
    assert "--backend x: expected" in error_line(extract("videos", "data", "--backend", "x"))
    assert "POSE" not in error_line(extract("videos", "data", POSE_BACKEND="x"))
    assert "make venv" in error_line(extract(L2D_PYTHON="/nowhere/python"))
    assert not (tmp_path / "data").exists()
    make("-i", song(tmp_path / "s.wav"), tmp_path / "videos" / "song.mp3")
    assert "expected videos" in error_line(extract())
    (tmp_path / "a:b").mkdir()
    flashes(tmp_path / "a:b" / "v.mp4", seconds=0.2)
    assert "':' in its path" in error_line(extract("a:b", "data"))
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
    assert "no docker found: --backend mediapipe" in done.stdout
    assert "mediapipe cannot be installed (ERROR: No matching distribution" in error_line(done)
    (tools / "docker").symlink_to(tmp_path / "bin" / "docker")
    assert "no NVIDIA GPU found: --backend mediapipe" in extract(**offline).stdout
    assert not (tmp_path / "data").exists() and not calls(tmp_path)


def test_a_python_without_mediapipe_is_reported(tmp_path, extract, bare, two):
    here, tools = bare
    newer = tmp_path / "python"
    newer.write_text(
        f'#!/bin/sh\ncase "$*" in *version_info*) exit 1 ;; *python_version*) echo 3.13.1 ;; '
        f'*) exec {sys.executable} "$@" ;; esac\n'
    )
    newer.chmod(0o755)
    done = extract(script=here / "extract_poses.sh", PATH=tools, L2D_PYTHON=newer)
    assert "found Python 3.13.1, mediapipe needs 3.9 to 3.12" in error_line(done)


def test_a_broken_environment_of_mediapipe_is_reported(tmp_path, extract, two):
    (two / "b.mov.mp4").unlink()
    line = error_line(extract("--backend", "mediapipe", "videos", "data", L2D_POSE_PYTHON=sys.executable))
    assert "a.mp4: MediaPipe failed (ModuleNotFoundError: No module named 'mediapipe')" in line
    assert not list((tmp_path / "data" / "keypoints").iterdir())


def test_a_missing_pose_python_is_reported_once(tmp_path, extract, two):
    line = error_line(extract("--backend", "mediapipe", "videos", "data", L2D_POSE_PYTHON="/nowhere/python"))
    assert line == "error: L2D_POSE_PYTHON=/nowhere/python: no such program; name a Python that has mediapipe"
    assert not (tmp_path / "data").exists()
