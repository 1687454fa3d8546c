"""Benchmark of motion prediction and completion: one second of real dances is removed, filled in, and compared."""

import numpy as np

from learn2dance.evaluation import bootstrap
from learn2dance.gan import completion
from learn2dance.gan.dataset import Dance
from learn2dance.gan.generate import GanModel
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton
from learn2dance.motion.skeleton import mirror

SECOND = round(kinematics.METRIC_FPS)  # frames in one second
SEAM = 2  # frames on either side of the gap that FID_k includes, so that jumps at its edges count


def segments(gan: GanModel, dances: list[tuple[np.ndarray, Dance]], hop: int = 0) -> dict[str, np.ndarray]:
    """Cut real dances into pieces of the length of the critic's input, ``hop`` frames apart (0: no overlap).

    Each dance is its motion (T, J, 2) at `kinematics.METRIC_FPS`, and the same at the GAN's frame rate. Returns
    ``poses`` (N, T, J, 2) without NaN, ``music`` (N, K, M) at the GAN's K steps, ``style`` (N,), and ``clip`` (N,), the
    dance's name.
    """
    fps, count = gan.config.fps, gan.config.steps
    size = int((count - 1) / fps * kinematics.METRIC_FPS + 1e-9) + 1
    found = {"poses": [], "music": [], "style": [], "clip": []}
    for motion, take in dances:
        for start in range(0, len(motion) - size + 1, hop or size):
            step = round(start / kinematics.METRIC_FPS * fps)
            if step + count > len(take.music) or not np.isfinite(motion[start : start + size]).all():
                continue
            found["poses"].append(motion[start : start + size])
            found["music"].append(take.music[step : step + count, : gan.config.music])  # none, if trained without music
            found["style"].append(take.style)
            found["clip"].append(take.name)
    kinds = {"style": np.int64, "clip": str}
    return {key: np.array(value, kinds.get(key, np.float32)) for key, value in found.items()}


def tasks(frames: int) -> dict[str, slice]:
    """Return the frames of a piece that are removed in each task: one second in the middle, or at the end."""
    middle = (frames - SECOND) // 2
    return {"gap": slice(middle, middle + SECOND), "continuation": slice(frames - SECOND, frames)}


def hold_last(given: np.ndarray, out: slice) -> np.ndarray:
    """Fill the removed frames of pieces (N, T, J, 2) with the last pose before them."""
    filled = given.copy()
    filled[:, out] = given[:, out.start - 1 : out.start]
    return filled


def nearest(given: np.ndarray, out: slice, train: np.ndarray) -> np.ndarray:
    """Fill in from the training piece (M, T, J, 2), or its mirror image, that is nearest in the remaining frames."""
    from sklearn.metrics import pairwise_distances_argmin

    pieces = np.concatenate([train, mirror(train.reshape(-1, *train.shape[2:])).reshape(train.shape)])
    known = np.ones(given.shape[1], bool)
    known[out] = False
    index = pairwise_distances_argmin(*(part[:, known].reshape(len(part), -1) for part in (given, pieces)))
    filled = given.copy()
    filled[:, out] = pieces[index][:, out]
    return filled


def score(filled: np.ndarray, real: np.ndarray, out: slice, clips: np.ndarray, seed: int) -> dict[str, list[float]]:
    """Compare filled pieces (N, T, 15, 2) with the real ones; ``clips`` (N,) are the names of their dances.

    ``error``: mean joint distance in the removed frames, in torso lengths, without MidHip, which is the origin; a mean
    over clips. ``FID_k``: Fréchet distance of `motion_features.kinetic` of those frames and `SEAM` more on either side.
    Each is [value, low, high], with the 95% interval of a bootstrap over clips.
    """
    error = np.linalg.norm(filled[:, out] - real[:, out], axis=-1)[:, :, skeleton.MOVING].mean((1, 2))
    around = slice(max(out.start - SEAM, 0), out.stop + SEAM)
    own, theirs = (motion_features.kinetic(poses[:, around]) for poses in (filled, real))
    mean, deviation = distribution.scale(theirs)
    own, theirs = (own - mean) / deviation, (theirs - mean) / deviation
    members = [np.flatnonzero(clips == clip) for clip in np.unique(clips)]

    def distance(chosen: np.ndarray) -> float:
        pieces = np.concatenate([members[i] for i in chosen])
        return distribution.frechet(own[pieces], theirs[pieces])

    return {
        "error": _over_clips(error, clips, seed),
        "FID_k": bootstrap.centred([distance], len(members), seed, np.inf),
    }


def _over_clips(values: np.ndarray, clips: np.ndarray, seed: int) -> list[float]:
    """Return the mean over clips of values of pieces (N,), with its interval."""
    means = [values[clips == clip].mean() for clip in np.unique(clips)]
    return bootstrap.interval(bootstrap.means(np.array(means).reshape(1, -1, 1), seed)[:, 0])


def compare(gan: GanModel, pieces: dict, train: np.ndarray, seed: int) -> dict[str, dict[str, dict]]:
    """Remove one second of each piece, fill it in with the GAN and the baselines, and score them.

    Returns task -> method -> measure -> [value, low, high] (`score`). The GAN also has ``given_error``: mean error of
    the given joints, in torso lengths.
    """
    real, clips, found = pieces["poses"], pieces["clip"], {}
    for task, out in tasks(real.shape[1]).items():
        given = real.copy()
        given[:, out] = np.nan
        music, style = pieces["music"], pieces["style"]
        poses, given_error = completion.optimise(gan, given, kinematics.METRIC_FPS, music, style, seed)
        filled = {"GAN": poses, "interpolation": completion.interpolate(given)}
        filled |= {"last pose": hold_last(given, out), "nearest": nearest(given, out, train)}
        found[task] = {method: score(poses, real, out, clips, seed) for method, poses in filled.items()}
        found[task]["GAN"]["given_error"] = _over_clips(given_error, clips, seed)
    return found
