"""Bootstrap of the report: 95% intervals over songs, and over seeds within each song.

Songs are drawn with replacement, and for each drawn song its seeds (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13; in two stages as in Davison and Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8). The same seed draws the same songs for every row, so differences and ratios of rows are paired by song.
"""

from collections.abc import Callable

import numpy as np

DRAWS = 1000  # samples for the mean over dances
SET_DRAWS = 100  # samples for measures that are computed anew on each
PER_DRAW = 5  # estimates that are averaged in each of the latter


def means(values: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean over dances of values (S seeds, N songs, M): (1 + `DRAWS`, M).

    The first is that of all dances, the others those of the bootstrap samples. NaN is ignored; NaN if all are.
    """
    seeds, songs, measures = values.shape
    rng = np.random.default_rng([seed, 4])
    drawn_songs = rng.integers(songs, size=(DRAWS, songs, 1))
    drawn = values[rng.integers(seeds, size=(DRAWS, songs, seeds)), drawn_songs]
    return np.concatenate([known_mean(values.reshape(1, -1, measures)), known_mean(drawn.reshape(DRAWS, -1, measures))])


def known_mean(values: np.ndarray, axis: int = 1) -> np.ndarray:
    """Return the mean of the finite values along an axis; NaN where there are none."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis), known.sum(axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def interval(estimates: np.ndarray) -> list[float]:
    """Return [value, low, high] of estimates as `means` orders them, low to high being the 95% percentile interval."""
    drawn = estimates[1:][np.isfinite(estimates[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return [float(estimates[0]), float(low), float(high)]


def centred(estimates: list[Callable[[np.ndarray], float]], songs: int, seed: int, most: float) -> list[float]:
    """Return [value, low, high] of a measure of a set of windows, from 0 to ``most``.

    Each of ``estimates`` computes the measure from the songs with these indices. The value is their mean for all songs.
    Songs that are drawn twice make a set narrower, which biases its measures. Therefore the interval is the spread of
    the draws about their mean, centred on the value. A draw averages over `PER_DRAW` of the estimates, drawn too. There
    is no interval (NaN) for fewer than two songs.
    """
    rng, drawn = np.random.default_rng([seed, 4]), [[estimate(np.arange(songs)) for estimate in estimates]]
    for _ in range(SET_DRAWS if songs > 1 else 0):
        chosen = rng.integers(songs, size=songs)
        drawn.append([estimates[i](chosen) for i in rng.integers(len(estimates), size=PER_DRAW)])
    found = np.array([known_mean(np.array(part), 0) for part in drawn])
    value, low, high = interval(found)
    shift = value - known_mean(found[1:], 0)
    return [value, *np.clip([low + shift, high + shift], 0, most).tolist()]
