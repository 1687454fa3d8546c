"""Spectrograms of songs of any length, and filter banks that sum them to mel bands and pitch classes.

These are librosa's, with its default settings (McFee et al., "librosa: Audio and music signal analysis in Python",
SciPy 2015), and give the same numbers. They are written in numpy and scipy, since importing librosa takes longer than
computing the features of ten songs, and on a new machine it first compiles for half a minute.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from learn2dance.media.audio import SR

_AT_ONCE = 64  # frames that are transformed at once: they fit into the processor's cache


def spectra(y: np.ndarray, n_fft: int, hop: int, frames: int, block: int = 4096) -> Iterator[np.ndarray]:
    """Yield the power spectrogram in blocks of shape (1 + n_fft/2, up to ``block``), float32, to limit memory.

    Frame t is centred at sample t x hop, under a Hann window; the song is padded with silence at both ends.
    """
    windows = sliding_window_view(np.pad(y, (n_fft // 2, n_fft // 2 + hop)), n_fft)[::hop][:frames]
    for start in range(0, frames, block):
        part = windows[start : start + block]
        power = np.empty((len(part), 1 + n_fft // 2), np.float32)
        for first in range(0, len(part), _AT_ONCE):
            here = slice(first, first + _AT_ONCE)
            power[here] = np.square(np.abs(rfft(hann(n_fft) * part[here]).astype(np.complex64)))
        yield power.T


@cache
def hann(size: int) -> np.ndarray:
    """Return a periodic Hann window: float64 (size,)."""
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, size + 1)[:-1])


@cache
def mel_filters(n_fft: int, bands: int) -> np.ndarray:
    """Return triangular filters on the mel scale, each with the same area: float32 (bands, 1 + n_fft/2).

    Their edges are uniform from 0 Hz to half the sample rate on the scale of Slaney ("Auditory Toolbox", technical
    report 1998-010, Interval Research), which is linear below 1000 Hz (15 mel) and logarithmic above.
    """
    step = np.log(6.4) / 27
    edges = np.linspace(0, 15 + np.log(SR / 2 / 1000) / step, bands + 2)
    edges = np.where(edges < 15, 200 / 3 * edges, 1000 * np.exp(step * (edges - 15)))  # Hz
    ramps = edges[:, None] - np.fft.rfftfreq(n_fft, 1 / SR)
    widths = np.diff(edges)[:, None]
    filters = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:])).astype(np.float32)
    filters *= 2 / (edges[2:] - edges[:-2])[:, None]
    return filters


@cache
def chroma_filters(n_fft: int) -> np.ndarray:
    """Return filters of the twelve pitch classes from C: float32 (12, 1 + n_fft/2).

    Each bin of the spectrum is spread over the pitch classes by a Gaussian, whose deviation is half a bin and at least
    half a semitone. The bins are weighted by a Gaussian around 880 Hz with a deviation of two octaves (Ellis, "Chroma
    feature analysis and synthesis", 2007).
    """
    pitch = 12 * np.log2(np.linspace(0, SR, n_fft, endpoint=False)[1:] / (440 / 16))  # semitones from an A
    pitch = np.append(pitch[0] - 18, pitch)
    widths = np.append(np.maximum(np.diff(pitch), 1), 1)
    distances = np.remainder(pitch - np.arange(12)[:, None] + 126, 12) - 6  # semitones
    filters = np.exp(-0.5 * (2 * distances / widths) ** 2)
    filters /= np.sum(filters**2, axis=0) ** 0.5
    filters *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)
    return np.ascontiguousarray(np.roll(filters, -3, axis=0)[:, : 1 + n_fft // 2], np.float32)
