"""Features, filters and tracked beats are those of librosa."""

import os

import numpy as np
import pytest
from sounds import groove, steady, with_tempi

from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import features, rhythm, spectrogram


@pytest.fixture(scope="module")
def librosa(request):
    """Return librosa; the functions that it compiles stay in pytest's cache. All that use it are in this file.

    Two processes that write such a cache at once can damage it.
    """
    os.environ["NUMBA_CACHE_DIR"] = str(request.config.cache.mkdir("numba"))
    import librosa

    return librosa


def noise(seconds):
    """Return noise that is louder twice a second."""
    k = np.arange(int(seconds * SR)) / SR
    return (np.random.default_rng(0).normal(size=len(k)) * np.exp(-(k % 0.5) / 0.1)).astype(np.float32) * 0.1


def by_librosa(librosa, y):
    """Compute the features of a frame as documented, from samples whose root mean square is `features.LOUDNESS`."""
    shape = {"n_fft": 2048, "hop_length": features.HOP}
    frames = -(-len(y) // features.HOP)
    spectrum = np.abs(librosa.stft(np.pad(y, (0, 2048)), **shape))[:, :frames]
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=SR)
    onset = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=SR, hop_length=features.HOP)
    tempogram = librosa.feature.tempogram(onset_envelope=onset, sr=SR, hop_length=features.HOP)
    rms = librosa.feature.rms(S=spectrum / np.sqrt(np.mean(librosa.filters.get_window("hann", 2048) ** 2)))[0]
    chroma = librosa.util.normalize(librosa.filters.chroma(sr=SR, n_fft=2048) @ spectrum**2, axis=0)
    compressed = {"mel": np.log1p(features.MEL_GAIN * mel).T, "tempogram": np.log1p(tempogram).T}
    return compressed | {"chroma": chroma.T, "onset": onset, "rms": rms}


def compare(librosa, y):
    y = y * (features.LOUDNESS / np.sqrt(np.mean(np.square(y, dtype=np.float64)))).astype(np.float32)
    found = features.features(y)
    for key, expected in by_librosa(librosa, y).items():
        np.testing.assert_allclose(found[key], expected, atol=1e-6, rtol=1e-6, err_msg=key)


def test_features_of_a_made_song(librosa):
    compare(librosa, noise(9.3))
    compare(librosa, groove("rock", steady(100, 15), 15))


def test_features_of_a_recording(librosa, shared):
    compare(librosa, audio.load(shared / "songs" / "stk_celtic.ogg")[: 40 * SR])


@pytest.mark.parametrize(("n_fft", "bands"), [(2048, 128), (1024, 40)])
def test_filters(librosa, n_fft, bands):
    assert np.array_equal(spectrogram.mel_filters(n_fft, bands), librosa.filters.mel(sr=SR, n_fft=n_fft, n_mels=bands))
    assert np.array_equal(spectrogram.chroma_filters(n_fft), librosa.filters.chroma(sr=SR, n_fft=n_fft))


def test_the_spectrogram_does_not_depend_on_the_blocks(librosa):
    y = noise(3)
    blocks = list(spectrogram.spectra(y, 1024, 245, -(-len(y) // 245), block=100))
    assert {block.shape for block in blocks} == {(513, 100), (513, 70)}
    expected = np.abs(librosa.stft(np.pad(y, (0, 1024)), n_fft=1024, hop_length=245)) ** 2
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), expected[:, :270], rtol=1e-6)


@pytest.mark.parametrize("case", ["steady", "faster", "noise", "silence at both ends"])
def test_tracked_beats(librosa, case):
    tempi = [(0, 100), (40, 130)] if case == "faster" else [(0, 110), (40, 110)]
    y = noise(40) if case == "noise" else groove("rock", with_tempi(tempi, 40), 40)
    if case == "silence at both ends":
        y = np.pad(y, 5 * SR)
    strength = librosa.onset.onset_strength(y=y, sr=SR, hop_length=245).astype(np.float32)
    bpm = np.interp(np.arange(len(strength)) * 245 / SR, *zip(*tempi, strict=True))
    settings = {"sr": SR, "hop_length": 245, "bpm": bpm, "tightness": 300, "trim": False}
    _, expected = librosa.beat.beat_track(onset_envelope=strength, **settings)
    assert len(expected) > 60
    np.testing.assert_array_equal(rhythm.track_beats(strength, 60 * SR / 245 / bpm, 300), expected)
