import numpy as np
import pytest
from test_motion_features import STANDING, WRIST

from learn2dance.motion import kinematics, sync

STEP = 0.00125  # of the candidate rates
PEAK = 0.2  # bar phase at which the dances here are fastest


def song(beats_per_bar=4, count=130, uneven=0.0):
    """Beats of 0.5 s, or of a tempo that rises and falls by a fraction; the third of them is a downbeat."""
    periods = 0.5 * (1 + uneven * np.sin(np.arange(count) / 9))
    return {"beats": 0.3 + np.cumsum(periods), "downbeat": 2, "beats_per_bar": beats_per_bar}


def dance(music, rate=1.0, shift=0.0, seconds=60.0, depth=0.8, period=None):
    """Let a wrist go round a circle, fastest at `PEAK` of each period, which is a bar unless it is given in beats.

    The dance is out of sync with the music by a rate and a shift.

    Returns the motion (T, 15, 2) at `kinematics.METRIC_FPS`, and the times of the beats in seconds of the dance.
    """
    beats = music["beats"] / rate + shift
    times = np.arange(int(seconds * 500)) / 500
    index, paces = np.arange(-9, len(beats) + 9), np.diff(beats)
    grid = np.concatenate([beats[0] - paces[0] * np.arange(9, 0, -1), beats, beats[-1] + paces[-1] * np.arange(1, 10)])
    bar = (np.interp(times, grid, index) - music["downbeat"]) / (period or music["beats_per_bar"])
    angle = np.cumsum(1 + depth * np.cos(2 * np.pi * (bar - PEAK))) / 500 * 5
    poses = np.tile(STANDING, (len(times), 1, 1))
    poses[:, WRIST] += 0.4 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return poses[:: round(500 / kinematics.METRIC_FPS)], beats


def phase_distance(a, b):
    """Return the distance of two bar phases, round the circle."""
    return abs((a - b + 0.5) % 1 - 0.5)


def fit(motion, music, common=1.0):
    """Return the fit of a minute of motion."""
    return sync.best_rate(sync.rhythm(motion, music), 60.0, common)


@pytest.mark.parametrize("beats_per_bar, period", [(3, 3), (4, 4), (4, 2)])
@pytest.mark.parametrize("rate", [1.0, 0.98, 1.0235, 0.9537])
def test_a_wrong_rate_is_found_by_the_bar_or_in_four_by_half_of_it(rate, beats_per_bar, period):
    music = song(beats_per_bar)
    found = fit(dance(music, rate, period=period)[0], music)
    assert found.rate == pytest.approx(rate, abs=STEP)
    assert found.period == period and phase_distance(found.peak, PEAK) < 0.03


@pytest.mark.parametrize(
    ("rate", "shift", "changed", "period"),
    [
        (1.0, 0.4, {}, None),
        (1.0, -0.6, {}, None),
        (0.98, 0.3, {}, None),
        (0.98, 0.3, {}, 2),
        (1.03, -0.4, {}, 2),
        (1.03, -0.5, {}, None),
        (1.02, 0.35, {"beats_per_bar": 3}, None),
        (0.97, 0.5, {"uneven": 0.03}, None),  # a shift is taken for so many beats, so tempo must not change much
    ],
)
def test_beats_are_aligned_with_the_dance(rate, shift, changed, period):
    music = song(**changed)
    motion, danced = dance(music, rate, shift, period=period)
    usual = fit(dance(music, period=period)[0], music)
    beats = sync.align(music, fit(motion, music), usual.peak)
    error = (beats - danced) / 0.5  # beats
    assert np.abs(error[5:-5]).max() < 0.04
    assert np.abs(error).max() < 0.06 and (np.diff(beats) > 0).all()  # the ends are extended at the ends' tempo
    assert np.abs(music["beats"] - danced).max() / 0.5 > 0.5  # before the correction
    peaks = np.where(np.array([3, 4, 2]) == usual.period, usual.peak, np.nan)
    assert sync.correct_beats(motion, 25.0, music, sync.Timing(1.0, peaks)) == pytest.approx(beats, abs=0.02)


def test_a_dance_that_peaks_late_is_moved_by_that_and_the_short_way_round():
    music = {"beats": np.array([0.0, 1.0, 2.0, 4.0, 6.0]), "downbeat": 0, "beats_per_bar": 4}
    # A quarter of a bar of four is a beat: each beat is danced when the song has its next, the last at the last pace.
    np.testing.assert_allclose(sync.align(music, sync.Fit(1.0, 4, 0.35), 0.1), [1, 2, 4, 6, 8])
    np.testing.assert_allclose(sync.align(music, sync.Fit(1.0, 4, 0.1), 0.35), [-1, 0, 1, 2, 4])
    np.testing.assert_allclose(sync.align(music, sync.Fit(1.0, 4, 0.05), 0.925), [0.5, 1.5, 3, 5, 7])
    np.testing.assert_allclose(sync.align(music, sync.Fit(1.0, 2, 0.45), 0.0), [0.9, 1.9, 3.8, 5.8, 7.8])
    np.testing.assert_allclose(sync.align(music, sync.Fit(0.8, 4, 0.35), 0.1), np.array([1, 2, 4, 6, 8]) / 0.8)


def test_where_a_peak_is_unknown_nothing_is_shifted():
    beats = song()["beats"]
    for peak, usual in ((np.nan, 0.3), (0.3, np.nan), (np.nan, np.nan)):
        np.testing.assert_array_equal(sync.align(song(), sync.Fit(1.0, 4, peak), usual), beats)
    np.testing.assert_allclose(sync.align(song(), sync.Fit(1.02, 4, 0.3), np.nan), beats / 1.02)


def test_motion_without_bar_rhythm_is_not_corrected():
    rng = np.random.default_rng(0)
    noise = kinematics.low_pass(STANDING + 0.3 * rng.standard_normal((1500, 15, 2)), 25)
    still = np.tile(STANDING, (1500, 1, 1))
    elsewhere = dance(song(count=200) | {"beats": 0.37 * np.arange(200)}, seconds=60)[0]  # locked to other bars
    for motion in (noise, still, elsewhere, np.full((1500, 15, 2), np.nan)):
        for common in (1.0, 1.015):
            found = fit(motion, song(), common)
            assert found.rate == common and np.isnan(found.peak)


def test_a_short_dance_needs_a_stronger_rhythm():
    rhythm = 0.5 * np.exp(-(((sync.RATES - 0.98) / 0.01) ** 2))[None] + 0j
    assert sync.best_rate(rhythm, 60.0).rate == pytest.approx(0.98, abs=STEP)
    assert sync.best_rate(rhythm, 8.0).rate == 1 and np.isnan(sync.best_rate(rhythm, 8.0).peak)


def test_the_rate_is_the_common_one_unless_another_is_clearly_better():
    rhythm = 0.4 - (sync.RATES - 1.005)[None] ** 2 + 0j  # best at 1.005, by next to nothing
    for common in (1.0, 1.02):
        found = sync.best_rate(rhythm, 60.0, common)
        assert found.rate == common and found.peak == 0
    rising = 0.4 + sync.RATES[None] + 0j  # no peak within the rates
    found = sync.best_rate(rising, 60.0)
    assert found.rate == 1 and np.isnan(found.peak)


def rhythms(rates, depth=0.3):
    """Return the rhythm of a minute of dance at each of these rates, half of them with the half bar."""
    motions = [dance(song(), rate, depth=depth, period=2 if i % 2 else 4)[0] for i, rate in enumerate(rates)]
    return [(sync.rhythm(motion, song()), 60.0) for motion in motions]


def test_dances_of_one_source_share_a_rate_and_an_outlier_keeps_its_own():
    found = rhythms([1.02, 1.0175, 1.0225, 1.02, 1.025, 0.97])
    common = sync.timing(found)
    assert common.rate == pytest.approx(1.02, abs=0.004)
    assert phase_distance(common.peaks[1], PEAK) < 0.03 and phase_distance(common.peaks[2], PEAK) < 0.03
    assert sync.best_rate(*found[-1], common.rate).rate == pytest.approx(0.97, abs=2 * STEP)
    noise = kinematics.low_pass(STANDING + 0.3 * np.random.default_rng(1).standard_normal((1500, 15, 2)), 25)
    assert sync.best_rate(sync.rhythm(noise, song()), 60.0, common.rate).rate == common.rate


def test_without_a_common_error_the_common_rate_is_one():
    assert sync.timing(rhythms([1.0, 1.0, 1.0025, 0.9975])).rate == 1
    assert sync.timing(rhythms([0.97, 1.03, 1.01, 0.99])).rate == 1
    assert sync.timing([]).rate == 1 and np.isnan(sync.timing([]).peaks).all()


def test_missing_frames_do_not_count():
    motion, _ = dance(song(), 0.98)
    motion[200:330] = motion[700:720] = np.nan
    assert np.isfinite(sync.rhythm(motion, song())).all()
    found = fit(motion, song())
    assert found.rate == pytest.approx(0.98, abs=STEP) and phase_distance(found.peak, PEAK) < 0.02


def test_motion_before_and_after_the_beats_does_not_count():
    music = song(count=80)  # 40 of the 60 s
    motion, _ = dance(music)
    motion[1100:] = STANDING + np.random.default_rng(0).normal(size=(400, 15, 2))
    found = fit(motion, music)
    assert found.rate == pytest.approx(1, abs=STEP) and phase_distance(found.peak, PEAK) < 0.03


def test_the_common_peak_is_a_mean_round_the_circle():
    assert phase_distance(sync.circular_mean(np.array([0.95, 0.05])), 0) < 1e-9
    assert phase_distance(sync.circular_mean(np.array([0.9, 0.95, 0.15])), 0) < 0.01
    assert sync.circular_mean(np.array([0.2, np.nan, 0.4])) == pytest.approx(0.3)
    assert np.isnan(sync.circular_mean(np.array([np.nan]))) and np.isnan(sync.circular_mean(np.zeros(0)))


def test_beats_are_not_corrected_where_rhythm_cannot_be_measured():
    motion, timing = dance(song(), 0.98)[0], sync.Timing(1.0, np.full(3, PEAK))
    assert sync.correct_beats(motion, 2 * kinematics.CUTOFF_HZ, song(), timing) is None
    assert sync.correct_beats(motion, 25.0, song(count=1), timing) is None
    assert sync.dance_rhythm(motion, 25.0, song(count=0)) is None
