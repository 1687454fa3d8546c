"""The motion of a toy dancer between steps: feet that stay in place under weight, hips, torso, head and arms.

Every movement is a sum of smooth transitions (`ease`), each of which ends on its beat, so that overlapping movements
still add up to a smooth path. Axes and angles are those of `body`.
"""

import numpy as np

from learn2dance.synthetic.body import LEFT, RIGHT, joints, lower_hips, rotation
from learn2dance.synthetic.dance import Dancer, choreograph
from learn2dance.synthetic.figures import Style

_LANDS, _LEAVES = -0.06, 0.14  # beats relative to a step: its foot lands; the other foot may lift off
_HEELS = 0.45  # beats: maximum duration of a heel's rise or fall
_SWING = 1.1  # beats: a foot lifts off at most this long before its step
_SINKS = 0.13  # seconds: the hips start to sink this long before a stride needs it
_PITCH = np.radians(65)  # maximum pitch of a foot
_TURNOUT = np.radians(9)  # angle by which the feet point outward
_BEHIND = 0.055  # fraction of body height: distance of the hips behind the toes of the supporting foot
_TOES = 0.012  # fraction of body height: height of the toe joints above the floor
_LAG = np.array([0.0, 0.0, 0.04, 0.05])  # seconds, for the four angles of an arm: the forearm lags behind the upper arm


def ease(beats: np.ndarray, arrive: np.ndarray, values: np.ndarray, durations: np.ndarray | float) -> np.ndarray:
    """Interpolate at times (T,) between values (K, D) with minimum-jerk transitions: (T, D).

    Each value is reached at its time `arrive` (K,), after a transition of its duration (K,) or float; the first is not
    used. The polynomial is that of Flash and Hogan, "The coordination of arm movements" (1985), for movements between
    rests.
    """
    durations = np.broadcast_to(durations, arrive.shape)
    path = np.repeat(values[:1].astype(float), len(beats), axis=0)
    for end, duration, change in zip(arrive[1:], durations[1:], np.diff(values, axis=0), strict=True):
        start, stop = np.searchsorted(beats, (end - duration, end))
        u = 1 + (beats[start:stop, None] - end) / duration
        path[start:stop] += u**3 * (10 - 15 * u + 6 * u**2) * change
        path[stop:] += change
    return path


def dance(
    style: Style, energies: np.ndarray, dancer: Dancer, beats: np.ndarray, beat: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Dance to music: the joints of BODY_25 (T, 25, 3) in metres, and the fraction of weight (T, 2) on each foot.

    `beats` (T,) are the times of the frames, evenly spaced, 0 at the start of a bar; `beat` is in seconds per beat. For
    `energies`, see `choreograph`.
    """
    steps, arm_keys, torso_keys = choreograph(style, energies, dancer, beat, rng)
    body, energy, size = dancer.body, dancer.energy, dancer.body.height / 1.7
    gaps = np.diff(steps["beat"], prepend=-np.inf).clip(0.3, 1.2)
    seconds, phase = beats * beat, beats - dancer.late / beat
    drift = _wander(seconds, 10, rng)

    feet, weight = _follow_feet(style, steps, beats, body.height)
    turn = ease(beats, steps["beat"] + 0.12, steps["heading"][:, None], gaps)[:, 0]
    turning = np.abs(np.gradient(turn, seconds))
    mid_bar = 0.5 - 0.5 * np.cos(2 * np.pi * (phase - 0.3) / style.beats_per_bar)  # 1 in the middle of the bar
    rise = np.radians(style.rise) * energy * mid_bar**1.5
    feet[:, :, 3] = turn[:, None] + (_TURNOUT, -_TURNOUT)  # in a turn both feet pivot on their toes, heels raised
    feet[:, :, 4] += (np.radians(14) * np.tanh(turning / 4) + rise)[:, None]
    left, front = np.stack([np.cos(turn), -np.sin(turn)], -1), np.stack([np.sin(turn), np.cos(turn)], -1)

    flat = ease(beats, steps["beat"] + style.settle, _supports(style, dancer, steps), np.minimum(style.glide, gaps))
    ahead = ((flat[:, None] - feet[:, :, [0, 2]]) * front[:, None]).sum(-1) / body.leg  # a foot behind lifts its heel
    feet[:, :, 4] += np.radians(9) * np.logaddexp(0, 14 * (ahead - 0.22))
    feet[:, :, 4] = _PITCH * np.tanh(feet[:, :, 4] / _PITCH)
    swing = energy * np.radians(style.hip_roll) * _hip_swing(style, steps, beats)
    astride = ((feet[:, LEFT] - feet[:, RIGHT])[:, [0, 2]] * front).sum(-1)  # metres by which the left foot is in front
    sideways = (np.gradient(flat, seconds, axis=0) * left).sum(-1)
    counter = np.radians(style.counter) * astride
    bend, lean, twist, sink = ease(beats, torso_keys["beat"], torso_keys["pose"], 0.9).T

    pelvis = rotation("y", turn - 0.6 * counter + 0.6 * swing)
    pelvis = pelvis @ rotation("x", 0.3 * bend + 0.02 * drift[:, 0]) @ rotation("z", swing)
    sink = sink + size * (style.knees + style.bounce * energy * (0.5 + 0.5 * np.cos(2 * np.pi * phase)))
    fall = 0.06 * size * (np.sin(np.radians(style.rise) * energy) - np.sin(rise))  # knees straighten as heels rise
    height = body.leg + body.ankle + _TOES * body.height + body.foot * np.sin(rise) - fall - sink
    root = np.stack([flat[:, 0], height, flat[:, 1]], -1)
    root = lower_hips(body, root, pelvis, feet, frames=round(_SINKS / (beats[1] - beats[0]) / beat))

    lean = lean + 0.8 * swing - np.radians(style.sway) * energy * sideways + 0.02 * drift[:, 1]
    spine = np.stack([0.7 * bend + 0.03 * drift[:, 2], lean, twist + 1.6 * counter - 0.9 * swing], -1)
    gaze = -np.radians(50) * np.sin(turn)  # towards the audience, at most 50 degrees
    head = np.stack([gaze - 0.8 * spine[:, 2] + 0.08 * drift[:, 3], 0.04 * drift[:, 4] - 0.6 * spine[:, 0]], -1)
    arms = _arms(style, dancer, arm_keys, beats, beat) + 0.05 * drift[:, 5:9].reshape(-1, 2, 2).repeat(2, axis=-1)
    arms[:, :, 3] = np.maximum(arms[:, :, 3], np.radians(3))  # elbows never bend backward
    return joints(body, root, pelvis, spine, head, arms, feet), weight


def _follow_feet(style: Style, steps: np.ndarray, beats: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the feet (T, 2, 5) as in `joints`, heading 0, and weights (T, 2): a foot under weight does not move."""
    feet = np.zeros((len(beats), 2, 5))
    taken = steps[steps["weight"]]  # a touch does not shift the weight
    gaps = np.diff(taken["beat"], prepend=-np.inf)
    shifts, on_left = taken["beat"] + _LEAVES, (taken["foot"] == LEFT)[:, None].astype(float)
    weight = ease(beats, shifts, on_left, _LEAVES - _LANDS)
    down = ease(beats, shifts, on_left, np.clip(0.6 * gaps, 0.2, _HEELS))
    weight, heels = np.hstack([weight, 1 - weight]), np.hstack([1 - down, down])
    for foot in (LEFT, RIGHT):
        own, others = steps[steps["foot"] == foot].copy(), taken["beat"][taken["foot"] != foot]
        lifts = own["beat"] - 1
        pitch = np.radians(style.heel) * heels[:, foot]
        arc = np.zeros(len(beats))
        lands = own["beat"] + _LANDS
        for i in range(1, len(own)):
            last, step, now = own[i - 1], own[i], own["beat"][i]
            distance = np.hypot(*(step["place"] - last["place"]))
            if distance < 0.05 and step["height"] == last["height"] == 0:
                step["place"] = last["place"]  # only the weight shifts back to this foot
                continue
            relieved = max(others[others < now], default=-np.inf)
            lifts[i] = max(last["beat"], relieved, now - _SWING - _LEAVES) + _LEAVES
            u = np.clip((beats - lifts[i]) / (lands[i] - lifts[i]), 0, 1)
            hop = 64 * (u * (1 - u)) ** 3  # 1 in the middle, smooth at both ends
            arc += (style.lift + 0.05 * distance) * hop
            pitch += np.radians(14) * hop
        track = ease(beats, lands, np.column_stack([own["place"], own["height"]]), lands - lifts)
        feet[:, foot] = np.column_stack([track[:, 0], track[:, 2] + arc + _TOES * height, track[:, 1], 0 * arc, pitch])
    return feet, weight


def _supports(style: Style, dancer: Dancer, steps: np.ndarray) -> np.ndarray:
    """Return the hip position of each step: x, z (S, 2) in metres, over the feet, unchanged by a touch."""
    size, points = dancer.body.height / 1.7, []
    for step in steps:
        c, s = np.cos(step["heading"]), np.sin(step["heading"])
        inward = size * (0.03 - style.hip_out * dancer.energy) * (-1 if step["foot"] == LEFT else 1)
        over = step["place"] - _BEHIND * dancer.body.height * np.array([s, c]) + inward * np.array([c, -s])
        points.append(over if step["weight"] else points[-1])
    return np.array(points)


def _hip_swing(style: Style, steps: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Return the weight shift between the legs (T,): -1 all on the right leg, 1 all on the left."""
    taken = steps[steps["weight"]]
    durations = np.minimum(style.glide, 1.3 * np.diff(taken["beat"], prepend=-np.inf))
    return ease(beats, taken["beat"] + style.settle, np.where(taken["foot"] == LEFT, 1, -1)[:, None], durations)[:, 0]


def _arms(style: Style, dancer: Dancer, keys: np.ndarray, beats: np.ndarray, beat: float) -> np.ndarray:
    """Return both arms' angles (T, 2, 4): transitions between positions, each reached on its beat; forearms lag."""
    durations = style.snap * np.diff(keys["beat"], prepend=-np.inf)
    arms = np.empty((len(beats), 2, 4))
    for angle, lag in enumerate(_LAG):
        arms[:, :, angle] = ease(beats - lag / beat, keys["beat"], keys["angles"][:, :, angle], durations)
    arms[:, :, 1] *= dancer.reach
    swing = np.cos(2 * np.pi * (beats - 0.1 - dancer.late / beat))
    arms[:, :, 1] += np.radians(style.bob) * dancer.energy * swing[:, None]
    return arms


def _wander(seconds: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return slow random drift (T, count) with mean 0 and variance 1, so that no movement repeats exactly."""
    rates, starts = rng.uniform(0.08, 0.6, (4, count)), rng.uniform(0, 2 * np.pi, (4, count))
    return np.sqrt(0.5) * np.sin(2 * np.pi * rates * seconds[:, None, None] + starts).sum(1)
