import numpy as np
import pytest

from learn2dance.poses import cleaning

FPS = 25.0


def joint(x, y=None, confidence=0.8):
    """One joint's path as (T, 1, 3), among three still ones that give the body a size of 500 pixels: (T, 4, 3)."""
    frames = len(x)
    result = np.full((frames, 4, 3), confidence)
    result[:, 1:, :2] = [[100, 100], [400, 100], [400, 500]]
    result[:, 0, 0] = x
    result[:, 0, 1] = 300 if y is None else y
    return result


def lose(keypoints, *frames):
    keypoints[list(frames), 0] = 0
    return keypoints


def swing(hertz, fps=FPS, seconds=8, size=60):
    return 250 + size * np.sin(2 * np.pi * hertz * np.arange(int(seconds * fps)) / fps)


@pytest.mark.parametrize("fps", [12.0, 25.0, 29.97, 60.0, 120.0])
@pytest.mark.parametrize("hertz", [0.5, 1.5, 3.0])
def test_what_swings_without_noise_stays_itself(fps, hertz):
    seen = swing(hertz, fps, size=20)
    poses, filled = cleaning.clean(joint(seen, 550 - seen), fps)
    assert np.abs(poses[:, 0, 0] - seen).max() < 0.5
    assert np.abs(poses[:, 0, 1] - (550 - seen)).max() < 0.5
    assert not filled.any()


def test_a_straight_way_stays_itself_to_the_ends_and_over_gaps():
    way = np.linspace(100, 400, 100)
    poses, filled = cleaning.clean(lose(joint(way), 30, 31, 32, 60), FPS)
    np.testing.assert_allclose(poses[:, 0, 0], way, atol=1e-3)
    assert np.flatnonzero(filled[:, 0]).tolist() == [30, 31, 32, 60]
    assert not filled[:, 1:].any()


@pytest.mark.parametrize("fps", [25.0, 60.0])
def test_jitter_shrinks_and_the_swing_under_it_stays(fps):
    path = swing(0.5, fps, seconds=20)
    keypoints = joint(path)
    keypoints[..., :2] += np.random.default_rng(0).normal(0, 3, keypoints[..., :2].shape)
    poses, _ = cleaning.clean(keypoints, fps)
    assert np.std(poses[:, 0, 0] - path) < 1.5
    assert np.abs(poses[:, 1:] - [[100, 100], [400, 100], [400, 500]]).mean() < 1


def test_short_gaps_are_filled_along_the_curve_long_ones_marked():
    keypoints = lose(joint(swing(0.5)), *range(50, 62), *range(100, 113))  # 12 frames are 0.48 s, 13 are 0.52 s
    poses, filled = cleaning.clean(keypoints, FPS)
    assert np.flatnonzero(filled[:, 0]).tolist() == list(range(50, 62))
    assert np.flatnonzero(np.isnan(poses[:, 0, 0])).tolist() == list(range(100, 113))
    assert np.abs(poses[50:62, 0, 0] - swing(0.5)[50:62]).max() < 8  # a straight line over the gap is 16 off
    poses, filled = cleaning.clean(keypoints, FPS, max_gap=0.52)
    assert not np.isnan(poses).any()
    poses, filled = cleaning.clean(keypoints, FPS, max_gap=0)
    assert np.isnan(poses[:, 0, 0]).sum() == 25
    assert not filled.any()


def test_nothing_is_invented_before_the_first_sight_and_after_the_last():
    keypoints = lose(joint(swing(0.5)), 0, 1, 2, 197, 198, 199)
    poses, filled = cleaning.clean(keypoints, FPS)
    assert np.flatnonzero(np.isnan(poses[:, 0, 0])).tolist() == [0, 1, 2, 197, 198, 199]
    assert not filled.any()


def test_gaps_far_apart_do_not_bend_what_was_measured():
    keypoints = lose(joint(swing(0.5)), *range(60, 120))
    poses, _ = cleaning.clean(keypoints, FPS)
    seen = np.r_[0:60, 120:200]
    assert np.abs(poses[seen, 0, 0] - swing(0.5)[seen]).max() < 3  # of 60


def test_low_confidence_is_as_not_seen():
    keypoints = joint(swing(0.5))
    keypoints[70:75, 0] = [9999, 9999, 0.2]
    poses, filled = cleaning.clean(keypoints, FPS, min_confidence=0.25)
    assert np.flatnonzero(filled[:, 0]).tolist() == list(range(70, 75))
    assert np.abs(poses[:, 0, 0] - swing(0.5)).max() < 3


def test_a_joint_that_is_never_or_once_seen():
    keypoints = joint(swing(0.5))
    keypoints[:, 0] = 0
    assert np.isnan(cleaning.clean(keypoints, FPS)[0][:, 0]).all()
    keypoints[7, 0] = [5, 6, 0.9]
    poses, filled = cleaning.clean(keypoints, FPS)
    assert poses[7, 0].tolist() == [5, 6]
    assert np.isnan(poses[:, 0, 0]).sum() == len(poses) - 1
    assert not filled.any()


@pytest.mark.parametrize("frames", range(1, 8))
def test_the_shortest_clips(frames):
    poses, _ = cleaning.clean(joint(np.linspace(100, 110, frames)), FPS)
    np.testing.assert_allclose(poses[:, 0, 0], np.linspace(100, 110, frames), atol=1e-3)
    poses, filled = cleaning.clean(np.zeros((frames, 15, 3)), FPS)
    assert np.isnan(poses).all()


@pytest.mark.parametrize("fps", [25.0, 60.0])
@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("leap", [100, -400])
def test_spikes_of_one_and_two_frames_go(fps, length, leap):
    path = swing(1.0, fps)
    keypoints = joint(path)
    at = [f for start in (40, 41 + length + 2, 90) for f in range(start, start + length)]
    keypoints[at, 0, 1] += leap
    poses, filled = cleaning.clean(keypoints, fps)
    assert np.flatnonzero(filled[:, 0]).tolist() == sorted(at)
    assert np.abs(poses[:, 0, 1] - 300).max() < 1
    assert np.abs(poses[:, 0, 0] - path).max() < 3


def test_a_spike_beside_a_lost_frame_goes():
    keypoints = lose(joint(swing(0.5)), 49)
    keypoints[50, 0, 1] += 200
    _, filled = cleaning.clean(keypoints, FPS)
    assert np.flatnonzero(filled[:, 0]).tolist() == [49, 50]


@pytest.mark.parametrize("fps", [25.0, 50.0])
def test_fast_arms_are_no_spikes(fps):
    # A hand that is thrown a whole body size within 0.2 s and stops, and one that waves 3.5 times a second.
    t = np.arange(int(6 * fps)) / fps
    throw = 150 + 500 * np.clip((t - 3) / 0.2, 0, 1)
    wave = swing(3.5, fps, 6, size=80)
    for path in (throw, wave):
        assert not cleaning.clean(joint(path), fps)[1].any()


def test_who_moves_on_after_a_leap_is_no_spike():
    path = np.where(np.arange(100) < 50, 100.0, 400.0)  # another camera, or the other hand: it stays there
    assert not cleaning.clean(joint(path), FPS)[1].any()
