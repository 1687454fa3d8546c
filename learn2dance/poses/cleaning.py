"""Clean one dancer's detections: remove outliers, fill short gaps, smooth jitter, and set long gaps to NaN."""

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from learn2dance.poses import smoothing
from learn2dance.poses.formats.openpose_json import body_size

VERSION = 2  # raised when the same detections give other poses: files written before are then out of date
JITTER = 0.04  # body sizes: an outlier is farther than this from the line between its neighbours …
ACCELERATION = 37.5  # … plus, for each frame, what a fast arm can do: body sizes / s² (0.06 body sizes at 25 fps)
LONGEST_OUTLIER = 2  # observations in a row: most outliers last one or two frames
VELOCITY_SPAN = 3  # observations on each side of a gap from which the joint's velocity is estimated


def clean(
    keypoints: np.ndarray, fps: float, min_confidence: float = 0.25, max_gap: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Clean the key points (T, J, 3) of one dancer: x, y in pixels and confidence 0-1, 0 where not detected.

    Joints with less than ``min_confidence`` count as not detected. Gaps between two observations of a joint are filled
    if they last up to ``max_gap`` seconds.

    Returns the poses, float32 (T, J, 2) in pixels, NaN where neither observed nor filled; and bool (T, J), true where
    the position is interpolated because the joint was not detected or was an outlier.
    """
    seen = (keypoints[..., 2] > 0) & (keypoints[..., 2] >= min_confidence)
    size = body_size(keypoints)
    scale = np.median(size[size > 0]) if size.any() else 1.0
    frames, joints = seen.shape
    paths = np.zeros((frames, joints, 2))  # body sizes; without gaps
    observed, known = np.zeros((2, frames, joints), bool)
    for joint, path in enumerate(np.ascontiguousarray(keypoints.transpose(1, 0, 2))):  # path: (T, 3)
        times = np.flatnonzero(seen[:, joint])
        times = times[~find_outliers(path[times, :2] / scale, times, fps)]
        if not len(times):
            continue
        around = (times[0], frames - 1 - times[-1])
        paths[:, joint] = np.pad(fill_gaps(path[times, :2] / scale, times), (around, (0, 0)), "edge")
        observed[times, joint] = True
        known[times[0] : times[-1] + 1, joint] = True
        for before in np.flatnonzero(np.diff(times) - 1 > max_gap * fps + 1e-6):
            known[times[before] + 1 : times[before + 1], joint] = False
    poses = np.full((frames, joints, 2), np.nan, np.float32)
    if (found := observed.any(axis=0)).any():
        confidence = np.where(observed, keypoints[..., 2], 0)
        smooth = smoothing.smooth(paths[:, found], confidence[:, found], fps) * scale
        poses[:, found] = np.where(known[:, found, None], smooth, np.nan)
    return poses, known & ~observed


def find_outliers(positions: np.ndarray, times: np.ndarray, fps: float) -> np.ndarray:
    """Find one or two observations in a row that jump away from a joint's path and back; return bool (N,).

    They are farther from the line between the observations before and after than jitter and a fast arm explain, and
    farther than those two observations are from each other. ``positions`` (N, 2) are in body sizes; ``times`` (N,) are
    their frames, increasing.
    """
    found = []  # (distance over allowed distance, first, length)
    axes = np.ascontiguousarray(positions.T)  # (2, N)
    for length in range(1, min(LONGEST_OUTLIER, len(times) - 2) + 1):
        before, after = slice(None, -length - 1), slice(length + 1, None)
        span = times[after] - times[before]
        line = axes[:, after] - axes[:, before]
        distance = np.full(len(span), np.inf)
        for middle in (slice(step, step - length - 1) for step in range(1, length + 1)):
            part = (times[middle] - times[before]) / span
            offset = axes[:, middle] - axes[:, before] - part * line
            distance = np.minimum(distance, np.sqrt((offset**2).sum(axis=0)))
        allowed = JITTER + ACCELERATION / fps**2 * (span - 1)
        returns = distance > np.hypot(*line)  # false for a joint that starts, stops or jumps and stays there
        far = np.flatnonzero((distance > allowed) & returns & (span <= 2 * (length + 1)))  # not across wide gaps
        found += [(distance[i] / allowed[i], i + 1, length) for i in far]
    outlier = np.zeros(len(times), bool)
    doubtful = np.zeros(len(times), bool)  # near an outlier, which displaces the line used for its neighbours
    for _, first, length in sorted(found, reverse=True):
        if not doubtful[first : first + length].any():
            outlier[first : first + length] = True
            doubtful[max(first - LONGEST_OUTLIER, 0) : first + length + LONGEST_OUTLIER] = True
    return outlier


def fill_gaps(positions: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Fill the frames between a joint's observations (N, 2) by cubic Hermite interpolation.

    The velocity at each end of a gap is the mean of the joint's velocity beside the gap and the velocity of the
    straight line across it. The first alone would overshoot if the movement ended within the gap. ``times`` (N,) are
    the frames of the observations, increasing. Returns all frames from ``times[0]`` to ``times[-1]``.
    """
    start = np.flatnonzero(np.diff(times) > 1)  # the last observation before each gap
    if not len(start):
        return positions
    end = start + 1

    def velocity(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return (positions[last] - positions[first]) / np.maximum(times[last] - times[first], 1)[:, None]

    across = velocity(start, end)
    sides = (np.maximum(start - VELOCITY_SPAN, 0), start), (end, np.minimum(end + VELOCITY_SPAN, len(times) - 1))
    slopes = [np.where((b > a)[:, None], (across + velocity(a, b)) / 2, across) for a, b in sides]
    # The velocities on the two sides of an observation differ, so each gap has two knots of its own. Each gap is
    # shifted by one frame more than the gap before it, so that no two knots are at the same time.
    knots = np.stack([start, end], axis=1).ravel()
    shift = np.arange(len(start))
    slopes = np.stack(slopes, axis=1).reshape(-1, 2)
    spline = CubicHermiteSpline(times[knots] + np.repeat(shift, 2), positions[knots], slopes)
    frames = np.arange(times[0], times[-1] + 1)
    missing = np.delete(frames, times - times[0])
    result = np.empty((len(frames), 2))
    result[times - times[0]] = positions
    result[missing - times[0]] = spline(missing + np.repeat(shift, times[end] - times[start] - 1))
    return result
