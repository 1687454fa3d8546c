"""Track one dancer through a clip in which other people may appear.

Detections of consecutive frames are first joined to tracklets where the match is unambiguous, and tracklets to longer
ones across gaps in which somebody was not detected. The dancer is the best chain of tracklets over the whole clip,
found by dynamic programming as in tracking by detection (the Viterbi algorithm over tracklets). Large, confident, long
and moving tracklets score high; jumps between them have a cost.
"""

import itertools
from typing import NamedTuple

import numpy as np

from learn2dance.poses.formats.openpose_json import BODY, body_size

MAX_PEOPLE = 8  # people considered in a frame: those with the largest product of size and mean confidence
MAX_SPEED = 5.0  # body sizes a second: upper limit of a dancer's speed, averaged over joints
FREE_SPEED = 2.0  # body sizes a second that a dancer may move between tracklets at no cost
JUMP_COST = 3.0  # cost of a jump of one body size or more, in seconds of typical detections
NEAR = 0.1  # body sizes: two tracklets this near to each other are joined; after a gap, up to FAR …
FAR = 0.5  # body sizes
LONGEST_GAP = 2.0  # seconds: across longer gaps, tracklets are not joined
GAP_COST = 0.5  # body sizes: a gap of one second counts as much as this distance when tracklets are joined
ACTIVE = 0.05  # body sizes: typical spread of joints within a second of dance (ballroom: limbs 0.043, body 0.060)
STILL = 0.2  # weight of somebody who does not move at all; of a dancer, 1
NEARLY = 0.5  # of the highest score: another person with this much may be the dancer as well
TWICE = 0.03  # body sizes, mean over joints: two people of a frame this near to each other are one, detected twice


class Person(NamedTuple):
    """One person of a clip."""

    rows: np.ndarray  # int64 (n,): indices of the person's detections, at most one a frame, in order of frames
    score: float  # likelihood of being the dancer, relative to the other people of the clip


def rank_people(people: np.ndarray, frame: np.ndarray, fps: float, count: int = 1) -> list[Person]:
    """Return up to ``count`` people by falling likelihood of being the dancer.

    They are judged by size, confidence, movement and continuity over the whole clip. ``people`` (N, J, 3) holds x, y in
    pixels and confidence, 0 where not detected, with joints in the order of BODY_25. ``frame`` (N,) is the frame of
    each person, non-decreasing. Of a person detected twice in a frame, the larger and more confident one counts.
    """
    size = body_size(people)
    score = size * people[:, :BODY, 2].mean(axis=1)
    order = np.lexsort((-score, frame))  # by frame, then by falling score
    rank = np.arange(len(order)) - np.searchsorted(frame[order], frame[order])  # 0 for a frame's highest score
    rows = order[(rank < MAX_PEOPLE) & (score[order] > 0)]
    rows = rows[~_detected_twice(people[rows, :BODY], frame[rows], size[rows])]
    if not len(rows):
        return []
    people, frame, size, score = people[rows, :BODY], frame[rows], size[rows], score[rows]
    tracklet = _tracklets(people, frame, size, max(0.1, MAX_SPEED / fps))
    score = score * np.maximum(STILL, activity(people, size, tracklet, fps))
    score = score / np.median(np.maximum.reduceat(score, np.flatnonzero(np.diff(frame, prepend=-1))))
    tracklet = _join(people, frame, size, tracklet, fps)

    found: list[Person] = []
    left = np.arange(len(rows))  # rows that are none of the people found
    while len(left) and len(found) < count:
        chain, total = _best_chain(people[left], frame[left], size[left], score[left], tracklet[left], fps)
        mine = np.isin(tracklet[left], chain)
        found.append(Person(rows[left[mine]], total))
        left = left[~mine]
    return found


def describe(ranked: list[Person], chosen: int, people: np.ndarray, frames: int) -> str:
    """Say who was followed if that is in doubt: if another number than 1 was chosen, or another person is as likely.

    ``ranked`` are the people that `rank_people` found among ``people``, most likely first; ``chosen`` is the number of
    the dancer, counted from 1; ``frames`` is the number of frames of the clip. Returns "" if there is no doubt.
    """
    if chosen == 1 and (len(ranked) == 1 or ranked[1].score < NEARLY * ranked[0].score):
        return ""
    places = []
    for number in (chosen, 2 if chosen == 1 else 1):
        rows = ranked[number - 1].rows
        x, y = np.median(people[rows, :BODY, :2][people[rows, :BODY, 2] > 0], axis=0)
        places.append(f"person {number} around x {x:.0f}, y {y:.0f} in {len(rows) / frames:.0%} of the frames")
    return f"followed {places[0]}, not {places[1]}" + (", nearly as likely: --person 2?" if chosen == 1 else "")


def _detected_twice(people: np.ndarray, frame: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return which rows (N,) are a second detection of a person in a row before, in the same frame."""
    twice = np.zeros(len(frame), bool)
    for step in range(1, MAX_PEOPLE):
        two = step + np.flatnonzero(frame[step:] == frame[:-step])
        if not len(two):
            break
        twice[two] |= ~twice[two - step] & (_distance(people, size, two - step, two) < TWICE)
    return twice


def activity(people: np.ndarray, size: np.ndarray, tracklet: np.ndarray, fps: float) -> np.ndarray:
    """Measure how much each person moves: (N,), 0 for a statue, 1 for a dancer.

    This is the spread of the joints within each second of a tracklet: the mean of the movement of the whole body and of
    the joints relative to it, each as a standard deviation over `ACTIVE`, at most 1. Both count, as the picture of
    somebody who stands still moves as a whole if the camera moves. ``people`` (N, 15, 3), their ``size`` (N,) in pixels
    and their ``tracklet`` (N,) are sorted by frame.
    """
    order = np.argsort(tracklet, kind="stable")
    first = np.flatnonzero(np.diff(tracklet[order], prepend=-1))
    length = np.diff(np.append(first, len(order)))
    start = np.flatnonzero((np.arange(len(order)) - np.repeat(first, length)) % max(2, round(fps)) == 0)
    length = np.diff(np.append(start, len(order)))  # of each block of a second
    x, y, confidence = np.ascontiguousarray(people[order].T)  # (J, N) each: far faster to reduce over joints
    seen = confidence > 0
    times = np.maximum(np.add.reduceat(seen, start, axis=1, dtype=np.float32), 1)  # (J, blocks)
    body, limbs = np.zeros(len(order)), np.zeros_like(times)  # variance
    for axis in (x, y):
        centre = np.add.reduceat(axis * seen, start, axis=1) / times
        offset = (axis - np.repeat(centre, length, axis=1)) * seen
        whole = offset.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        body += whole**2
        limbs += np.add.reduceat(((offset - whole) * seen) ** 2, start, axis=1) / times
    body = np.sqrt(np.add.reduceat(body, start) / length)
    joints = np.maximum(np.logical_or.reduceat(seen, start, axis=1).sum(axis=0), 1)
    scale = ACTIVE * np.add.reduceat(size[order], start) / length
    moved = np.minimum(body / scale, 1) / 2 + np.minimum(np.sqrt(limbs).sum(axis=0) / joints / scale, 1) / 2
    result = np.empty(len(order))
    result[order] = np.repeat(moved, length)
    return result


def _tracklets(people: np.ndarray, frame: np.ndarray, size: np.ndarray, reach: float) -> np.ndarray:
    """Return the number of the tracklet of each row, int64 (N,); rows are sorted by frame.

    Two people in consecutive frames are the same if each is the other's nearest, by the mean distance of the joints
    detected in both, and nearer than ``reach`` body sizes.
    """
    after, until = np.searchsorted(frame, frame + 1), np.searchsorted(frame, frame + 2)
    one = np.repeat(np.arange(len(frame)), until - after)  # all pairs (one, two) of people in consecutive frames
    two = np.arange(len(one)) - np.repeat(np.cumsum(until - after) - until, until - after)
    distance = _distance(people, size, one, two)
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


def _distance(people: np.ndarray, size: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the mean distance of the joints of pairs of rows, in body sizes; infinite if they have none in common."""
    x, y, confidence = np.ascontiguousarray(people.T)  # (J, N) each
    both = (confidence[:, one] > 0) & (confidence[:, two] > 0)
    total = (np.hypot(x[:, one] - x[:, two], y[:, one] - y[:, two]) * both).sum(axis=0)
    count = both.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1) / np.maximum(size[one], size[two]), np.inf)


def _ends(tracklet: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the tracklets' numbers, and the rows of each one's first and last person; rows are in frame order."""
    numbers, first = np.unique(tracklet, return_index=True)
    last = len(tracklet) - 1 - np.unique(tracklet[::-1], return_index=True)[1]
    return numbers, first, last


def _jump(people: np.ndarray, size: np.ndarray, ends: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Return how far rows ``begin`` are from rows ``ends``: between the bodies' centres, plus the change of size.

    The unit is the larger body's size.
    """
    seen = people[..., 2:] > 0
    centre = (people[..., :2] * seen).sum(axis=1) / seen.sum(axis=1)  # (N, 2), of the detected joints
    distance = np.linalg.norm(centre[begin] - centre[ends], axis=-1) + np.abs(size[begin] - size[ends])
    return distance / np.maximum(size[begin], size[ends])


def _join(people: np.ndarray, frame: np.ndarray, size: np.ndarray, tracklet: np.ndarray, fps: float) -> np.ndarray:
    """Join tracklets across gaps in which one person was not detected; return the new number of each row's tracklet.

    The nearest in place and time are joined first. Without this, the parts of a bystander's path that fall into the
    time in which the dancer is away could be taken for the dancer's.
    """
    numbers, first, last = _ends(tracklet)
    if len(numbers) < 2:
        return tracklet
    gap = (frame[first] - frame[last][:, None]) / fps  # seconds, (ending tracklet, beginning tracklet)
    one, two = np.nonzero((gap > 0) & (gap <= LONGEST_GAP))
    gap, distance = gap[one, two], _jump(people, size, last[one], first[two])
    near = np.flatnonzero(distance <= np.minimum(NEAR + FREE_SPEED * gap, FAR))
    order = near[np.argsort((distance + GAP_COST * gap)[near], kind="stable")]
    after, before = np.full(len(numbers), -1), np.full(len(numbers), -1)
    for a, b in zip(one[order].tolist(), two[order].tolist(), strict=True):
        if after[a] < 0 and before[b] < 0:
            after[a], before[b] = b, a
    name = np.arange(len(numbers))
    for b in np.argsort(frame[first], kind="stable"):
        if before[b] >= 0:
            name[b] = name[before[b]]
    return name[np.searchsorted(numbers, tracklet)]


def _best_chain(
    people: np.ndarray, frame: np.ndarray, size: np.ndarray, score: np.ndarray, tracklet: np.ndarray, fps: float
) -> tuple[np.ndarray, float]:
    """Return the tracklets of the chain with the highest score minus the cost of its jumps, and that score.

    A jump is the distance of `_jump`, minus what can be walked in between. A dancer who was lost briefly reappears
    nearby; a bystander is somewhere else.
    """
    numbers, first, last = _ends(tracklet)
    best = np.bincount(np.searchsorted(numbers, tracklet), score)
    previous = np.full(len(numbers), -1)
    for now in np.argsort(frame[first], kind="stable"):
        earlier = np.flatnonzero(frame[last] < frame[first[now]])
        if not len(earlier):
            continue
        begin, ends = first[now], last[earlier]
        free = NEAR + FREE_SPEED * (frame[begin] - frame[ends]) / fps
        gain = best[earlier] - JUMP_COST * fps * np.clip(_jump(people, size, ends, begin) - free, 0, 1)
        if gain.max() > 0:
            best[now] += gain.max()
            previous[now] = earlier[gain.argmax()]
    chain = [int(best.argmax())]
    while previous[chain[-1]] >= 0:
        chain.append(previous[chain[-1]])
    return numbers[chain], float(best.max())
