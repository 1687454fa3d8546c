"""Whether a dance repeats with its music: how far it is from itself where a section comes again, and elsewhere."""

import numpy as np

from learn2dance.motion.kinematics import METRIC_FPS
from learn2dance.motion.skeleton import MOVING

PER_BEAT = 4  # frames at which dances are compared, so that tempo makes no difference


def form_distances(
    motion: np.ndarray, beats: np.ndarray, phrases: np.ndarray, repeats: np.ndarray, sections: np.ndarray
) -> dict[str, float]:
    """Compare a dance in phrases whose music repeats (A, A'), and in phrases of different sections (A, B).

    The distance of two phrases is the root mean square over frames of the distance between the same joints at the same
    beat, `PER_BEAT` frames a beat, in torso lengths; MidHip is left out. Only phrases of the usual length count, and
    only pairs that are known for half of the frames.

    Parameters
    ----------
    motion : np.ndarray
        `kinematics.low_pass` motion (T, 15, 2), root-centred, from the song's start; NaN where missing.
    beats : np.ndarray
        The song's beats (B,), in seconds, increasing.
    phrases, repeats, sections : np.ndarray
        The song's form, int64 (P,) each, as `learn2dance.music.form.Form` has them.

    Returns
    -------
    dict
        ``form_repeated``: mean distance of a phrase from the one that it repeats; ``form_contrast``: mean distance of
        all pairs of phrases of different sections (in a song of one section: that do not repeat each other);
        ``form_ratio``: the first over the second, 0 for an exact repetition and about 1 for a dance that does not
        follow the form. NaN if there are no such phrases.
    """
    lengths = np.diff(phrases, append=len(beats) - 1)
    size = int(np.median(lengths[:-1])) if len(phrases) > 1 else 0
    numbers = phrases[:, None] + np.arange(size * PER_BEAT) / PER_BEAT
    seconds = np.interp(numbers, np.arange(len(beats)), beats, left=np.nan, right=np.nan)
    columns = motion[:, MOVING].reshape(len(motion), -1).T
    frames = [np.interp(seconds * METRIC_FPS, np.arange(len(motion)), c, left=np.nan, right=np.nan) for c in columns]
    poses = np.stack(frames, axis=-1)  # (P, frames, 28)
    poses[lengths < size] = np.nan

    def mean_distance(first: np.ndarray, second: np.ndarray) -> float:
        squares = np.sum((poses[first] - poses[second]) ** 2, axis=-1) / len(MOVING)
        known = np.isfinite(squares)
        enough = known.mean(axis=1) >= 0.5 if size else np.zeros(len(first), bool)
        if not enough.any():
            return np.nan
        return float(np.sqrt(np.nanmean(squares[enough], axis=1)).mean())

    again = np.flatnonzero(repeats != np.arange(len(repeats)))
    repeated = mean_distance(again, repeats[again])
    labels = sections if np.ptp(sections) else repeats
    contrast = mean_distance(*np.nonzero(np.triu(labels[:, None] != labels)))
    ratio = repeated / contrast if contrast > 0 else np.nan
    return {"form_repeated": repeated, "form_contrast": contrast, "form_ratio": ratio}
