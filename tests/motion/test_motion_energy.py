"""Speed and size of motion that is known."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from learn2dance.motion.energy import speed_and_size, unit_energy
from learn2dance.motion.windows import CHANNELS, POSE

FRAMES = 48


def swing(amplitude, turns, frames=FRAMES):
    """All joints but MidHip swing sideways about (1, 2): complete turns, one frame short of the end."""
    way = amplitude * np.sin(2 * np.pi * turns * np.arange(frames) / frames)
    poses = np.ones((frames, 15, 2)) * (1, 2)
    poses[..., 0] += way[:, None]
    poses[:, 8] = 0
    return poses


def test_speed_and_size_of_a_sine_are_analytic():
    # A sine of amplitude a goes 4 a in each turn, and its root mean square is a / √2.
    speed, size = speed_and_size(swing(0.3, 4, 400))
    assert speed == pytest.approx(4 * 0.3 * 4 / 400, rel=0.01)
    assert size == pytest.approx(0.3 / np.sqrt(2))


def test_a_held_pose_has_neither_and_a_missing_joint_has_none_known():
    speed, size = speed_and_size(np.stack([swing(0, 1), swing(0.2, 1), swing(0.2, 1)]))
    assert speed[0] == size[0] == 0 and speed[1] == speed[2] > 0
    missing = swing(0.2, 1)
    missing[3, 4] = np.nan
    assert np.isnan(speed_and_size(missing)).all()


def test_larger_and_faster_windows_have_more_energy_whatever_their_travel():
    rng = np.random.default_rng(0)
    amplitudes = rng.permutation(np.linspace(0, 0.5, 40))
    poses = np.stack([swing(amplitude, 2) for amplitude in amplitudes])
    windows = np.zeros((40, FRAMES, CHANNELS), np.float32)
    windows[..., :POSE] = poses.reshape(40, FRAMES, POSE)
    windows[..., POSE:] = rng.standard_normal((40, FRAMES, CHANNELS - POSE))
    found = unit_energy(windows.reshape(40, -1), np.ones(40, np.int64), FRAMES)
    assert spearmanr(found, amplitudes).statistic == pytest.approx(1)
    assert found.mean() == pytest.approx(0, abs=1e-9) and found.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(unit_energy(poses.reshape(40, -1), np.ones(40, np.int64), FRAMES), found)


def test_energy_is_relative_to_the_style():
    poses = np.stack([swing(amplitude, 2) for amplitude in (0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 0.4)])
    found = unit_energy(poses.reshape(7, -1), np.array([1, 1, 1, 2, 2, 2, 3]), FRAMES)
    np.testing.assert_allclose(found[:3], found[3:6])
    assert found[0] < found[1] == 0 < found[2] and found[6] == 0
    assert not unit_energy(poses[[0, 0]].reshape(2, -1), np.zeros(2, np.int64), FRAMES).any()
