"""parse.py with wrong input, a full disk, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import test_parse
from conftest import ROOT
from test_parse import left, person, poses, write

data = pytest.fixture(name="data")(test_parse.make_data)


def fails(result, says):
    """Check that a stage ended as it should after a user's fault: exit 2, one line, no traceback."""
    assert result.returncode == 2, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_fps_comes_from_the_video_where_no_one_says(data, run_stage, shared):
    (data / "clips.csv").unlink()
    fails(run_stage("parse.py", data), "no frame rate; give --fps 25")
    (data / "videos").mkdir()
    (data / "videos" / "clip.mp4").symlink_to(shared / "video" / "dancer_1.mp4")
    assert run_stage("parse.py", data).returncode == 0
    assert poses(data)["fps"] == 25
    assert run_stage("parse.py", data, "--fps", 50).returncode == 0
    assert poses(data)["fps"] == 50


def test_of_two_videos_none_tells_whether_the_camera_moves(data, run_stage):
    (data / "videos").mkdir()
    for name in ("clip.mp4", "clip.mov"):
        (data / "videos" / name).touch()
    fails(run_stage("parse.py", data, "--quiet"), "clip.mov, clip.mp4 have the same clip name")
    assert run_stage("parse.py", data, "--travel", "on").returncode == 0


def test_one_clips_fault_loses_no_other(data, run_stage):
    write(data / "keypoints" / "a_bad", {0: []})
    (data / "keypoints" / "b_bad").mkdir()
    write(data / "keypoints" / "later", {t: [person(t)] for t in range(50)})
    result = run_stage("parse.py", data, "--fps", 25)
    assert result.returncode == 2
    assert left(data) == ["clip.npz", "later.npz"]
    first, second = result.stderr.strip().splitlines()
    assert "a_bad: found nobody in 1 frames" in first
    assert "b_bad: no .json files" in second
    assert "(2 of 4 clips failed)" in second


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--start", "5"], "found nobody in 50 frames"),
        (["--start", "2", "--end", "1"], "--end 1: expected seconds after --start 2"),
    ],
)
def test_arguments_that_leave_nothing(data, run_stage, arguments, says):
    fails(run_stage("parse.py", data, *arguments), says)
    assert left(data) == []


def test_missing_and_misnamed_folders(tmp_path, run_stage):
    fails(run_stage("parse.py", tmp_path / "nowhere"), "no such data root")
    (tmp_path / "audio").mkdir()
    fails(run_stage("parse.py", tmp_path), "keypoints: no such folder")
    (tmp_path / "keypoints").mkdir()
    fails(run_stage("parse.py", tmp_path), "found nothing")
    (tmp_path / "keypoints" / "clip_0_keypoints.json").write_text("{}")
    fails(run_stage("parse.py", tmp_path), "put each clip's JSON into a folder of its own")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty, expected OpenPose's JSON"),
        ('{"people": [{"pose_key', "invalid JSON"),
        ("[]", "is it from another tool?"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 72}]}), "72 numbers for a person"),
    ],
)
def test_bad_json_is_one_line(data, run_stage, content, says):
    (data / "keypoints" / "clip" / "clip_000000000007_keypoints.json").write_text(content)
    result = run_stage("parse.py", data)
    fails(result, says)
    assert "clip_000000000007_keypoints.json" in result.stderr
    assert left(data) == []


def test_hostile_and_truncated_archives_are_one_line(data, run_stage):
    clip, packed = data / "keypoints" / "clip", data / "keypoints" / "clip.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(clip, "clip/../../escaped")
    for file in clip.iterdir():
        file.unlink()
    clip.rmdir()
    fails(run_stage("parse.py", data), "leads out of it")
    packed.write_bytes(packed.read_bytes()[:-100])
    fails(run_stage("parse.py", data), "damaged or incomplete archive")
    assert left(data) == []
    assert not list(data.parent.rglob("escaped*"))


def test_an_output_that_cannot_be_written_is_one_line(data, run_stage):
    (data / "poses").write_text("a file where the folder should be")
    fails(run_stage("parse.py", data), "poses")


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_one_line_and_leaves_nothing(data, run_stage, jobs):
    import resource

    write(data / "keypoints" / "other", {t: [person(t)] for t in range(50)})

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    fails(run_stage("parse.py", data, "--fps", 25, "--jobs", jobs, preexec_fn=full), "File too large")
    assert left(data) == []
    assert run_stage("parse.py", data, "--fps", 25).returncode == 0
    assert left(data) == ["clip.npz", "other.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_whole_files_and_the_next_run_completes(tmp_path, run_stage, jobs):
    once = write(tmp_path / "once", {t: [person(t)] for t in range(600)})
    (tmp_path / "keypoints").mkdir()
    clips = [f"clip_{n:02d}" for n in range(60)]
    for clip in clips:
        (tmp_path / "keypoints" / clip).symlink_to(once, target_is_directory=True)
    command = [sys.executable, "parse.py", tmp_path, "--fps", "25", "--jobs", str(jobs)]
    running = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not any(name[0] != "." for name in left(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the stage and its workers
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert len(stderr.strip().splitlines()) == 1
    made = left(tmp_path)
    assert 0 < len(made) < len(clips)
    assert set(made) < {f"{clip}.npz" for clip in clips}  # and no temporary file
    for name in made:
        assert len(poses(tmp_path, name[:-4])["poses"]) == 600

    result = run_stage("parse.py", tmp_path, "--fps", 25)
    assert f"{len(clips) - len(made)} clips written, {len(made)} up to date" in result.stdout
    assert left(tmp_path) == [f"{clip}.npz" for clip in clips]


def test_a_clip_that_is_there_twice_is_named_and_the_others_are_made(run_stage, tmp_path):
    (tmp_path / "keypoints").mkdir()
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / "keypoints" / name, np.broadcast_to(np.add(test_parse.STANDING, 300), (20, 15, 2)))
    (tmp_path / "keypoints" / "a.pkl").touch()
    done = run_stage("parse.py", tmp_path, "--fps", 25)
    assert done.returncode == 2 and "a.npy, a.pkl have the same clip name" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and "(1 of 2 clips failed)" in done.stderr
    assert [path.name for path in (tmp_path / "poses").iterdir()] == ["b.npz"]
