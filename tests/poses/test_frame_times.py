"""Poses of videos whose frames are uneven in time."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from learn2dance.data import npz
from learn2dance.media.video_reader import Footage, exact_rate
from learn2dance.poses import frame_times

# A phone's 30 frames a second for 10 s, then 24 for 10 s.
UNEVEN = np.concatenate([np.arange(300) / 30, 10 + np.arange(240) / 24])


def footage(times, fps=30.0):
    return Footage(Path("me.mp4"), (64, 64), fps, round(times[-1] * fps) + 1, False, 0.0, 0.0, False, tuple(times))


def test_the_times_are_the_videos():
    times, note = frame_times.of_frames(540, footage(UNEVEN))
    np.testing.assert_array_equal(times, UNEVEN)
    assert note == "the frames of me.mp4 are uneven in time, so the poses are put at their own times"
    times, _ = frame_times.of_frames(542, footage(UNEVEN))
    np.testing.assert_allclose(np.diff(times[538:]), [1 / 24, 1 / 30, 1 / 30])
    assert len(frame_times.of_frames(500, footage(UNEVEN))[0]) == 500


def test_poses_of_a_converted_video_are_even_and_that_is_said():
    times, note = frame_times.of_frames(599, footage(UNEVEN))
    np.testing.assert_array_equal(times, np.arange(599) / 30)
    assert "as many as at 30 frames a second, which is assumed" in note
    times, note = frame_times.of_frames(300, footage(np.arange(300) / 25 + 0.004 * (np.arange(300) % 2), 25.0))
    np.testing.assert_array_equal(times, np.arange(300) / 25)
    assert not note


def test_a_joint_that_moves_steadily_is_where_it_was_at_each_time():
    keypoints = np.stack([100 * UNEVEN, 300 - 7 * UNEVEN, np.full(540, 0.5)], axis=1)[:, None]
    found = frame_times.resample(keypoints, UNEVEN, 30.0)[:, 0]
    grid = np.minimum(np.arange(600) / 30, UNEVEN[-1])
    np.testing.assert_allclose(found, np.stack([100 * grid, 300 - 7 * grid, np.full(600, 0.5)], 1), rtol=1e-6)
    even = np.random.default_rng(0).uniform(0.1, 1, (50, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(frame_times.resample(even, np.arange(50) / 25, 25.0), even)


def test_what_was_not_detected_is_not_made_up():
    keypoints = np.ones((540, 1, 3))
    keypoints[400:420] = 0
    seen = np.flatnonzero(frame_times.resample(keypoints, UNEVEN, 30.0)[:, 0, 2] == 0) / 30
    assert abs(seen[0] - UNEVEN[400]) <= 1 / 30 and abs(seen[-1] - UNEVEN[419]) <= 1 / 30
    pause = np.concatenate([np.arange(10), np.arange(40, 50)]) / 30
    found = frame_times.resample(np.ones((20, 1, 3)), pause, 30.0)[:, 0, 2]
    assert np.flatnonzero(found == 0).tolist() == list(range(10, 40))


@pytest.mark.parametrize(("shown", "exact"), [(23.976, 24e3), (23.98, 24e3), (29.97, 30e3), (59.94, 60e3)])
def test_rounded_rates_of_television_are_exact(shown, exact):
    assert exact_rate(shown) == exact / 1001


def test_other_rates_stay():
    assert [exact_rate(fps) for fps in (24, 25, 30, 29.98, 23.9, 12.5)] == [24, 25, 30, 29.98, 23.9, 12.5]


def test_own_json_beside_a_phones_video(tmp_path, shared, run_stage):
    case = shared / "cases" / "vfr_own_json"
    for part in ("keypoints", "videos"):
        shutil.copytree(case / part, tmp_path / part)
    result = run_stage("parse.py", tmp_path)
    assert result.returncode == 0 and "uneven in time" in result.stderr
    times = np.load(case / "times.npz")["seconds"]
    found = npz.load(tmp_path / "poses" / "me.npz", "poses")
    assert found["fps"] == 30 and len(found["poses"]) == 600 and not found["filled"].any()
    assert len(times) == 540 and abs((len(found["poses"]) - 1) / 30 - times[-1]) < 1 / 60
    assert "1 up to date" in run_stage("parse.py", tmp_path).stdout
