"""The form of a song: its phrases, and its sections that come again.

A phrase is 8 beats in 4/4 and 4 bars in 3/4: what dancers count. A section is several phrases of like sound, such as a
verse or a chorus. A choreography repeats with the sections, so this module judges sections as wholes:

- Phrases begin on downbeats, where the music changes most (Foote, "Automatic audio segmentation using a measure of
  audio novelty", ICME 2000). If it changes strongly after an odd number of bars, one phrase is half as long or one and
  a half times as long, and the count begins again after it.
- A section is a run of phrases of similar mean timbre and harmony. Runs that are similar to each other are the same
  section.
- A passage repeats an earlier one if its phrases are nearer to the phrases there, in the same order, than to those just
  before and after: a diagonal stripe in the recurrence matrix (Goto, "A chorus section detection method for musical
  audio signals", IEEE TASLP 2006). Where a section returns without a stripe, as with another melody to the same
  accompaniment, its phrases count as repeated in the same order.

Music made of one loop, whose phrases are all alike, has one section and no stripes, so all its phrases are new. So are
phrases that repeat one less than `LAG` phrases before: a dance that repeats 8 beats would be dull.
"""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.fft import dct
from scipy.spatial.distance import cdist, squareform

from learn2dance.music.features import MEL_GAIN, beat_features

LAG = 4  # phrases: 32 beats in 4/4, the nearest repetition

_STEPS = 2  # of features in a beat
_BANDS = 128  # of mel in `beat_features`
_CHROMA = slice(512, 524)  # columns of chroma in `beat_features`
_CEPSTRA = 24  # DCT coefficients of the log-mel power: timbre without pitch
_GAIN = 10.0  # makes log1p linear for powers under 1/10: noise 40-50 dB below a song's peaks counts little
_TIMBRE, _LEVEL, _HARMONY = 2.0, 0.25, 2.0  # weights: timbre and harmony differ about equally; loudness counts less
_KEYS = (0, 1, 2)  # semitones that a repetition may be higher
_AROUND = 8  # beats before and after a bar line that its novelty compares
_FOLLOW = 0.5  # novelty that a phrase in a repeated passage gains if it begins where the original does
_IRREGULAR = 0.5  # novelty that a phrase longer or shorter by a half must gain
_CUT = 0.002  # novelty that a first phrase must gain for each beat that is missing: in doubt, songs begin with a phrase
_ALIKE = 0.3  # distance between beats, added to both sides of a ratio so that tiny differences do not count
_STRIPE = 0.9  # ratio of distances below which phrases repeat others
_SWITCH = 0.25  # ratio that a change from one stripe to another, or to new music, must gain
_LEAST, _VARIED = 1.1, 4.0  # cost of a run: least, and per variance between adjacent phrases
_RETURN = 0.75  # distance of mean sounds below which two runs are the same section


@dataclass(frozen=True)
class Form:
    """The form of a song of B beats: P phrases, each with int64 (P,) values.

    ``phrases``: index of the first beat of each phrase, increasing. All begin on downbeats, and most have 8 beats (12
    in 3/4), a few half of that more or less. The first index is 0, or negative if the song begins in the middle of a
    phrase. Each phrase lasts until the next, the last until the song's end.

    ``repeats``: index of the earliest phrase whose music a phrase repeats, which is as long, or its own index if it is
    new. ``sections``: label of the section, numbered from 0 by first appearance; a section that returns has the same.
    """

    phrases: np.ndarray
    repeats: np.ndarray
    sections: np.ndarray


def find(music: dict) -> Form:
    """Find the phrases and sections of a song.

    ``music`` is a ``music`` file or `features.features`; its beats may be in half or double time, as by
    `beat_grid.at_tempo`. Without a clear change in the music, all phrases are new and of section 0.
    """
    bar = music["beats_per_bar"]
    usual = 4 if bar == 3 else 2  # bars in a phrase
    vectors = _beat_vectors(music)
    lines = np.arange(music["downbeat"] % -bar - (usual - 1) * bar, len(music["beats"]), bar)
    lags = _stripes(_distances(vectors, lines, usual * bar), usual)
    starts = _phrases(_novelty(vectors, lines), lines, lags, usual)
    # The nearest whole phrase stands for a phrase that the song's start or end cuts.
    inside = np.clip(lines[starts], 0, max(len(vectors) - usual * bar, 0))
    sound = _windows(vectors, inside, usual * bar).mean(axis=1)
    original = starts - lags[starts]
    source = np.where(np.isin(original, starts), np.searchsorted(starts, original), np.arange(len(starts)))
    sections = _sections(sound, source)
    return Form(lines[starts], _repeats(sections, source, np.diff(starts, append=starts[-1] + usual)), sections)


def _beat_vectors(music: dict) -> np.ndarray:
    """Return timbre and harmony of each beat but the last: (B - 1, D), or (1, D) for a song of one beat."""
    if len(music["beats"]) < 2:
        return np.zeros((1, _STEPS * (_CEPSTRA + 12)))
    features = beat_features(music, _STEPS).astype(np.float64)
    mel = np.log1p(_GAIN * np.expm1(features[..., :_BANDS]) / MEL_GAIN)
    cepstra = _TIMBRE * dct(mel, norm="ortho")[..., :_CEPSTRA] / np.sqrt(_BANDS)
    cepstra[..., 0] *= _LEVEL
    chroma = features[..., _CHROMA]
    chroma = _HARMONY * chroma / (np.linalg.norm(chroma, axis=-1, keepdims=True) + 1e-3)
    return np.concatenate([cepstra, chroma], axis=-1).reshape(len(features), -1) / np.sqrt(_STEPS)


def _transposed(vectors: np.ndarray, semitones: int) -> np.ndarray:
    """Return vectors (..., D) of `_beat_vectors` with the harmony so many semitones higher."""
    steps = vectors.reshape(*vectors.shape[:-1], _STEPS, -1).copy()
    steps[..., _CEPSTRA:] = np.roll(steps[..., _CEPSTRA:], semitones, axis=-1)
    return steps.reshape(vectors.shape)


def _windows(vectors: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Return the vectors (N, size, D) of windows; outside the song, the first or last vector is repeated."""
    return vectors[np.clip(starts[:, None] + np.arange(size), 0, len(vectors) - 1)]


def _distances(vectors: np.ndarray, lines: np.ndarray, size: int) -> np.ndarray:
    """Return the mean distances (N, N), beat by beat, of the phrases that begin at bar lines (N,); inf if cut.

    The second phrase is transposed to the nearest of `_KEYS`, since a last chorus may be in a higher key.
    """
    windows, means = _windows(vectors, lines, size).swapaxes(0, 1), []
    for semitones in _KEYS:
        means.append(np.mean(list(map(cdist, windows, _transposed(windows, semitones))), axis=0))
    whole = (lines >= 0) & (lines + size <= len(vectors))
    return np.where(whole[:, None] & whole, np.min(means, axis=0), np.inf)


def _stripes(distance: np.ndarray, usual: int) -> np.ndarray:
    """Return how many bars before each bar is the one that it repeats, or 0: int64 (N,).

    Takes `_distances` (N, N) of phrases of ``usual`` bars. They are divided by those to the phrases just before and
    after: about 1 in noise, and where phrases are alike. Viterbi's algorithm finds the best sequence of lags.
    """
    count = len(distance)
    padded = np.pad(distance, usual, constant_values=np.inf)
    middle, sides = slice(usual, usual + count), (slice(0, count), slice(2 * usual, 2 * usual + count))
    beside = np.stack([padded[middle, side] for side in sides] + [padded[side, middle] for side in sides])
    known = np.isfinite(beside)
    mean = np.where(known, beside, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    ratio = (distance + _ALIKE) / (mean + _ALIKE)
    cost = np.full((count, count), np.inf)  # by bar and lag; lag 0: new
    cost[:, 0] = _STRIPE
    for lag in range(LAG * usual, count):
        cost[lag:, lag] = np.diagonal(ratio, -lag)
    total, back = cost[0], np.zeros(cost.shape, int)
    for i in range(1, count):
        switch = total.min() + _SWITCH * usual
        back[i] = np.where(total <= switch, np.arange(count), total.argmin())
        total = cost[i] + np.minimum(total, switch)
    lags = np.zeros(count, int)
    lags[-1] = total.argmin()
    for i in range(count - 1, 0, -1):
        lags[i - 1] = back[i, lags[i]]
    return lags


def _novelty(vectors: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return how much the music changes at bar lines (N,), in beats.

    It is the mean distance of the beats before from the beats after, less that within each side (Foote's checkerboard
    kernel), squared.
    """
    distance = cdist(vectors, vectors)
    found = np.zeros(len(lines))
    for i in np.flatnonzero((lines >= 4) & (lines <= len(vectors) - 4)):
        before, after = slice(max(lines[i] - _AROUND, 0), lines[i]), slice(lines[i], lines[i] + _AROUND)
        within = [squareform(distance[side, side], checks=False).mean() for side in (before, after)]
        found[i] = distance[before, after].mean() - np.mean(within)
    return np.maximum(found, 0) ** 2  # one clear change tells more than many small ones


def _phrases(novelty: np.ndarray, lines: np.ndarray, lags: np.ndarray, usual: int) -> np.ndarray:
    """Return which bar lines (P,) begin phrases: those of most novelty (N,) that are ``usual`` bars apart, or nearly.

    Dynamic programming over bars. A phrase of a half more or less costs `_IRREGULAR`; one that begins where a phrase
    begins in the passage that it repeats (``lags`` bars before) gains `_FOLLOW`. The first begins at or before beat 0.
    """
    total, paths = novelty - _CUT * np.maximum(-lines, 0), [(i,) for i in range(len(lines))]
    for i in np.flatnonzero(lines > 0):
        lengths = np.array([n for n in (usual, usual // 2, usual + usual // 2) if n <= i])
        gains = total[i - lengths] - _IRREGULAR * (lengths != usual)
        if lags[i]:
            gains += [_FOLLOW * (i - lags[i] in paths[i - n]) for n in lengths]
        paths[i] = (*paths[i - lengths[gains.argmax()]], i)
        total[i] += gains.max()
    return np.array(paths[len(lines) - usual + int(total[-usual:].argmax())])


def _runs(sound: np.ndarray) -> np.ndarray:
    """Return the number of the run (P,) of each phrase, from its mean `_beat_vectors` (P, D).

    Runs minimise the squared distances from their means plus a cost for each run (dynamic programming). The cost grows
    with the variance between adjacent phrases, so that songs of varied phrases are not cut into small pieces.
    """
    count = len(sound)
    variance = np.median(np.sum(np.diff(sound, axis=0) ** 2, axis=1)) / 2 if count > 1 else 0
    cost = max(_LEAST, _VARIED * variance)
    sums = np.cumsum(np.concatenate([np.zeros((1, sound.shape[1])), sound]), axis=0)
    squares = np.concatenate([[0], np.cumsum(np.sum(sound**2, axis=1))])
    total, start = np.zeros(count + 1), np.zeros(count + 1, int)
    for end in range(1, count + 1):
        before = np.arange(end)
        spread = squares[end] - squares[:end] - np.sum((sums[end] - sums[:end]) ** 2, axis=1) / (end - before)
        totals = total[:end] + spread + cost
        start[end], total[end] = totals.argmin(), totals.min()
    run, end = np.zeros(count, int), count
    while end:
        run[start[end] : end] = start[end]
        end = start[end]
    return np.unique(run, return_inverse=True)[1]


def _sections(sound: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the label (P,) of the section of each phrase.

    Takes the mean `_beat_vectors` (P, D) of phrases, and the phrase (P,) that each repeats by `_stripes`, or itself.
    """
    run = _runs(sound)
    if run[-1] == 0:
        return run
    means = np.stack([sound[run == r].mean(axis=0) for r in range(run[-1] + 1)])
    distance = cdist(means, means)
    for r in range(len(means)):  # runs that a stripe connects are one section
        for s in range(r):
            if np.mean(run[source[run == r]] == s) > 0.5:
                distance[r, s] = distance[s, r] = 0
    labels = fcluster(linkage(squareform(distance), "average"), _RETURN, "distance")[run]
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def _repeats(sections: np.ndarray, source: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the earliest phrase (P,) that each phrase repeats, or itself; ``source`` is as in `_sections`.

    Where a section returns and no stripe says which phrase is repeated, it is danced as before, in the same order. Only
    phrases of the same length (P,) repeat each other.
    """
    repeats = np.arange(len(sections))
    starts = np.flatnonzero(np.diff(sections, prepend=-1))
    for start, end in zip(starts, np.append(starts[1:], len(sections)), strict=True):
        first = int(np.argmax(sections == sections[start]))  # of the section's first occurrence
        lags = (repeats - source)[start:end]
        usual = np.bincount(lags[lags > 0]).argmax() if lags.any() else start - first
        for p in range(start, end):
            found = source[p]
            if found == p and first <= p - usual < start and sections[p - usual] == sections[p]:
                found = p - usual
            if lengths[found] == lengths[p]:
                repeats[p] = repeats[found]
    return repeats
