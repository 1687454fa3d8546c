"""Sounds of known times, encoded by ffmpeg itself, are decoded at those times; other files are refused."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from learn2dance.errors import UserError
from learn2dance.media import audio
from learn2dance.music import spectrogram

CLICKS = np.array([0.25, 1.0, 2.5, 3.75])


@pytest.fixture(scope="module")
def ffmpeg():
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")

    def run(*arguments):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    return run


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Four seconds of stereo at 44.1 kHz, clicks on the left, silence on the right."""
    path, rate = tmp_path_factory.mktemp("clicks") / "clicks.wav", 44100
    y, k = np.zeros((4 * rate, 2)), np.arange(800) / rate
    for time in CLICKS:
        start = round(time * rate)
        y[start : start + len(k), 0] = 0.8 * np.sin(2 * np.pi * 1000 * k) * np.exp(-k / 0.004)
    wavfile.write(path, rate, y.astype(np.float32))
    return path


def onset_times(y, around):
    """Find when the sound rises to a third of its peak near these times."""
    times = []
    for time in around:
        first = round((time - 0.06) * audio.SR)
        near = np.abs(y[first : first + round(0.12 * audio.SR)])
        times.append((first + np.argmax(near > near.max() / 3)) / audio.SR)
    return np.array(times)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "m4a", "opus"])
def test_clicks_come_back_at_their_times(clicks, ffmpeg, tmp_path, ending):
    path = clicks if ending == "wav" else tmp_path / f"-clicks 'é'.{ending}"  # a name that must not be an option
    if ending != "wav":
        ffmpeg("-i", clicks, f"file:{path}")
    y = audio.load(path)
    assert y.dtype == np.float32
    assert y.shape == pytest.approx((4 * audio.SR,), abs=0.03 * audio.SR)
    assert onset_times(y, CLICKS) == pytest.approx(CLICKS, abs=0.003)


def test_sound_that_starts_later_than_its_video_is_preceded_by_silence(clicks, ffmpeg, tmp_path):
    video = tmp_path / "late.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=duration=5:size=64x64", "-itsoffset", "0.5", "-i", clicks, video)
    assert onset_times(audio.load(video), CLICKS + 0.5) == pytest.approx(CLICKS + 0.5, abs=0.003)


def test_a_gap_of_hours_is_not_filled_with_silence(clicks, ffmpeg, tmp_path):
    path = tmp_path / "gap.mka"
    ffmpeg("-i", clicks, "-af", r"asetpts=PTS+gte(T\,2)*36000/TB", "-c:a", "flac", path)
    assert path.stat().st_size < 1e6
    with pytest.raises(UserError, match="gap.mka: found more than 30 minutes of sound"):
        audio.load(path)


def test_mono_is_the_mean_of_the_channels(tmp_path):
    k = np.arange(2 * audio.SR) / audio.SR
    left, right = np.sin(2 * np.pi * 440 * k), np.sin(2 * np.pi * 660 * k)
    wavfile.write(tmp_path / "two.wav", audio.SR, np.stack([left, right], axis=1).astype(np.float32))
    np.testing.assert_allclose(audio.load(tmp_path / "two.wav"), (left + right) / 2, atol=1e-3)


@pytest.mark.parametrize(
    ("right", "cancels"),
    [
        (lambda left, other: -left, True),
        (lambda left, other: -0.8 * left, True),
        (lambda left, other: np.where(np.arange(len(left)) < 6 * audio.SR, left, -left), True),  # the last quarter
        (lambda left, other: left, False),
        (lambda left, other: 0 * left, False),
        (lambda left, other: other, False),
        (lambda left, other: 0.5 * left - 0.5 * other, False),
    ],
    ids=["inverted", "inverted, quieter", "inverted late", "same", "silent", "independent", "wide"],
)
def test_an_inverted_channel_does_not_silence_the_song(tmp_path, caplog, monkeypatch, right, cancels):
    monkeypatch.setattr(audio.log, "propagate", True)
    left, other = 0.1 * np.random.default_rng(0).standard_normal((2, 8 * audio.SR))
    left[: audio.SR] = other[: audio.SR] = 0  # silence says nothing
    channels = np.stack([left, right(left, other)], axis=1).astype(np.float32)
    wavfile.write(tmp_path / "song.wav", audio.SR, channels)
    expected = channels[:, 0] if cancels else channels.mean(axis=1)
    np.testing.assert_allclose(audio.load(tmp_path / "song.wav"), expected, atol=1e-6)
    assert ("song.wav: a channel is inverted" in caplog.text) == cancels


def test_spectra_do_not_depend_on_the_blocks_and_follow_the_clock():
    y = np.zeros(22050, np.float32)
    y[7350] = 1  # frame 10 of hop 735
    whole = np.concatenate(list(spectrogram.spectra(y, 1024, 735, 30)), axis=1)
    blocks = np.concatenate(list(spectrogram.spectra(y, 1024, 735, 30, block=7)), axis=1)
    np.testing.assert_array_equal(whole, blocks)
    assert whole.shape == (513, 30)
    assert whole.sum(axis=0).argmax() == 10


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\nsong.wav\n",
    "bom.m3u": "\ufeff#EXTM3U\nsong.wav\n",
    "list.pls": "[Playlist]\nFile1=song.wav\n",
    "list.mp3": "ffconcat version 1.0\nfile song.wav\n",
}


def no_sound(folder, ffmpeg, name):
    path = folder / name
    if name == "text.mp3":
        path.write_text("Not a song, only its name.\n" * 100)
    elif name == "empty.wav":
        path.touch()
    elif name in PLAYLISTS:
        path.write_text(PLAYLISTS[name])
    elif name == "folder.wav":
        path.mkdir()
    elif name == "mute.mp4":
        ffmpeg("-f", "lavfi", "-i", "testsrc=duration=2:size=64x64", path)
    elif name == "short.wav":
        wavfile.write(path, audio.SR, np.zeros(audio.SR, np.float32))
    elif name == "nan.wav":
        y = np.zeros(2 * audio.SR, np.float32)
        y[30000] = np.nan
        wavfile.write(path, audio.SR, y)
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.wav", "no such audio file"),
        ("text.mp3", "neither sound nor picture"),
        ("empty.wav", "empty"),
        ("folder.wav", "a folder"),
        *((name, "a playlist; give the files that it lists") for name in PLAYLISTS),
        ("mute.mp4", "video without sound"),
        ("short.wav", r"1\.00 s of sound, expected at least 1\.75 s"),
        ("nan.wav", "NaN or infinite samples"),
    ],
)
def test_what_is_no_sound_is_a_fault_of_one_line_that_names_the_file(tmp_path, ffmpeg, name, says):
    path = no_sound(tmp_path, ffmpeg, name)
    with pytest.raises(UserError, match=says) as raised:
        audio.load(path)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("address", ["https://example.org/song.mp3", "http://youtu.be/x", "ftp://example.org/a.wav"])
def test_a_web_address_is_not_opened(address):
    for given in (address, Path(address)) if address.startswith("http") else (address,):
        with pytest.raises(UserError, match="a web address; download the .* first"):
            audio.load(given)


def test_what_ffmpeg_cannot_open_is_read_by_libsndfile(tmp_path, clicks, caplog):
    """MAT5 is a format of libsndfile alone; real songs of this kind are Ogg Vorbis whose header ffmpeg refuses."""
    import soundfile

    from learn2dance.media import video_writer

    audio.log.propagate = True
    samples, rate = soundfile.read(clicks)
    soundfile.write(tmp_path / "song.ogg", samples, rate, format="MAT5", subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "song.ogg"), audio.load(clicks), atol=1e-6)
    assert "libsndfile reads it" in caplog.text
    video_writer.write(tmp_path / "a.mp4", lambda t: bytes(64 * 64 * 4), 100, (64, 64), 25, tmp_path / "song.ogg")
    np.testing.assert_allclose(onset_times(audio.load(tmp_path / "a.mp4"), CLICKS), CLICKS, atol=0.03)


def test_a_real_song_that_ffmpeg_cannot_open(shared):
    found = audio.load(shared / "songs" / "hr-savino-caribbean.ogg")
    assert abs(len(found) / audio.SR - 62.31) < 0.01 and 0.05 < np.sqrt(np.mean(found**2)) < 0.5
