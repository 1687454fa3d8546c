"""The beat grid of a song: times of the beats, beats in a bar, and the first downbeat.

The grid covers the whole song; its tempo is folded by octaves into 70-160 beats a minute, and doubled, up to 190, if
the half beats are beats too (`metre.double_tempo`). Most dance music has a constant tempo and gets a uniform grid. If
the tempo drifts, the beats come from dynamic programming (`rhythm.track_beats`), which is given the local tempi of the
song, and are smoothed. If a uniform grid fits all but one passage, as after a stop or in a
slower ending, that passage gets its own grid.
"""

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d

from learn2dance.cli import log
from learn2dance.media.audio import SR
from learn2dance.music import metre
from learn2dance.music.rhythm import autocorrelate, track_beats
from learn2dance.music.spectrogram import mel_filters, spectra

SLOWEST, FASTEST = 70.0, 160.0  # beats a minute, before the tempo is doubled
DOUBLED = 190.0  # beats a minute: the fastest tempo if it is doubled
SILENT = 120.0  # beats a minute of the grid for a song without onsets

_HOP = 245  # samples: onset strength has 90 frames a second, more than the features
_RATE = SR / _HOP  # frames a second
_N_FFT = 1024  # samples: 46 ms
_GROUPS = (4, 14, 27)  # mel bands (of 40) that separate bass, low middle, high middle and treble
_EARLY = 0.007  # seconds: onsets are detected this early, since windows are centred (clicks 10 ms, drums 4, chords 0)
_TEMPI = np.geomspace(SLOWEST, FASTEST, 84)  # beats a minute, in steps of 1%
_COMB = np.array([1.0, 0.7, 0.5, 0.5])  # weights of the onsets' autocorrelation at lags of 1, 2, 3 and 4 beats
_STEADY = 0.9  # the uniform grid is used if it has at least this fraction of the tracked beats' onset strength
_OFF = 0.5  # a beat of less than this fraction of the mean onset strength counts as not struck
_PASSAGE = 2.5  # seconds: the shortest passage that may get its own grid
_GAIN = 3.0  # onset strength, in mean beats, that its own grid must gain in a passage
_FAINT = 0.01  # onset strength below which there is no onset
_TIGHTNESS = 300.0  # cost of a distance between beats that is not the period
_STIFF = 20.0  # weight of second differences in the smoothing of tracked beats


def track(y: np.ndarray, chroma: np.ndarray, name: str = "the song") -> dict:
    """Find the beat grid of a song, its metre and its first downbeat.

    Takes samples float32 (n,) at 22050 Hz with a root mean square of about 0.1, and the chroma (T, 12) of the song at
    any frame rate: chords tend to change on downbeats. Returns ``beats`` (B,) in seconds, increasing, from less than a
    beat after the start to less than a beat before the end; ``downbeat``, the index of the first downbeat;
    ``beats_per_bar``, 3 or 4; ``tempo``, beats a minute.
    """
    duration = len(y) / SR
    level, rise = _log_mel(y)
    if rise.max() < _FAINT:
        log.warning("%s: found no onsets; its beats are a uniform grid of %g a minute", name, SILENT)
        return {"beats": np.arange(0, duration, 60 / SILENT), "downbeat": 0, "beats_per_bar": 4, "tempo": SILENT}
    groups = np.stack([bands.mean(axis=1) for bands in np.split(rise, _GROUPS, axis=1)], axis=1)
    groups = gaussian_filter1d(groups, 1.0, axis=0)
    groups /= groups.std(axis=0) + 1e-3  # all groups have equal weight
    strength = groups.mean(axis=1)
    grid = _fold(strength, _refit(groups, _grid(groups)), SLOWEST, FASTEST)
    if 2 * _tempo(grid) < DOUBLED and metre.double_tempo(grid, groups, name):
        grid = _double(grid)
    grid = grid[(grid >= -_EARLY * _RATE) & (grid < (duration - _EARLY) * _RATE)]
    downbeat, beats_per_bar = metre.metre(grid, level, groups, chroma, name)
    beats = grid / _RATE + _EARLY
    tempo = 60 / np.median(np.diff(beats)) if len(beats) > 1 else SILENT
    return {"beats": beats, "downbeat": downbeat, "beats_per_bar": beats_per_bar, "tempo": float(tempo)}


def _log_mel(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-mel level (T, 40) at 90 frames a second, and its increase (T, 40) since the frame before."""
    mel = [mel_filters(_N_FFT, 40) @ power for power in spectra(y, _N_FFT, _HOP, -(-len(y) // _HOP))]
    level = np.log1p(1000 * np.concatenate(mel, axis=1)).T
    return level, np.maximum(np.diff(level, axis=0, prepend=np.zeros((1, 40), level.dtype)), 0)


def _grid(groups: np.ndarray) -> np.ndarray:
    """Return the beats (B,), in frames, from before the first frame to after the last: uniform if that fits."""
    strength, period = groups.mean(axis=1), _periods(groups)
    grid, uniform = _track_beats(strength, period), _uniform(strength, float(np.median(period)))
    blurred = gaussian_filter1d(strength, 2.0)  # tolerates errors of about 20 ms in the uniform grid
    return uniform if _mean_strength(blurred, uniform) > _STEADY * _mean_strength(blurred, grid) else grid


def _refit(groups: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Replace the passage of the song in which most beats of a grid are not struck, if its own grid fits it better.

    The passage has the largest sum of `_OFF` x the mean onset strength minus that of each beat; its ends are half a
    beat from its first and last beat.
    """
    blurred = gaussian_filter1d(groups.mean(axis=1), 2.0)
    inside = grid[(grid >= 0) & (grid < len(groups))]
    struck = np.interp(inside, np.arange(len(groups)), blurred)
    missing = np.concatenate([[0], np.cumsum(_OFF * struck.mean() - struck)])
    rise = missing - np.minimum.accumulate(missing)
    last = int(rise.argmax())
    first = int(missing[: last + 1].argmin())
    if first == last:  # all are struck
        return grid
    period = np.median(np.diff(grid))
    start = int(inside[first] - period / 2) if first else 0
    end = int(inside[last - 1] + period / 2) if last < len(inside) else len(groups)
    if end - start < _PASSAGE * _RATE:
        return grid
    own, tempo = _grid(groups[start:end]) + start, _tempo(grid)
    own = _fold(blurred, own, tempo / np.sqrt(2), tempo * np.sqrt(2))
    own = own[(own >= start) & (own < end)]
    if np.interp(own, np.arange(len(groups)), blurred).sum() < struck[first:last].sum() + _GAIN * struck.mean():
        return grid
    before, after = grid[grid < start], grid[grid >= end]
    apart = 0.6 * period  # from the beats before and after the passage
    own = own[(own > before.max(initial=-np.inf) + apart) & (own < after.min(initial=np.inf) - apart)]
    return np.concatenate([before, own, after])


def _periods(groups: np.ndarray) -> np.ndarray:
    """Track the tempo in onset strengths (T, G) of G groups of bands; return the beat period (T,), in frames.

    In windows of 12 s, one a second, each tempo is scored by the autocorrelation at lags of 1, 2, 3 and 4 beats, with a
    penalty for tempi far from 100 beats a minute. The best path through the windows may change its tempo by a few per
    cent from one to the next (Viterbi).
    """
    size = min(len(groups), int(12 * _RATE))
    starts = np.linspace(0, len(groups) - size, 1 + round((len(groups) - size) / _RATE)).astype(int)
    lags = np.outer(np.arange(1, 5), 60 * _RATE / _TEMPI)  # (4, tempi)
    below, part = lags.astype(int), lags % 1
    score = -0.2 * np.log2(_TEMPI / 100) ** 2 + np.zeros((len(starts), 1))
    for group in groups.T:
        windows = np.stack([group[start : start + size] for start in starts])
        corr = autocorrelate(windows - windows.mean(axis=1, keepdims=True), below.max() + 2)
        corr = corr / (corr[:, :1] + 1e-9) * size / (size - np.arange(corr.shape[1]))
        corr = np.pad(corr, ((0, 0), (0, below.max() + 2 - corr.shape[1])))  # a clip may be shorter than the lags
        at_lags = corr[:, below] * (1 - part) + corr[:, below + 1] * part  # (windows, 4, tempi)
        score += np.einsum("wkt,k->wt", at_lags, _COMB) / _COMB.sum() / groups.shape[1]
    score *= 5  # weight relative to the cost of a tempo change
    change = np.maximum(-np.square(np.log(_TEMPI[:, None] / _TEMPI) / 0.02) / 2, -20)
    total, came_from = score[0], []
    for here in score[1:]:
        options = total[:, None] + change
        came_from.append(options.argmax(axis=0))
        total = options.max(axis=0) + here
    path = [int(total.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return np.interp(np.arange(len(groups)), starts + size / 2, 60 * _RATE / _TEMPI[path[::-1]])


def _track_beats(strength: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Track the beats (B,), in frames, at a changing tempo, smooth them, and extend them beyond both ends.

    Smoothing is a least-squares fit of the distances to the tracked onsets and of the beats' second differences. Strong
    onsets have more weight; outliers get less by reweighting.
    """
    found = track_beats(strength, period, _TIGHTNESS) if strength.max() > _FAINT else np.zeros(0, int)
    if np.sum(strength[found] > _FAINT) < 4:  # it also places beats in silence, to which nothing can be fitted
        return _uniform(strength, float(np.median(period)))
    near = np.clip(found[:, None] + np.arange(-4, 5), 1, len(strength) - 2)
    at = near[np.arange(len(near)), strength[near].argmax(axis=1)]
    left, middle, right = strength[at - 1], strength[at], strength[at + 1]
    onsets = at + np.clip((left - right) / (2 * np.minimum(left - 2 * middle + right, -1e-9)), -0.5, 0.5)  # of parabola
    trust = np.minimum(middle / (middle.mean() + 1e-9), 2)
    ends = int(found[0] / period[0]) + 2, int((len(strength) - found[-1]) / period[-1]) + 2
    onsets, trust = np.pad(onsets, ends), np.pad(trust, ends)  # nothing is tracked beyond the ends: weight 0
    squares = np.zeros((3, len(onsets)))  # the upper diagonals of D'D, D the second differences
    squares[0, 2:] = 1
    squares[1, 1:] = np.convolve(np.ones(len(onsets) - 2), [-2, -2])
    squares[2] = np.convolve(np.ones(len(onsets) - 2), [1, 4, 1])
    weight = trust
    for _ in range(5):
        system = _STIFF * squares
        system[2] += weight
        beats = solveh_banded(system, weight * onsets)
        weight = trust / (1 + np.square((beats - onsets) / (0.03 * _RATE)))
    return beats


def _uniform(strength: np.ndarray, period: float) -> np.ndarray:
    """Fit a uniform grid (B,), in frames, to the onsets; its tempo is within 3% of the given one.

    The tempo has the strongest first four harmonics in the spectrum; the offset has the most onset strength on beats.
    """
    count = len(strength)
    size = 1 << int(np.ceil(np.log2(16 * count)))
    spectrum = np.abs(np.fft.rfft(strength - strength.mean(), size))
    rates = np.arange(0.97, 1.03, 1e-5) / period  # beats a frame
    harmonics = [np.interp(h * rates * size, np.arange(len(spectrum)), spectrum) / np.sqrt(h) for h in (1, 2, 3, 4)]
    period = 1 / rates[np.sum(harmonics, axis=0).argmax()]
    offsets = np.arange(0, period, 0.1)
    grids = offsets[:, None] + period * np.arange(max(1, int(count / period)))
    first = offsets[np.interp(grids, np.arange(count), strength).mean(axis=1).argmax()]
    return first + period * np.arange(-1, int(count / period) + 2)


def _mean_strength(strength: np.ndarray, grid: np.ndarray) -> float:
    """Return the mean onset strength on the beats of a grid."""
    inside = grid[(grid >= 0) & (grid < len(strength))]
    return float(np.interp(inside, np.arange(len(strength)), strength).mean())


def _tempo(grid: np.ndarray) -> float:
    """Return the median tempo of a grid, in beats a minute."""
    return float(60 * _RATE / np.median(np.diff(grid)))


def _fold(strength: np.ndarray, grid: np.ndarray, slowest: float, fastest: float) -> np.ndarray:
    """Halve or double the tempo of a grid if it is outside a range of beats a minute."""
    if _tempo(grid) > fastest:
        return max(grid[::2], grid[1::2], key=lambda half: _mean_strength(strength, half))
    return _double(grid) if _tempo(grid) < slowest else grid


def _double(grid: np.ndarray) -> np.ndarray:
    """Add a beat half-way between each two."""
    return np.interp(np.arange(2 * len(grid) - 1) / 2, np.arange(len(grid)), grid)
