"""Kinetic and geometric features of windows of motion, for the metrics.

Poses are normalised (centred at MidHip, torso length 1, y up), low-pass filtered at
`kinematics.CUTOFF_HZ` without lag (a Butterworth filter of order 4, run forwards and backwards; higher frequencies are
noise of the capture), resampled to `METRIC_FPS`, and cut into windows of `SECONDS` s, one every `HOP` s. Windows in
which a joint was not observed are left out.
"""

import numpy as np

from learn2dance.motion.kinematics import METRIC_FPS
from learn2dance.motion.skeleton import BODY_15, MOVING, NECK

SECONDS, HOP = 4.0, 2.0  # seconds: length of a window, and distance between the starts of windows


def cut(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut `kinematics.low_pass` motion (T, J, 2) into windows (W, N, J, 2), N = `SECONDS` x `METRIC_FPS` frames.

    Only windows in which every joint is observed are returned, with the start (W,) of each in seconds.
    """
    size, hop = round(SECONDS * METRIC_FPS), round(HOP * METRIC_FPS)
    starts = np.arange(0, len(motion) - size + 1, hop)
    windows = motion[starts[:, None] + np.arange(size)]
    observed = np.isfinite(windows).all((1, 2, 3))
    return windows[observed], starts[observed] / METRIC_FPS


def kinetic(windows: np.ndarray, joints: np.ndarray = MOVING) -> np.ndarray:
    """Compute kinetic features: three numbers for each joint, by default all but MidHip.

    Onuma, Faloutsos and Hodgins, "FMDistance" (Eurographics short papers 2008), as in AIST++ (Li et al., ICCV 2021),
    in 2-D: the mean squared horizontal velocity, the mean squared vertical velocity, and the mean norm of the
    acceleration, by differences between frames: v(t) = (x(t) - x(t-1)) / dt, a(t) = (x(t+1) - 2 x(t) + x(t-1)) / dt².
    (The commonly used implementation misplaces a parenthesis in the acceleration, and so measures position.)

    Takes windows (W, N, 15, 2) in torso lengths, y up, at `METRIC_FPS`. Returns (W, 42): 14 horizontal and 14 vertical
    ((torso lengths / s)²), 14 accelerations (torso lengths / s²).
    """
    moving = windows[:, :, joints]
    energy = (np.diff(moving, axis=1) ** 2).mean(1) * METRIC_FPS**2  # (W, 14, 2)
    acceleration = np.linalg.norm(np.diff(moving, n=2, axis=1), axis=-1).mean(1) * METRIC_FPS**2
    return np.concatenate([energy[..., 0], energy[..., 1], acceleration], axis=1)


def geometric(windows: np.ndarray) -> np.ndarray:
    """Compute geometric features: the fraction of frames in which each of 24 relations holds.

    After Müller, Röder and Clausen, "Efficient content-based retrieval of motion capture data" (SIGGRAPH 2005, Table
    1): those of their relations that a 2-D projection shows. Planes through the body become lines in the image, "in
    front" cannot be measured, and angles are those in the image.

    Takes windows (W, N, 15, 2) in torso lengths, y up. Returns (W, 24), 0 to 1, in the order of `relations`.
    """
    return np.stack(list(relations(windows).values()), axis=-1).mean(1)


def relations(poses: np.ndarray) -> dict[str, np.ndarray]:
    """Return which relations hold in poses (…, 15, 2), as bool (…) by name; see `geometric`."""
    at = {name: poses[..., j, :] for j, name in enumerate(BODY_15)}
    found = {}
    for side, other in (("R", "L"), ("L", "R")):
        shoulder, elbow, wrist = (at[side + joint] for joint in ("Shoulder", "Elbow", "Wrist"))
        hip, knee, ankle = (at[side + joint] for joint in ("Hip", "Knee", "Ankle"))
        found |= {
            f"{side} hand above neck": wrist[..., 1] > poses[..., NECK, 1],
            f"{side} hand above head": wrist[..., 1] > at["Nose"][..., 1],
            f"{side} arm raised": elbow[..., 1] > shoulder[..., 1],
            f"{side} elbow bent": angle(shoulder, elbow, wrist) < 120,
            f"{side} hand at hip": _distance(wrist, hip) < 0.4,
            f"{side} hand out": _distance(wrist, shoulder) > 0.8,
            f"{side} knee bent": angle(hip, knee, ankle) < 150,
            f"{side} foot raised": ankle[..., 1] - at[other + "Ankle"][..., 1] > 0.2,
        }
    across = at["LShoulder"][..., 0] - at["RShoulder"][..., 0]
    return found | {
        "hands crossed": (at["LWrist"][..., 0] - at["RWrist"][..., 0]) * across < 0,
        "feet crossed": (at["LAnkle"][..., 0] - at["RAnkle"][..., 0]) * (at["LHip"] - at["RHip"])[..., 0] < 0,
        "hands together": _distance(at["LWrist"], at["RWrist"]) < 0.4,
        "hands apart": _distance(at["LWrist"], at["RWrist"]) > 1.6,
        "feet apart": _distance(at["LAnkle"], at["RAnkle"]) > 0.6,
        "leaning": np.abs(poses[..., NECK, 0]) > 0.15,
        "facing the camera": across > 0,
        "sideways": np.abs(across) < 0.25,
    }


def angle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the angle at b between a and c, points (…, 2), in degrees: 180 is straight."""
    u, v = a - b, c - b
    cross, dot = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0], (u * v).sum(-1)
    return np.degrees(np.abs(np.arctan2(cross, dot)))


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)
