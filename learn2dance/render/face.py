"""Eyes and ears for skeletons that end at the nose, placed by the proportions of an average head."""

import numpy as np

from learn2dance.motion import skeleton
from learn2dance.motion.skeleton import BODY_15, COCO_18, MID_HIP, NECK, gaussian_mean

# From the nose's tip, in torso lengths (Neck to MidHip) of 49 cm: to the dancer's left, up, forward. Estimates for an
# adult of 1.7 m: the pupils 6.4 cm apart, the ears 14 cm.
_EYE, _EAR = (0.065, 0.08, -0.06), (0.145, 0.035, -0.23)
_FACE = {"REye": (-1, _EYE), "LEye": (1, _EYE), "REar": (-1, _EAR), "LEar": (1, _EAR)}
# Measured on train dances: 90% to 95% of the distances between the shoulders are below the first, in torso lengths. In
# profile, the nose is ahead of the trunk's axis; from the second on, 99% are ahead in the direction of the toes.
SHOULDERS, AHEAD = 0.65, 0.1
BEHIND = -0.35  # cosine of the angle from the camera, beyond which nose and eyes count as hidden: 110 degrees
SMOOTHING = 0.1  # seconds: deviation of the Gaussian mean of the angle


def with_face(poses: np.ndarray, fps: float) -> tuple[np.ndarray, bool]:
    """Return upright poses (T, J, 2), J being 15, 17, 18 or 25, as COCO-18 (T, 18, 2), and whether eyes were placed.

    Known eyes and ears are kept as they are. If a dance has none, they are placed at the nose: upright along the line
    from Neck to Nose, turned to the side by the angle that the shoulders and the nose show, and in size by the torso.
    If the shoulders show the dancer from behind, nose and eyes become NaN and the ears stay, as detectors see a back.
    """
    figure = skeleton.named_joints(poses, COCO_18)
    face = [COCO_18.index(name) for name in _FACE]
    if np.isfinite(figure[:, face]).all(-1).any():
        return figure, False
    body = skeleton.named_joints(poses, BODY_15)
    nose, neck, right, left = (body[:, BODY_15.index(name)] for name in ("Nose", "Neck", "RShoulder", "LShoulder"))
    unit = skeleton.torso_length(body, fps)[:, None]
    trunk_right = _to_the_right(body[:, NECK] - body[:, MID_HIP])
    front, aside = (
        gaussian_mean(((to - of) / (most * unit) * trunk_right).sum(-1), SMOOTHING * fps).clip(-1, 1)[:, None]
        for of, to, most in ((right, left, SHOULDERS), (neck, nose, AHEAD))
    )
    aside = aside * np.sqrt(1 - front**2)  # cosine and sine of the angle from the camera to the picture's right
    across = _to_the_right(nose - neck)
    up = np.stack([-across[:, 1], across[:, 0]], axis=-1)
    for joint, (side, (width, height, depth)) in zip(face, _FACE.values(), strict=True):
        figure[:, joint] = nose + unit * ((side * width * front + depth * aside) * across + height * up)
    hidden = front[:, 0] < BEHIND
    for name in ("Nose", "REye", "LEye"):
        figure[hidden, COCO_18.index(name)] = np.nan
    return figure, True


def _to_the_right(up: np.ndarray) -> np.ndarray:
    """Return unit vectors (T, 2) that point right if ``up`` (T, 2) points up; NaN where it is NaN or 0."""
    length = np.hypot(*up.T)
    return np.stack([up[:, 1], -up[:, 0]], axis=-1) / np.where(length > 0, length, np.nan)[:, None]
