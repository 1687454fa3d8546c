"""Features of sounds whose features are known."""

import numpy as np
import pytest
from scipy.io import wavfile

from learn2dance.data import data_root, npz
from learn2dance.data.schemas import SCHEMAS
from learn2dance.errors import UserError
from learn2dance.media.audio import SR
from learn2dance.music import features


@pytest.fixture(scope="module")
def song():
    """Eight seconds: an A of 440 Hz with an onset twice a second."""
    k = np.arange(8 * SR) / SR
    return (0.5 * np.sin(2 * np.pi * 440 * k) * np.exp(-(k % 0.5) / 0.1)).astype(np.float32)


@pytest.fixture(scope="module")
def music(song):
    return features.features(song)


def test_features_fit_the_schema(music, tmp_path):
    npz.save(tmp_path / "a.npz", "music", "test", {}, {}, **music)
    assert set(music) == set(SCHEMAS["music"])
    per_frame = ("mel", "tempogram", "chroma", "onset", "rms", "beat_phase", "bar_phase")
    assert {len(music[key]) for key in per_frame} == {240}
    assert all(music[key].dtype == SCHEMAS["music"][key].dtype for key in music if np.ndim(music[key]))
    assert music["fps"] == 30
    assert music["duration"] == 8


def test_a_part_of_a_frame_at_the_end_is_a_frame(song):
    assert len(features.features(song[: 2 * SR + 1])["mel"]) == 61


def test_an_a_is_an_a(music):
    assert (music["chroma"][::15].argmax(axis=1) == 9).all()  # C C# D D# E F F# G G# A


def test_onsets_are_found_within_a_frame(music):
    onsets = np.arange(15, 240, 15)
    peaks = [frame - 7 + music["onset"][frame - 7 : frame + 8].argmax() for frame in onsets[:-1]]
    assert np.abs(peaks - onsets[:-1]).max() <= 1


def test_the_tempogram_peaks_at_the_lag_of_the_onsets(music):
    column = music["tempogram"][120]
    assert column[15] > 2 * column[8]  # 0.5 s, and half of it
    assert column[0] == pytest.approx(np.log(2))  # a correlation of one


def test_loudness_does_not_matter(song, music):
    quiet = features.features(song * 0.05)
    for key in ("mel", "onset", "rms", "beats"):
        np.testing.assert_allclose(quiet[key], music[key], rtol=1e-3, atol=1e-3)
    assert np.sqrt(np.mean(music["rms"] ** 2)) == pytest.approx(features.LOUDNESS, rel=0.05)


def test_phases_turn_once_a_beat_and_once_a_bar(music):
    times = np.arange(240) / 30
    turns = np.unwrap(np.arctan2(*music["beat_phase"].T)) / (2 * np.pi)
    bars = np.unwrap(np.arctan2(*music["bar_phase"].T)) / (2 * np.pi)
    assert np.ptp(turns) == pytest.approx(np.ptp(times) * music["tempo"] / 60, abs=0.05)
    assert np.ptp(bars) * music["beats_per_bar"] == pytest.approx(np.ptp(turns), abs=0.01)
    at_beats = np.stack([np.interp(music["beats"][1:-1], times, part) for part in music["beat_phase"].T])
    np.testing.assert_allclose(at_beats, [[0] * len(at_beats[0]), [1] * len(at_beats[0])], atol=0.05)
    downbeats = music["beats"][music["downbeat"] :: music["beats_per_bar"]]
    assert np.interp(downbeats[:-1], times, music["bar_phase"][:, 1]).min() > 0.98


def ramp(frames, beats):
    """Music whose every feature is its frame number."""
    number = np.arange(frames, dtype=np.float32)
    wide = {key: np.repeat(number[:, None], width, axis=1) for key, width in (("mel", 128), ("tempogram", 384))}
    return (
        wide
        | {"chroma": np.repeat(number[:, None], 12, axis=1), "onset": number, "rms": number, "fps": 30.0}
        | {"beats": np.asarray(beats)}
    )


@pytest.mark.parametrize("steps", [1, 2, 24])
def test_beat_features_of_a_ramp_are_the_middle_of_each_step(steps):
    beats = np.array([0.1, 0.7, 1.2, 1.9])
    found = features.beat_features(ramp(90, beats), steps)
    assert found.shape == (3, steps, 526)
    assert found.dtype == np.float32
    middle = (np.arange(steps) + 0.5) / steps
    expected = 30 * (beats[:-1, None] + np.diff(beats)[:, None] * middle)
    np.testing.assert_allclose(found, np.repeat(expected[:, :, None], 526, axis=2), rtol=1e-4)


def test_beat_features_average_over_all_frames_of_a_step_in_the_documented_order():
    music = ramp(61, [0.0, 1.0, 2.0]) | {"rms": np.tile([0.0, 1.0], 31)[:61].astype(np.float32)}
    music["chroma"][:] = 5
    found = features.beat_features(music, 1)
    np.testing.assert_allclose(found[:, 0, -1], 0.5, atol=1e-5)  # rms flickers: a point sample would be 0 or 1
    np.testing.assert_allclose(found[:, 0, 512:524], 5, atol=1e-5)


def test_a_beat_beyond_the_last_frame_still_has_features():
    found = features.beat_features(ramp(60, [0.0, 1.0, 1.999]), 60)
    assert np.isfinite(found).all()
    assert found[-1, -1, 0] == pytest.approx(59, abs=0.6)


def test_a_song_with_two_files_is_named_and_the_others_are_processed(tmp_path):
    (tmp_path / "audio").mkdir()
    y = (0.3 * np.sin(np.arange(4 * 22050) * 0.06)).astype(np.float32)
    for name in ("a.wav", "b.wav"):
        wavfile.write(tmp_path / "audio" / name, 22050, y)
    (tmp_path / "audio" / "a.mp3").touch()
    with pytest.raises(UserError, match="a.mp3, a.wav have the same clip name"):
        features.process(data_root.open_root(tmp_path))
    assert [path.name for path in (tmp_path / "music").iterdir()] == ["b.npz"]


def test_without_songs_all_formats_are_listed(tmp_path):
    (tmp_path / "audio").mkdir()
    with pytest.raises(UserError, match=r"audio: found no songs, expected audio/<clip>\.wav, .*\.aac"):
        features.process(data_root.open_root(tmp_path))
