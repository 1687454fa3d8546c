"""Beat metrics of a dance: alignment, coverage, F-measure, bar and half-bar locking, and song specificity.

Alignment alone cannot be trusted: any motion with many speed minima, such as white noise, has one near every beat. So
scores come with their chance level, as does locking. `bar_locking` and `song_specificity` measure what noise does not
have: speed that varies periodically with the bar, and with the bars of its own song more than with others.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from learn2dance.motion.kinematics import METRIC_FPS, body_speed, detrended_speed, speed_times

SIGMA = 0.05  # seconds: 3 frames at 60 a second, as in FACT and Bailando
UNRELATED = np.concatenate([np.linspace(0.8, 0.92, 10), np.linspace(1.08, 1.25, 10)])  # tempo ratios of `locking`
SMOOTH = 5 / 60  # seconds: standard deviation of Bailando's smoothing of speed, 5 frames at 60 a second


def kinematic_beats(motion: np.ndarray) -> np.ndarray:
    """Return the kinematic beats, in seconds, of `kinematics.low_pass` motion: the minima of its smoothed speed."""
    body = body_speed(motion)
    known = np.isfinite(body)
    if known.sum() < 3:
        return np.zeros(0)
    times = speed_times(len(body))
    smooth = gaussian_filter1d(np.interp(times, times[known], body[known]), SMOOTH * METRIC_FPS)
    minima = find_peaks(-smooth, prominence=1e-4)[0]  # less is rounding error: standing still has no beats
    observed = np.convolve(known, np.ones(3), "same") == 3  # the neighbours too
    return times[minima[observed[minima]]]


def alignment(from_beats: np.ndarray, to_beats: np.ndarray) -> float:
    """Return the mean over ``from_beats`` of exp(-d² / 2 `SIGMA`²); d: seconds to the nearest of ``to_beats``.

    From music to motion it is Bailando's beat alignment score (Siyao et al., CVPR 2022), from motion to music FACT's
    (Li et al., ICCV 2021). 1 if all d are 0; 0 if only ``to_beats`` is empty; NaN if ``from_beats`` is empty.
    """
    if not len(from_beats) or not len(to_beats):
        return 0.0 if len(from_beats) else np.nan
    nearest = np.abs(from_beats[:, None] - to_beats[None]).min(1)
    return float(np.exp(-(nearest**2) / (2 * SIGMA**2)).mean())


def beat_scores(motion: np.ndarray, beats: np.ndarray, shifts: int = 20) -> dict[str, float]:
    """Score `kinematics.low_pass` motion (T, 15, 2), from the song's start, against the song's beats (B,) in seconds.

    Returns ``music_to_motion``, ``motion_to_music`` (`alignment`); ``coverage``, the number of kinematic beats over the
    number of musical beats; ``beat_f_measure``, the F-measure of beat tracking (`mir_eval.beat.f_measure`, within 70
    ms; Davies, Degara and Plumbley 2009) with the song's beats as reference and the kinematic beats as estimate; and
    with the suffix ``_chance`` the chance levels of all but coverage: the mean score over ``shifts`` evenly spaced
    shifts of the beats within one beat. The song's first 5 s are not left out, as `mir_eval` advises for trackers.
    """
    from mir_eval.beat import f_measure  # a second of imports that the other functions do not need

    dance = kinematic_beats(motion)

    def score(song: np.ndarray) -> dict[str, float]:
        song = song[(song >= 0) & (song <= len(motion) / METRIC_FPS)]
        return {
            "music_to_motion": alignment(song, dance),
            "motion_to_music": alignment(dance, song),
            "beat_f_measure": f_measure(song, dance) if len(song) and len(dance) else 0.0,
            "coverage": len(dance) / max(len(song), 1),
        }

    index = np.arange(len(beats))
    shifted = [score(np.interp(index[:-1] + k / shifts, index, beats)) for k in range(shifts)]
    scored = ("music_to_motion", "motion_to_music", "beat_f_measure")
    return score(beats) | {f"{key}_chance": float(np.mean([one[key] for one in shifted])) for key in scored}


def locking(motion: np.ndarray, beats: np.ndarray, beats_per_bar: int) -> dict[str, float]:
    """Measure the `bar_locking` of a dance at the bar and, in 4/4, at the half bar, each with its chance level.

    Takes what `bar_locking` takes. Rumba and cha-cha repeat in half a bar. Returns ``bar_locking``,
    ``half_bar_locking`` (NaN in 3/4), and with the suffix ``_chance`` the mean of the same measure when the beats are 8
    to 25% faster or slower, so that the dance is unrelated to them (`UNRELATED`).
    """
    found = {}
    for name, period in (("bar", beats_per_bar), ("half_bar", 2 if beats_per_bar == 4 else None)):
        levels = [bar_locking(motion, beats * ratio, period) if period else np.nan for ratio in (1.0, *UNRELATED)]
        found |= {f"{name}_locking": levels[0], f"{name}_locking_chance": float(np.mean(levels[1:]))}
    return found


def bar_locking(motion: np.ndarray, beats: np.ndarray, beats_per_bar: float) -> float:
    """Measure how much the body's speed varies periodically with the bar, from 0 to 1.

    Takes `kinematics.low_pass` motion (T, 15, 2), from the song's start, and beats (B,) in seconds, increasing. Only
    motion from the first to the last beat counts.

    lock = | mean(s · exp(2πi · b / n)) | / mean(|s|), where s is the detrended speed, b the beat number (with fraction)
    at that time, and n the number of beats in a bar. It is π/4 for a sine with the period of a bar, and 1 at most; the
    phase makes no difference. Motion unrelated to the bar has about 1/√(number of independent samples), not 0, so less
    the longer it lasts; a dance without motion has 0.
    """
    s = detrended_speed(body_speed(motion))
    times = speed_times(len(s))
    used = np.isfinite(s) & (times >= beats[0]) & (times <= beats[-1])
    s, beat = s[used], np.interp(times[used], beats, np.arange(len(beats)))
    norm = np.abs(s).mean() if len(s) else 0.0
    if norm < 1e-6:  # torso lengths a second: rounding error, not motion
        return 0.0
    return float(np.abs(np.mean(s * np.exp(2j * np.pi * beat / beats_per_bar))) / norm)


def song_specificity(motion: np.ndarray, own: tuple[np.ndarray, int], others: list[tuple[np.ndarray, int]]) -> float:
    """Return the `bar_locking` of a dance to its own song minus the mean of its `bar_locking` to other songs.

    A song is its beats and beats per bar. About 0 for a dance unrelated to its song; NaN if there are no other songs.
    """
    if not others:
        return np.nan
    return bar_locking(motion, *own) - float(np.mean([bar_locking(motion, *song) for song in others]))
