"""The beat grid of sounds whose beats are known, and the metre of dances whose style is known."""

import csv

import numpy as np
import pytest
from sounds import groove, hat, kick, mixed, snare, steady, tick, with_stop, with_tempi

from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import features


def click_track(bpm, bar, seconds=30.0, start=0.37, first=0):
    """Clicks with an accent (louder, higher) on each bar's first; returns samples, times, and which are accents."""
    times = np.arange(start, seconds - 0.05, 60 / bpm)
    accents = (np.arange(len(times)) - first) % bar == 0
    return mixed(times, seconds, [0.8 * tick(1500) if a else 0.3 * tick(1000) for a in accents]), times, accents


def folds(tempo, bpm):
    """Return the power of two by which a tempo is too fast."""
    return 2.0 ** round(np.log2(tempo / bpm))


def largest_distance(some, among):
    return np.abs(np.asarray(some)[:, None] - np.asarray(among)).min(axis=1).max()


def check_grid(found, seconds):
    beats, period = found["beats"], 60 / found["tempo"]
    assert 70 <= found["tempo"] <= 190
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
    found = features.features(mixed(times, 50, [kick()] * len(times)))
    check_grid(found, 50)
    assert largest_distance(times, found["beats"]) < 0.035


def test_a_steady_tempo_is_a_uniform_grid_through_a_pause():
    times = np.arange(0.2, 40, 60 / 110)
    played = times[(times < 15) | (times > 22)]
    found = features.features(mixed(played, 40, [kick()] * len(played)))
    assert largest_distance(times, found["beats"]) < 0.02
    assert np.ptp(np.diff(found["beats"])) < 1e-6


def test_drums_with_a_hat_between_the_beats_keep_their_beat():
    times = steady(118, 30)
    y = mixed(times, 30, [kick()] * len(times)) + mixed(times[1::2], 30, [1.3 * snare()] * len(times[1::2]))
    found = features.features(y + mixed(times + 30 / 118, 30, [1.25 * hat()] * len(times)))
    assert largest_distance(times, found["beats"]) < 0.035
    assert found["beats_per_bar"] == 4


@pytest.mark.parametrize(
    ("name", "beats", "seconds"),
    [
        ("rock", with_stop(120, 60, 54, 1.9), 60),
        ("clicks in 4/4", with_stop(120, 60, 56, 1.3), 60),
        ("waltz", with_stop(96, 90, 84, 2.2), 90),
        ("four on the floor", with_stop(120, 180, 172, 1.2), 180),
        ("rock", with_stop(120, 60, 6, 1.7), 60),
        ("rock", with_tempi([(54, 118), (54, 110)], 60), 60),
        ("clicks in 4/4", with_tempi([(110, 118), (110, 104)], 120), 120),
        ("four on the floor", with_tempi([(50, 118), (60, 140)], 60), 60),
        ("rock", with_tempi([(54, 118), (60, 100)], 60), 60),
    ],
)
def test_beats_are_followed_through_a_stop_or_a_change_of_tempo_near_an_end(name, beats, seconds):
    found = features.features(groove(name, beats, seconds))
    assert largest_distance(beats, found["beats"]) < 0.07
    assert np.diff(found["beats"]).min() > 0.55 * np.median(np.diff(beats))


@pytest.mark.parametrize("bpm", [146, 155, 168, 180])
@pytest.mark.parametrize("name", ["backbeat clicks", "four on the floor", "trance", "rock"])
def test_fast_songs_are_not_heard_at_half_their_tempo(name, bpm):
    beats = steady(bpm, 24)
    found = features.features(groove(name, beats, 24))
    assert found["tempo"] == pytest.approx(bpm, abs=1) and found["beats_per_bar"] == 4
    assert largest_distance(beats, found["beats"]) < 0.035


@pytest.mark.parametrize("bpm", [92, 120])
def test_a_downbeat_has_a_bass_drum_and_not_the_louder_snare_drum(bpm):
    beats = steady(bpm, 24)
    found = features.features(groove("rock", beats, 24))
    assert largest_distance(found["beats"][found["downbeat"] :: 4][:8], beats[::2]) < 0.035


def test_a_fast_song_may_be_without_drums_for_a_while():
    beats = steady(150, 40)
    y = groove("trance", beats, 40)
    hats = mixed(beats + 0.2, 40, [hat()] * len(beats))
    y[10 * SR : 24 * SR] = hats[10 * SR : 24 * SR]
    assert features.features(y)["tempo"] == pytest.approx(150, abs=1)


@pytest.mark.parametrize("bpm", [72, 80, 88])
@pytest.mark.parametrize("name", ["rock", "four on the floor", "sixteenths", "waltz"])
def test_slow_songs_with_hats_between_the_beats_keep_their_tempo(name, bpm):
    assert features.features(groove(name, steady(bpm, 24), 24))["tempo"] == pytest.approx(bpm, abs=1)


@pytest.mark.parametrize(
    ("name", "bpm", "says"),
    [
        ("clicks in 5/4", 100, "found 5 beats in a bar; counted in bars of 4"),
        ("drums in 5/4", 120, "found 5 beats in a bar; counted in bars of 4"),
        ("clicks in 7/4", 120, "found 7 beats in a bar; counted in bars of 4"),
        ("drums in 7/4", 100, "found 7 beats in a bar; counted in bars of 4"),
        ("clicks in 6/8", 56, "found 6/8; counted in bars of 3 eighths"),
        ("drums in 6/8", 64, "found 6/8; counted in bars of 3 beats, of two eighths each"),
        ("drums in 6/8", 80, "found beats of three parts (6/8 or 12/8); counted in bars of 4 of these beats"),
        ("clicks in 4/4", 100, None),
        ("waltz", 100, None),
        ("sixteenths", 80, None),
    ],
)
def test_metres_that_the_models_do_not_know_are_said(name, bpm, says, caplog, monkeypatch):
    monkeypatch.setattr(features.log, "propagate", True)
    found = features.features(groove(name, steady(bpm, 40), 40), "song.wav")
    assert found["beats_per_bar"] in (3, 4)
    assert [record.getMessage().startswith(f"song.wav: {says}") for record in caplog.records] == [True] * bool(says)


@pytest.mark.parametrize("case", ["late_break/song.mp3", "antiphase/song.flac"])
def test_songs_that_once_lost_their_beat(shared, case):
    song = shared / "cases" / case
    if not song.exists():
        pytest.skip(f"no {song}")
    found = features.features(audio.load(song))
    assert largest_distance(np.loadtxt(song.with_name("beats.txt")), found["beats"]) < 0.07


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


def test_beats_go_on_through_digital_silence():
    y = groove("clicks in 4/4", steady(120, 60), 60)
    y[15 * SR : 30 * SR] = 0
    assert largest_distance(steady(120, 60), features.features(y)["beats"]) < 0.03


def test_a_passage_with_one_onset_does_not_stop_the_tracker(shared):
    y = audio.load(shared / "ballroom" / "audio" / "T_5.ogg")[: 60 * SR]
    tempo = features.features(y)["tempo"]
    y[21 * SR : round(32.26 * SR)] = 0
    assert np.isclose(features.features(y)["tempo"], tempo, rtol=0.01)
