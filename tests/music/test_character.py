import numpy as np
import pytest
from sounds import hat, kick, mixed, snare, steady

from learn2dance.media.audio import SR
from learn2dance.music import features, styles
from learn2dance.music.character import NAMES, character

SECONDS = 20.0


def measured(y):
    return dict(zip(NAMES, character(features.features(y)), strict=True))


def drums(times, sounds):
    return mixed(times, SECONDS, sounds)


@pytest.fixture(scope="module")
def four_on_the_floor():
    """Return a bass drum on every beat and a hi-hat between, at 120 beats a minute."""
    beats = steady(120, SECONDS)
    return drums(np.concatenate([beats, beats + 0.25]), [kick()] * len(beats) + [hat()] * len(beats))


@pytest.fixture(scope="module")
def chords():
    """Return chords of held, pure tones that change every two seconds, fading in and out."""
    t = np.arange(int(SECONDS * SR)) / SR
    root = 110 * 2 ** (np.array([0, 5, 7, 3, 9])[(t // 2).astype(int) % 5] / 12)
    phase = 2 * np.pi * np.cumsum(root) / SR
    tones = sum(np.sin(ratio * phase) for ratio in (1, 1.25, 1.5, 2))
    return (0.1 * tones * np.sin(np.pi * (t % 2) / 2)).astype(np.float32)


def test_drums_are_percussive_and_chords_are_not(four_on_the_floor, chords):
    both = four_on_the_floor + 3 * chords
    low, middle, high = (measured(y)["percussive share"] for y in (chords, both, four_on_the_floor))
    assert low < middle < high and low < 0.5 < styles.DRUMS_ALONE < high


def test_a_periodic_song_has_a_clear_pulse_and_a_random_one_has_not(four_on_the_floor):
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, SECONDS - 0.5, 60))
    assert measured(four_on_the_floor)["pulse clarity"] > 0.7
    assert measured(drums(times, [snare()] * 60))["pulse clarity"] < 0.5


def test_onsets_are_counted(four_on_the_floor):
    assert np.exp(measured(four_on_the_floor)["onset density"]) == pytest.approx(4, rel=0.1)  # two a beat
    once = measured(drums(steady(60, SECONDS), [snare()] * 20))
    assert np.exp(once["onset density"]) == pytest.approx(1, rel=0.1)


def test_a_bass_on_every_beat_varies_less_than_one_on_some(four_on_the_floor):
    beats = steady(120, SECONDS)
    bass = np.arange(len(beats)) % 4 == 0
    sounds = [kick() if low else hat() for low in bass]
    assert measured(four_on_the_floor)["bass variation"] < np.log(0.5)
    # On one beat of four, and nothing on the others, the coefficient of variation is the root of three.
    assert measured(drums(beats, sounds))["bass variation"] == pytest.approx(np.log(3) / 2, abs=0.25)


def test_loudness_does_not_change_it(four_on_the_floor):
    quiet = measured((0.05 * four_on_the_floor).astype(np.float32))
    assert quiet == pytest.approx(measured(four_on_the_floor), abs=0.01)


@pytest.mark.parametrize("kind", ["silence", "noise", "one click", "one second"])
def test_it_is_finite_for_any_sound(kind):
    y = np.zeros(int(5 * SR), np.float32)
    if kind == "noise":
        y = np.random.default_rng(0).standard_normal(len(y)).astype(np.float32)
    elif kind == "one click":
        y[len(y) // 2] = 1
    elif kind == "one second":
        y = y[:SR]
    assert np.isfinite(character(features.features(y))).all()
