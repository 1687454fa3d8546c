"""Correlation of the energy of music with dances that follow it by construction."""

import numpy as np
import pytest
from test_motion_features import STANDING

from learn2dance.metrics.energy import bar_energies, energy_correlation
from learn2dance.motion import kinematics

BEATS = np.arange(0.5, 80.6, 0.5)  # 40 bars of 2 s
MUSIC = {"beats": BEATS, "downbeat": 0, "beats_per_bar": 4}
BARS = np.arange(len(BEATS)) // 4
ENERGY = np.sin(BARS * 2 * np.pi / 8)  # constant in a bar, rises and falls over eight bars


def dance(size, rate=1.0, fps=25):
    """All joints swing sideways: amplitude 0.3 x size, and ``rate`` turns a second, one value for each beat."""
    t = np.arange(int(81 * fps)) / fps
    beat = np.clip(np.searchsorted(BEATS, t, side="right") - 1, 0, len(BEATS) - 1)
    turns = np.cumsum(np.broadcast_to(rate, len(BEATS))[beat]) / fps
    way = 0.3 * np.broadcast_to(size, len(BEATS))[beat] * np.sin(2 * np.pi * turns)
    poses = STANDING + np.stack([way, np.zeros_like(way)], axis=1)[:, None]
    return kinematics.low_pass(poses, fps)


def correlations(motion, energy=ENERGY):
    return energy_correlation([bar_energies(motion, MUSIC, energy)])


def test_a_dance_that_is_larger_where_the_music_is_more_energetic():
    found = correlations(dance(1 + 0.5 * ENERGY))
    assert found["energy_speed"] > 0.98 and found["energy_size"] > 0.98
    against = correlations(dance(1 - 0.5 * ENERGY))
    assert against["energy_speed"] < -0.98 and against["energy_size"] < -0.98
    # A quarter of the period later, sines are uncorrelated.
    late = correlations(dance(1 + 0.5 * np.cos(BARS * 2 * np.pi / 8)))
    assert abs(late["energy_speed"]) < 0.1 and abs(late["energy_size"]) < 0.1


def test_a_dance_that_is_faster_but_no_larger():
    fast = np.where(ENERGY > 0.1, 2, 1)  # complete turns in each bar
    energy, speed, size = bar_energies(dance(1.0, fast), MUSIC, np.where(ENERGY > 0.1, 1.0, -1.0)).T
    assert speed[energy > 0].mean() / speed[energy < 0].mean() == pytest.approx(2, rel=0.03)
    np.testing.assert_allclose(size, 1, atol=0.05)


def test_speed_and_size_are_relative_to_their_mean_over_the_song():
    bars = bar_energies(dance(1 + 0.5 * ENERGY), MUSIC, ENERGY)
    assert bars.shape == (40, 3)
    np.testing.assert_allclose(bars[:, 0], ENERGY[:160:4])
    np.testing.assert_allclose(bars[:, 1:], np.stack([1 + 0.5 * ENERGY[:160:4]] * 2, 1), atol=0.06)


def test_songs_are_compared_with_themselves_only():
    """One song is loud and its dance is fast, the other neither: this does not count."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 400, 3))
    songs = [noise[0], noise[1] + (5.0, 5.0, 5.0)]
    found = energy_correlation(songs)
    assert abs(found["energy_speed"]) < 0.15 and abs(found["energy_size"]) < 0.15
    following = [song[:, [0, 0, 0]] + 0.5 * song for song in songs]
    # x = 1.5 a, y = a + 0.5 b with independent a and b: r = 1 / √1.25.
    assert energy_correlation(following)["energy_speed"] == pytest.approx(1 / np.sqrt(1.25), abs=0.03)


def test_nothing_to_follow_nothing_that_follows_or_nothing_seen():
    assert np.isnan(list(correlations(dance(1 + 0.5 * ENERGY), np.zeros(len(BEATS))).values())).all()
    assert np.isnan(list(correlations(dance(0.0)).values())).all()
    assert np.isnan(list(energy_correlation([]).values())).all()
    motion = dance(1 + 0.5 * ENERGY)
    motion[100:110] = np.nan  # in the bar from 2.5 s and from there in the bar that begins at 4.5 s
    seen = bar_energies(motion, MUSIC, ENERGY)
    assert len(seen) == 39
    assert np.isnan(list(correlations(np.full_like(motion, np.nan)).values())).all()
