"""The beat grid of sounds whose beats are known, and the metre of dances whose style is known."""

import csv

import numpy as np
import pytest

from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import features


def tick(pitch):
    k = np.arange(int(0.02 * SR)) / SR
    return np.sin(2 * np.pi * pitch * k) * np.exp(-k / 0.005)


def drum():
    k = np.arange(int(0.25 * SR)) / SR
    return np.sin(2 * np.pi * (50 * k + 1.2 * (1 - np.exp(-k / 0.03)))) * np.exp(-k / 0.08)


def sounding(times, seconds, sounds):
    """Put one sound at each time."""
    y = np.zeros(int((seconds + 1) * SR))
    for time, sound in zip(times, sounds, strict=True):
        start = round(time * SR)
        y[start : start + len(sound)] += sound
    return y[: int(seconds * SR)].astype(np.float32)


def click_track(bpm, bar, seconds=30.0, start=0.37, first=0):
    """Clicks with an accent (louder, higher) on each bar's first; returns samples, times, and which are accents."""
    times = np.arange(start, seconds - 0.05, 60 / bpm)
    accents = (np.arange(len(times)) - first) % bar == 0
    return sounding(times, seconds, [0.8 * tick(1500) if a else 0.3 * tick(1000) for a in accents]), times, accents


def folds(tempo, bpm):
    """Return the power of two by which a tempo is too fast."""
    return 2.0 ** round(np.log2(tempo / bpm))


def largest_distance(some, among):
    return np.abs(np.asarray(some)[:, None] - np.asarray(among)).min(axis=1).max()


def check_grid(found, seconds):
    beats, period = found["beats"], 60 / found["tempo"]
    assert 70 <= found["tempo"] <= 160
    assert (np.diff(beats) > 0).all()
    assert 0 <= beats[0] < 1.02 * period
    assert seconds - 1.02 * period < beats[-1] <= seconds
    assert 0 <= found["downbeat"] < found["beats_per_bar"]


@pytest.mark.parametrize("bar", [3, 4])
@pytest.mark.parametrize("bpm", [60, 63.5, 70, 75, 86, 97.3, 104, 120, 128.6, 139, 150, 160, 172, 180])
def test_a_click_track_has_its_tempo_beats_and_metre(bpm, bar):
    y, times, accents = click_track(bpm, bar, first=bar - 2)
    found = features.features(y)
    check_grid(found, 30)
    fold = folds(found["tempo"], bpm)
    assert found["tempo"] / fold == pytest.approx(bpm, abs=1)
    beats = found["beats"]
    if fold >= 1:  # every click has a beat
        assert largest_distance(times, beats) < 0.035
    else:  # every beat between the first and last click has a click
        assert largest_distance(beats[(beats > times[0] - 0.1) & (beats < times[-1] + 0.1)], times) < 0.035
    assert found["beats_per_bar"] == bar
    if fold == 1:
        downbeats = beats[found["downbeat"] :: bar]
        assert largest_distance(times[accents], downbeats) < 0.035


def test_a_drifting_tempo_is_followed():
    turns = np.arange(80)
    times = 0.3 + np.cumsum(60 / 100 * np.exp(0.04 * np.sin(2 * np.pi * turns / 60)))
    found = features.features(sounding(times, 50, [drum()] * len(times)))
    check_grid(found, 50)
    assert largest_distance(times, found["beats"]) < 0.035


def test_a_steady_tempo_is_a_uniform_grid_through_a_pause():
    times = np.arange(0.2, 40, 60 / 110)
    played = times[(times < 15) | (times > 22)]
    found = features.features(sounding(played, 40, [drum()] * len(played)))
    assert largest_distance(times, found["beats"]) < 0.02
    assert np.ptp(np.diff(found["beats"])) < 1e-6


def test_drums_with_a_hat_between_the_beats_keep_their_beat():
    rng = np.random.default_rng(0)
    times, k = np.arange(0.4, 30, 60 / 118), np.arange(int(0.15 * SR)) / SR
    hats = [0.25 * np.diff(rng.standard_normal(len(k)), prepend=0) * np.exp(-k / 0.012) for _ in times]
    snares = [0.4 * rng.standard_normal(len(k)) * np.exp(-k / 0.04) for _ in times[1::2]]
    y = sounding(times, 30, [drum()] * len(times)) + sounding(times[1::2], 30, snares)
    y += sounding(times + 30 / 118, 30, hats)
    found = features.features(y)
    assert largest_distance(times, found["beats"]) < 0.035
    assert found["beats_per_bar"] == 4


@pytest.mark.parametrize("seconds", [1.75, 2.0, 3.1])
def test_a_short_clip_has_a_complete_grid(seconds):
    y, times, _ = click_track(100, 4, seconds=seconds, start=0.2)
    found = features.features(y)
    check_grid(found, seconds)
    assert largest_distance(times, found["beats"]) < 0.035
    assert len(found["beats"]) >= 2


def test_silence_has_a_uniform_grid_and_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(features.log, "propagate", True)
    found = features.features(np.zeros(4 * SR, np.float32), "quiet.wav")
    np.testing.assert_allclose(found["beats"], np.arange(8) / 2)
    assert found["tempo"] == 120
    assert "quiet.wav: found no onsets" in caplog.text


def test_noise_and_a_single_tone_have_a_complete_grid():
    check_grid(features.features(np.random.default_rng(0).standard_normal(9 * SR).astype(np.float32)), 9)
    check_grid(features.features(np.sin(np.arange(9 * SR) / 8).astype(np.float32)), 9)


def test_the_same_song_gives_the_same_beats():
    y, _, _ = click_track(93, 3)
    first, second = features.features(y), features.features(y.copy())
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_waltzes_are_in_three_and_other_dances_in_four(shared):
    rows = list(csv.DictReader((shared / "ballroom" / "clips.csv").read_text().splitlines()))
    some = [row for row in rows if row["clip"] in ("C_4", "R_5", "T_5", "W_11", "W_14", "W_28")]
    assert len(some) == 6
    for row in some:
        found = features.features(audio.load(shared / "ballroom" / "audio" / f"{row['clip']}.ogg"))
        assert found["beats_per_bar"] == (3 if row["style"] == "waltz" else 4), row["clip"]
