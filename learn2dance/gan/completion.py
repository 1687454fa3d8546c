"""Motion prediction and completion: part of a dance is given, and the GAN generates the rest.

After Cai et al. (arXiv 1711.08682, 3.3): the latents are optimised to fit the observed joints, while the critics keep
the motion realistic.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor
from torch.nn import functional

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.gan import generate, pose_folder, sequence_networks
from learn2dance.gan.generate import GanModel
from learn2dance.motion import skeleton, travel

OBSERVED_WEIGHT = 300.0  # loss weight of the squared error of the observed joints
CRITIC_WEIGHT = 0.03  # loss weight of the critic scores
PRIOR_WEIGHT = 1.0  # loss weight of the squared coarse corrections (a spline over all steps) of the initial path
FINE_WEIGHT = 0.01  # loss weight of the squared fine corrections (of single steps, only the observed ones)
FULL_NOISE_AFTER = 2.0  # seconds after the last observed step, over which the noise rises from 0 to its full deviation
LEARNING_RATE = 0.05  # of Adam; it falls linearly to 0 in the second half
MAX_SECONDS = 300.0  # seconds: the longest completion, since all latents are optimised at once


def interpolate(given: np.ndarray) -> np.ndarray:
    """Fill gaps of dances (N, T, J, 2) linearly in time, and hold the first and last value; without any, NaN stays."""
    filled, frames = given.copy(), np.arange(given.shape[1])
    for dance in filled.reshape(len(given), len(frames), -1):
        for column in dance.T:
            known = np.isfinite(column)
            if known.any():
                column[~known] = np.interp(frames[~known], frames[known], column[known])
    return filled


def optimise(
    gan: GanModel, given: np.ndarray, fps: float, music: np.ndarray, style: np.ndarray, seed: int, steps: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Complete dances of equal length.

    ``given`` (N, T, J, 2), float32, is normalised, at ``fps``, and NaN where a joint is to be generated. ``music``
    (N, K, M), float32, holds the features (`generate.conditioning_of`) of K GAN steps (`steps_for`); ``style`` (N,),
    int64, the index plus one, or 0 if unknown. Each seed gives another completion.

    Return complete poses (N, T, J, 2), which approximate the observed joints, and the mean error of these joints in
    torso lengths (N,), both float32.
    """
    config, networks = gan.config, gan.networks
    device = next(networks.parameters()).device
    count, frames = music.shape[1], given.shape[1]
    label, music = torch.from_numpy(style).to(device), torch.from_numpy(music).to(device)
    known = torch.from_numpy(np.isfinite(given).all(-1)).to(device)
    target = torch.from_numpy(np.nan_to_num(given)).to(device)
    start = initial_path(gan, given, fps, music, label, seed)
    known_steps = observed_steps(gan, given, fps, count).to(device)
    basis = spline(count, config.fps, frames, fps).to(device)
    coarse_basis = spline(-(-count // config.hold) + 1, 1 / config.hold, count, 1.0).to(device)
    fine = torch.zeros_like(start, requires_grad=True)
    coarse = torch.zeros(len(given), coarse_basis.shape[1], start.shape[-1], device=device, requires_grad=True)
    optimiser = torch.optim.Adam([fine, coarse], lr=LEARNING_RATE)
    windows = sorted({*range(0, count - config.steps, config.steps // 2), count - config.steps})
    decode = partial(sequence_networks.decode_path, networks["pose_generator"], style=label)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, 2 * (steps - step) / steps)
        exact = fine * known_steps[..., None]
        path = start + exact + torch.einsum("tk,nkl->ntl", coarse_basis, coarse)
        poses = decode(torch.einsum("tk,nkl->ntl", basis, path))
        loss = (
            OBSERVED_WEIGHT * ((poses - target) ** 2).sum(-1)[known].mean()
            + PRIOR_WEIGHT * ((path - start - exact) ** 2).sum(-1).mean()
            + FINE_WEIGHT * (exact**2).sum(-1).mean()
        )
        poses = decode(path)
        cuts = (torch.cat([part[:, s : s + config.steps] for s in windows]) for part in (poses, music))
        score = networks["sequence_critic"](*cuts, label.repeat(len(windows))).mean()
        score = score + networks["pose_critic"](poses.flatten(0, 1), label.repeat_interleave(count)).mean()
        optimiser.zero_grad()
        ((loss - CRITIC_WEIGHT * score) * len(given)).backward()
        optimiser.step()
    with torch.no_grad():
        poses = decode(torch.einsum("tk,nkl->ntl", basis, path))
        error = ((poses - target).norm(dim=-1) * known).sum((1, 2)) / known.sum((1, 2))
    return poses.cpu().numpy(), error.cpu().numpy()


def initial_path(gan: GanModel, given: np.ndarray, fps: float, music: Tensor, style: Tensor, seed: int) -> Tensor:
    """Return the initial path (N, K, latent).

    Observed steps encode the given joints; missing ones are interpolated, or, if never observed, taken from the mean
    pose. The other steps are generated and joined to the next observed step.
    """
    networks, count, last = gan.networks, music.shape[1], given.shape[1] - 1
    rough = interpolate(given)
    rough = np.where(np.isfinite(rough), rough, networks["pose_generator"].mean.cpu().numpy())
    times = np.arange(count) / gan.config.fps * fps
    before = np.minimum(times.astype(int), last - 1)
    part = np.minimum(times - before, 1)[:, None, None].astype(np.float32)
    rough = torch.from_numpy(rough[:, before] * (1 - part) + rough[:, before + 1] * part).to(style.device)
    with torch.no_grad():
        path = networks["pose_encoder"](rough.flatten(0, 1), style.repeat_interleave(count))[0]
    known = observed_steps(gan, given, fps, count).to(style.device)
    return rollout_unobserved(gan, path.unflatten(0, (len(given), -1)), known, music, style, seed)


def observed_steps(gan: GanModel, given: np.ndarray, fps: float, count: int) -> Tensor:
    """Return at which GAN steps any joint is observed, in the nearest frame: bool (N, K)."""
    observed = np.isfinite(given).all(-1).any(-1)  # (N, T)
    nearest = np.round(np.arange(count) / gan.config.fps * fps).astype(int)
    return torch.from_numpy(observed[:, np.minimum(nearest, given.shape[1] - 1)] & (nearest < given.shape[1]))


@torch.no_grad()
def rollout_unobserved(gan: GanModel, path: Tensor, known: Tensor, music: Tensor, style: Tensor, seed: int) -> Tensor:
    """Replace the unobserved steps (not ``known``, bool (N, K)) of paths (N, K, latent) by a generator rollout."""
    generator, config, count = gan.networks["generator"], gan.config, path.shape[1]
    encoded = generator.encode_music(functional.pad(music, (0, 0, config.lookahead, config.lookahead)), style)
    noise = sequence_networks.draw_noise(config, len(path), count, torch.Generator().manual_seed(seed), path.device)
    since = torch.zeros_like(known, dtype=torch.float32)  # steps since the last observed one
    for t in range(1, count):
        since[:, t] = (since[:, t - 1] + 1) * ~known[:, t]
    free = (since / (FULL_NOISE_AFTER * config.fps)).clamp(max=1)[:, :: config.hold, None]
    predicted = generator.rollout(encoded, path, known, noise * free)
    # The jump to the next observed step is spread over the last second of the gap, or over all of a shorter gap.
    left, jump = torch.zeros_like(since), torch.zeros_like(path)  # left: steps until the next observed one
    for t in range(count - 2, -1, -1):
        left[:, t] = (left[:, t + 1] + 1) * ~known[:, t]
        arrives = known[:, t + 1] & ~known[:, t]
        jump[:, t] = torch.where(arrives[:, None], path[:, t + 1] - predicted[:, t + 1], jump[:, t + 1])
    ends = known.flip(1).cummax(1).values.flip(1)  # an observed step follows
    span = torch.minimum(since + left, torch.full_like(since, config.fps))
    share = ((span - left + 1) / (span + 1)).clamp(0, 1) * (ends & ~known)
    return torch.where(known[..., None], path, predicted + share[..., None] * jump)


def steps_for(gan: GanModel, frames: int, fps: float) -> int:
    """Return the number of GAN steps (`config.fps`) that span these frames; at least `config.steps`."""
    return max(int(np.ceil((frames - 1) / fps * gan.config.fps - 1e-9)) + 1, gan.config.steps)


def spline(count: int, clock: float, frames: int, fps: float) -> Tensor:
    """Return the matrix (frames, count) of a cubic spline from values at ``clock`` Hz to frames at ``fps``."""
    basis = make_interp_spline(np.arange(count) / clock, np.eye(count), k=min(3, count - 1))
    return torch.from_numpy(basis(np.arange(frames) / fps).astype(np.float32))


def likeliest_style(gan: GanModel, given: np.ndarray) -> int:
    """Return the style (index plus one) with the least reconstruction error of poses (T, J, 2); 0 without styles."""
    filled = interpolate(given[None])[0]
    poses = torch.from_numpy(filled[np.isfinite(filled).all((1, 2))]).to(next(gan.networks.parameters()).device)
    errors = [np.inf]  # of style 0, which is not chosen if there are others
    for style in range(1, 1 + len(gan.styles)):
        label = torch.full((len(poses),), style, device=poses.device)
        reconstruction = gan.networks["pose_generator"](gan.networks["pose_encoder"](poses, label)[0], label)
        errors.append(float(((reconstruction - poses) ** 2).mean()) if len(poses) else 0.0)
    return int(np.argmin(errors))


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
        part = slice(int(first or 0), int(last) if last else None)
        given[part] = poses[part]
    poses, travelled = travel.split(given, fps, found["y_up"], found["nearer"], found["travel"])
    if joints is not None:
        if max(joints) >= wanted:
            raise UserError(f"{path}: no joint {max(joints)}; there are {wanted}, counted from 0")
        poses[:, [j for j in range(wanted) if j not in joints]] = np.nan
    if not np.isfinite(poses).all(-1).any():
        if np.isfinite(given).all(-1).any() and (unseen := skeleton.never_seen(given)):
            needed = "at least MidHip and Neck are" if wanted in (15, 25) else "all joints are"
            raise UserError(f"{path}: not known in the given frames: {unseen}; {needed} needed")
        raise UserError(f"{path}: no observed joint in what is given; count from 0, there are {len(poses)} frames")
    count = int(np.ceil(seconds * fps)) or len(poses)
    if count > MAX_SECONDS * fps:
        raise UserError(f"{path}: {count / fps:.0f} s to complete, expected {MAX_SECONDS:g} at most; give a part of it")
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
) -> tuple[dict, float]:
    """Generate what is missing in the poses of a file: any .npz with ``poses`` of the GAN's joints, and ``fps``.

    ``music`` starts at the file's first frame. Given are the frames ``known``, ranges ``A:B`` from A to before B, and
    of them the joints ``known_joints`` (None: all). The result lasts ``seconds`` (None: as long as the file). Its path
    over the floor is that of the given frames; elsewhere it follows the feet (`continue_path`, `travel.from_feet`).

    Return the arrays of a ``dance`` file, at the file's frame rate, and the mean error of the given joints in torso
    lengths.
    """
    poses, travelled, fps = read_given(path, gan, known, known_joints, seconds or 0.0)
    index = data_root.style_index(style, gan.styles)
    if music is not None:
        music, index = gan.choose_style(music, style)
    elif not style:
        index = likeliest_style(gan, poses)
    features = generate.conditioning_of(gan, music, steps_for(gan, len(poses), fps))
    poses, error = optimise(gan, poses[None], fps, features[None], np.array([index]), seed)
    beats = np.zeros(0) if music is None else music["beats"]
    travelled = continue_path(travelled, travel.from_feet(poses[0], fps, leak=np.inf))
    nearer = (travelled - travelled[0])[:, travel.NEARER].astype(np.float32)
    dance = {"poses": travel.place(poses[0], travelled), "nearer": nearer, "tokens": np.zeros((0, 0), np.int64)}
    return dance | {"beats": beats, "seed": seed, "fps": fps}, float(error[0])
