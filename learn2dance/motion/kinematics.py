"""Motion over time: resampling, low-pass filtering, speed."""

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from learn2dance.motion.skeleton import MOVING

METRIC_FPS = 25.0  # frames per second at which motion is measured
CUTOFF_HZ = 6.0  # Hz: cutoff of the low-pass filter
DRIFT = 1.0  # seconds: standard deviation of the Gaussian mean that counts as drift; of a 2 s bar rhythm it takes < 1%


def low_pass(poses: np.ndarray, fps: float, to: float = METRIC_FPS) -> np.ndarray:
    """Low-pass normalised poses without lag, and resample them.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Torso lengths, y up; NaN where missing.
    fps : float
        Above twice `CUTOFF_HZ`.
    to : float
        Frames per second of the result.

    Returns
    -------
    np.ndarray [shape=(T', J, 2), dtype=float64]
        Frame t at t / to seconds. If a joint is missing, all joints of the frame are NaN, so that motion is never
        measured on interpolated joints.

    Raises
    ------
    ValueError
        If fps is not above twice `CUTOFF_HZ`.
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
    """Return the speed of each joint from frame to frame of `low_pass` motion: (T - 1, J) torso lengths per second."""
    return np.linalg.norm(np.diff(motion, axis=0), axis=-1) * METRIC_FPS


def body_speed(motion: np.ndarray) -> np.ndarray:
    """Return the mean speed of the joints of `low_pass` motion (T, 15, 2), without MidHip; NaN where missing.

    Returns
    -------
    np.ndarray [shape=(T - 1,)]
        Torso lengths per second; element t at (t + 1/2) / `METRIC_FPS` seconds.
    """
    return speed(motion)[:, MOVING].mean(1)


def speed_times(count: int) -> np.ndarray:
    """Return the times in seconds (count,) of the elements of `body_speed`."""
    return (np.arange(count) + 0.5) / METRIC_FPS


def detrended_speed(moved: np.ndarray) -> np.ndarray:
    """Subtract the slow drift, a Gaussian mean of standard deviation `DRIFT`, from `body_speed`; NaN stays NaN."""
    known = np.isfinite(moved)
    weight = gaussian_filter1d(known.astype(float), DRIFT * METRIC_FPS, mode="nearest")
    total = gaussian_filter1d(np.where(known, moved, 0), DRIFT * METRIC_FPS, mode="nearest")
    return moved - np.divide(total, weight, out=np.full(len(moved), np.nan), where=known)


def steps(poses: np.ndarray) -> np.ndarray:
    """Return the displacement of the fastest joint between frames of poses (T, J, 2): (T - 1,), NaN where missing."""
    return np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(1)


def limit_speed(poses: np.ndarray, most: float) -> np.ndarray:
    """Limit the displacement of the fastest joint to ``most`` per frame: fast passages start earlier and end later.

    The overlap-add of two windows can be faster than any dancer. The path of the poses is kept and only its timing
    changes: the path length (the sum of `steps`) is traversed with no step above ``most``, once as early and once as
    late as possible. The mean of the two timings is used, so that motion on a beat stays on it.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Frames at a constant rate.
    most : float
        In the unit of the poses.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        The input itself if no step is above ``most``.
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
    """Resample poses to another frame rate by linear interpolation.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Any unit; NaN where missing.
    fps, to : float
        Frames per second of the poses, and of the result.

    Returns
    -------
    np.ndarray [shape=(round(T * to / fps), J, 2)]
        At least one frame, frame t at t / to seconds; NaN where either neighbouring frame is missing.
    """
    if fps == to:
        return poses
    at = np.arange(max(1, round(len(poses) * to / fps))) * (fps / to)
    at = np.minimum(np.round(at, 9), len(poses) - 1)  # rounded, so that exact hits are not mixed with the next frame
    before = np.floor(at).astype(int)
    after = np.ceil(at).astype(int)
    part = (at - before)[:, None, None].astype(poses.dtype)
    return poses[before] * (1 - part) + poses[after] * part


def to_frame_rate(poses: np.ndarray, fps: float, clock: float) -> np.ndarray:
    """Resample poses (T, J, 2) to ``clock`` frames per second, low-passed if both rates are above 2 x `CUTOFF_HZ`."""
    if fps > 2 * CUTOFF_HZ and clock > 2 * CUTOFF_HZ:
        return low_pass(poses, fps, clock).astype(np.float32)
    return resample(poses, fps, clock)
