import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from learn2dance.data import npz

ROOT = Path(__file__).parents[1]


def person(t, x=300.0):
    """Somebody 200 pixels tall who sways, as 75 numbers; the first 15 joints seen."""
    places = np.zeros((25, 3))
    places[:15, 0] = x + 30 * np.sin(t / 10) + np.arange(15)
    places[:15, 1] = np.linspace(100, 300, 15)
    places[:15, 2] = 0.8
    return {"pose_keypoints_2d": places.round(3).ravel().tolist()}


def write(folder, frames, name="clip"):
    """Write one file for each frame: {number: people}."""
    folder.mkdir(parents=True)
    for t, people in frames.items():
        (folder / f"{name}_{t:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


@pytest.fixture
def data(tmp_path):
    """Make a data root of one clip of 50 frames, at 25 fps."""
    write(tmp_path / "data" / "keypoints" / "clip", {t: [person(t)] for t in range(50)})
    (tmp_path / "data" / "clips.csv").write_text("clip,style,fps\nclip,waltz,25\n")
    return tmp_path / "data"


def poses(data, clip="clip"):
    return npz.load(data / "poses" / f"{clip}.npz", "poses")


def left(data):
    """Name all that was written under poses/, temporary files and all."""
    return sorted(path.name for path in (data / "poses").iterdir()) if (data / "poses").exists() else []


def fails(result, says):
    """Check that a stage ended as it should after a user's fault: exit 2, one line, no traceback."""
    assert result.returncode == 2, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_poses_come_out_and_a_second_run_leaves_them(data, run_stage):
    result = run_stage("parse.py", data)
    assert result.returncode == 0, result.stderr
    assert "clip: 50 frames at 25 fps, 1 person, dancer in 50" in result.stdout
    found = poses(data)
    assert found["fps"] == 25
    truth = np.array([np.reshape(person(t)["pose_keypoints_2d"], (25, 3)) for t in range(50)])[:, :15]
    assert np.abs(found["poses"] - truth[..., :2]).max() < 1
    np.testing.assert_array_equal(found["confidence"], truth[..., 2].astype(np.float32))
    assert not found["filled"].any()
    assert found["meta"]["parents"] == {"keypoints/clip": npz.digest(data / "keypoints" / "clip")}

    file = data / "poses" / "clip.npz"
    before = file.stat().st_mtime_ns
    assert "up to date" in run_stage("parse.py", data).stdout
    assert file.stat().st_mtime_ns == before
    assert "1 clips made" in run_stage("parse.py", data, "--max-gap", 1).stdout
    (data / "keypoints" / "clip" / "clip_000000000050_keypoints.json").write_text('{"people": []}')
    assert "1 clips made" in run_stage("parse.py", data, "--max-gap", 1).stdout
    assert len(poses(data)["poses"]) == 51


def test_the_same_files_give_the_same_bytes_from_any_container_and_any_jobs(data, run_stage):
    with tarfile.open(data / "keypoints" / "packed.tar.gz", "w:gz") as archive:
        archive.add(data / "keypoints" / "clip", "clip")
    write(data / "keypoints" / "other", {t: [person(t, 500)] for t in range(50)})
    contents = []
    for jobs in (1, 2):
        assert run_stage("parse.py", data, "--fps", 25, "--jobs", jobs).returncode == 0
        contents.append({name: (data / "poses" / name).read_bytes() for name in left(data)})
        for name in left(data):
            (data / "poses" / name).unlink()
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def test_quiet_says_nothing(data, run_stage):
    result = run_stage("parse.py", data, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_missing_frames_are_gaps_that_keep_their_time(data, run_stage):
    for t in [*range(10, 15), *range(25, 40)]:
        (data / "keypoints" / "clip" / f"clip_{t:012d}_keypoints.json").unlink()
    result = run_stage("parse.py", data)
    assert "20 frames have no file" in result.stdout
    found = poses(data)
    assert len(found["poses"]) == 50
    assert np.flatnonzero(found["filled"].all(axis=1)).tolist() == list(range(10, 15))
    assert np.flatnonzero(np.isnan(found["poses"]).all(axis=(1, 2))).tolist() == list(range(25, 40))
    assert found["poses"][45, 0, 0] == pytest.approx(300 + 30 * np.sin(4.5), abs=1)
    assert (found["confidence"][10:15] == 0).all()


def test_start_and_end_mark_what_is_outside_and_the_clock_stays(data, run_stage):
    assert run_stage("parse.py", data, "--start", 0.4, "--end", 1.2).returncode == 0
    found = poses(data)
    assert len(found["poses"]) == 50
    assert np.flatnonzero(np.isfinite(found["poses"][:, 0, 0])).tolist() == list(range(10, 30))
    assert found["poses"][20, 0, 0] == pytest.approx(300 + 30 * np.sin(2), abs=1)
    assert found["meta"]["arguments"]["start"] == 0.4


def test_25_joints_keep_those_that_were_never_seen_unknown(data, run_stage):
    assert run_stage("parse.py", data, "--joints", 25).returncode == 0
    found = poses(data)["poses"]
    assert found.shape == (50, 25, 2)
    assert np.isfinite(found[:, :15]).all()
    assert np.isnan(found[:, 15:]).all()


def test_low_confidence_is_filled_and_kept_as_detected(data, run_stage):
    file = data / "keypoints" / "clip" / "clip_000000000020_keypoints.json"
    frame = json.loads(file.read_text())
    frame["people"][0]["pose_keypoints_2d"][:3] = [900, 900, 0.3]
    file.write_text(json.dumps(frame))
    assert run_stage("parse.py", data, "--min-confidence", 0.5).returncode == 0
    found = poses(data)
    assert found["filled"].sum() == 1
    assert found["filled"][20, 0]
    assert found["confidence"][20, 0] == np.float32(0.3)
    assert found["poses"][20, 0, 0] == pytest.approx(300 + 30 * np.sin(2), abs=1)


def test_fps_comes_from_the_video_where_no_one_says(data, run_stage, shared):
    (data / "clips.csv").unlink()
    fails(run_stage("parse.py", data), "no frame rate known; give --fps 25")
    (data / "videos").mkdir()
    (data / "videos" / "clip.mp4").symlink_to(shared / "video" / "dancer_1.mp4")
    assert run_stage("parse.py", data).returncode == 0
    assert poses(data)["fps"] == 25
    assert run_stage("parse.py", data, "--fps", 50).returncode == 0
    assert poses(data)["fps"] == 50


def test_one_clips_fault_loses_no_other(data, run_stage):
    write(data / "keypoints" / "a_bad", {0: []})
    (data / "keypoints" / "b_bad").mkdir()
    write(data / "keypoints" / "later", {t: [person(t)] for t in range(50)})
    result = run_stage("parse.py", data, "--fps", 25)
    assert result.returncode == 2
    assert left(data) == ["clip.npz", "later.npz"]
    first, second = result.stderr.strip().splitlines()
    assert "a_bad: nobody in 1 frames" in first
    assert "b_bad: no .json files" in second
    assert "(2 of 4 clips left out)" in second


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--start", "5"], "nobody in 50 frames"),
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
    fails(run_stage("parse.py", tmp_path), "each clip's JSON lies in a folder of its own")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty, expected OpenPose's JSON"),
        ('{"people": [{"pose_key', "not whole JSON"),
        ("[]", "is it another tool's?"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 72}]}), "72 numbers for a person"),
    ],
)
def test_bad_json_is_one_line(data, run_stage, content, says):
    (data / "keypoints" / "clip" / "clip_000000000007_keypoints.json").write_text(content)
    result = run_stage("parse.py", data)
    fails(result, says)
    assert "clip_000000000007_keypoints.json" in result.stderr
    assert left(data) == []


def test_impossible_numbers_are_counted(data, run_stage):
    file = data / "keypoints" / "clip" / "clip_000000000007_keypoints.json"
    numbers = person(7)["pose_keypoints_2d"]
    numbers[0], numbers[4] = float("nan"), float("inf")
    file.write_text(json.dumps({"people": [{"pose_keypoints_2d": numbers}]}))  # NaN and Infinity, as Python writes them
    result = run_stage("parse.py", data)
    assert result.returncode == 0
    assert "2 joints with impossible numbers" in result.stdout
    assert poses(data)["filled"][7, :2].all()
    assert np.isfinite(poses(data)["poses"]).all()


def test_hostile_and_truncated_archives_are_one_line(data, run_stage):
    clip, packed = data / "keypoints" / "clip", data / "keypoints" / "clip.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(clip, "clip/../../escaped")
    for file in clip.iterdir():
        file.unlink()
    clip.rmdir()
    fails(run_stage("parse.py", data), "leads out of it")
    packed.write_bytes(packed.read_bytes()[:-100])
    fails(run_stage("parse.py", data), "not a whole archive")
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
    assert f"{len(clips) - len(made)} clips made, {len(made)} were up to date" in result.stdout
    assert left(tmp_path) == [f"{clip}.npz" for clip in clips]


def errors(data, truth):
    """Distances to the true joints in heights, NaN where not known; the height is the median of nose to ankles."""
    parts = []
    for path in sorted(truth.glob("*.npz")):
        with np.load(path) as file:
            joints = file["poses"][:, :15]
        height = np.median(joints[:, [11, 14], 1].max(axis=1) - joints[:, 0, 1])
        parts.append(np.linalg.norm(poses(data, path.stem)["poses"] - joints, axis=-1) / height)
    return np.concatenate(parts)


@pytest.mark.parametrize("name", ["ballroom", "crowd"])
def test_real_dances_come_out_as_they_were(tmp_path, run_stage, shared, name):
    (tmp_path / "keypoints").symlink_to(shared / name / "keypoints", target_is_directory=True)
    assert run_stage("parse.py", tmp_path, "--fps", 25).returncode == 0
    error = errors(tmp_path, shared / name / "truth")
    assert np.isnan(error).mean() < 0.001
    assert np.nanmean(error) < 0.005
    bystander = np.nanmedian(error, axis=1) > 0.1
    print(
        f"{name}: joints {np.nanmean(error):.3%} of the height off, {np.isnan(error).sum()} of {error.size} not known; "
    )
    print(f"another person in {bystander.sum()} of {len(bystander)} frames")
    assert bystander.mean() < (0.005 if name == "crowd" else 0.0001)


def test_a_clip_that_is_there_twice_is_named_and_the_others_are_made(run_stage, tmp_path):
    (tmp_path / "keypoints").mkdir()
    for name in ("a.npy", "b.npy"):
        spread = np.random.default_rng(0).uniform(100, 200, size=(15, 2))
        np.save(tmp_path / "keypoints" / name, np.broadcast_to(spread, (20, 15, 2)))
    (tmp_path / "keypoints" / "a.pkl").touch()
    done = run_stage("parse.py", tmp_path, "--fps", 25)
    assert done.returncode == 2 and "a.npy, a.pkl would be the same clip" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and "(1 of 2 clips left out)" in done.stderr
    assert [path.name for path in (tmp_path / "poses").iterdir()] == ["b.npz"]
