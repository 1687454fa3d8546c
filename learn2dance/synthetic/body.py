"""The three-dimensional body of the toy dancers: joint angles in, the joints of BODY_25 out.

World axes in metres: x to the right of the audience, y up, z towards the audience. A dancer with heading 0 faces the
audience, so the dancer's left is +x. Angles are in radians; a positive heading turns to the dancer's left.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d, minimum_filter1d

from learn2dance.motion.skeleton import BODY_25

LEFT, RIGHT = 0, 1
_SHRUG = np.radians(32)  # radians: an arm pointing straight up raises its shoulder about the neck by this
_STRETCH = 0.995  # of the leg length: maximum distance from hip to ankle, so that a knee is never straight
# Segment lengths as fractions of body height, after Drillis and Contini (1964) as printed in Winter, "Biomechanics and
# Motor Control of Human Movement", figure 4.1; widths are between joint centres, as detectors find them.
_SHARES = {
    "thigh": 0.245,
    "shin": 0.246,
    "ankle": 0.039,  # height of the ankle above the sole
    "foot": 0.100,  # from the ankle forward to the toes
    "heel": 0.032,  # from the ankle back to the heel
    "toes": 0.020,  # half the width between big and small toe
    "hip": 0.054,  # half the width between the hips
    "torso": 0.288,
    "shoulder": 0.106,  # half the width between the shoulders
    "upper_arm": 0.186,
    "forearm": 0.150,
    "head": 0.110,  # from the neck up to the nose
    "face": 0.052,  # from the neck forward to the nose
}


@dataclass(frozen=True)
class Body:
    """Segment lengths in metres; see `_SHARES`."""

    height: float
    thigh: float
    shin: float
    ankle: float
    foot: float
    heel: float
    toes: float
    hip: float
    torso: float
    shoulder: float
    upper_arm: float
    forearm: float
    head: float
    face: float

    @property
    def leg(self) -> float:
        """Length in metres of a straight leg, from hip to ankle."""
        return self.thigh + self.shin


def grow(rng: np.random.Generator) -> Body:
    """Draw a body 1.55 to 1.90 m tall, with proportions a few percent off the average."""
    height = rng.uniform(1.55, 1.90)
    legs, arms, width = rng.normal(1, (0.015, 0.03, 0.05))
    factor = {"thigh": legs, "shin": legs, "torso": 2 - legs, "upper_arm": arms, "forearm": arms}
    factor |= {"shoulder": width, "hip": 2 - width}
    return Body(height, **{name: share * height * factor.get(name, 1.0) for name, share in _SHARES.items()})


def rotation(axis: str, angle: np.ndarray) -> np.ndarray:
    """Return right-handed rotation matrices (T, 3, 3) about the axis ``"x"``, ``"y"`` or ``"z"`` by radians (T,)."""
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:] = np.eye(3)
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, b, a] = np.sin(angle)
    matrix[:, a, b] = -matrix[:, b, a]
    return matrix


def seat(body: Body, root: np.ndarray, pelvis: np.ndarray, feet: np.ndarray, frames: int) -> np.ndarray:
    """Lower the hips where a leg could not reach its foot.

    Parameters
    ----------
    body : Body
    root : np.ndarray [shape=(T, 3)]
        Desired position of the MidHip, metres.
    pelvis : np.ndarray [shape=(T, 3, 3)]
        Rotation of the pelvis in the world.
    feet : np.ndarray [shape=(T, 2, 5)]
        See `joints`.
    frames : int
        Number of frames before a leg is fully stretched at which the hips start to sink.

    Returns
    -------
    np.ndarray [shape=(T, 3)]
        Position of the MidHip from which both ankles can be reached, metres.
    """
    limits = []
    for side in (LEFT, RIGHT):
        hip = pelvis @ np.array([body.hip if side == LEFT else -body.hip, 0, 0])
        away = _foot(body, feet[:, side])["Ankle"] - (root + hip)
        flat = np.minimum(away[:, 0] ** 2 + away[:, 2] ** 2, (0.9 * body.leg) ** 2)
        limits.append(root[:, 1] + away[:, 1] + np.sqrt((_STRETCH * body.leg) ** 2 - flat))
    # The result never exceeds the limits, and is smooth: a mean of minima, then a soft minimum.
    window = np.hanning(2 * frames + 3)[1:-1]
    limit = minimum_filter1d(np.min(limits, axis=0), 2 * frames + 1, mode="nearest")
    limit = convolve1d(limit, window / window.sum(), mode="nearest")
    over, sharpness = root[:, 1] - limit, 100 / body.leg
    height = np.minimum(root[:, 1], limit) - np.log1p(np.exp(-sharpness * np.abs(over))) / sharpness
    return np.stack([root[:, 0], height, root[:, 2]], -1)


def joints(
    body: Body,
    root: np.ndarray,
    pelvis: np.ndarray,
    spine: np.ndarray,
    head: np.ndarray,
    arms: np.ndarray,
    feet: np.ndarray,
) -> np.ndarray:
    """Compute all joint positions: torso, head and arms by forward kinematics, legs by inverse kinematics to the feet.

    Parameters
    ----------
    body : Body
    root : np.ndarray [shape=(T, 3)]
        MidHip, metres; from `seat`, so that the legs reach the feet.
    pelvis : np.ndarray [shape=(T, 3, 3)]
        Rotation of the pelvis in the world.
    spine : np.ndarray [shape=(T, 3)]
        Relative to the pelvis, radians: bend forward, lean to the left, twist to the left.
    head : np.ndarray [shape=(T, 2)]
        Relative to the chest, radians: turn to the left, nod down.
    arms : np.ndarray [shape=(T, 2, 4)]
        Left and right, relative to the chest, radians: direction (0 forward, pi/2 outward), raise (0 hanging, pi/2
        level), roll about the upper arm (negative: the forearm bends inward), elbow flexion (0 straight).
    feet : np.ndarray [shape=(T, 2, 5)]
        Left and right: x, y, z of the toes in the world (metres), heading, and pitch (heel up about the toes; radians).

    Returns
    -------
    np.ndarray [shape=(T, 25, 3)]
        Metres, in the order of BODY_25.
    """
    place: dict[str, np.ndarray] = {"MidHip": root}

    def put(name: str, parent: str, turned: np.ndarray, offset: tuple[float, float, float]) -> None:
        place[name] = place[parent] + turned @ np.array(offset)

    leaning = pelvis @ rotation("z", -spine[:, 1]) @ rotation("x", spine[:, 0])
    chest = leaning @ rotation("y", spine[:, 2])
    skull = chest @ rotation("y", head[:, 0]) @ rotation("x", head[:, 1])
    put("Neck", "MidHip", leaning, (0, body.torso, 0))
    put("Nose", "Neck", skull, (0, body.head, body.face))
    for side, sign in (("L", 1), ("R", -1)):
        put(f"{side}Eye", "Nose", skull, (sign * 0.36 * body.face, 0.4 * body.face, -0.25 * body.face))
        put(f"{side}Ear", "Nose", skull, (sign * 0.84 * body.face, 0.15 * body.face, -1.15 * body.face))
        put(f"{side}Hip", "MidHip", pelvis, (sign * body.hip, 0, 0))
        # Each arm is computed as a left arm; mirroring in the frame of the chest gives the right arm.
        angles = arms[:, LEFT if sign > 0 else RIGHT]
        flip = np.diag([sign, 1.0, 1.0])
        shrug = rotation("z", _SHRUG * (1 - np.cos(angles[:, 1])) / 2)  # a raised arm raises its shoulder
        put(f"{side}Shoulder", "Neck", chest @ flip @ shrug, (body.shoulder, -0.15 * body.shoulder, 0))
        upper = rotation("y", angles[:, 0]) @ rotation("x", -angles[:, 1]) @ rotation("y", angles[:, 2])
        lower = upper @ rotation("x", -angles[:, 3])
        put(f"{side}Elbow", f"{side}Shoulder", chest @ flip @ upper, (0, -body.upper_arm, 0))
        put(f"{side}Wrist", f"{side}Elbow", chest @ flip @ lower, (0, -body.forearm, 0))
        foot = feet[:, LEFT if sign > 0 else RIGHT]
        place.update({side + part: where for part, where in _foot(body, foot, sign).items()})
        place[f"{side}Knee"] = _knee(body, place[f"{side}Hip"], place[f"{side}Ankle"], pelvis, foot[:, 3])
    return np.stack([place[name] for name in BODY_25], axis=1)


def _foot(body: Body, foot: np.ndarray, sign: int = 1) -> dict[str, np.ndarray]:
    """Return ankle, heel and toes (T, 3) of a rigid foot (T, 5) that pitches about its toes."""
    toes, heading, pitch = foot[:, :3], foot[:, 3], foot[:, 4]
    turned = rotation("y", heading) @ rotation("x", pitch)
    offsets = {
        "Ankle": (0, body.ankle, -body.foot),
        "Heel": (0, 0, -body.foot - body.heel),
        "BigToe": (-sign * body.toes, 0, 0),
        "SmallToe": (sign * body.toes, 0, 0),
    }
    return {name: toes + turned @ np.array(offset) for name, offset in offsets.items()}


def _knee(body: Body, hip: np.ndarray, ankle: np.ndarray, pelvis: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Return the knee (T, 3), bent forward, towards where hip and foot face (the law of cosines)."""
    away = ankle - hip
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    assert (distance < body.leg).all(), "root out of the legs' reach: pass it through seat() first"
    along = away / distance
    facing = rotation("y", heading)[:, :, 0] + pelvis[:, :, 0]  # sum of the foot's and the pelvis's axes to the left
    front = np.cross(along, facing)
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    part = (body.thigh**2 - body.shin**2 + distance**2) / (2 * distance)
    return hip + along * part + front * np.sqrt(np.maximum(body.thigh**2 - part**2, 0))
