"""Prediction and completion judged: a second of real dances is taken out, filled in, and compared to the truth."""

import numpy as np

from learn2dance.gan import completion
from learn2dance.gan.dataset import Dance
from learn2dance.gan.generate import GanModel
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton
from learn2dance.motion.skeleton import mirror

SECOND = round(kinematics.METRIC_FPS)  # frames
SEAM = 2  # frames to either side of what was filled in that its motion is measured with


def segments(gan: GanModel, dances: list[tuple[np.ndarray, Dance]], hop: int = 0) -> dict[str, np.ndarray]:
    """Cut real dances into pieces as long as what the critic judges.

    Parameters
    ----------
    dances : list of (np.ndarray, Take)
        Motion (T, J, 2) at `kinematics.FPS`, and the same dance on the GAN's clock.
    hop : int
        Frames from one to the next; 0: they do not overlap.

    Returns
    -------
    dict
        ``poses`` (N, T, J, 2) whole, ``music`` (N, K, M), ``style`` (N,).
    """
    clock, count = gan.config.fps, gan.config.steps
    size = int((count - 1) / clock * kinematics.METRIC_FPS + 1e-9) + 1
    found = {"poses": [], "music": [], "style": []}
    for motion, take in dances:
        for start in range(0, len(motion) - size + 1, hop or size):
            step = round(start / kinematics.METRIC_FPS * clock)
            if step + count > len(take.music) or not np.isfinite(motion[start : start + size]).all():
                continue
            found["poses"].append(motion[start : start + size])
            found["music"].append(take.music[step : step + count, : gan.config.music])  # none, if it learned without
            found["style"].append(take.style)
    return {key: np.array(value, np.int64 if key == "style" else np.float32) for key, value in found.items()}


def tasks(frames: int) -> dict[str, slice]:
    """Return which frames of a piece are taken out: a second in the middle, or at the end."""
    middle = (frames - SECOND) // 2
    return {"gap": slice(middle, middle + SECOND), "continuation": slice(frames - SECOND, frames)}


def hold_last(given: np.ndarray, out: slice) -> np.ndarray:
    """Hold the last pose before what was taken out of pieces (N, T, J, 2)."""
    filled = given.copy()
    filled[:, out] = given[:, out.start - 1 : out.start]
    return filled


def nearest(given: np.ndarray, out: slice, learned: np.ndarray) -> np.ndarray:
    """Fill in from the piece that was learned from (M, T, J, 2), or its mirror image, which is most like the rest."""
    known = np.ones(given.shape[1], bool)
    known[out] = False
    wanted = given[:, known].reshape(len(given), -1)
    best, filled = np.full(len(given), np.inf), given.copy()
    for part in np.array_split(learned, -(-len(learned) // 2000)):
        for pieces in (part, mirror(part.reshape(-1, *part.shape[2:])).reshape(part.shape)):
            there = pieces[:, known].reshape(len(pieces), -1)
            squares = (wanted**2).sum(1)[:, None] + (there**2).sum(1) - 2 * wanted @ there.T
            index = squares.argmin(1)
            least = squares[np.arange(len(given)), index]
            better = least < best
            filled[better, out], best[better] = pieces[index[better], out], least[better]
    return filled


def score(filled: np.ndarray, real: np.ndarray, out: slice) -> dict[str, float]:
    """Judge what was filled into pieces (N, T, 15, 2) by what was danced there.

    Returns
    -------
    dict
        ``error``: mean distance of the joints (MidHip, which is the origin, left out) over the frames that were taken
        out, in torso lengths. ``FID_k``: the Fréchet distance of `motion_features.kinetic` of those frames, and `SEAM`
        more.
    """
    error = np.linalg.norm(filled[:, out] - real[:, out], axis=-1)[:, :, skeleton.MOVING].mean()
    around = slice(max(out.start - SEAM, 0), out.stop + SEAM)
    own, theirs = (motion_features.kinetic(poses[:, around]) for poses in (filled, real))
    mean, deviation = distribution.scale(theirs)
    distance = distribution.frechet((own - mean) / deviation, (theirs - mean) / deviation)
    return {"error": float(error), "FID_k": float(distance)}


def compare(gan: GanModel, pieces: dict, learned: np.ndarray, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Take a second out of each piece, let the GAN and its rivals fill it in, and judge them.

    Returns
    -------
    dict
        Task -> rival -> measure; the GAN's has ``off`` as well, how far it is from the joints that were given.
    """
    real, found = pieces["poses"], {}
    for task, out in tasks(real.shape[1]).items():
        given = real.copy()
        given[:, out] = np.nan
        made, off = completion.optimise(gan, given, kinematics.METRIC_FPS, pieces["music"], pieces["style"], seed)
        found[task] = {
            "GAN": score(made, real, out) | {"off": float(off.mean())},
            "straight lines": score(completion.interpolate(given), real, out),
            "last pose": score(hold_last(given, out), real, out),
            "nearest": score(nearest(given, out, learned), real, out),
        }
    return found
