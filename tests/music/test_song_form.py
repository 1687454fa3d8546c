"""Songs whose form is known."""

import numpy as np
import pytest
from sounds import groove, steady

from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import beat_grid, features, form

BPM = 120.0
PLAYED = {"A": ("rock", 57, (1, 0.5)), "B": ("four on the floor", 65, (1, 0, 0.8, 0, 0.6)), "C": ("trance", 45, (1,))}
WALTZ = {"A": ("waltz", 57, (1, 0.5)), "B": ("clicks in 3/4", 69, (1, 0, 0.8, 0, 0.6))}


def section(letter, bars, metre=4, transpose=0):
    """Play the section of this letter: its drums, and a melody whose phrases all differ, in its own timbre."""
    drums, key, partials = (PLAYED if metre == 4 else WALTZ)[letter]
    beats = np.arange(bars * metre + 1) * 60 / BPM
    y = groove(drums, beats, beats[-1]).astype(np.float64)
    rng = np.random.default_rng(ord(letter))
    for start in np.arange(2 * bars * metre) * 30 / BPM:
        t = np.arange(int(30 / BPM * SR)) / SR
        hz = 440 * 2 ** ((key + transpose + rng.choice([0, 2, 4, 7, 9, 12]) - 69) / 12)
        note = sum(a * np.sin(2 * np.pi * hz * (i + 1) * t) for i, a in enumerate(partials)) * np.exp(-t / 0.2)
        y[int(start * SR) : int(start * SR) + len(t)] += 0.3 * note
    return y


def heard(parts, metre=4, upbeats=0):
    """Return the music features of joined sections, with the true beats; ``upbeats`` silent beats come first."""
    lead = np.zeros(round(upbeats * 60 / BPM * SR))
    y = np.concatenate([lead, *parts]).astype(np.float32)
    grid = {"beats": np.arange(0, len(y) / SR - 0.01, 60 / BPM), "downbeat": upbeats % metre}
    return features.features(y) | grid | {"beats_per_bar": metre, "tempo": BPM}


def assert_valid(found, music):
    """Phrases begin on downbeats and cover all beats; what is repeated is new and earlier."""
    count, bar = len(music["beats"]), music["beats_per_bar"]
    size = 12 if bar == 3 else 8
    assert (np.diff(found.phrases) > 0).all()
    assert -size < found.phrases[0] <= 0 and count - size * 1.5 <= found.phrases[-1] < max(count, 1)
    assert ((found.phrases - music["downbeat"]) % bar == 0).all()
    assert (found.repeats <= np.arange(len(found.phrases))).all()
    np.testing.assert_array_equal(found.repeats[found.repeats], found.repeats)
    assert {len(found.phrases)} == {len(found.repeats), len(found.sections)} and found.sections[0] == 0


def letters(found):
    return "".join("ABCDEFGH"[label] for label in found.sections)


def test_a_section_that_returns_softer_and_with_noise_is_found_phrase_by_phrase():
    a, b = section("A", 12), section("B", 8)
    again = 0.6 * a + 0.005 * np.random.default_rng(0).standard_normal(len(a))
    music = heard([a, b, again])
    found = form.find(music)
    assert_valid(found, music)
    np.testing.assert_array_equal(found.phrases, np.arange(0, 128, 8))
    assert letters(found) == "AAAAAABBBBAAAAAA"
    np.testing.assert_array_equal(found.repeats, [*range(10), *range(6)])


def test_a_waltz_has_phrases_of_twelve_beats():
    a, b = section("A", 24, 3), section("B", 16, 3)
    music = heard([a, b, a], 3)
    found = form.find(music)
    assert_valid(found, music)
    np.testing.assert_array_equal(found.phrases, np.arange(0, 192, 12))
    assert letters(found) == "AAAAAABBBBAAAAAA"
    np.testing.assert_array_equal(found.repeats, [*range(10), *range(6)])


def test_a_last_section_a_semitone_higher_is_a_repetition():
    found = form.find(heard([section("A", 12), section("B", 8), section("A", 12, transpose=1)]))
    np.testing.assert_array_equal(found.repeats, [*range(10), *range(6)])


@pytest.mark.parametrize("upbeats", [1, 3, 4, 6])
def test_phrases_begin_where_the_music_changes_even_after_upbeats(upbeats):
    a, b = section("A", 12), section("B", 8)
    music = heard([a, b, a], upbeats=upbeats)
    found = form.find(music)
    assert_valid(found, music)
    assert {upbeats + 48, upbeats + 80} <= set(found.phrases)
    later = found.phrases >= upbeats + 88
    np.testing.assert_array_equal(found.phrases[later] - found.phrases[found.repeats[later]], 80)


def test_the_count_begins_again_after_an_odd_number_of_bars():
    a, b = section("A", 13), section("B", 10)
    found = form.find(heard([a, b, a]))
    assert 92 in found.phrases  # A' begins there, in the middle of a phrase counted from the start
    again = np.flatnonzero(found.repeats != np.arange(len(found.repeats)))
    assert len(again) >= 5
    np.testing.assert_array_equal(found.phrases[again] - found.phrases[found.repeats[again]], 92)


def test_three_different_sections_have_no_repetition():
    found = form.find(heard([section("A", 8), section("B", 8), section("C", 8)]))
    assert letters(found) == "AAAABBBBCCCC"
    np.testing.assert_array_equal(found.repeats, np.arange(12))


def test_in_half_time_a_phrase_is_twice_as_long():
    a, b = section("A", 16), section("B", 16)
    music = heard([a, b, a])
    found = form.find(beat_grid.at_tempo(music, BPM / 2))
    np.testing.assert_array_equal(found.phrases, np.arange(0, 96, 8))
    assert letters(found) == "AAAABBBBAAAA"
    np.testing.assert_array_equal(found.repeats, [*range(8), *range(4)])


NOISE = 0.1 * np.random.default_rng(0).standard_normal(60 * SR).astype(np.float32)
WITHOUT_FORM = {
    "silence": np.zeros(60 * SR, np.float32),
    "noise": NOISE,
    "clicks": groove("clicks in 4/4", steady(120, 60), 60),
    "a loop of drums": groove("trance", steady(120, 60), 60),
    "a loop in 3/4": groove("waltz", steady(120, 60), 60),
    "five seconds": groove("rock", steady(120, 5), 5),
    "two beats": groove("rock", steady(70, 1.75, 0.02), 1.75),
    "two seconds of noise": NOISE[: 2 * SR],
}


@pytest.mark.parametrize("name", WITHOUT_FORM)
def test_without_changes_all_is_one_section_and_new(name):
    music = features.features(WITHOUT_FORM[name], name)
    found = form.find(music)
    assert_valid(found, music)
    assert not found.sections.any()
    assert found.phrases[0] > -music["beats_per_bar"]  # in doubt, the song begins with a whole phrase
    np.testing.assert_array_equal(found.repeats, np.arange(len(found.phrases)))


def test_the_same_recording_joined_after_another_is_repeated(shared):
    folder = shared / "ballroom" / "audio"
    pieces = []
    for clip in ("C_4", "C_6"):
        y = audio.load(folder / f"{clip}.ogg")
        music = features.features(y)
        bars = music["beats"][music["downbeat"] :: 4]
        pieces.append(y[int(bars[2] * SR) : int(bars[14 if clip == "C_4" else 18] * SR)])
    a, b = pieces  # 125 and 115 beats a minute
    b = np.interp(np.linspace(0, len(b), round(len(b) * 115 / 125), endpoint=False), np.arange(len(b)), b)
    again = 0.5 * a + 0.01 * np.random.default_rng(0).standard_normal(len(a))
    music = features.features(np.concatenate([a, b, again]).astype(np.float32))
    found = form.find(music)
    seconds = np.interp(found.phrases, np.arange(len(music["beats"])), music["beats"])
    joined = (len(a) + len(b)) / SR
    second = np.flatnonzero(seconds > joined - 1)[:5]
    np.testing.assert_allclose(seconds[second] - seconds[found.repeats[second]], joined, atol=0.5)
    middle = (seconds > len(a) / SR + 4) & (seconds < joined - 5)
    assert not set(found.sections[middle]) & set(found.sections[second])
