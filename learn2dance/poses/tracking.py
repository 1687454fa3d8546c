"""Track one dancer through a clip in which other people may appear.

Detections of consecutive frames are first joined to tracklets where the match is unambiguous. The dancer is the best
chain of tracklets over the whole clip, found by dynamic programming as in tracking by detection (the Viterbi algorithm
over tracklets). Large, confident and long tracklets score high; jumps between them have a cost.
"""

import itertools

import numpy as np

from learn2dance.poses.formats.openpose_json import BODY, body_size

MAX_PEOPLE = 8  # people considered in a frame: those with the largest product of size and mean confidence
MAX_SPEED = 5.0  # body sizes a second: upper limit of a dancer's speed, averaged over joints
FREE_SPEED = 2.0  # body sizes a second that a dancer may move between tracklets at no cost
JUMP_COST = 3.0  # cost of a jump of one body size or more, in seconds of typical detections


def track_dancer(people: np.ndarray, frame: np.ndarray, fps: float) -> np.ndarray:
    """Select the dancer in every frame by size, confidence and continuity over the whole clip.

    ``people`` (N, J, 3) holds x, y in pixels and confidence, 0 where not detected, with joints in the order of BODY_25.
    ``frame`` (N,) is the frame of each person, non-decreasing. Returns the rows that are the dancer, int64, at most one
    a frame, in order of frames.
    """
    size = body_size(people)
    score = size * people[:, :BODY, 2].mean(axis=1)
    order = np.lexsort((-score, frame))  # by frame, then by falling score
    rank = np.arange(len(order)) - np.searchsorted(frame[order], frame[order])  # 0 for a frame's highest score
    rows = order[(rank < MAX_PEOPLE) & (score[order] > 0)]
    if not len(rows):
        return rows
    people, frame, size, score = people[rows, :BODY], frame[rows], size[rows], score[rows]
    score = score / np.median(score[np.diff(frame, prepend=-1) > 0])  # a frame's first row has its highest score
    tracklet = _tracklets(people, frame, size, max(0.1, MAX_SPEED / fps))
    return rows[np.isin(tracklet, _best_chain(people, frame, size, score, tracklet, fps))]


def _tracklets(people: np.ndarray, frame: np.ndarray, size: np.ndarray, reach: float) -> np.ndarray:
    """Return the number of the tracklet of each row, int64 (N,); rows are sorted by frame.

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

    nearest_two, nearest_one = np.full((2, len(frame)), np.inf)
    np.minimum.at(nearest_two, one, distance)
    np.minimum.at(nearest_one, two, distance)
    same = (distance == nearest_two[one]) & (distance == nearest_one[two]) & (distance < reach)
    before = np.full(len(frame), -1)
    before[two[same]] = one[same]
    tracklet: list[int] = []
    unused, continued = itertools.count(), {-1}  # of duplicate detections, only one continues the tracklet
    for previous in before.tolist():
        tracklet.append(next(unused) if previous in continued else tracklet[previous])
        continued.add(previous)
    return np.array(tracklet)


def _best_chain(
    people: np.ndarray, frame: np.ndarray, size: np.ndarray, score: np.ndarray, tracklet: np.ndarray, fps: float
) -> list[int]:
    """Return the tracklets of the chain with the highest score minus the cost of its jumps.

    A jump is the distance between the bodies' centres plus the change of size (both in body sizes), minus the distance
    that can be walked in between. A dancer who was lost briefly reappears nearby; a bystander is somewhere else.
    """
    order = np.argsort(tracklet, kind="stable")
    starts = np.flatnonzero(np.diff(tracklet[order], prepend=-1) > 0)
    first, last = (
        order[starts],
        order[np.r_[starts[1:], len(order)] - 1],
    )  # rows of each tracklet's first and last person
    seen = people[..., 2:] > 0
    centre = (people[..., :2] * seen).sum(axis=1) / seen.sum(axis=1)  # (N, 2), of the detected joints
    best, previous = np.add.reduceat(score[order], starts), np.full(len(starts), -1)
    for now in np.argsort(frame[first], kind="stable"):
        earlier = np.flatnonzero(frame[last] < frame[first[now]])
        if not len(earlier):
            continue
        begin, ends = first[now], last[earlier]
        distance = np.linalg.norm(centre[begin] - centre[ends], axis=-1) + np.abs(size[begin] - size[ends])
        free = 0.1 + FREE_SPEED * (frame[begin] - frame[ends]) / fps
        jump = np.clip(distance / np.maximum(size[begin], size[ends]) - free, 0, 1)
        gain = best[earlier] - JUMP_COST * fps * jump
        if gain.max() > 0:
            best[now] += gain.max()
            previous[now] = earlier[gain.argmax()]
    chain = [int(best.argmax())]
    while previous[chain[-1]] >= 0:
        chain.append(previous[chain[-1]])
    return chain
