import numpy as np
import pytest

from learn2dance.motion import kinematics


def swinging(frequency, fps, seconds=12.0):
    """Return a joint of five that swings with this frequency."""
    poses = np.zeros((round(seconds * fps), 5, 2), np.float32)
    poses[:, 3, 0] = np.sin(2 * np.pi * frequency * np.arange(len(poses)) / fps)
    return poses


@pytest.mark.parametrize(("fps", "clock"), [(25, 15), (30, 15), (29.97, 20), (60, 15), (15, 25)])
def test_the_low_pass_keeps_slow_motion_in_time(fps, clock):
    found = kinematics.low_pass(swinging(0.7, fps), fps, clock)
    assert abs(len(found) - 12 * clock) <= clock / fps + 1
    inner = slice(clock, len(found) - clock)  # filters know less at the ends
    np.testing.assert_allclose(found[inner, 3, 0], swinging(0.7, clock, 13)[: len(found)][inner, 3, 0], atol=0.03)
    assert np.abs(found[:, [0, 1, 2, 4]]).max() < 1e-6


def test_resampling_is_linear_in_time_and_keeps_gaps():
    clock, frames = np.arange(20) / 10, np.arange(30) / 15
    poses = np.stack([3 * clock, 1 - clock], axis=1)[:, None]
    poses[8] = np.nan  # 0.8 s
    found = kinematics.resample(poses, 10, 15)
    missing = (frames > 0.7) & (frames < 0.9)
    assert (np.isnan(found).all((1, 2)) == missing).all() and missing.sum() == 3
    inside = ~missing & (frames <= 1.9)
    np.testing.assert_allclose(found[inside, 0, 0], 3 * frames[inside])
    np.testing.assert_allclose(found[inside, 0, 1], 1 - frames[inside])


def test_motion_too_fast_for_the_frame_rate_is_removed():
    """11 Hz, seen 15 times a second, would look like 4 Hz."""
    assert np.abs(kinematics.low_pass(swinging(11, 30), 30, 15)[15:-15]).max() < 0.03


def test_missing_poses_stay_missing():
    poses = swinging(0.7, 30)
    poses[90:93] = np.nan  # 3.0-3.1 s
    found = kinematics.low_pass(poses, 30, 15)
    lost = np.isnan(found).any((1, 2)).nonzero()[0]
    assert set(lost) >= {45, 46} and set(lost) <= set(range(44, 48))


def test_gaps_are_interpolated_linearly():
    given = np.full((9, 4), np.nan, np.float32)
    given[2], given[6] = (1, 10, np.nan, 4), (3, 2, np.nan, np.nan)
    found = kinematics.fill_gaps(given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], [1, 1, 1, 1.5, 2, 2.5, 3, 3, 3])
    np.testing.assert_allclose(found[:, 1], [10, 10, 10, 8, 6, 4, 2, 2, 2])
    np.testing.assert_array_equal(found[:, 2:], np.tile([0, 4], (9, 1)))  # never observed; observed once
    assert np.isnan(given[3]).all()  # the input is not changed
    np.testing.assert_array_equal(kinematics.fill_gaps(found), found)


def test_an_error_falls_to_zero_beside_each_known_value():
    """In four frames; the gap is shorter than both, and one column is not known."""
    nan = np.nan
    error = np.array([nan, nan, nan, nan, nan, 8, nan, nan, nan, 4, nan, nan, nan, nan, nan, nan])
    expected = np.array([0, 0, 2, 4, 6, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0])
    found = kinematics.fade(np.stack([error, error[::-1], np.full(16, nan)], axis=1), 4)
    np.testing.assert_allclose(found, np.stack([expected, expected[::-1], np.zeros(16)], axis=1), atol=1e-12)
    both = kinematics.fade(np.stack([error, error[::-1]])[:, :, None], 4)  # of two batches, one value each
    np.testing.assert_allclose(both[..., 0], [expected, expected[::-1]], atol=1e-12)
    np.testing.assert_allclose(kinematics.fade(error[5:6, None], 4), [[8]])


def test_the_errors_of_a_longer_gap_overlap():
    """The gap is 6 frames, and each error falls in 4."""
    error = np.array([[4.0], *[[np.nan]] * 5, [8.0]])
    np.testing.assert_allclose(kinematics.fade(error, 4)[:, 0], [4, 3, 2, 1 + 2, 4, 6, 8])
