"""Benchmark of motion prediction and completion: one second of real dances is removed, filled in, and compared."""

import numpy as np

from learn2dance.evaluation import bootstrap
from learn2dance.gan import completion, pose_folder
from learn2dance.gan.conditioning import Timeline
from learn2dance.gan.dataset import DanceReader
from learn2dance.gan.generate import GanModel
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton
from learn2dance.motion.skeleton import mirror

SECOND = round(kinematics.METRIC_FPS)  # frames in one second
PIECE = 82  # frames in a piece: 3.3 s
SEAM = 2  # frames on either side of the gap that FID_k includes, so that jumps at its edges count


def segments(reader: DanceReader, clips: list[str], joints: int, hop: int = PIECE) -> dict[str, np.ndarray]:
    """Cut the real dances of these clips into pieces of `PIECE` frames, ``hop`` frames apart.

    Returns ``poses`` (N, PIECE, J, 2) at `kinematics.METRIC_FPS` without NaN, ``style`` (N,), ``clip`` (N,), the
    dance's name, and ``start`` (N,), the piece's first frame.
    """
    found = {"poses": [], "style": [], "clip": [], "start": []}
    for clip in clips:
        poses, _, fps = pose_folder.read(reader.folder, clip)
        motion = kinematics.low_pass(poses[:, :joints], fps)
        for start in range(0, len(motion) - PIECE + 1, hop):
            if np.isfinite(motion[start : start + PIECE]).all():
                found["poses"].append(motion[start : start + PIECE])
                found["style"].append(reader.folder.style(clip))
                found["clip"].append(clip)
                found["start"].append(start)
    kinds = {"poses": np.float32, "clip": str}
    return {key: np.array(value, kinds.get(key, np.int64)) for key, value in found.items()}


def timelines(reader: DanceReader, pieces: dict, out: slice) -> list[Timeline]:
    """Return the timeline of each piece, whose first frame is at 0 s.

    The music is synchronised with the dance without the removed frames ``out`` of the piece, which must not tell where
    they belong in the bar. So pieces may have different numbers of beats.
    """
    found, fps, read = [], kinematics.METRIC_FPS, {}
    for clip, start in zip(pieces["clip"], pieces["start"], strict=True):
        if clip not in read:
            read = {clip: pose_folder.read(reader.folder, clip)}
        poses, _, rate = read[clip]
        seen = poses.copy()
        seen[slice(*(round((start + edge) / fps * rate) for edge in (out.start, out.stop)))] = np.nan
        found.append(reader.timeline(clip, seen, rate).cut(start / fps, (start + PIECE - 1) / fps))
    return found


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


def compare(
    gan: GanModel, reader: DanceReader, pieces: dict, train: np.ndarray, seed: int
) -> dict[str, dict[str, dict]]:
    """Remove one second of each piece, fill it in with the GAN and the baselines, and score them.

    Returns task -> method -> measure -> [value, low, high] (`score`).
    """
    real, clips, found = pieces["poses"], pieces["clip"], {}
    for task, out in tasks(real.shape[1]).items():
        given = real.copy()
        given[:, out] = np.nan
        filled = {
            "GAN": fill_in(gan, given, timelines(reader, pieces, out), pieces["style"], seed),
            "interpolation": np.stack([kinematics.fill_gaps(part.reshape(PIECE, -1)) for part in given]).reshape(
                given.shape
            ),
            "last pose": hold_last(given, out),
            "nearest": nearest(given, out, train),
        }
        found[task] = {method: score(poses, real, out, clips, seed) for method, poses in filled.items()}
    return found


def fill_in(gan: GanModel, given: np.ndarray, lines: list[Timeline], style: np.ndarray, seed: int) -> np.ndarray:
    """Complete pieces (N, T, J, 2) with the GAN, those with equal numbers of beats together."""
    filled, counts = np.empty_like(given), np.array([len(line.features) for line in lines])
    for count in np.unique(counts):
        which = np.flatnonzero(counts == count)
        part = [lines[i] for i in which]
        if not gan.config.music:
            part = [Timeline(line.beats, np.zeros_like(line.features)) for line in part]
        filled[which] = completion.complete_poses(gan, given[which], kinematics.METRIC_FPS, part, style[which], seed)
    return filled
