"""The three-dimensional body of the toy dancers: joint angles in, the joints of BODY_25 out.

World axes in metres: x to the right of the audience, y up, z towards the audience. A dancer with heading 0 faces the
audience, so the dancer's left is +x. Angles are in radians; a positive heading turns to the dancer's left.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.ndimage import convolve1d, minimum_filter1d

from learn2dance.motion.skeleton import BODY_25

LEFT, RIGHT = 0, 1
_SHRUG = np.radians(32)  # an arm pointing straight up raises its shoulder about the neck by this
_STRETCH = 0.995  # of the leg length: maximum distance from hip to ankle, so that a knee is never straight


@dataclass(frozen=True)
class Body:
    """Segment lengths in metres; the defaults are those of an average body 1 m tall.

    After Drillis and Contini (1964) as printed in Winter, "Biomechanics and Motor Control of Human Movement", figure
    4.1; widths are between joint centres, as detectors find them.
    """

    height: float = 1
    thigh: float = 0.245
    shin: float = 0.246
    ankle: float = 0.039  # height of the ankle above the sole
    foot: float = 0.100  # from the ankle forward to the toes
    heel: float = 0.032  # from the ankle back to the heel
    toes: float = 0.020  # half the width between big and small toe
    hip: float = 0.054  # half the width between the hips
    torso: float = 0.288
    shoulder: float = 0.106  # half the width between the shoulders
    upper_arm: float = 0.186
    forearm: float = 0.150
    head: float = 0.110  # from the neck up to the nose
    face: float = 0.052  # from the neck forward to the nose

    @property
    def leg(self) -> float:
        """Length in metres of a straight leg, from hip to ankle."""
        return self.thigh + self.shin


def random_body(rng: np.random.Generator) -> Body:
    """Draw a body 1.55 to 1.90 m tall, with proportions that differ from the average by a few percent."""
    height = rng.uniform(1.55, 1.90)
    legs, arms, width = rng.normal(1, (0.015, 0.03, 0.05))
    factor = {"thigh": legs, "shin": legs, "torso": 2 - legs, "upper_arm": arms, "forearm": arms}
    factor |= {"shoulder": width, "hip": 2 - width}
    return Body(**{name: share * height * factor.get(name, 1.0) for name, share in asdict(Body()).items()})


def rotation(axis: str, angle: np.ndarray) -> np.ndarray:
    """Return right-handed rotation matrices (T, 3, 3) about the axis ``"x"``, ``"y"`` or ``"z"`` by radians (T,)."""
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, b, a] = np.sin(angle)
    matrix[:, a, b] = -matrix[:, b, a]
    return matrix


def lower_hips(body: Body, root: np.ndarray, pelvis: np.ndarray, feet: np.ndarray, frames: int) -> np.ndarray:
    """Return the MidHip (T, 3), lowered where a leg would not reach its foot; for the arguments, see `joints`.

    The hips start to sink this number of frames before a leg is fully stretched.
    """
    limits = []
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        away = _foot(body, feet[:, side])["Ankle"] - (root + pelvis @ np.array([sign * body.hip, 0, 0]))
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
    root: np.ndarray,  # (T, 3) MidHip in metres, from `lower_hips`, so that the legs reach the feet
    pelvis: np.ndarray,  # (T, 3, 3) rotation of the pelvis in the world
    spine: np.ndarray,  # (T, 3) relative to the pelvis, radians: bend forward, lean to the left, twist to the left
    head: np.ndarray,  # (T, 2) relative to the chest, radians: turn to the left, nod down
    arms: np.ndarray,  # (T, 2, 4) left and right, relative to the chest, radians: direction, raise, roll, elbow
    feet: np.ndarray,  # (T, 2, 5) left and right: x, y, z of the toes in metres, heading and pitch in radians
) -> np.ndarray:
    """Return the joints of BODY_25 (T, 25, 3) in metres by forward kinematics; legs by inverse kinematics to the feet.

    An arm's direction is 0 forward, pi/2 outward; its raise 0 hanging, pi/2 level; its roll about the upper arm is
    negative if the forearm bends inward; its elbow is 0 straight. A foot's pitch raises the heel about the toes.
    """
    place: dict[str, np.ndarray] = {"MidHip": root}

    def put(name: str, parent: str, turned: np.ndarray, *offset: float) -> None:
        place[name] = place[parent] + turned @ np.array(offset)

    leaning = pelvis @ rotation("z", -spine[:, 1]) @ rotation("x", spine[:, 0])
    chest = leaning @ rotation("y", spine[:, 2])
    skull = chest @ rotation("y", head[:, 0]) @ rotation("x", head[:, 1])
    put("Neck", "MidHip", leaning, 0, body.torso, 0)
    put("Nose", "Neck", skull, 0, body.head, body.face)
    for index, side, sign in ((LEFT, "L", 1), (RIGHT, "R", -1)):
        put(f"{side}Eye", "Nose", skull, sign * 0.36 * body.face, 0.4 * body.face, -0.25 * body.face)
        put(f"{side}Ear", "Nose", skull, sign * 0.84 * body.face, 0.15 * body.face, -1.15 * body.face)
        put(f"{side}Hip", "MidHip", pelvis, sign * body.hip, 0, 0)
        # Each arm is computed as a left arm; mirroring in the frame of the chest gives the right arm.
        direction, raised, roll, elbow = arms[:, index].T
        mirrored = chest @ np.diag([sign, 1.0, 1.0])
        shrug = rotation("z", _SHRUG * (1 - np.cos(raised)) / 2)  # a raised arm raises its shoulder
        put(f"{side}Shoulder", "Neck", mirrored @ shrug, body.shoulder, -0.15 * body.shoulder, 0)
        upper = rotation("y", direction) @ rotation("x", -raised) @ rotation("y", roll)
        put(f"{side}Elbow", f"{side}Shoulder", mirrored @ upper, 0, -body.upper_arm, 0)
        put(f"{side}Wrist", f"{side}Elbow", mirrored @ (upper @ rotation("x", -elbow)), 0, -body.forearm, 0)
        place |= {side + part: where for part, where in _foot(body, feet[:, index], sign).items()}
        place[f"{side}Knee"] = _knee(body, place[f"{side}Hip"], place[f"{side}Ankle"], pelvis, feet[:, index, 3])
    return np.stack([place[name] for name in BODY_25], axis=1)


def _foot(body: Body, foot: np.ndarray, sign: int = 1) -> dict[str, np.ndarray]:
    """Return ankle, heel and toes (T, 3) of a rigid foot (T, 5) that pitches about its toes."""
    turned = rotation("y", foot[:, 3]) @ rotation("x", foot[:, 4])
    offsets = {
        "Ankle": (0, body.ankle, -body.foot),
        "Heel": (0, 0, -body.foot - body.heel),
        "BigToe": (-sign * body.toes, 0, 0),
        "SmallToe": (sign * body.toes, 0, 0),
    }
    return {name: foot[:, :3] + turned @ np.array(offset) for name, offset in offsets.items()}


def _knee(body: Body, hip: np.ndarray, ankle: np.ndarray, pelvis: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Return the knee (T, 3), bent forward, towards where hip and foot face (the law of cosines)."""
    away = ankle - hip
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    assert (distance < body.leg).all(), "the root is out of the legs' reach: call lower_hips() first"
    along = away / distance
    facing = rotation("y", heading)[:, :, 0] + pelvis[:, :, 0]  # sum of the foot's and the pelvis's axes to the left
    front = np.cross(along, facing)
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    part = (body.thigh**2 - body.shin**2 + distance**2) / (2 * distance)
    return hip + along * part + front * np.sqrt(np.maximum(body.thigh**2 - part**2, 0))
