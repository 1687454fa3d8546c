import mir_eval
import numpy as np
import pytest
from test_motion_features import STANDING, swinging

from learn2dance.metrics.beat import (
    alignment,
    bar_locking,
    beat_scores,
    kinematic_beats,
    locking,
    song_specificity,
)
from learn2dance.motion import kinematics

BEATS = np.arange(0, 40, 0.5)  # 120 beats a minute


def pulsing(period, seconds=40, phase=0.0, depth=0.8, fps=25):
    """All joints move together, their speed 1 + depth cos, slowest half a period after ``phase``."""
    t = np.arange(int(seconds * fps)) / fps
    rate = 2 * np.pi / period
    way = t + depth / rate * np.sin(rate * (t - phase))
    return STANDING + np.stack([way, np.zeros_like(way)], axis=1)[:, None]


def test_a_dance_whose_stops_are_on_the_beats_scores_near_one_and_far_above_the_same_half_a_beat_off():
    on, off = (kinematics.low_pass(pulsing(0.5, phase=phase), 25) for phase in (0.25, 0.0))  # slowest at phase + 0.25
    np.testing.assert_allclose(np.diff(kinematic_beats(on)), 0.5, atol=0.05)
    on, off = beat_scores(on, BEATS), beat_scores(off, BEATS)
    assert on["music_to_motion"] > 0.9 and on["motion_to_music"] > 0.9 and on["beat_f_measure"] > 0.97
    assert off["music_to_motion"] < 0.1 and off["beat_f_measure"] == 0
    assert on["coverage"] == pytest.approx(1, abs=0.04)
    # Either is as likely by chance: the mean of exp(-d²/2σ²) over a beat of 0.5 s is σ √(2π) / 0.5.
    for scores in (on, off):
        assert scores["music_to_motion_chance"] == pytest.approx(0.05 * np.sqrt(2 * np.pi) / 0.5, rel=0.1)


def test_noise_scores_but_no_more_than_by_chance_and_does_not_lock():
    rng = np.random.default_rng(0)
    noise = kinematics.low_pass(STANDING + 0.3 * rng.standard_normal((3000, 15, 2)), 25)
    beats = np.arange(0, 120, 0.5)
    scores = beat_scores(noise, beats)
    assert scores["music_to_motion"] > 0.2  # more than real dances get
    assert scores["music_to_motion"] == pytest.approx(scores["music_to_motion_chance"], abs=0.04)
    assert bar_locking(noise, beats, 4) < 0.06 < bar_locking(kinematics.low_pass(pulsing(2.0), 25), BEATS, 4)


@pytest.mark.parametrize(
    ("period", "bar", "expected"), [(2.0, 4, np.pi / 4), (1.5, 3, np.pi / 4), (2.0, 3, 0), (0.5, 4, 0)]
)
def test_lock_of_a_sine_is_analytic(period, bar, expected):
    motion = kinematics.low_pass(pulsing(period, phase=0.3), 25)
    assert bar_locking(motion, BEATS, bar) == pytest.approx(expected, abs=0.05)  # not whole periods


def test_locking_at_the_half_bar_and_chance():
    half = locking(kinematics.low_pass(pulsing(1.0), 25), BEATS, 4)
    assert half["half_bar_locking"] == pytest.approx(np.pi / 4, abs=0.05) and half["bar_locking"] < 0.05
    assert half["half_bar_locking_chance"] < 0.1
    bar = locking(kinematics.low_pass(pulsing(2.0), 25), BEATS, 4)
    assert bar["bar_locking"] == pytest.approx(np.pi / 4, abs=0.05) and bar["half_bar_locking"] < 0.05
    waltz = locking(kinematics.low_pass(pulsing(1.5), 25), BEATS, 3)
    assert waltz["bar_locking"] == pytest.approx(np.pi / 4, abs=0.05)
    assert np.isnan(waltz["half_bar_locking"]) and np.isnan(waltz["half_bar_locking_chance"])


def test_locking_of_unrelated_motion_is_about_its_chance_level():
    rng = np.random.default_rng(2)
    for name in ("bar_locking", "half_bar_locking"):
        pairs = []
        for _ in range(12):
            noise = kinematics.low_pass(STANDING + 0.3 * rng.standard_normal((1000, 15, 2)), 25)
            scores = locking(noise, BEATS, 4)
            pairs.append((scores[name], scores[f"{name}_chance"]))
        measured, chance = np.mean(pairs, axis=0)
        assert measured == pytest.approx(chance, rel=0.5)


def test_lock_does_not_mind_the_beat_it_peaks_on_slow_drift_or_unknown_frames():
    poses = pulsing(2.0, depth=0.3)
    drift = np.cumsum(np.linspace(0, 3, len(poses))) / 25
    drifting = poses + np.stack([drift, np.zeros_like(drift)], axis=1)[:, None]
    drifting[100:140] = np.nan
    assert bar_locking(kinematics.low_pass(drifting, 25), BEATS, 4) == pytest.approx(np.pi / 4, abs=0.03)
    assert bar_locking(kinematics.low_pass(pulsing(2.0, phase=0.7), 25), BEATS, 4) == pytest.approx(np.pi / 4, abs=0.03)


def test_a_frozen_dancer_has_no_beats_and_no_lock():
    still = kinematics.low_pass(np.repeat(STANDING[None], 500, 0).astype(np.float32), 25)
    assert len(kinematic_beats(still)) == 0 and bar_locking(still, BEATS, 4) == 0
    scores = beat_scores(still, BEATS)
    assert scores["music_to_motion"] == 0 and scores["coverage"] == 0 and scores["beat_f_measure"] == 0


def test_match_tells_the_own_song_from_others():
    motion = kinematics.low_pass(pulsing(2.0), 25)
    own, others = (BEATS, 4), [(np.arange(0, 40, 0.45), 4), (np.arange(0, 40, 0.56), 4)]
    assert song_specificity(motion, own, others) > 0.6
    assert song_specificity(motion, others[0], [own]) < -0.6
    assert song_specificity(kinematics.low_pass(swinging(40), 25), own, [own]) == 0
    assert np.isnan(song_specificity(motion, own, []))


def test_alignment_by_hand():
    # 0.05 s off is one sigma.
    assert alignment(np.array([1.0, 2.0]), np.array([1.05])) == pytest.approx((np.exp(-0.5) + 0) / 2)
    assert alignment(np.array([1.05]), np.array([1.0, 2.0])) == pytest.approx(np.exp(-0.5))
    assert alignment(BEATS, np.zeros(0)) == 0 and np.isnan(alignment(np.zeros(0), BEATS))


def test_f_measure_is_that_of_mir_eval_and_known_for_a_dance_with_a_stop_on_every_other_beat():
    every_other = kinematics.low_pass(pulsing(1.0, phase=0.5), 25)  # slowest at 1, 2, 3 … s
    stops = kinematic_beats(every_other)
    scores = beat_scores(every_other, BEATS)
    # All stops are on beats, and half of the beats have a stop: the harmonic mean of 1 and 1/2.
    assert scores["beat_f_measure"] == pytest.approx(2 / 3, abs=0.02)
    assert scores["beat_f_measure"] == mir_eval.beat.f_measure(BEATS, stops)
    # A stop is within 70 ms of a beat for 0.14 s of each 0.5 s; so by chance it scores 0.28 of that.
    assert scores["beat_f_measure_chance"] == pytest.approx(0.28 * 2 / 3, abs=0.03)
