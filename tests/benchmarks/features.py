"""From songs to features and beats: ours, librosa as its tutorial uses it, and the Fourier transforms alone."""

from functools import partial
from pathlib import Path

import librosa
import numpy as np
from benchmarks import inputs
from benchmarks.row import Row
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.io import wavfile

from learn2dance.media import audio
from learn2dance.music import features

SONGS = 3
FRAMES = ((2048, 735), (1024, 245))  # samples: length and distance of the frames of features.py and beats.py
LAGS = 384  # of the tempogram, which has one frame for each frame of features.py
BLOCK = 64  # frames that are transformed at once: they fit into the processor's cache


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of the features of a few songs: from .wav files, as librosa does not read all that we do."""
    loaded = [audio.load(song) for song in list(inputs.data_root(work, data).audio.values())[:SONGS]]
    songs = [work / f"song_{index}.wav" for index in range(len(loaded))]
    for song, y in zip(songs, loaded, strict=True):
        wavfile.write(song, audio.SR, y)
    count = sum(map(len, loaded)) / audio.SR, "s of music"
    return [
        Row("features", "audio.load, features.features", "ours", partial(ours, songs), *count),
        Row("features", "librosa: load, beat_track, four features", "usual", partial(tutorial, songs), *count),
        Row("features", "Fourier transforms of the same frames", "floor", partial(transforms, loaded), *count),
    ]


def ours(songs: list[Path]) -> None:
    """Load songs, and compute their features and beat grid."""
    for song in songs:
        features.features(audio.load(song))


def tutorial(songs: list[Path]) -> None:
    """Compute like features by librosa, as its tutorial does: each function makes its own spectrogram."""
    for song in songs:
        y, rate = librosa.load(song)
        librosa.beat.beat_track(y=y, sr=rate, hop_length=features.HOP)
        librosa.onset.onset_strength(y=y, sr=rate, hop_length=features.HOP)
        librosa.feature.mfcc(y=y, sr=rate, hop_length=features.HOP)
        librosa.feature.chroma_stft(y=y, sr=rate, hop_length=features.HOP)
        librosa.feature.melspectrogram(y=y, sr=rate, hop_length=features.HOP)


def transforms(loaded: list[np.ndarray]) -> None:
    """Transform the frames of songs that are loaded, and for the tempogram as many onsets; no more."""
    for y in loaded:
        for size, hop in FRAMES:
            frames = sliding_window_view(y, size)[::hop]
            for start in range(0, len(frames), BLOCK):
                rfft(frames[start : start + BLOCK])
        onsets = sliding_window_view(y[: len(y) // features.HOP + LAGS], LAGS)  # of any values
        for start in range(0, len(onsets), BLOCK):
            irfft(rfft(onsets[start : start + BLOCK], 2 * LAGS), 2 * LAGS)
