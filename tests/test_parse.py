import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import test_camera

from learn2dance.data import npz

ROOT = Path(__file__).parents[1]


STANDING = [  # pixels from the nose, in the order of BODY_25
    (0, 0), (0, 35), (-25, 35), (-35, 70), (-40, 100), (25, 35), (35, 70), (40, 100), (0, 100), (-12, 100), (-14, 150),
    (-15, 200), (12, 100), (14, 150), (15, 200),
]  # fmt: skip


def person(t, x=300.0):
    """Somebody 200 pixels tall who sways, as 75 numbers; the first 15 joints seen."""
    places = np.zeros((25, 3))
    places[:15, :2] = np.array(STANDING) + [x + 30 * np.sin(t / 10), 100]
    places[:15, 2] = 0.8
    return {"pose_keypoints_2d": places.round(3).ravel().tolist()}


def write(folder, frames, name="clip"):
    """Write one file for each frame: {number: people}."""
    folder.mkdir(parents=True)
    for t, people in frames.items():
        (folder / f"{name}_{t:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


def make_data(tmp_path):
    """Make a data root of one clip of 50 frames, at 25 fps."""
    write(tmp_path / "data" / "keypoints" / "clip", {t: [person(t)] for t in range(50)})
    (tmp_path / "data" / "clips.csv").write_text("clip,style,fps\nclip,waltz,25\n")
    return tmp_path / "data"


data = pytest.fixture(name="data")(make_data)


def poses(data, clip="clip"):
    return npz.load(data / "poses" / f"{clip}.npz", "poses")


def left(data):
    """Name all that was written under poses/, temporary files and all."""
    return sorted(path.name for path in (data / "poses").iterdir()) if (data / "poses").exists() else []


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
    assert "1 clips written" in run_stage("parse.py", data, "--max-gap", 1).stdout
    (data / "keypoints" / "clip" / "clip_000000000050_keypoints.json").write_text('{"people": []}')
    assert "1 clips written" in run_stage("parse.py", data, "--max-gap", 1).stdout
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


def test_the_person_is_chosen_by_option_or_table(data, run_stage):
    folder = data / "keypoints" / "clip"
    write_again = {t: [person(t), person(2 * t, 700)] for t in range(50)}
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    write(folder, write_again)
    first = run_stage("parse.py", data)
    assert "nearly as likely: --person 2?" in first.stdout
    found = {1: poses(data)["poses"][0, 0, 0]}
    assert "not person 1 around" in run_stage("parse.py", data, "--person", 2).stdout
    found[2] = poses(data)["poses"][0, 0, 0]
    assert sorted(found.values()) == pytest.approx([300, 700], abs=20)
    (data / "clips.csv").write_text("clip,fps,person\nclip,25,2\n")
    assert "1 up to date" in run_stage("parse.py", data).stdout
    result = run_stage("parse.py", data, "--person", 3)
    assert result.returncode == 2 and "found only 2 to follow, expected person 3" in result.stderr


def test_swapped_sides_are_set_right_and_counted(tmp_path, run_stage, shared):
    shutil.copytree(shared / "cases" / "sides_swapped", tmp_path / "data")
    assert "left and right exchanged back in 24 frames" in run_stage("parse.py", tmp_path / "data").stdout
    with np.load(shared / "cases" / "sides_swapped" / "truth.npz") as file:
        off = np.linalg.norm(poses(tmp_path / "data", "me")["poses"] - file["poses"], axis=-1)
    assert off.max() < 20


def test_travel_is_told_by_the_option_else_the_table_else_the_video_else_assumed(data, run_stage):
    assert "camera assumed to stand still: no video" in run_stage("parse.py", data).stdout
    assert poses(data)["travel"] is True
    (data / "videos").mkdir()
    (data / "videos" / "clip.mp4").write_bytes(b"no video")
    result = run_stage("parse.py", data)
    assert result.returncode == 0 and "camera assumed to stand still: " in result.stdout
    test_camera.film(data / "videos" / "clip.mp4", test_camera.MOVING["pan"])  # the person of `person` stands in it
    assert "camera moves in clip.mp4" in run_stage("parse.py", data).stdout
    assert poses(data)["travel"] is False
    assert "1 up to date" in run_stage("parse.py", data).stdout
    (data / "clips.csv").write_text("clip,fps,camera\nclip,25,still\n")
    assert "camera stands still, as given" in run_stage("parse.py", data).stdout
    assert poses(data)["travel"] is True
    assert "camera moves, as given" in run_stage("parse.py", data, "--travel", "off").stdout
    assert poses(data)["travel"] is False


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


@pytest.mark.parametrize("first", [1, 1000])
def test_frames_may_be_numbered_from_anywhere(tmp_path, run_stage, first):
    write(tmp_path / "keypoints" / "clip", {t + first: [person(t)] for t in range(50)})
    result = run_stage("parse.py", tmp_path, "--fps", 25, "--first-frame", first)
    assert result.returncode == 0, result.stderr
    found = poses(tmp_path)["poses"]
    assert len(found) == 50
    assert found[20, 0, 0] == pytest.approx(300 + 30 * np.sin(2), abs=1)
    said = run_stage("parse.py", tmp_path, "--fps", 25).stderr
    assert f"no files before frame {first}, which are taken for a gap" in said
    assert f"use --first-frame {first}" in said and len(poses(tmp_path)["poses"]) == 50 + first
    result = run_stage("parse.py", tmp_path, "--fps", 25, "--first-frame", first + 1)
    assert result.returncode == 2 and f"is before --first-frame {first + 1}; is that too high?" in result.stderr


def test_a_joint_that_is_never_seen_is_named(tmp_path, run_stage):
    def lame(t):
        found = person(t)
        found["pose_keypoints_2d"][33:36] = [0, 0, 0]
        return found

    write(tmp_path / "keypoints" / "clip", {t: [lame(t)] for t in range(50)})
    result = run_stage("parse.py", tmp_path, "--fps", 25)
    assert result.returncode == 0
    assert "clip: RAnkle never seen: it can be drawn, but half bodies cannot be learned from" in result.stderr
