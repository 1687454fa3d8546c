"""Onset strength, tempogram, and beat tracking by dynamic programming: librosa's, and the same numbers.

Like `spectrogram`, they are written in numpy and scipy because librosa takes long to import.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import correlate1d

from learn2dance.music.spectrogram import hann


def onset_strength(mel: np.ndarray, delay: int) -> np.ndarray:
    """Return the spectral flux (T,) of a mel power spectrogram (D, T): the mean rise of its bands, in dB.

    It is that of Böck and Widmer ("Maximum filter vibrato suppression for onset detection", DAFx 2013) without the
    maximum filter. Powers are at least 1e-10, and at most 80 dB below the highest. The rise to frame t is delayed by
    ``delay`` frames, half of its window, since an onset is in the window long before it is at its centre.
    """
    level = 10 * np.log10(np.maximum(1e-10, mel))
    level = np.maximum(level, level.max() - 80)
    rise = np.maximum(0, np.diff(level)).mean(axis=0)
    return np.pad(rise, (1 + delay, 0))[: mel.shape[1]]


def autocorrelate(rows: np.ndarray, size: int) -> np.ndarray:
    """Return the autocorrelation of rows (…, T) at lags from 0 to below ``size``, or T if that is less."""
    padded = next_fast_len(2 * rows.shape[-1] - 1, real=True)
    spectrum = rfft(rows, padded)
    return irfft(spectrum.real**2 + spectrum.imag**2, padded)[..., : min(size, rows.shape[-1])]


def tempogram(onset: np.ndarray, size: int) -> np.ndarray:
    """Return the local autocorrelation (T, size) of the onset strength (T,), by lag from 0, at most 1 in each frame.

    Frame t has a Hann window of ``size`` frames around it; beyond its ends, the song falls linearly to 0 (Grosche,
    Müller and Kurth, "Cyclic tempogram: a mid-level tempo representation for music signals", ICASSP 2010).
    """
    padded = np.pad(onset, size // 2, mode="linear_ramp")
    found = autocorrelate(sliding_window_view(padded, size)[: len(onset)] * hann(size), size)
    highest = np.abs(found).max(axis=1, keepdims=True)
    return found / np.where(highest < np.finfo(np.float64).tiny, 1, highest)


def track_beats(strength: np.ndarray, period: np.ndarray, tightness: float) -> np.ndarray:
    """Track beats, as frame numbers (B,), at a changing tempo (Ellis, "Beat tracking by dynamic programming", 2007).

    The beats have the highest sum of onset strengths (T,), smoothed, minus a cost of each distance from one beat to the
    next: ``tightness`` times the squared logarithm of its ratio to the local ``period`` (T,), in frames. Distances are
    from half to twice the period. At least one onset strength must be above 0.
    """
    period = np.round(period).astype(int)
    score = _smooth(strength / strength.std(ddof=1), period)
    least, most = np.round(period / 2).astype(int), 2 * period
    total, before = score.copy(), np.full(len(score), -1)  # for a beat in each frame: the best sum; the beat before it
    for start in range(least.min(), len(score), least.min()):  # no frame of a block can be before another
        block = np.arange(start, min(start + least.min(), len(score)))
        lags = np.arange(least[block].min(), most[block].max() + 1)
        cost = tightness * (np.log(lags) - np.log(period[block])[:, None]) ** 2
        allowed = (lags >= least[block][:, None]) & (lags <= most[block][:, None]) & (lags <= block[:, None])
        sums = np.where(allowed, total[block[:, None] - lags] - cost, -np.inf)
        found = allowed.any(axis=1)
        total[block] += np.where(found, sums.max(axis=1), 0)
        before[block] = np.where(found, block - lags[sums.argmax(axis=1)], -1)
    before[: np.argmax(score >= 0.01 * score.max())] = -1  # nothing is tracked before the first onset
    beats = [_last_beat(total)]
    while before[beats[-1]] >= 0:
        beats.append(int(before[beats[-1]]))
    onsets = np.flatnonzero(score > 0)
    return np.array([beat for beat in reversed(beats) if onsets[0] <= beat <= onsets[-1]], int)


def _smooth(strength: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Sum the onset strengths (T,) around each frame, weighted by a Gaussian of deviation period / 32: float64 (T,)."""
    smooth = np.empty(len(strength))
    for frames in np.unique(period):
        kernel = np.exp(-0.5 * (32 / frames * np.arange(-frames, frames + 1)) ** 2)
        here = period == frames
        smooth[here] = correlate1d(strength.astype(np.float64), kernel, mode="constant")[here]
    return smooth


def _last_beat(total: np.ndarray) -> int:
    """Return the last local maximum (T,) that is at least half of their median; the last frame if there is none."""
    wider = np.pad(total, 1, constant_values=(np.inf, -np.inf))
    peaks = np.flatnonzero((total > wider[:-2]) & (total >= wider[2:]))
    high = peaks[total[peaks] >= 0.5 * np.median(total[peaks])] if len(peaks) else peaks
    return int(high[-1]) if len(high) else len(total) - 1
