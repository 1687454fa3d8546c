"""The metre of a song on a beat grid: whether its tempo is the double, the beats in a bar, and the first downbeat.

The beats in a bar are measured: the lag, in beats, at which the onset strength has the highest autocorrelation. The
first downbeat is a guess from what downbeats tend to have. The models have bars of three and four beats only, so songs
in 5/4, 7/4 and 6/8 are counted in those, and the log says so.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from learn2dance.cli import log

_MARGIN = 0.2  # by which the autocorrelation of a bar must exceed that of four beats, the most frequent
_TREND = 4.0  # beats: standard deviation of the Gaussian mean of a passage
_ODD = 0.3  # autocorrelation that bars of five or seven beats must exceed by as much
_SIX = 0.5  # by which bars of six beats count less than bars of three
_BASS, _ALL = 0.4, 0.65  # least onset strength of half beats, in the bass or in all bands, relative to beats
_BASS_BANDS = 4  # mel bands (of 40) below about 300 Hz
_WEAKEST = 25  # percentile of half beats that are weaker
_ACCENT = 1.3  # ratio of accented to other eighths in 6/8


def double_tempo(grid: np.ndarray, groups: np.ndarray, name: str) -> bool:
    """Decide whether the half beats of a grid are beats too, so that the tempo is twice as fast.

    Takes beats (B,), in frames, and onset strengths (T, G) of G groups of bands, the bass first. Trackers prefer tempi
    near 100, and report half of fast ones (Hainsworth, "Beat tracking and musical metre analysis", 2006). Between slow
    beats, there are hi-hats or now and then a note; half beats that are beats have a bass drum or a snare drum, almost
    always where the beats next to them have one. Songs in 3/4 keep the slow tempo, unless they are in 6/8, whose
    accents are then on half beats too.
    """
    if len(grid) < 9:
        return False
    beats, halves = _strength_near(groups, grid), _strength_near(groups, (grid[1:] + grid[:-1]) / 2)
    if _struck(beats[:, 0], halves[:, 0]) < _BASS and _struck(beats.mean(axis=1), halves.mean(axis=1)) < _ALL:
        return False
    score = bar_scores(grid, groups)
    if not _in_three(score):
        return True
    if six_eight := _is_six_eight(grid, groups):
        log.warning("%s: found 6/8; counted in bars of 3 eighths", name)
    return six_eight


def _struck(beats: np.ndarray, halves: np.ndarray) -> float:
    """Return the strength that most half beats (B-1,) have between two struck beats (B,), relative to struck beats."""
    struck = beats > 0.5 * beats.mean()
    between = halves[struck[1:] & struck[:-1]]
    return float(np.percentile(between, _WEAKEST) / beats[struck].mean()) if len(between) else 0.0


def bar_scores(grid: np.ndarray, groups: np.ndarray) -> dict[int, float]:
    """Return for 3, 4, 5 and 7 beats in a bar the autocorrelation of the onsets on and between beats, at that lag."""
    count = len(grid) - 1
    blurred = gaussian_filter1d(groups, 2.0, axis=0)  # tolerates errors of about 20 ms in the grid
    patterns = _sample(blurred, grid, 8).reshape(count, 8, -1)  # eight parts of each beat

    def score(bar: int) -> float:
        """Return the sum of autocorrelations at lags of one and two bars, on beats and in all parts of beats."""
        found = 0.0
        for rows in (patterns[:, 0], patterns.reshape(count, -1)):
            # Less the mean of the passage: louder passages are alike at any lag, and most at short ones.
            varied = rows - gaussian_filter1d(rows, _TREND, axis=0)
            # Where beats are alike, the little that varies is no evidence: hence the part of the power.
            power = np.mean(varied**2) + 0.02 * np.mean(rows**2) + 1e-9
            found += sum(np.mean(varied[lag:] * varied[:-lag]) for lag in (bar, 2 * bar) if lag < count) / power
        return float(found)

    scores = {bar: score(bar) for bar in (3, 4, 5, 7)}
    # In a slow waltz whose grid is twice as fast, a bar has six beats. In 4/4, lags of 6 and 12 are strong as well.
    return scores | {3: max(scores[3], score(6) - _SIX)}


def _in_three(score: dict[int, float]) -> bool:
    """Return whether these `bar_scores` are of bars of three beats; if in doubt, they are of four."""
    return score[3] > score[4] + _MARGIN


def metre(grid: np.ndarray, level: np.ndarray, groups: np.ndarray, chroma: np.ndarray, name: str) -> tuple[int, int]:
    """Return the index of the first downbeat and the beats in a bar, 3 or 4; log what else was found.

    Takes beats (B,), in frames; the log-mel level (T, 40) and the onset strengths (T, G), bass first, of each frame;
    and the chroma (T', 12) of the song at any frame rate.
    """
    if len(grid) < 9:  # fewer than two bars
        return 0, 4
    score = bar_scores(grid, groups)
    bar = 3 if _in_three(score) else 4
    odd = max((5, 7), key=score.get)
    if score[odd] > max(score[3], score[4], _ODD) + _MARGIN:
        log.warning(
            "%s: found %d beats in a bar; counted in bars of %d, as the models know 3 and 4 only", name, odd, bar
        )
    elif _in_three_parts(grid, groups):
        log.warning("%s: found beats of three parts (6/8 or 12/8); counted in bars of %d of these beats", name, bar)
    elif bar == 3 and _is_six_eight(grid, groups):
        log.warning("%s: found 6/8; counted in bars of 3 beats, of two eighths each", name)
    return _downbeat(grid, level, groups, chroma, bar), bar


def _sample(groups: np.ndarray, grid: np.ndarray, parts: int) -> np.ndarray:
    """Return the onset strengths (parts x (B-1), G) at equal parts of the beats of a grid (B,)."""
    at = np.interp(np.arange(parts * (len(grid) - 1)) / parts, np.arange(len(grid)), grid)
    return np.stack([np.interp(at, np.arange(len(groups)), group) for group in groups.T], axis=1)


def _strength_near(groups: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the highest onset strengths (N, G) within 3 frames of each of these frames (N,)."""
    near = np.clip(np.round(at).astype(int)[:, None] + np.arange(-3, 4), 0, len(groups) - 1)
    return groups[near].max(axis=1)


def _in_three_parts(grid: np.ndarray, groups: np.ndarray) -> bool:
    """Return whether onsets are at thirds of the beats and not at halves or quarters."""
    beat, *rest = _sample(groups, grid, 12).reshape(len(grid) - 1, 12, -1).mean(axis=(0, 2))
    thirds, halves = (rest[3] + rest[7]) / 2, max(rest[5], (rest[2] + rest[8]) / 2)
    return thirds > 0.3 * beat and thirds > 2 * halves


def _is_six_eight(grid: np.ndarray, groups: np.ndarray) -> bool:
    """Return whether, of the six half beats in three beats, two that are opposite are accented and the others are not.

    In 3/4, the accent is on one of the three beats; in 6/8, on the first and the fourth eighth.
    """
    eighths = _sample(groups, grid, 2)
    mean = eighths[: len(eighths) // 6 * 6].mean(axis=1).reshape(-1, 6).mean(axis=0)
    first = int(np.minimum(mean[:3], mean[3:]).argmax())
    accents = np.isin(np.arange(6) % 3, first)
    return bool(mean[accents].min() > _ACCENT * mean[~accents].max())


def _downbeat(grid: np.ndarray, level: np.ndarray, groups: np.ndarray, chroma: np.ndarray, bar: int) -> int:
    """Guess the first downbeat from a bass onset, a strong onset, a rise in level, and a chord change.

    Half of the weight of the rise is for the bass: in other bands, a snare drum on the second beat rises most.
    """
    onsets = _sample(groups, grid, 1)
    rises = np.maximum(np.diff(_beat_means(level, grid / len(level)), axis=0, prepend=0), 0)
    chords = _beat_means(chroma, grid / len(level))
    chords /= np.linalg.norm(chords, axis=1, keepdims=True) + 1e-9
    similarity = np.sum(chords[1:] * chords[:-1], axis=1)
    evidence = (
        (1.0, onsets[:, 0]),
        (0.5, onsets.mean(axis=1)),
        (0.5, rises.mean(axis=1)),
        (0.5, rises[:, :_BASS_BANDS].mean(axis=1)),
        (1.0, 1 - np.append(similarity.mean(), similarity)),
    )
    total = sum(weight * np.clip((x - x.mean()) / (x.std() + 1e-3), -2, 3) for weight, x in evidence)
    return int(np.argmax([total[first::bar].mean() for first in range(bar)]))


def _beat_means(frames: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the mean (B-1, D) of frames (T, D) in each beat of a grid (B,), given as fractions of the song (0-1)."""
    edges = np.clip(np.round(grid * len(frames)), 0, len(frames)).astype(int)
    total = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=np.float64)])
    return np.diff(total[edges], axis=0) / np.maximum(np.diff(edges), 1)[:, None]
