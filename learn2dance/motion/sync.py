"""How a dance lies on its music's beats, where the two were not recorded together.

Captures are laid under their music by hand, and their frame rate may be only nearly what is said: after a minute a
dancer is then a beat off, and no one can learn from it what a beat is for. Speed swings with the bar
(`beat.lock`): the rate at which it swings most, and the beat on which it peaks, tell how the dance was meant.
"""

import numpy as np

from learn2dance.motion import kinematics

RATES = np.linspace(0.95, 1.05, 41)  # of the music's clock to the dance's
BELIEVED = 2.0  # lock times the root of the seconds: in a minute 0.26; the best rate of noise seldom has so much
GAIN = 0.02  # lock that a rate other than 1 must add


def bar_rhythm(motion: np.ndarray, music: dict) -> np.ndarray:
    """Measure how the speed of `kinematics.steady` motion swings with the bars of a song, at each of `RATES`.

    Returns
    -------
    np.ndarray [shape=(R,), dtype=complex128]
        Its size is the lock; its angle, in turns, the part of the bar gone by when the dance is fastest.
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
    """Return the rate at which `swings` are largest, and where in the bar (turns, 0-1) the dance is then fastest.

    Parameters
    ----------
    found : np.ndarray [shape=(R,)]
        From `swings`.
    seconds : float
        Length of the dance: the shorter, the more must it swing to be believed.

    Returns
    -------
    rate, peak : float
        (1, NaN) where no swing is to be believed.
    """
    size, as_said = np.abs(found), int(np.abs(RATES - 1).argmin())
    best = int(size.argmax())
    at_the_edge = best in (0, len(found) - 1)  # not a peak: it may swing more beyond
    if size[best] * np.sqrt(seconds) < BELIEVED or at_the_edge:
        return 1.0, np.nan
    best = best if size[best] >= size[as_said] + GAIN else as_said
    return float(RATES[best]), float(np.angle(found[best]) / (2 * np.pi) % 1)


def circular_mean(peaks: np.ndarray) -> float:
    """Return the circular mean of peaks (turns) of dances to bars alike; NaN where none is known."""
    known = peaks[np.isfinite(peaks)]
    return float(np.angle(np.exp(2j * np.pi * known).mean()) / (2 * np.pi) % 1) if len(known) else np.nan


def align(music: dict, rate: float, peak: float, usual: float) -> np.ndarray:
    """Return a song's beats (B,) by the dance's clock, moved so that the dance is fastest where dances usually are.

    Parameters
    ----------
    rate, peak : float
        As `rate` returns them.
    usual : float
        Turns: the `common` peak. Where one of the two is not known, nothing is moved.
    """
    beats = music["beats"]
    late = (peak - usual + 0.5) % 1 - 0.5 if np.isfinite(peak + usual) else 0.0  # turns, at most half of one
    index = np.arange(len(beats)) + late * music["beats_per_bar"]
    inside = np.clip(index, 0, len(beats) - 1)
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    beyond = np.where(index < 0, index * first, np.maximum(index - (len(beats) - 1), 0) * last)
    return (np.interp(inside, np.arange(len(beats)), beats) + beyond) / rate
