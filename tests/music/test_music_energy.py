"""Energy of songs whose loud, dense and silent passages are known."""

import numpy as np
import pytest
from sounds import groove, steady

from learn2dance.media.audio import SR
from learn2dance.music import beat_grid, energy, features
from learn2dance.music.energy import LIMIT, beat_energy, silent_beats

BEATS = steady(120, 24)  # the groove begins at 0.37 s, and each of its 4/4 bars lasts 2 s
ROCK = groove("rock", BEATS, 24)
HALF = round(BEATS[24] * SR)


def gained(y, start, end, decibels):
    """Change the level from start to end, in samples."""
    y = y.copy()
    y[start:end] *= 10 ** (decibels / 20)
    return y


@pytest.fixture(scope="module")
def louder():
    """Return a song whose second half is 12 dB louder."""
    return features.features(gained(ROCK, 0, HALF, -12))


@pytest.fixture(scope="module")
def with_break():
    """Return a song without a sound from just before beat 20 to just before beat 27."""
    start, end = ((BEATS[beat] - 0.1) * SR for beat in (20, 27))
    return features.features(gained(ROCK, round(start), round(end), -np.inf))


@pytest.mark.parametrize(
    "y",
    [ROCK, groove("waltz", BEATS, 24), groove("clicks in 4/4", BEATS, 24), groove("trance", BEATS, 24)[: 5 * SR]]
    + [0.1 * np.random.default_rng(0).standard_normal(10 * SR), 0.1 * np.sin(880 * np.pi * np.arange(5 * SR) / SR)],
    ids=["rock", "waltz", "clicks", "5 s of trance", "noise", "one note"],
)
def test_a_steady_song_has_no_energy_and_no_silence(y):
    music = features.features(y.astype(np.float32))
    found = beat_energy(music)
    assert found.shape == music["beats"].shape and np.abs(found).max() < 0.25
    assert not silent_beats(music).any()


def test_a_louder_half_has_more_energy_and_it_rises_over_bars(louder):
    found, halfway = beat_energy(louder), louder["beats"] - BEATS[24]
    early, late = found[halfway < -4], found[halfway > 4]  # two bars away
    assert early.max() < -1.5 and late.min() > 1.5
    assert early.std() < 0.2 and late.std() < 0.2  # not within bars
    rising = found[np.abs(halfway) < 4]
    assert np.diff(rising).min() > -0.05 and np.diff(rising).max() < 1
    assert np.abs(found).max() <= LIMIT


def test_the_units_are_fixed_so_that_a_small_difference_has_little_energy(louder):
    def rise(music):
        found, halfway = beat_energy(music), music["beats"] - BEATS[24]
        return found[halfway > 4].mean() - found[halfway < -4].mean()

    slight = rise(features.features(gained(ROCK, 0, HALF, -1.5)))
    assert slight == pytest.approx(rise(louder) / 8, rel=0.4)


def test_a_denser_half_has_more_energy_at_the_same_root_mean_square():
    clicks = groove("clicks in 4/4", BEATS, 24)[:HALF]
    clicks *= np.sqrt(np.mean(ROCK**2) / np.mean(clicks**2))
    music = features.features(np.concatenate([clicks, ROCK[HALF:]]))
    found, halfway = beat_energy(music), music["beats"] - BEATS[24]
    assert found[halfway > 4].min() > found[halfway < -4].max() + 1


def test_a_quiet_copy_has_the_same_energy(louder):
    quiet = features.features(gained(ROCK, 0, HALF, -12) * np.float32(0.05))
    np.testing.assert_allclose(beat_energy(quiet), beat_energy(louder), atol=0.02)


def test_a_break_is_silent_and_the_music_around_it_is_as_before(with_break):
    silent, found, times = silent_beats(with_break), beat_energy(with_break), with_break["beats"]
    within = np.round(np.interp(times[silent], BEATS, np.arange(len(BEATS)))).tolist()
    assert within in ([20, 21, 22, 23, 24, 25, 26], [21, 22, 23, 24, 25, 26])  # an eighth note is half a beat before 20
    assert (found[silent] == -LIMIT).all() and np.abs(found[~silent]).max() < 0.3


def test_a_break_is_silent_if_it_is_30_decibels_below_the_rest_but_not_if_20():
    start, end = (round((BEATS[beat] - 0.1) * SR) for beat in (20, 27))
    quiet, soft = (features.features(gained(ROCK, start, end, decibels)) for decibels in (-40, -20))
    assert silent_beats(quiet).sum() in (6, 7) and not silent_beats(soft).any()
    found = beat_energy(soft)
    assert found.argmin() in range(20, 28) and found.min() < -1


def test_a_rest_of_one_beat_is_no_silence():
    start, end = (round((beat - 0.1) * SR) for beat in BEATS[20:22])
    assert not silent_beats(features.features(gained(ROCK, start, end, -np.inf))).any()


def test_a_song_of_silence_is_silent_and_one_beat_is_enough():
    music = features.features(np.zeros(10 * SR, np.float32))
    assert (beat_energy(music) == -LIMIT).all() and silent_beats(music).all()
    short = features.features(0.1 * np.random.default_rng(0).standard_normal(SR).astype(np.float32))
    np.testing.assert_allclose(beat_energy(short | {"beats": short["beats"][:1]}), 0)


def test_half_and_double_time_have_the_same_energy_at_the_same_time(louder):
    for ratio in (0.5, 2):
        other = beat_grid.at_tempo(louder, louder["tempo"] * ratio)
        at = energy.beat_energy(other)
        assert len(at) == len(other["beats"])
        halfway = other["beats"] - BEATS[24]
        assert at[halfway < -8].max() < -1.5 and at[halfway > 8].min() > 1.5
