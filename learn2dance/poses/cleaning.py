"""From one dancer's detections to clean joints: spikes out, short gaps filled, jitter smoothed, long gaps marked."""

import functools

import numpy as np

from learn2dance.poses.formats.openpose_json import body_size

VERSION = 1  # raised when the same detections come out as other poses: what was made before is then stale
CUTOFF = 5.0  # Hz: the smoother halves what swings this fast; see `smooth`
SPIKE = 0.04  # body sizes off its neighbours: jitter stays below …
ACCELERATION = 37.5  # … plus what a fast arm can do: body sizes a second squared (0.06 in a frame of 25 fps)
LONGEST_SPIKE = 2  # frames
BESIDE = 3  # sights on each side of a gap that tell how fast the joint went there


def clean(
    keypoints: np.ndarray, fps: float, min_confidence: float = 0.25, max_gap: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Clean the joints of one dancer.

    Parameters
    ----------
    keypoints : np.ndarray [shape=(T, J, 3)]
        x, y in pixels and confidence 0-1, 0 where not seen.
    fps : float
        Frames a second.
    min_confidence : float
        Joints below are taken as not seen.
    max_gap : float
        Seconds: gaps up to this are filled, longer ones are not, nor is what lies before the first sight of a joint
        and after the last.

    Returns
    -------
    poses : np.ndarray [shape=(T, J, 2), dtype=float32]
        Pixels; NaN where not known.
    filled : np.ndarray [shape=(T, J), dtype=bool]
        Where the position is interpolated, since the joint was not seen or was a spike.
    """
    frames, joints = keypoints.shape[:2]
    seen = (keypoints[..., 2] > 0) & (keypoints[..., 2] >= min_confidence)
    size = body_size(keypoints)
    scale = np.median(size[size > 0]) if size.any() else 1.0
    poses = np.full((frames, joints, 2), np.nan, np.float32)
    filled = np.zeros((frames, joints), bool)
    for joint, path in enumerate(np.ascontiguousarray(keypoints.transpose(1, 0, 2))):  # path: (T, 3)
        times = np.flatnonzero(seen[:, joint])
        times = times[~spikes(path[times, :2] / scale, times, fps)]
        if not len(times):
            continue
        known = np.zeros(frames, bool)
        known[times[0] : times[-1] + 1] = True
        for gap in np.flatnonzero(np.diff(times) - 1 > max_gap * fps + 1e-6):
            known[times[gap] + 1 : times[gap + 1]] = False
        poses[times[0] : times[-1] + 1, joint] = smooth(bridge(path[times, :2], times), fps)
        poses[~known, joint] = np.nan
        known[times] = False
        filled[:, joint] = known
    return poses, filled


def spikes(places: np.ndarray, times: np.ndarray, fps: float) -> np.ndarray:
    """Find sights of a joint, one or two in a row, that leap out of its path and back.

    Off its path is farther from the line between the sights before and after than jitter and a fast arm explain, and
    than those two are from each other.

    Parameters
    ----------
    places : np.ndarray [shape=(N, 2)]
        Where the joint was seen, in body sizes.
    times : np.ndarray [shape=(N,), dtype=int]
        In which frames, increasing.
    fps : float
        Frames a second.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=bool]
        True for the spikes.
    """
    found = []  # (how far beyond what is allowed, first, length)
    x = np.ascontiguousarray(places.T)  # (2, N)
    for length in range(1, min(LONGEST_SPIKE, len(times) - 2) + 1):
        before, after = slice(None, -length - 1), slice(length + 1, None)
        span = times[after] - times[before]
        across = x[:, after] - x[:, before]
        off = np.full(len(span), np.inf)
        for inside in range(1, length + 1):
            middle = slice(inside, len(times) - length - 1 + inside)
            part = (times[middle] - times[before]) / span
            away = x[:, middle] - x[:, before] - part * across
            off = np.minimum(off, away[0] ** 2 + away[1] ** 2)
        off = np.sqrt(off)
        allowed = SPIKE + ACCELERATION / fps**2 * (span - 1)
        returns = off > np.hypot(*across)  # who starts, stops or leaps for good is off the line, but not there and back
        out = np.flatnonzero((off > allowed) & returns & (span <= 2 * (length + 1)))  # over wide gaps no line holds
        found += [(off[i] / allowed[i], i + 1, length) for i in out]
    result = np.zeros(len(times), bool)
    doubtful = np.zeros(len(times), bool)  # beside a spike: off the line that the spike bends
    for _, first, length in sorted(found, reverse=True):
        if not doubtful[first : first + length].any():
            result[first : first + length] = True
            doubtful[max(first - LONGEST_SPIKE, 0) : first + length + LONGEST_SPIKE] = True
    return result


def bridge(places: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Fill the frames between sights of a joint by Hermite's cubics.

    At its ends a cubic goes halfway between as fast as the joint went beside the gap, which alone would overshoot where
    a move ends within the gap, and as fast as the straight line over it.

    Parameters
    ----------
    places : np.ndarray [shape=(N, 2)]
        Any unit.
    times : np.ndarray [shape=(N,), dtype=int]
        The frames of the sights, increasing.

    Returns
    -------
    np.ndarray [shape=(times[-1] - times[0] + 1, 2)]
        Every frame from the first sight to the last; the sights as they were.
    """
    every = np.arange(times[0], times[-1] + 1)
    missing = np.delete(every, times - times[0])
    if not len(missing):
        return places
    begin = np.searchsorted(times, missing) - 1  # the sights on both sides of each
    end = begin + 1
    first, last = np.maximum(begin - BESIDE, 0), np.minimum(end + BESIDE, len(times) - 1)
    steps, rise = times[end] - times[begin], places[end] - places[begin]
    bends = []  # how much farther than the straight line it would go over the gap, as fast as before it and after it
    for a, b in ((first, begin), (end, last)):
        pace = (steps / np.maximum(times[b] - times[a], 1))[:, None]
        bends.append(np.where((b > a)[:, None], (places[b] - places[a]) * pace - rise, 0))
    part = ((missing - times[begin]) / steps)[:, None]
    result = np.empty((len(every), 2))
    result[times - times[0]] = places
    result[missing - times[0]] = (
        places[begin] + part * rise + part * (1 - part) * ((1 - part) * bends[0] - part * bends[1]) / 2
    )
    return result


def smooth(places: np.ndarray, fps: float) -> np.ndarray:
    """Smooth a path without delay: what swings at f Hz comes out times 1 / (1 + (f / CUTOFF)^6).

    That is a third-order Butterworth filter run forth and back, the usual one for joints (Winter, "Biomechanics and
    Motor Control of Human Movement", on digital filtering of kinematic data), here as one symmetric convolution.
    Beyond its ends the path goes on as its own mirror image through the end point.

    Parameters
    ----------
    places : np.ndarray [shape=(T, 2)]
        Any unit.
    fps : float
        Frames a second.

    Returns
    -------
    np.ndarray [shape=(T, 2)]
        The smoothed path.
    """
    kernel = _kernel(fps)
    padded = np.pad(places, ((len(kernel) // 2,) * 2, (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(axis, kernel, mode="valid") for axis in padded.T], axis=1)


@functools.cache
def _kernel(fps: float) -> np.ndarray:
    """Return the smoother's impulse response over 0.6 s each way, where it has died away, with sum 1."""
    half = int(np.ceil(3 / CUTOFF * fps))
    frequency = np.fft.rfftfreq(16 * half, 1 / fps)
    response = np.fft.irfft(1 / (1 + (frequency / CUTOFF) ** 6), 16 * half)
    kernel = np.r_[response[-half:], response[: half + 1]]
    return kernel / kernel.sum()
