"""Synchronise a dance with the beats of its music, if the two were not recorded together.

Music is often added to a capture by hand, and the stated frame rate may be inexact: after a minute the dance can be a
beat off, and a model cannot learn how movement and beat relate. Speed has a bar rhythm (`metrics.beat.bar_locking`):
the rate at which it is strongest, and the phase of its peak, give the alignment.
"""

import numpy as np

from learn2dance.motion import kinematics

RATES = np.linspace(0.95, 1.05, 41)  # candidates: seconds of music per second of dance
BELIEVED = 2.0  # minimum of lock x sqrt(seconds), a lock of 0.26 in a minute; the best rate of noise seldom has it
GAIN = 0.02  # minimum gain in lock for a rate other than 1


def bar_rhythm(motion: np.ndarray, music: dict) -> np.ndarray:
    """Measure the bar rhythm in the speed of `kinematics.low_pass` motion, at each of `RATES`.

    Returns
    -------
    np.ndarray [shape=(R,), dtype=complex128]
        The magnitude is the lock; the angle, in turns, is the bar phase (0-1) at which the dance is fastest.
    """
    speed = kinematics.detrended_speed(kinematics.body_speed(motion))
    times, beats = kinematics.speed_times(len(speed)), music["beats"]
    found = np.zeros(len(RATES), complex)
    for r, rate in enumerate(RATES):
        heard = times * rate
        judged = np.isfinite(speed) & (heard >= beats[0]) & (heard <= beats[-1])
        bar = (np.interp(heard[judged], beats, np.arange(len(beats))) - music["downbeat"]) / music["beats_per_bar"]
        total = np.abs(speed[judged]).sum()
        found[r] = (speed[judged] * np.exp(2j * np.pi * bar)).sum() / total if total > 0 else 0
    return found


def best_rate(found: np.ndarray, seconds: float) -> tuple[float, float]:
    """Return the rate with the strongest bar rhythm, and the bar phase (0-1) at which the dance is then fastest.

    Parameters
    ----------
    found : np.ndarray [shape=(R,)]
        From `bar_rhythm`.
    seconds : float
        Length of the dance: a shorter one needs a stronger bar rhythm.

    Returns
    -------
    rate, peak : float
        (1, NaN) if there is no clear bar rhythm.
    """
    size, as_said = np.abs(found), int(np.abs(RATES - 1).argmin())
    best = int(size.argmax())
    at_the_edge = best in (0, len(found) - 1)  # no peak: the rhythm may be stronger beyond
    if size[best] * np.sqrt(seconds) < BELIEVED or at_the_edge:
        return 1.0, np.nan
    best = best if size[best] >= size[as_said] + GAIN else as_said
    return float(RATES[best]), float(np.angle(found[best]) / (2 * np.pi) % 1)


def circular_mean(peaks: np.ndarray) -> float:
    """Return the circular mean of bar phases (0-1) without NaN values; NaN if there are no others."""
    known = peaks[np.isfinite(peaks)]
    return float(np.angle(np.exp(2j * np.pi * known).mean()) / (2 * np.pi) % 1) if len(known) else np.nan


def align(music: dict, rate: float, peak: float, usual: float) -> np.ndarray:
    """Return a song's beats (B,) in seconds of the dance, shifted so that the dance is fastest at the usual bar phase.

    Parameters
    ----------
    rate, peak : float
        From `best_rate`.
    usual : float
        Bar phase, from `circular_mean`. If peak or usual is NaN, the beats are only scaled by the rate.
    """
    beats = music["beats"]
    late = (peak - usual + 0.5) % 1 - 0.5 if np.isfinite(peak + usual) else 0.0  # bars, from -0.5 to 0.5
    index = np.arange(len(beats)) + late * music["beats_per_bar"]
    inside = np.clip(index, 0, len(beats) - 1)
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    beyond = np.where(index < 0, index * first, np.maximum(index - (len(beats) - 1), 0) * last)
    return (np.interp(inside, np.arange(len(beats)), beats) + beyond) / rate
