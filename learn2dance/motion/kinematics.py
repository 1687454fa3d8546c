"""Motion over time: resampling, low-pass filtering, speed."""

import numpy as np
from scipy.interpolate import make_interp_spline

from learn2dance.motion.skeleton import MOVING, gaussian_mean

METRIC_FPS = 25.0  # frames per second at which motion is measured
CUTOFF_HZ = 6.0  # Hz: cutoff of the low-pass filter
TREND = 1.0  # seconds: deviation of the Gaussian mean that detrending subtracts; it keeps 99% of a 2 s bar rhythm


def low_pass(poses: np.ndarray, fps: float, to: float = METRIC_FPS) -> np.ndarray:
    """Low-pass normalised poses (T, J, 2) without lag, and resample them to ``to`` frames per second: float64.

    Frame t is at t / to seconds. If a joint is missing, all joints of the frame are NaN, so that motion is never
    measured on interpolated joints. Raises a ValueError if ``fps`` is not above twice `CUTOFF_HZ`.
    """
    from scipy.signal import butter, sosfiltfilt  # takes 1 s

    if fps <= 2 * CUTOFF_HZ:
        raise ValueError(f"{fps} frames a second do not hold motion up to {CUTOFF_HZ} Hz; record at 25 or more")
    times, flat = np.arange(len(poses)) / fps, poses.reshape(len(poses), -1).astype(np.float64)
    missing = np.isnan(flat).any(1)
    new_times = np.arange(int(np.floor((len(poses) - 1) / fps * to + 1e-9)) + 1) / to
    if (~missing).sum() < 2 or len(poses) < 4:
        return np.full((len(new_times), *poses.shape[1:]), np.nan)
    if missing.any():
        flat = np.stack([np.interp(times, times[~missing], column[~missing]) for column in flat.T], axis=1)
    sections = butter(4, CUTOFF_HZ, fs=fps, output="sos")
    flat = sosfiltfilt(sections, flat, axis=0, padlen=min(len(flat) - 1, int(fps)))
    motion = make_interp_spline(times, flat, k=3)(new_times)
    motion[np.interp(new_times, times, missing) > 0] = np.nan
    return motion.reshape(-1, *poses.shape[1:])


def speed(motion: np.ndarray) -> np.ndarray:
    """Return the speed of each joint from frame to frame of `low_pass` motion: (T - 1, J) torso lengths per second."""
    return np.linalg.norm(np.diff(motion, axis=0), axis=-1) * METRIC_FPS


def body_speed(motion: np.ndarray) -> np.ndarray:
    """Return the mean `speed` (T - 1,) of all joints but MidHip in `low_pass` motion (T, 15, 2); NaN where missing."""
    return speed(motion)[:, MOVING].mean(1)


def speed_times(count: int) -> np.ndarray:
    """Return the times in seconds (count,) of the elements of `body_speed`: element t at (t + 1/2) / `METRIC_FPS`."""
    return (np.arange(count) + 0.5) / METRIC_FPS


def detrended_speed(body: np.ndarray) -> np.ndarray:
    """Subtract the slow drift, a Gaussian mean of standard deviation `TREND`, from `body_speed`; NaN stays NaN."""
    return body - gaussian_mean(body, TREND * METRIC_FPS)


def steps(poses: np.ndarray) -> np.ndarray:
    """Return the displacement of the fastest joint between frames of poses (T, J, 2): (T - 1,), NaN where missing."""
    return np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(1)


def limit_speed(poses: np.ndarray, most: float, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limit the displacement of the fastest joint to ``most`` per frame: fast passages start earlier and end later.

    The overlap-add of two windows can be faster than any dancer. The sequence of poses is kept and only its timing
    changes: its length (the sum of `steps`) is traversed with no step above ``most``, once as early and once as late as
    possible. The mean of the two timings is used, so that motion on a beat stays on it.

    Returns the root-centred poses, float32 (T, J, 2), and the `travel` path (T, 3) with the same timing; or the inputs
    themselves if no step is above ``most``.
    """
    way = np.concatenate([[0.0], np.cumsum(steps(poses), dtype=np.float64)])
    if len(poses) < 2 or np.diff(way).max() <= most:
        return poses, path
    frames = np.arange(len(way))
    slack = way - frames * most
    late = np.minimum.accumulate(slack) + frames * most
    early = np.maximum.accumulate(slack[::-1])[::-1] + frames * most
    at = np.interp((late + early) / 2, way, frames)
    return tuple(_at_frames(part.astype(np.float64), at).astype(np.float32) for part in (poses, path))


def resample(poses: np.ndarray, fps: float, to: float) -> np.ndarray:
    """Resample poses (T, J, 2) from ``fps`` to ``to`` frames per second by linear interpolation.

    Frame t of the result, which has at least one, is at t / to seconds; NaN where either neighbouring frame is missing.
    """
    if fps == to:
        return poses
    at = np.arange(max(1, round(len(poses) * to / fps))) * (fps / to)
    return _at_frames(poses, np.round(at, 9))  # rounded, so that exact hits are not mixed with the next frame


def _at_frames(poses: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate poses (T, …) linearly at frame numbers, which may have fractions; hold the last frame."""
    at = np.minimum(at, len(poses) - 1)
    before, after = np.floor(at).astype(int), np.ceil(at).astype(int)
    part = (at - before).reshape(-1, *[1] * (poses.ndim - 1)).astype(poses.dtype)
    return poses[before] * (1 - part) + poses[after] * part


def fill_gaps(values: np.ndarray) -> np.ndarray:
    """Fill gaps (NaN) of each column of values (T, D) linearly in time; hold the first and last; 0 if there is none."""
    filled, frames = values.copy(), np.arange(len(values))
    for column in filled.T:
        known = np.isfinite(column)
        column[~known] = np.interp(frames[~known], frames[known], column[known]) if known.any() else 0
    return filled


def fade(error: np.ndarray, frames: float) -> np.ndarray:
    """Fill gaps (NaN) of an error (…, T, D): beside each known value it falls to 0 in so many frames, or to the next.

    Added to a prediction of what is missing, it makes the prediction continue what is known without a jump.
    """
    index = np.arange(error.shape[-2])[:, None]
    known = np.isfinite(error)
    before = np.maximum.accumulate(np.where(known, index, -1), axis=-2)
    after = np.minimum.accumulate(np.where(known, index, len(index))[..., ::-1, :], axis=-2)[..., ::-1, :]
    reach = np.where((before < 0) | (after == len(index)), frames, np.minimum(after - before, frames)).clip(min=1)
    filled = np.zeros_like(error)
    for nearest, inside in ((before, before >= 0), (after, after < len(index))):
        value = np.take_along_axis(error, nearest.clip(0, len(index) - 1), axis=-2)
        weight = (1 - np.abs(index - nearest) / reach).clip(min=0)
        filled += np.where(inside, value, 0) * weight
    return np.where(known, error, filled)
