"""Beat correction: synchronise a dance with the beats of its music, if the two were not recorded together.

Music is often added to a capture by hand, and the stated frame rate may be inexact: after a minute, dance and music can
differ by a beat, and a model cannot learn how movement and beat relate. Beat correction assumes that

- dance and music start within half a bar of each other and differ by a constant factor in speed, below 5%;
- the metre and the downbeats of the music are right;
- the speed of the body varies with the bar (`metrics.beat.bar_locking`): the best rate is where it does so most;
- all dances in a metre are fastest at about the same phase of the bar (`data_root.typical_peaks`).
"""

import numpy as np

from learn2dance.motion import kinematics

RATES = np.linspace(0.95, 1.05, 41)  # candidates: seconds of music per second of dance
SIGNIFICANT = 2.0  # least bar locking x sqrt(seconds), e.g. 0.26 in a minute; noise seldom reaches it at any rate
GAIN = 0.02  # least gain in bar locking for a rate other than 1


def bar_rhythm(motion: np.ndarray, music: dict) -> np.ndarray:
    """Measure the bar rhythm in the speed of `kinematics.low_pass` motion, at each of `RATES`: complex128 (R,).

    The magnitude is the bar locking; the angle, in turns, is the bar phase (0-1) at which the dance is fastest.
    """
    speed = kinematics.detrended_speed(kinematics.body_speed(motion))
    times, beats = kinematics.speed_times(len(speed)), music["beats"]
    rhythm = np.zeros(len(RATES), complex)
    for r, rate in enumerate(RATES):
        song_times = times * rate
        used = np.isfinite(speed) & (song_times >= beats[0]) & (song_times <= beats[-1])
        bar = (np.interp(song_times[used], beats, np.arange(len(beats))) - music["downbeat"]) / music["beats_per_bar"]
        total = np.abs(speed[used]).sum()
        rhythm[r] = (speed[used] * np.exp(2j * np.pi * bar)).sum() / total if total > 0 else 0
    return rhythm


def best_rate(rhythm: np.ndarray, seconds: float) -> tuple[float, float]:
    """Return the rate with the strongest `bar_rhythm`, and the bar phase (0-1) at which the dance is then fastest.

    They are (1, NaN) if there is no clear bar rhythm, which a dance of fewer ``seconds`` needs more of, or if
    the best rate is the lowest or the highest.
    """
    lock, stated = np.abs(rhythm), int(np.abs(RATES - 1).argmin())
    best = int(lock.argmax())
    at_the_edge = best in (0, len(rhythm) - 1)  # no peak: the rhythm may be stronger beyond
    if lock[best] * np.sqrt(seconds) < SIGNIFICANT or at_the_edge:
        return 1.0, np.nan
    best = best if lock[best] >= lock[stated] + GAIN else stated
    return float(RATES[best]), float(np.angle(rhythm[best]) / (2 * np.pi) % 1)


def dance_rate(poses: np.ndarray, fps: float, music: dict) -> tuple[float, float] | None:
    """Return the `best_rate` of normalised poses (T, 15, 2); None if fps is too low or there are not two beats."""
    if fps <= 2 * kinematics.CUTOFF_HZ or len(music["beats"]) < 2:
        return None
    return best_rate(bar_rhythm(kinematics.low_pass(poses, fps), music), len(poses) / fps)


def correct_beats(poses: np.ndarray, fps: float, music: dict, peaks: np.ndarray) -> np.ndarray | None:
    """Return the beats (B,) of the music in seconds of the dance (normalised poses (T, 15, 2)).

    ``peaks`` (2,) are the usual bar phases of fastest motion in 3/4 and 4/4, NaN if unknown. None if `dance_rate` is.
    """
    found = dance_rate(poses, fps, music)
    return found and align(music, *found, peaks[int(music["beats_per_bar"]) - 3])


def circular_mean(peaks: np.ndarray) -> float:
    """Return the circular mean of bar phases (0-1) without NaN values; NaN if there are no others."""
    known = peaks[np.isfinite(peaks)]
    return float(np.angle(np.exp(2j * np.pi * known).mean()) / (2 * np.pi) % 1) if len(known) else np.nan


def align(music: dict, rate: float, peak: float, usual: float) -> np.ndarray:
    """Return a song's beats (B,) in seconds of the dance, shifted so that the dance is fastest at the usual bar phase.

    ``rate`` and ``peak`` come from `best_rate`. If ``peak`` or ``usual`` is NaN, the beats are only scaled by the rate.
    """
    beats = music["beats"]
    late = (peak - usual + 0.5) % 1 - 0.5 if np.isfinite(peak + usual) else 0.0  # bars, from -0.5 to 0.5
    index = np.arange(len(beats)) + late * music["beats_per_bar"]
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    beyond = np.where(index < 0, index * first, np.maximum(index - (len(beats) - 1), 0) * last)
    return (np.interp(index, np.arange(len(beats)), beats) + beyond) / rate
