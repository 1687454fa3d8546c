"""Beat correction: synchronise a dance with the beats of its music, if the two were not recorded together.

Music is often added to a capture by hand, and the stated frame rate may be inexact: after a minute, dance and music can
differ by a beat, and a model cannot learn how movement and beat relate. Beat correction assumes that

- dance and music start within half a bar of each other and differ by a constant factor in speed, below 5%;
- most dances of a data root have about the same factor, since one source makes the same error each time;
- the metre and the beats of the music are right;
- the speed of the body varies with the bar (`metrics.beat.bar_locking`) or, in 4/4, with the half bar: the best rate is
  where it does so most;
- all dances in a metre are fastest at about the same phase (`data_root.common_timing`).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from learn2dance.motion import kinematics

RATES = np.linspace(0.95, 1.05, 81)  # candidates: seconds of music per second of dance
PERIODS = {3: (3,), 4: (4, 2)}  # beats: the periods of rhythm, by beats in a bar
# Seconds: mean of locking² x seconds to other songs, by period in beats (ballroom's train and val).
CHANCE = {3: 0.9, 4: 0.9, 2: 0.4}
SPREAD = 0.01  # standard deviation of the rates of a data root
OUTLIERS = 0.02  # fraction of dances that may have any rate
GAIN = 2.0  # least gain in log probability for another rate than the common one: 7 times as likely
COMMON_GAIN = 5.0  # least gain in the sum over dances for another common rate than 1
SIGNIFICANT = 4.5  # least evidence for a rhythm, e.g. a bar locking of 0.26 in a minute: 1% of what chance gives


class Timing(NamedTuple):
    """What the dances of a data root have in common."""

    rate: float = 1.0  # seconds of music per second of dance
    # (3,) phases (0-1) of fastest motion: in the bar of 3/4, in that of 4/4, in half a bar of 4/4
    peaks: np.ndarray = np.full(3, np.nan)


class Fit(NamedTuple):
    """How a dance relates to its music."""

    rate: float  # seconds of music per second of dance
    period: int  # beats: the period of the stronger rhythm
    peak: float  # phase (0-1) in the period at which the dance is fastest; NaN if there is no significant rhythm


def rhythm(motion: np.ndarray, music: dict) -> np.ndarray:
    """Measure the rhythm in the speed of `kinematics.low_pass` motion: complex128 (P, R), for `PERIODS` and `RATES`.

    The magnitude is the bar locking or half-bar locking; the angle, in turns, is the phase at which the dance is
    fastest.
    """
    speed = kinematics.detrended_speed(kinematics.body_speed(motion))
    times, beats = kinematics.speed_times(len(speed)), music["beats"]
    periods = PERIODS[int(music["beats_per_bar"])]
    found = np.zeros((len(periods), len(RATES)), complex)
    for r, rate in enumerate(RATES):
        song_times = times * rate
        used = np.isfinite(speed) & (song_times >= beats[0]) & (song_times <= beats[-1])
        beat = np.interp(song_times[used], beats, np.arange(len(beats))) - music["downbeat"]
        total = np.abs(speed[used]).sum()
        for p, period in enumerate(periods):
            found[p, r] = (speed[used] * np.exp(2j * np.pi * beat / period)).sum() / total if total > 0 else 0
    return found


def evidence(found: np.ndarray, seconds: float) -> np.ndarray:
    """Return the evidence (P, R) of a `rhythm` (P, R) of so many seconds, as log likelihood ratio to chance.

    It is locking² x seconds / `CHANCE`: the power of noise at one frequency is distributed exponentially (Scargle,
    "Studies in astronomical time series analysis II", 1982).
    """
    periods = PERIODS[4] if len(found) == 2 else PERIODS[3]
    return np.abs(found) ** 2 * seconds / np.array([[CHANCE[period]] for period in periods])


def common_rate(evidences: list[np.ndarray]) -> float:
    """Return the rate that most dances have, from the `evidence` of each; 1 unless another is clearly likelier.

    Empirical Bayes: the common rate is the one for which the evidence of all dances is highest, averaged over their
    rates (`_prior`). Dances without a peak are left out.
    """
    prior = np.array([_prior(rate) for rate in RATES])  # (common rate, rate)
    total = np.zeros(len(RATES))
    for one in evidences:
        if _has_peak(one):
            total += logsumexp(one.sum(axis=0) + prior, axis=1) - logsumexp(prior, axis=1)
    stated = int(np.abs(RATES - 1).argmin())
    best = int(total.argmax())
    return float(RATES[best]) if total[best] > total[stated] + COMMON_GAIN else 1.0


def _prior(common: float) -> np.ndarray:
    """Return the log density (R,) of the rates: normal about the common one, but for a few dances that have any."""
    normal = np.log((1 - OUTLIERS) / (SPREAD * np.sqrt(2 * np.pi))) - (RATES - common) ** 2 / (2 * SPREAD**2)
    return np.logaddexp(normal, np.log(OUTLIERS / np.ptp(RATES)))


def _has_peak(found: np.ndarray) -> bool:
    """Return whether the evidence (P, R) is highest within the rates; else it may be higher beyond."""
    return 0 < found.sum(axis=0).argmax() < len(RATES) - 1


def best_rate(found: np.ndarray, seconds: float, common: float = 1.0) -> Fit:
    """Return the likeliest rate of a dance with this `rhythm` (P, R), and the phase at which it is then fastest.

    The common rate is kept unless another is clearly likelier, given how much rates differ. So a dance with a weak
    rhythm has the common rate.
    """
    each = evidence(found, seconds)
    log_probability = each.sum(axis=0) + _prior(common)
    usual, best = int(np.abs(RATES - common).argmin()), int(log_probability.argmax())
    if log_probability[best] < log_probability[usual] + GAIN or not _has_peak(each):
        best = usual
    else:  # the prior decides between peaks, not about the place of the peak
        total = each.sum(axis=0)
        peaks = 1 + np.flatnonzero((total[1:-1] > total[:-2]) & (total[1:-1] > total[2:]))
        best = int(peaks[np.abs(peaks - best).argmin()])
    p = int(each[:, best].argmax())
    significant = each[p, best] >= SIGNIFICANT and _has_peak(each)
    peak = float(np.angle(found[p, best]) / (2 * np.pi) % 1) if significant else np.nan
    periods = PERIODS[4] if len(found) == 2 else PERIODS[3]
    return Fit(common if best == usual else float(RATES[best]), periods[p], peak)


def dance_rhythm(poses: np.ndarray, fps: float, music: dict) -> tuple[np.ndarray, float] | None:
    """Return the `rhythm` of normalised poses (T, 15, 2) and their duration in seconds.

    None if fps is too low or there are not two beats.
    """
    if fps <= 2 * kinematics.CUTOFF_HZ or len(music["beats"]) < 2:
        return None
    return rhythm(kinematics.low_pass(poses, fps), music), len(poses) / fps


def timing(rhythms: list[tuple[np.ndarray, float]]) -> Timing:
    """Return what dances have in common, from the `dance_rhythm` of each."""
    rate = common_rate([evidence(*one) for one in rhythms])
    fits = [best_rate(*one, rate) for one in rhythms]
    peaks = [circular_mean(np.array([fit.peak for fit in fits if fit.period == period])) for period in CHANCE]
    return Timing(rate, np.array(peaks))


def correct_beats(poses: np.ndarray, fps: float, music: dict, common: Timing) -> np.ndarray | None:
    """Return the beats (B,) of the music in seconds of the dance (normalised poses (T, 15, 2)).

    None if there is no `dance_rhythm`.
    """
    found = dance_rhythm(poses, fps, music)
    if found is None:
        return None
    fit = best_rate(*found, common.rate)
    return align(music, fit, common.peaks[list(CHANCE).index(fit.period)])


def circular_mean(peaks: np.ndarray) -> float:
    """Return the circular mean of phases (0-1) without NaN values; NaN if there are no others."""
    known = peaks[np.isfinite(peaks)]
    return float(np.angle(np.exp(2j * np.pi * known).mean()) / (2 * np.pi) % 1) if len(known) else np.nan


def align(music: dict, fit: Fit, usual: float) -> np.ndarray:
    """Return a song's beats (B,) in seconds of the dance, shifted so that the dance is fastest at the usual phase.

    If the dance's peak or ``usual`` is NaN, the beats are only scaled by the rate.
    """
    beats = music["beats"]
    late = (fit.peak - usual + 0.5) % 1 - 0.5 if np.isfinite(fit.peak + usual) else 0.0  # periods, from -0.5 to 0.5
    index = np.arange(len(beats)) + late * fit.period
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    beyond = np.where(index < 0, index * first, np.maximum(index - (len(beats) - 1), 0) * last)
    return (np.interp(index, np.arange(len(beats)), beats) + beyond) / fit.rate
