"""Whether a dance goes with the beat: alignment, coverage and hits, and how its speed swings with the bar.

Alignment alone cannot be trusted: whatever moves often has a minimum near every beat, white noise above all. So each
comes with its chance level, and `lock` and `match` ask what noise cannot have: a swing in time with the bars, and with
the bars of this very song.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from learn2dance.motion.kinematics import METRIC_FPS, body_speed, detrended_speed, speed_times

SIGMA = 0.05  # seconds: 3 frames at 60 a second, as in FACT and Bailando
TOLERANCE = 0.07  # seconds: that of beat tracking's F-measure (Davies, Degara and Plumbley 2009; mir_eval)
SMOOTH = 5 / 60  # seconds: standard deviation of what Bailando smooths speed with, 5 frames at 60 a second


def kinematic_beats(motion: np.ndarray) -> np.ndarray:
    """Find the kinematic beats of `kinematics.steady` motion: the local minima of its smoothed speed, in seconds."""
    moved = body_speed(motion)
    known = np.isfinite(moved)
    if known.sum() < 3:
        return np.zeros(0)
    times = speed_times(len(moved))
    smooth = gaussian_filter1d(np.interp(times, times[known], moved[known]), SMOOTH * METRIC_FPS)
    lowest = find_peaks(-smooth, prominence=1e-4)[0]  # less is rounding: a dancer who stands still has no beats
    around = np.convolve(known, np.ones(3), "same") == 3
    return times[lowest[around[lowest]]]


def alignment(from_beats: np.ndarray, to_beats: np.ndarray, sigma: float = SIGMA) -> float:
    """Score how near each beat of one list has one of the other: mean of exp(-d² / 2 sigma²), d in seconds.

    From music to motion it is Bailando's beat alignment score (Siyao et al., CVPR 2022), from motion to music FACT's
    (Li et al., ICCV 2021). 1 where each has one at the very moment; 0 where the other list is empty; NaN where this is.
    """
    if not len(from_beats) or not len(to_beats):
        return 0.0 if len(from_beats) else np.nan
    nearest = np.abs(from_beats[:, None] - to_beats[None]).min(1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def hits(music: np.ndarray, motion: np.ndarray, tolerance: float = TOLERANCE) -> int:
    """Count the pairs of a musical and a kinematic beat within this many seconds, each beat in one pair at most.

    Both lists increase. Taking the earliest that fits is the largest matching, since all tolerances are the same.
    """
    i = j = count = 0
    while i < len(music) and j < len(motion):
        if abs(music[i] - motion[j]) <= tolerance:
            i, j, count = i + 1, j + 1, count + 1
        elif music[i] < motion[j]:
            i += 1
        else:
            j += 1
    return count


def beat_scores(motion: np.ndarray, beats: np.ndarray, shifts: int = 20) -> dict[str, float]:
    """Judge a dance by a song's beats.

    Parameters
    ----------
    motion : np.ndarray [shape=(T, 15, 2)]
        From `kinematics.steady`, its first frame at the song's beginning.
    beats : np.ndarray [shape=(B,)]
        Seconds, increasing.
    shifts : int
        By so many even parts of a beat is the song shifted to learn what chance gives: the mean over all of them.

    Returns
    -------
    dict
        ``music_to_motion``, ``motion_to_music`` (`sync`); ``coverage``, the number of kinematic beats over that of
        musical ones, and ``hit_rate``, the share of kinematic beats that hit one (Lee et al., "Dancing to Music",
        NeurIPS 2019; here each musical beat is hit once at most); and all but coverage again as ``…_chance``.
    """
    dance = kinematic_beats(motion)
    length = len(motion) / METRIC_FPS
    inside = (beats >= 0) & (beats <= length)

    def judge(song: np.ndarray) -> dict[str, float]:
        song = song[(song >= 0) & (song <= length)]
        return {
            "music_to_motion": alignment(song, dance),
            "motion_to_music": alignment(dance, song),
            "hit_rate": hits(song, dance) / len(dance) if len(dance) else np.nan,
        }

    index = np.arange(len(beats))
    moved = [judge(np.interp(index[:-1] + k / shifts, index, beats)) for k in range(shifts)]
    chance = {f"{key}_chance": float(np.mean([m[key] for m in moved])) for key in moved[0]}
    return judge(beats) | {"coverage": len(dance) / max(inside.sum(), 1)} | chance


def bar_locking(motion: np.ndarray, beats: np.ndarray, beats_per_bar: int) -> float:
    """Measure how much of the body's speed swings with the bar.

    lock = | mean(s · exp(2πi · b / n)) | / mean(|s|), where s is the body's speed without its slow drift, b the beat
    (with its fraction) at that moment, and n the beats in a bar. π/4 for a sine in time with the bar, 1 at most; which
    beat the swing peaks on makes no difference. Motion that does not know the bar has about 1/√(independent moments),
    not 0, and the less the longer it lasts; 0 for a dance that does not move.

    Parameters
    ----------
    motion : np.ndarray [shape=(T, 15, 2)]
        From `kinematics.steady`, its first frame at the song's beginning.
    beats : np.ndarray [shape=(B,)]
        Seconds, increasing; only what lies between them is measured.
    beats_per_bar : int
    """
    s = detrended_speed(body_speed(motion))
    times = speed_times(len(s))
    judged = np.isfinite(s) & (times >= beats[0]) & (times <= beats[-1])
    s, times = s[judged], times[judged]
    norm = np.abs(s).mean() if len(s) else 0.0
    if norm < 1e-6:  # torso lengths a second: rounding, not motion
        return 0.0
    beat = np.interp(times, beats, np.arange(len(beats)))
    return float(np.abs(np.mean(s * np.exp(2j * np.pi * beat / beats_per_bar))) / norm)


def song_specificity(motion: np.ndarray, own: tuple[np.ndarray, int], others: list[tuple[np.ndarray, int]]) -> float:
    """Measure how much more a dance locks to its own song than to others: its `lock` less the mean of theirs.

    Parameters
    ----------
    motion : np.ndarray [shape=(T, 15, 2)]
    own, others : (np.ndarray, int)
        Beats (seconds) and beats in a bar, of its song and of other songs of its style.

    Returns
    -------
    float
        About 0 for a dance that was not made for its song; NaN where there are no others.
    """
    return (
        bar_locking(motion, *own) - float(np.mean([bar_locking(motion, *song) for song in others]))
        if others
        else np.nan
    )
