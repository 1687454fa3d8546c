"""Motion over time: resampling, low-pass filtering, speed."""

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from learn2dance.motion.skeleton import MOVING

METRIC_FPS = 25.0  # frames a second
CUTOFF_HZ = 6.0  # Hz
DRIFT = 1.0  # seconds: standard deviation of the mean that counts as slow drift; of a bar of 2 s it takes less than 1%


def low_pass(poses: np.ndarray, fps: float, to: float = METRIC_FPS) -> np.ndarray:
    """Low-pass normalised poses without lag, and resample them.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Torso lengths, y up; NaN where not known.
    fps : float
        Above twice `CUTOFF`.
    to : float
        Frames a second of the result.

    Returns
    -------
    np.ndarray [shape=(T', J, 2), dtype=float64]
        Frame t at t / to seconds. All joints of a frame are NaN where one was not known, so that motion is never
        measured on what was filled in.

    Raises
    ------
    ValueError
        If fps is too low to hold motion up to `CUTOFF`.
    """
    if fps <= 2 * CUTOFF_HZ:
        raise ValueError(f"{fps} frames a second do not hold motion up to {CUTOFF_HZ} Hz; record at 25 or more")
    clock, flat = np.arange(len(poses)) / fps, poses.reshape(len(poses), -1).astype(np.float64)
    lost = np.isnan(flat).any(1)
    times = np.arange(int(np.floor((len(poses) - 1) / fps * to + 1e-9)) + 1) / to
    if (~lost).sum() < 2 or len(poses) < 4:
        return np.full((len(times), *poses.shape[1:]), np.nan)
    if lost.any():
        flat = np.stack([np.interp(clock, clock[~lost], column[~lost]) for column in flat.T], axis=1)
    low = butter(4, CUTOFF_HZ, fs=fps, output="sos")
    flat = sosfiltfilt(low, flat, axis=0, padlen=min(len(flat) - 1, int(fps)))
    motion = make_interp_spline(clock, flat, k=3)(times)
    motion[np.interp(times, clock, lost) > 0] = np.nan
    return motion.reshape(len(times), *poses.shape[1:])


def speed(motion: np.ndarray) -> np.ndarray:
    """Return the speed of every joint from frame to frame of `steady` motion: (T - 1, J) torso lengths a second."""
    return np.linalg.norm(np.diff(motion, axis=0), axis=-1) * METRIC_FPS


def body_speed(motion: np.ndarray) -> np.ndarray:
    """Return the mean speed of the joints of `kinematics.steady` motion (T, 15, 2), NaN where not known.

    Returns
    -------
    np.ndarray [shape=(T - 1,)]
        Torso lengths a second; element t at (t + 1/2) / `FPS` seconds.
    """
    return speed(motion)[:, MOVING].mean(1)


def speed_times(count: int) -> np.ndarray:
    """Return the seconds (count,) at which `body_speed` measures."""
    return (np.arange(count) + 0.5) / METRIC_FPS


def detrended_speed(moved: np.ndarray) -> np.ndarray:
    """Take the slow drift (a Gaussian mean, standard deviation `DRIFT`) from `body_speed`; NaN stays NaN."""
    known = np.isfinite(moved)
    weight = gaussian_filter1d(known.astype(float), DRIFT * METRIC_FPS, mode="nearest")
    total = gaussian_filter1d(np.where(known, moved, 0), DRIFT * METRIC_FPS, mode="nearest")
    return moved - np.divide(total, weight, out=np.full(len(moved), np.nan), where=known)


def steps(poses: np.ndarray) -> np.ndarray:
    """Measure how far the fastest joint goes from each frame (T, J, 2) to the next: (T - 1,), NaN where not known."""
    return np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(1)


def limit_speed(poses: np.ndarray, most: float) -> np.ndarray:
    """Hold the fastest joint to ``most`` a frame, by passing fast places a little later and leaving them earlier.

    What two windows add up to can be faster than any dancer. The poses are kept, and only when they are passed changes:
    the way (the sum of `steps`) is followed with no step longer than ``most``, once as early and once as late as that
    allows, and the mean of the two is danced, so that what was on a beat stays on it.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Frames at a constant rate.
    most : float
        In the poses' unit.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        The same poses where no step was longer.
    """
    way = np.concatenate([[0.0], np.cumsum(steps(poses), dtype=np.float64)])
    if len(poses) < 2 or np.diff(way).max() <= most:
        return poses
    frames = np.arange(len(way))
    slack = way - frames * most
    late = np.minimum.accumulate(slack) + frames * most
    early = np.maximum.accumulate(slack[::-1])[::-1] + frames * most
    at = np.interp((late + early) / 2, way, frames)
    before = np.minimum(at.astype(int), len(poses) - 2)
    part = (at - before)[:, None, None]
    return ((1 - part) * poses[before] + part * poses[before + 1]).astype(np.float32)


def resample(poses: np.ndarray, fps: float, to: float) -> np.ndarray:
    """Show poses at another frame rate: straight lines in time between the frames.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Any unit; NaN where not known.
    fps, to : float
        Frames a second of the poses, and of the result.

    Returns
    -------
    np.ndarray [shape=(round(T * to / fps), J, 2)]
        At least one frame, frame t at second t / to; NaN where either neighbour in time is not known.
    """
    if fps == to:
        return poses
    at = np.arange(max(1, round(len(poses) * to / fps))) * (fps / to)
    at = np.minimum(np.round(at, 9), len(poses) - 1)  # rounded: a frame that is met is not mixed with the next
    before = np.floor(at).astype(int)
    after = np.ceil(at).astype(int)
    part = (at - before)[:, None, None].astype(poses.dtype)
    return poses[before] * (1 - part) + poses[after] * part


def to_frame_rate(poses: np.ndarray, fps: float, clock: float) -> np.ndarray:
    """Bring poses (T, J, 2) to another number of frames a second, float32, without motion too fast for it."""
    if fps > 2 * CUTOFF_HZ and clock > 2 * CUTOFF_HZ:
        return low_pass(poses, fps, clock).astype(np.float32)
    return resample(poses, fps, clock)
