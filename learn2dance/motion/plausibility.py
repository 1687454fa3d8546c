"""Check poses from elsewhere: joint order, y axis, unit, order of the array's axes, and marks of missing joints.

Data sets and tools differ in these, and most mistakes give poses that every later stage would accept. What is certain
is converted, with a note; what cannot be right is refused. The limits come from 125 dances of two data sets (ballroom
clips and street dances of AIST++), all of which keep well within them.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance.errors import UserError
from learn2dance.motion.skeleton import BODY_25, ORDERS, names_of, to_order

USED = 500  # poses that are looked at, evenly spread over the clip
ACCEPTED = 2  # contradictions that refuse the usual order; a joint that is badly detected gives one
FEWEST = 10  # checks that an order of joints must pass, so that it is not taken because most joints are unseen
OFF_CENTRE = 0.1  # body sizes: MidHip to the middle of the hips, Neck to that of the shoulders (real: up to 0.02)
HEAD = 0.15  # body sizes: eyes and ears from the nose (real: 0.07)
FOOT = 0.2  # body sizes: toes and heel from the ankle
UNEQUAL = 2.0  # ratio of a left limb to the right one, 90th percentiles (real: up to 1.4)
BONE = (0.1, 2.5)  # torso lengths: bones of arms and legs, 90th percentile (real: 0.3 to 1.4)
OVERTURNED = 0.9  # share of upside-down poses above which y must point up; the most in real dances is 0.001
SHOULDERS = (0.5, 1.1)  # torso lengths: 95th percentile of the shoulders' width (real: 0.59 to 1.00)
SMALLEST = 10  # pixels: smaller people are not in pixels
MOST_JOINTS = 150  # of one person, in any model
_LIMBS = (("Shoulder", "Elbow"), ("Elbow", "Wrist"), ("Hip", "Knee"), ("Knee", "Ankle"))


class Finding(NamedTuple):
    """What `checked` found."""

    poses: np.ndarray  # float (T, J, 2 or 3), y down, joints in one of the orders of `skeleton.JOINTS` if known
    notes: list[str]  # what was converted or looks unusual, for the log


def checked(path: str | Path, poses: np.ndarray, pixels: bool = False, names: list[str] | None = None) -> Finding:
    """Check poses (T, J, 2 or 3) of one or more people, NaN where missing; any third number is kept.

    ``pixels`` tells that they must be in pixels; otherwise any unit will do that is the same for x and y. ``names`` are
    the joints' names, if the source gives them. Poses of 15, 17, 18 or 25 joints in another known order
    (`skeleton.ORDERS`) are brought into the usual one; poses whose y points up are turned over.

    Raises a UserError, which names ``path``, if the unit differs for x and y or is not pixels, or if the joints are in
    no known order.
    """
    seen = poses[np.isfinite(poses[..., :2]).all(-1).any(1)][..., :2]
    seen = seen[:: max(1, len(seen) // USED)].astype(np.float64)
    if not len(seen):
        return Finding(poses if names is None else to_order(poses, names), [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # joints that are never seen are NaN in all statistics
        _check_unit(path, seen, pixels)
        order, notes = (names, []) if names else _find_order(path, seen)
        if names and names != names_of(len(names)):
            notes = ["joints are ordered by the names in the file"]
        if not order:
            return Finding(poses, [])
        turned = _upside_down(seen, order)
        notes += _unusual(seen, order, turned)
    if turned > OVERTURNED:
        poses = poses.copy()
        poses[..., 1] = np.nanmin(poses[..., 1]) + np.nanmax(poses[..., 1]) - poses[..., 1]
    return Finding(poses if order == names_of(poses.shape[1]) else to_order(poses, order), notes)


def mark_missing(poses: np.ndarray) -> np.ndarray:
    """Return poses (T, J, 2 or 3) with NaN for joints at exactly (0, 0) or (-1, -1), as tools mark missing ones.

    Where the poses are centred (many coordinates are negative), a joint that is at (0, 0) in every pose is the centre
    and stays: the MidHip of BODY_25's order, or else the first such joint.
    """
    x, y = poses[..., 0], poses[..., 1]
    zero, missing = (x == 0) & (y == 0), (x == -1) & (y == -1)
    rest = ~zero & ~missing & np.isfinite(x) & np.isfinite(y)
    somebody = rest.any(1)
    centres = np.flatnonzero(zero[somebody].all(0)) if somebody.any() else []
    if len(centres) and (poses[..., :2][rest] < 0).mean() > 0.1:
        body = poses.shape[1] in (15, 25) and BODY_25.index("MidHip") in centres
        zero[somebody, BODY_25.index("MidHip") if body else centres[0]] = False
    result = poses.astype(np.result_type(poses, np.float32))
    result[zero | missing] = np.nan
    return result


def axes_problem(shape: tuple[int, ...], poses: np.ndarray | None = None) -> str:
    """Return the likely cause if an array is not (frames, joints, 2), as a question; empty if it may be.

    Joints of one frame lie far apart, and one joint moves little from frame to frame; if it is the other way round,
    the first two axes are exchanged.
    """
    if len(shape) == 2 and (shape[1] in (2, 3) or shape[0] in (2, 3)):
        return "is it one pose? stack a clip's poses: np.stack(poses)"
    if len(shape) == 2 and shape[1] % 2 == 0:
        return f"are the joints flat? use poses.reshape(-1, {shape[1] // 2}, 2)"
    if len(shape) == 3 and shape[1] in (2, 3) and shape[2] > 3:
        return "are axes exchanged? use poses.transpose(0, 2, 1)"
    if len(shape) == 3 and shape[2] == 3:
        return "is the third number a confidence or depth? save poses[..., :2]"
    if len(shape) == 3 and poses is not None and shape[0] > 1 < shape[1] and np.isfinite(poses).all(-1).any():
        along, across = (np.nanmedian(np.abs(np.diff(poses, axis=axis))) for axis in (0, 1))
        if shape[1] > MOST_JOINTS or (shape[1] > shape[0] and across < 0.3 * along):
            return f"are frames and joints exchanged ({shape[1]} joints)? use poses.transpose(1, 0, 2)"
    return ""


def _check_unit(path: str | Path, poses: np.ndarray, pixels: bool) -> None:
    """Raise a UserError if x and y have different units (parts of a picture), or must be in pixels and are not."""
    size = np.nanmedian(np.hypot(*(np.nanmax(poses[..., i], 1) - np.nanmin(poses[..., i], 1) for i in (0, 1))))
    low, high = np.nanpercentile(poses, 1), np.nanpercentile(poses, 99)
    part = ""
    if high <= 1 and low >= -1 and 0 < size < 2 and (pixels or not _centred(poses, size)):
        part = "from 0 to 1" if low >= 0 else "from -1 to 1"
    elif high <= 100 and low >= 0 and size >= SMALLEST:
        part = "from 0 to 100"
    if part:
        hint = "are they parts of the picture? multiply x by its width and y by its height; if metres, both by 100"
        raise UserError(f"{path}: found coordinates {part}, expected pixels; {hint}")
    if pixels and size < SMALLEST:
        hint = "y down; are these metres or torso lengths? multiply them by 100"
        raise UserError(f"{path}: found people of size {size:.3g}, expected pixels, {hint}")


def _centred(poses: np.ndarray, size: float) -> bool:
    """Tell whether poses are centred at a joint, the middle of two (the hips), or the mean: then they may be in metres.

    Parts of a picture are not centred.
    """
    some = poses[:: max(1, len(poses) // 100)]
    middles = (some[:, :, None] + some[:, None]) / 2  # (N, J, J, 2), of each two joints, and on the diagonal of each
    middles = [middles.reshape(len(some), -1, 2), np.nanmean(some, axis=1, keepdims=True)]
    extent = [(np.nanmax(part, axis=0) - np.nanmin(part, axis=0)).max(axis=1) for part in middles]
    return bool(np.nanmin(np.concatenate(extent)) < 1e-3 * size)


def _find_order(path: str | Path, poses: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the names of the joints, and notes; no names if no order is known for this number of joints."""
    orders = ORDERS.get(poses.shape[1], {"": []})
    (_, usual), *others = orders.items()
    problems = violations(poses, usual)[0] if usual else []
    if len(problems) < ACCEPTED:
        return usual, []
    for model, names in others:
        found, count = violations(poses, names)
        if not found and count >= FEWEST:
            return names, [f"joints are in the order of {model}: converted"]
    expected = f"expected the order of {' or '.join(orders)}"
    found = " and ".join(problems[:ACCEPTED])
    raise UserError(f"{path}: {found}, {expected}; are the {poses.shape[1]} joints in another order?")


def violations(poses: np.ndarray, names: list[str]) -> tuple[list[str], int]:
    """List how poses (N, J, 2) with joints of these names contradict anatomy; also return the number of checks."""
    at = {name: poses[:, i] for i, name in enumerate(names) if name}
    size = np.nanmedian(np.hypot(*(np.nanmax(poses[..., i], 1) - np.nanmin(poses[..., i], 1) for i in (0, 1))))
    found, count = [], 0

    def check(value: float, least: float, most: float, text: str) -> None:
        nonlocal count
        count += bool(np.isfinite(value))
        if value < least or value > most:  # not for NaN: never seen
            found.append(text.format(value))

    def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.linalg.norm(one - other, axis=-1)

    middle = {part: (at[f"R{part}"] + at[f"L{part}"]) / 2 for part in ("Shoulder", "Hip")}
    for name, part in (("MidHip", "Hip"), ("Neck", "Shoulder")):
        if name in at:
            off = np.nanmedian(distance(at[name], middle[part])) / size
            check(off, 0, OFF_CENTRE, name + " is {:.2f} body sizes from the middle of the " + part.lower() + "s")
    for near, limit, parts in (("Nose", HEAD, "REye LEye REar LEar"), ("RAnkle", FOOT, "RBigToe RSmallToe RHeel"),
                               ("LAnkle", FOOT, "LBigToe LSmallToe LHeel")):  # fmt: skip
        for part in parts.split():
            if part in at and near in at:
                check(
                    np.nanmedian(distance(at[part], at[near])) / size,
                    0,
                    limit,
                    f"{part} is {{:.2f}} body sizes from {near}",
                )
    torso = np.nanpercentile(distance(middle["Shoulder"], middle["Hip"]), 90)
    for one, other in _LIMBS:
        right, left = (np.nanpercentile(distance(at[s + one], at[s + other]), 90) for s in "RL")
        bone = f"{one} to {other}"
        check(right / left, 1 / UNEQUAL, UNEQUAL, f"{bone} is {{:.2g}} times as long on the right as on the left")
        check(right / torso, *BONE, f"R{bone} is {{:.2f}} torso lengths long")
        check(left / torso, *BONE, f"L{bone} is {{:.2f}} torso lengths long")
    head = np.nanmedian(distance(at["Nose"], middle["Shoulder"]) / distance(at["Nose"], middle["Hip"]))
    check(head, 0, 1, "Nose is {:.1f} times as far from the shoulders as from the hips")
    for side in "RL":
        up, down = (np.nanmedian(distance(middle["Shoulder"], at[side + part])) for part in ("Hip", "Ankle"))
        check(down / up, 1, np.inf, f"{side}Ankle is {{:.2f}} times as far from the shoulders as {side}Hip")
    return found, count


def _upside_down(poses: np.ndarray, names: list[str]) -> float:
    """Return the share of poses whose lowest visible part (ankles, knees or hips) is above the shoulders, y down.

    Where none of them is visible, the shoulders must be below the nose.
    """
    at = {name: poses[:, i, 1] for i, name in enumerate(names)}
    low = np.full(len(poses), np.nan)
    for part in ("Ankle", "Knee", "Hip"):
        mean = np.nanmean([at[f"R{part}"], at[f"L{part}"]], axis=0)
        low = np.where(np.isfinite(low), low, mean)
    shoulders = np.nanmean([at["RShoulder"], at["LShoulder"]], axis=0)
    high = np.where(np.isfinite(low), shoulders, at["Nose"])
    low = np.where(np.isfinite(low), low, shoulders)
    known = np.isfinite(low + high)
    return float((low < high)[known].mean()) if known.any() else 0.0


def _unusual(poses: np.ndarray, names: list[str], turned: float) -> list[str]:
    """Describe an overturned y axis and a dancer of unusual width."""
    notes = []
    if turned > OVERTURNED:
        notes.append(f"the dancer is upside down in {turned:.0%} of the frames, so y points up: turned over")
    elif turned > 0.5:
        notes.append(f"the dancer is upside down in {turned:.0%} of the frames; if y points up, negate it")
    at = {name: poses[:, i] for i, name in enumerate(names)}
    right, left, hips = at["RShoulder"], at["LShoulder"], (at["RHip"] + at["LHip"]) / 2
    torso = np.nanmedian(np.linalg.norm((right + left) / 2 - hips, axis=-1))
    wide = np.nanpercentile(np.linalg.norm(right - left, axis=-1), 95) / torso
    if wide < SHOULDERS[0] or wide > SHOULDERS[1]:
        usual = "usual are 0.6 to 1.0; are x and y in the same unit, and is the dancer ever seen from the front?"
        notes.append(f"the shoulders are at most {wide:.2f} torso lengths wide, {usual}")
    return notes
