"""Motion prediction and completion: part of a dance is given, and the GAN generates the rest.

The generator was trained on sequences of which some poses are given. How joints of other poses are kept, and how what
is generated continues what is given, says `generate.generate_steps`.
"""

from pathlib import Path

import numpy as np
import torch

from learn2dance.cli import log
from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.gan import denoising, generate, pose_folder
from learn2dance.gan.conditioning import STEPS, Timeline
from learn2dance.gan.generate import GanModel
from learn2dance.gan.pose_networks import draw_noise
from learn2dance.gan.sequence_networks import NOISE
from learn2dance.motion import kinematics, skeleton, travel
from learn2dance.music.marks import marks

MAX_SECONDS = 300.0  # seconds: the longest completion
FADE = 3.0  # seconds: in them, an error of given joints fades out in generated frames
STYLE_TIMES = (0.3, 0.5, 0.7)  # times at which the denoising errors of the styles are compared
STYLE_DRAWS = 8  # of noise for each time
LEAST_JOINTS = 0.4  # fraction of the joints that a pose must have to tell its style
STYLE_BEATS = 16  # the longest passage that is compared


def complete_poses(
    gan: GanModel, given: np.ndarray, fps: float, timelines: list[Timeline], style: np.ndarray, seed: int
) -> np.ndarray:
    """Complete dances of equal length: float32 (N, T, J, 2), in which known joints are as given.

    ``given`` (N, T, J, 2), float32, is normalised, at ``fps``, and NaN where a joint is to be generated. Their
    ``timelines`` have equal numbers of beats; ``style`` (N,), int64, the index plus one, or 0 if unknown. Each seed
    gives another completion.
    """
    known = np.stack([line.to_steps(poses, fps)[0] for line, poses in zip(timelines, given, strict=True)])
    features = np.stack([line.features for line in timelines])
    steps = generate.generate_steps(gan, features, style, seed, known=known)
    count = given.shape[1]
    poses = np.stack([line.to_frames(part, count, fps) for line, part in zip(timelines, steps, strict=True)])
    error = kinematics.fade((given - poses).reshape(*given.shape[:2], -1), FADE * fps)
    return np.where(np.isfinite(given), given, poses + error.reshape(poses.shape)).astype(np.float32)


@torch.inference_mode()
def likeliest_style(gan: GanModel, given: np.ndarray, fps: float, timeline: Timeline) -> int:
    """Return the style (index plus one) of poses (T, J, 2); 0 without styles, or if all poses lack too many joints.

    It is the one with which the generator removes noise best (Li et al., "Your diffusion model is secretly a zero-shot
    classifier", ICCV 2023) from the longest passage of such poses.
    """
    steps, _ = timeline.to_steps(given, fps)
    usable = np.isfinite(steps).all(-1).mean(-1) >= LEAST_JOINTS
    if not gan.styles or not usable.any():
        return 0
    first, last = longest_run(usable)
    beats = slice(first // STEPS, min(-(-last // STEPS), first // STEPS + STYLE_BEATS))
    inside = slice(STEPS * beats.start, STEPS * beats.stop)
    space, generator = gan.networks["space"], gan.networks["generator"]
    device, count = space.mean.device, len(STYLE_TIMES) * STYLE_DRAWS
    poses, usable = steps[inside], usable[inside]
    poses[usable] = space.complete(poses[usable])
    poses[~usable] = np.nan
    poses = kinematics.fill_gaps(poses.reshape(len(poses), -1)).reshape(poses.shape)
    codes = space.encode(torch.from_numpy(poses).to(device)).expand(count, -1, -1)
    time = torch.tensor(STYLE_TIMES, device=device).repeat(STYLE_DRAWS)
    noise = NOISE * draw_noise(codes.shape, torch.Generator().manual_seed(0), device)
    noisy = denoising.mix(codes, noise, time)
    features = torch.from_numpy(timeline.features[beats]).to(device).expand(count, -1, -1)
    weight = torch.from_numpy(usable.astype(np.float32)).to(device).expand(count, -1)
    errors = []
    for style in range(1, 1 + len(gan.styles)):
        label = torch.full((count,), style, device=device)
        predicted = generator(noisy, time, torch.zeros_like(weight, dtype=torch.bool), features, label)
        errors.append(float(denoising.loss(predicted, codes, weight, time)))
    return int(np.argmin(errors)) + 1


def longest_run(which: np.ndarray) -> tuple[int, int]:
    """Return where the longest run of True in bool (S,) begins, and where it has ended."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    first, last = runs[np.diff(runs, axis=1)[:, 0].argmax()]
    return int(first), int(last)


def read_given(path: str | Path, gan: GanModel, frames: list[str], joints: list[int] | None, seconds: float) -> tuple:
    """Read the poses to complete, root-centred float32 (T, J, 2), their path (T, 3), and fps; NaN where not given.

    For the arguments see `complete`, and for the path `travel.split`. Raises a UserError if the joints are not the
    GAN's, if it is too long, or if no joint is observed in the given part.
    """
    found, wanted = npz.load_poses(path), gan.poses.joints
    poses, fps = found["poses"], found["fps"] or pose_folder.ASSUMED_FPS
    poses = poses[:, :15] if wanted == 15 and poses.shape[1] == 25 else poses
    if poses.shape[1] != wanted:
        raise UserError(f"{path}: {poses.shape[1]} joints, expected {wanted} as in the model's training data")
    given = np.full(poses.shape, np.nan, np.float32)  # without the others, which normalisation must not use
    for part in frames:
        first, _, last = part.partition(":")
        if int(first or 0) >= len(poses):
            raise UserError(f"{path}: known frames {part} begin after its end; there are {len(poses)} frames")
        part = slice(int(first or 0), int(last) if last else None)
        given[part] = poses[part]
    poses, travelled = travel.split(given, fps, found["y_up"], found["nearer"], found["travel"])
    if joints is not None:
        if max(joints) >= wanted:
            raise UserError(f"{path}: no joint {max(joints)}; there are {wanted}, counted from 0")
        poses[:, [j for j in range(wanted) if j not in joints]] = np.nan
    count = int(np.ceil(seconds * fps)) or len(poses)
    if count > MAX_SECONDS * fps:
        raise UserError(f"{path}: {count / fps:.1f} s to complete, expected {MAX_SECONDS:g} at most; give a part of it")
    if not np.isfinite(poses[:count]).all(-1).any():
        if np.isfinite(given[:count]).all(-1).any() and (unseen := skeleton.never_seen(given)):
            needed = "at least MidHip and Neck are" if wanted in (15, 25) else "all joints are"
            raise UserError(f"{path}: not known in the given frames: {unseen}; {needed} needed")
        frames = min(count, len(poses))
        raise UserError(f"{path}: no observed joint in what is given; count from 0, there are {frames} frames")
    added = (0, max(count - len(poses), 0))
    poses = np.pad(poses, (added, (0, 0), (0, 0)), constant_values=np.nan)
    travelled = np.pad(travelled, (added, (0, 0)), constant_values=np.nan)
    return poses[:count], travelled[:count], fps


def continue_path(given: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Complete a path (T, 3), NaN where not given, with the displacements of another, ``free`` (T, 3).

    In a gap, what remains to the next given position is spread evenly over the gap, so that both ends meet.
    """
    known, frames = np.isfinite(given).all(1), np.arange(len(given))
    if not known.any():
        return free
    offsets = (given - free)[known]
    return free + np.stack([np.interp(frames, frames[known], column) for column in offsets.T], axis=1)


def complete(
    gan: GanModel,
    path: str | Path,
    music: dict | None,
    seed: int,
    style: str | None = None,
    known: list[str] = ("0:",),
    known_joints: list[int] | None = None,
    seconds: float | None = None,
) -> dict:
    """Generate what is missing in the poses of a file: any .npz with ``poses`` of the GAN's joints, and ``fps``.

    ``music`` starts at the file's first frame. Given are the frames ``known``, ranges ``A:B`` from A to before B, and
    of them the joints ``known_joints`` (None: all). The result lasts ``seconds`` (None: as long as the file). Its path
    over the floor is that of the given frames; elsewhere it follows the feet (`continue_path`, `travel.from_feet`).

    Return the arrays of a ``dance`` file, at the file's frame rate. Given joints are as in the file.
    """
    poses, travelled, fps = read_given(path, gan, known, known_joints, seconds or 0.0)
    index = data_root.style_index(style, gan.styles)
    if music is not None:
        music, index = gan.choose_style(music, style)
    timeline = gan.timeline(music, len(poses) / fps)
    if music is None and not style and gan.styles:
        index = likeliest_style(gan, poses, fps, timeline)
        log.info("%s: style %s, by the given poses", path, gan.styles[index - 1] if index else "unknown")
    poses = complete_poses(gan, poses[None], fps, [timeline], np.array([index]), seed)[0]
    heard = {"beats": np.zeros(0)} if music is None else marks(music)
    travelled = continue_path(travelled, travel.from_feet(poses, fps, leak=np.inf))
    nearer = (travelled - travelled[0])[:, travel.NEARER].astype(np.float32)
    dance = {"poses": travel.place(poses, travelled), "nearer": nearer, "tokens": np.zeros((0, 0), np.int64)}
    return dance | {"seed": seed, "fps": fps} | heard
