"""Clean one dancer's detections: remove spikes, fill short gaps, smooth jitter, and set long gaps to NaN."""

import functools

import numpy as np

from learn2dance.poses.formats.openpose_json import body_size

VERSION = 1  # raised when the same detections give other poses: files written before are then stale
CUTOFF = 5.0  # Hz: frequency at which the smoothing filter halves the amplitude; see `smooth`
SPIKE = 0.04  # body sizes: a spike is farther than this from the line between its neighbours; jitter is less …
ACCELERATION = 37.5  # … plus, for each frame, what a fast arm can do: body sizes / s² (0.06 body sizes at 25 fps)
LONGEST_SPIKE = 2  # observations in a row: most spikes last one or two frames
BESIDE = 3  # observations on each side of a gap from which the joint's velocity is estimated


def clean(
    keypoints: np.ndarray, fps: float, min_confidence: float = 0.25, max_gap: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Clean the joints of one dancer.

    Parameters
    ----------
    keypoints : np.ndarray [shape=(T, J, 3)]
        x, y in pixels and confidence 0-1, 0 where not detected.
    fps : float
        Frames a second.
    min_confidence : float
        Joints with less confidence count as not detected.
    max_gap : float
        Seconds: gaps up to this length are filled. Longer gaps are not, nor are frames before a joint's first
        observation and after its last.

    Returns
    -------
    poses : np.ndarray [shape=(T, J, 2), dtype=float32]
        Pixels; NaN where neither observed nor filled.
    filled : np.ndarray [shape=(T, J), dtype=bool]
        True where the position is interpolated because the joint was not detected or was a spike.
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
    """Find outliers among a joint's observations: one or two in a row that jump away from its path and back.

    They are farther from the line between the observations before and after than jitter and a fast arm explain, and
    farther than those two observations are from each other.

    Parameters
    ----------
    places : np.ndarray [shape=(N, 2)]
        Observed positions of the joint, in body sizes.
    times : np.ndarray [shape=(N,), dtype=int]
        Frames of the observations, increasing.
    fps : float
        Frames a second.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=bool]
        True for the spikes.
    """
    found = []  # (distance over allowed distance, first, length)
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
        returns = off > np.hypot(*across)  # false for a joint that starts, stops or jumps and stays there
        out = np.flatnonzero((off > allowed) & returns & (span <= 2 * (length + 1)))  # not across wide gaps
        found += [(off[i] / allowed[i], i + 1, length) for i in out]
    result = np.zeros(len(times), bool)
    doubtful = np.zeros(len(times), bool)  # near a spike, which displaces the line used for its neighbours
    for _, first, length in sorted(found, reverse=True):
        if not doubtful[first : first + length].any():
            result[first : first + length] = True
            doubtful[max(first - LONGEST_SPIKE, 0) : first + length + LONGEST_SPIKE] = True
    return result


def bridge(places: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Fill the frames between observations of a joint with cubic Hermite interpolation.

    The velocity at each end of a gap is the mean of the joint's velocity beside the gap and the velocity of the
    straight line across it. The first alone would overshoot if the movement ended within the gap.

    Parameters
    ----------
    places : np.ndarray [shape=(N, 2)]
        Any unit.
    times : np.ndarray [shape=(N,), dtype=int]
        Frames of the observations, increasing.

    Returns
    -------
    np.ndarray [shape=(times[-1] - times[0] + 1, 2)]
        Every frame from the first observation to the last; the observations are unchanged.
    """
    every = np.arange(times[0], times[-1] + 1)
    missing = np.delete(every, times - times[0])
    if not len(missing):
        return places
    begin = np.searchsorted(times, missing) - 1  # the observations before and after each missing frame
    end = begin + 1
    first, last = np.maximum(begin - BESIDE, 0), np.minimum(end + BESIDE, len(times) - 1)
    steps, rise = times[end] - times[begin], places[end] - places[begin]
    bends = []  # displacement over the gap at the velocity before and after it, minus that of the straight line
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
    """Low-pass filter a path without delay: the gain at f Hz is 1 / (1 + (f / CUTOFF)^6).

    This equals a third-order Butterworth filter run forwards and backwards, the usual one for joints (Winter,
    "Biomechanics and Motor Control of Human Movement", on digital filtering of kinematic data), here as one symmetric
    convolution. At both ends the path is extended by point reflection about the end point.

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
    """Return the filter's impulse response, cut at 0.6 s on each side, where it has decayed; its sum is 1."""
    half = int(np.ceil(3 / CUTOFF * fps))
    frequency = np.fft.rfftfreq(16 * half, 1 / fps)
    response = np.fft.irfft(1 / (1 + (frequency / CUTOFF) ** 6), 16 * half)
    kernel = np.r_[response[-half:], response[: half + 1]]
    return kernel / kernel.sum()
