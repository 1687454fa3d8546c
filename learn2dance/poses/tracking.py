"""Track one dancer through a clip in which other people may appear.

Detections of consecutive frames are first joined to tracklets where the match is unambiguous. The dancer is the best
chain of tracklets over the whole clip, found by dynamic programming as in tracking by detection (the Viterbi algorithm
over tracklets). Large, confident and long tracklets score high; jumps between them have a cost.
"""

import numpy as np

from learn2dance.poses.formats.openpose_json import BODY, body_size

CROWD = 8  # people considered in a frame: those with the largest product of size and mean confidence
FASTEST = 5.0  # body sizes a second: upper limit of a dancer's speed, averaged over joints
STROLL = 2.0  # body sizes a second that a dancer may move between tracklets at no cost
LEAP = 3.0  # cost of a jump of one body size or more, in seconds of typical detections


def follow(people: np.ndarray, frame: np.ndarray, fps: float) -> np.ndarray:
    """Select the dancer in every frame by size, confidence and continuity over the whole clip.

    Parameters
    ----------
    people : np.ndarray [shape=(N, J, 3)]
        Everybody in the clip: x, y in pixels and confidence, 0 where not detected; joints in the order of BODY_25.
    frame : np.ndarray [shape=(N,), dtype=int64]
        Frame of each person, non-decreasing.
    fps : float
        Frames a second.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int64]
        Rows of ``people`` that are the dancer, at most one a frame, in order of frames.
    """
    size = body_size(people)
    worth = size * people[:, :BODY, 2].mean(axis=1)
    rows = _foremost(frame, worth)
    if not len(rows):
        return rows
    people, frame, size, worth = people[rows, :BODY], frame[rows], size[rows], worth[rows]
    worth = worth / np.median(worth[np.r_[True, np.diff(frame) > 0]])  # a frame's first row has its highest score

    label = _tracklets(people, frame, size, max(0.1, FASTEST / fps))
    order = np.argsort(label, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(label[order]) > 0])
    last = np.r_[first[1:], len(order)] - 1
    chain = _best_chain(people, frame, size, order[first], order[last], np.add.reduceat(worth[order], first), fps)
    return rows[np.isin(label, chain)]


def _foremost(frame: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Return the rows with the `CROWD` highest scores of each frame, sorted by frame, then by falling score."""
    order = np.lexsort((-worth, frame))
    starts = np.flatnonzero(np.r_[True, np.diff(frame[order]) > 0]) if len(order) else order
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return order[(rank < CROWD) & (worth[order] > 0)]


def _tracklets(people: np.ndarray, frame: np.ndarray, size: np.ndarray, reach: float) -> np.ndarray:
    """Label rows (sorted by frame) so that one person in consecutive frames has one label; return int64 (N,).

    Two people in consecutive frames are the same if each is the other's nearest, by the mean distance of the joints
    detected in both, and nearer than ``reach`` body sizes.
    """
    after, until = np.searchsorted(frame, frame + 1), np.searchsorted(frame, frame + 2)
    one = np.repeat(np.arange(len(frame)), until - after)  # all pairs (one, two) of people in consecutive frames
    two = np.arange(len(one)) - np.repeat(np.cumsum(until - after) - until, until - after)
    x, y, confidence = np.ascontiguousarray(people.T)  # (J, N) each
    both = (confidence[:, one] > 0) & (confidence[:, two] > 0)
    total = (np.hypot(x[:, one] - x[:, two], y[:, one] - y[:, two]) * both).sum(axis=0)
    count = both.sum(axis=0)
    distance = np.where(count > 0, total / np.maximum(count, 1) / np.maximum(size[one], size[two]), np.inf)

    nearest_two, nearest_one = np.full(len(frame), np.inf), np.full(len(frame), np.inf)
    np.minimum.at(nearest_two, one, distance)
    np.minimum.at(nearest_one, two, distance)
    same = (distance == nearest_two[one]) & (distance == nearest_one[two]) & (distance < reach)
    before = np.full(len(frame), -1)
    before[two[same]] = one[same]
    taken = np.unique(before, return_index=True)[1]  # of duplicate detections, only one continues the tracklet
    alone = np.setdiff1d(np.arange(len(frame)), taken, assume_unique=True)
    before[alone] = -1

    label: list[int] = []
    fresh = 0
    for previous in before.tolist():
        label.append(label[previous] if previous >= 0 else fresh)
        fresh += previous < 0
    return np.array(label)


def _best_chain(
    people: np.ndarray,
    frame: np.ndarray,
    size: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    worth: np.ndarray,
    fps: float,
) -> list[int]:
    """Return the labels of the tracklets in the chain with the highest score minus the cost of its jumps.

    A jump is the distance between the bodies' centres plus the change of size (both in body sizes), minus the distance
    that can be walked in between. A dancer who was lost briefly reappears nearby; a bystander is somewhere else.
    """
    begin, end = frame[first], frame[last]
    size_first, size_last = size[first], size[last]
    centre_first, centre_last = _centre(people[first]), _centre(people[last])
    best, previous = worth.copy(), np.full(len(first), -1)
    for now in np.argsort(begin, kind="stable"):
        earlier = np.flatnonzero(end < begin[now])
        if not len(earlier):
            continue
        scale = np.maximum(size_first[now], size_last[earlier])
        way = np.linalg.norm(centre_first[now] - centre_last[earlier], axis=-1)
        way = (way + np.abs(size_first[now] - size_last[earlier])) / scale
        walked = 0.1 + STROLL * (begin[now] - end[earlier]) / fps
        gain = best[earlier] - LEAP * fps * np.clip(way - walked, 0, 1)
        if gain.max() > 0:
            best[now] += gain.max()
            previous[now] = earlier[gain.argmax()]
    chain, now = [], int(best.argmax())
    while now >= 0:
        chain.append(now)
        now = previous[now]
    return chain


def _centre(people: np.ndarray) -> np.ndarray:
    """Return the mean position (N, 2) of the detected joints."""
    seen = people[..., 2:] > 0
    return (people[..., :2] * seen).sum(axis=1) / seen.sum(axis=1)
