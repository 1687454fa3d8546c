"""Find the frames in which a detector took left for right, and undo it.

In such frames, all pairs of joints (shoulders, elbows, wrists, hips, knees, ankles) jump to each other's places at
once, and back later. A dancer who turns moves them past each other instead, at a steady speed. Half the vector from the
left joint to the right one changes its sign in the first case, and passes smoothly through zero in the second. The
signs with which these vectors move most smoothly are found by the Viterbi algorithm, with a cost for each change of
sign and for each exchanged frame: of two explanations, the one with fewer exchanged frames is taken. Arms and legs may
be exchanged separately.
"""

import numpy as np

from learn2dance.motion.skeleton import JOINTS, mirror_order
from learn2dance.poses.formats.openpose_json import body_size

ARMS, LEGS = ("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Ankle")
FEET = ("Toe", "Heel")
TINY = 0.01  # body sizes: with less than this between the middle and the joints, a pair says nothing about sides
LARGEST = 0.2  # body sizes: a larger deviation from a smooth path counts as this, as it is an outlier
# The cost of a change, in body sizes of deviation, at 25 frames a second: `JITTER` for the detector's noise, and
# `ACCELERATION` for what fast arms do; the latter grows with the square of the time between frames.
JITTER, ACCELERATION = 0.1, 0.1
FRAME = 0.0015  # cost of an exchanged frame, in body sizes
PARTS = 1.2  # costs are this many times larger if only the arms or only the legs are exchanged


def undo_swaps(keypoints: np.ndarray, fps: float, min_confidence: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Exchange left and right where a detector has taken them for each other.

    ``keypoints`` (T, 15 or 25, 3) are one dancer's x, y in pixels and confidence, 0 where not detected, in the order of
    BODY_25. Joints with less than ``min_confidence`` do not count. Returns the key points, and bool (T,), true where
    arms, legs or both were exchanged.
    """
    arms, legs = find_swaps(keypoints[:, :15] * (keypoints[:, :15, 2:] >= np.float32(min_confidence)), fps).T
    swapped = arms | legs
    if not swapped.any():
        return keypoints, swapped
    names = JOINTS[keypoints.shape[1]]
    # Eyes and ears lie close together and follow the body, so they are exchanged only with all of it.
    part = [arms if name.endswith(ARMS) else legs if name.endswith((*LEGS, *FEET)) else arms & legs for name in names]
    exchange = np.stack(part, axis=1)[..., None]
    return np.where(exchange, keypoints[:, mirror_order(len(names))], keypoints), swapped


def find_swaps(keypoints: np.ndarray, fps: float) -> np.ndarray:
    """Find the frames in which left and right are exchanged: bool (T, 2), for the arms and for the legs.

    ``keypoints`` (T, 15, 3) are x, y in pixels and confidence, 0 where not detected, in the order of BODY_25.
    """
    result = np.zeros((len(keypoints), 2), bool)
    rows = np.flatnonzero((keypoints[..., 2] > 0).any(axis=1))
    if len(rows) < 2:
        return result
    cost = _costs(keypoints[rows], rows)
    change = JITTER + ACCELERATION * (25 / fps) ** 2
    # A change affects two rows: if neither gains half its cost by it, nothing is exchanged.
    if (cost[:, :, :1, :1] - cost).max(axis=(2, 3)).sum(axis=1).max() > change / 2:
        state = _viterbi(cost, np.array([0, PARTS, PARTS, 1]), change)
        result[rows] = np.stack([state & 1, state >> 1], axis=1)
    return result


def _costs(people: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return how far the pairs deviate from smooth paths: (n, 2, 2, 2), in body sizes.

    ``people`` (n, 15, 3) are the rows with a dancer and ``time`` (n,) their frames. The axes are the row, arms or legs,
    whether they are exchanged between the two rows before, and between the row before and this one. Smooth is a
    constant velocity. After a gap, deviations count less, by the square of its length.
    """
    right = [JOINTS[15].index("R" + name) for name in ARMS + LEGS]
    left = [JOINTS[15].index("L" + name) for name in ARMS + LEGS]
    size = np.median(body_size(people)) or 1.0  # 0 if hardly more than one joint was ever seen
    x, y, confidence = np.ascontiguousarray(people.T)  # (15, n) each: far faster to reduce over pairs
    half = np.stack([x[right] - x[left], y[right] - y[left]]) / 2 / size  # (2, pairs, n)
    seen = (confidence[right] > 0) & (confidence[left] > 0) & (np.hypot(*half) > TINY)
    half = np.pad(half * seen, ((0, 0), (0, 0), (2, 0)))  # two rows without anybody before the first
    seen = np.pad(seen, ((0, 0), (2, 0)))
    now, last, before = slice(2, None), slice(1, -1), slice(None, -2)
    step = np.diff(time, prepend=time[0] - 1)
    ratio = np.minimum(step[1:] / step[:-1], 1)  # to extrapolate over a long gap would be wrong
    ratio = np.append(1, ratio) * (seen[:, last] & seen[:, before])
    expected, older = half[..., last] * (1 + ratio), half[..., before] * -ratio
    weight = (seen[:, now] & seen[:, last]) / step**2
    cost = np.empty((len(people), 2, 2, 2))
    for first, a in enumerate((1, -1)):
        for second, b in enumerate((1, -1)):
            dx, dy = b * half[..., now] - expected - a * older
            off = np.minimum(np.sqrt(dx * dx + dy * dy), LARGEST) * weight
            cost[:, :, first, second] = off.reshape(2, len(ARMS), -1).sum(axis=1).T
    return cost


def _viterbi(cost: np.ndarray, share: np.ndarray, change: float) -> np.ndarray:
    """Return the cheapest state of each row, int64 (n,): bit 0 if the arms are exchanged, bit 1 if the legs are.

    ``cost`` (n, 2, 2, 2) is that of `_costs`, ``change`` that of a change; ``share`` (4,) is what each state costs
    relative to an exchange of both.
    """
    bits = np.arange(4)
    arms, legs = bits & 1, bits >> 1
    # (n, r, q): q is the change from the row before to this one, as bits; r the change before
    total = cost[:, 0][:, arms][:, :, arms] + cost[:, 1][:, legs][:, :, legs] + change * share
    total = total.transpose(0, 2, 1)  # (n, q, r)
    come_from = bits[:, None] ^ bits  # [state, q]: the state of the row before
    best = np.full((4, 4), np.inf)  # [state, q]
    best[:, 0] = FRAME * share
    choice = np.zeros((len(cost), 4, 4), np.int64)
    for row in range(1, len(cost)):
        candidates = best[come_from] + total[row]  # [state, q, r]
        choice[row] = candidates.argmin(axis=2)
        best = candidates.min(axis=2) + FRAME * share[:, None]
    state, q = divmod(int(best.argmin()), 4)
    result = np.empty(len(cost), np.int64)
    for row in range(len(cost) - 1, -1, -1):
        result[row] = state
        state, q = state ^ q, choice[row, state, q]
    return result
