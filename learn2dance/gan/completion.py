"""Prediction and completion: dances of which a part is given, and the GAN dances the rest.

After Cai et al. (arXiv 1711.08682, 3.3): the latents are optimised until the known joints are met, while the critics
keep the rest real.
"""

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
from learn2dance.motion import skeleton

OBSERVED_WEIGHT = 300.0  # weight of the known joints' squared distance, beside the critics'
CRITIC_WEIGHT = 0.03  # weight of the critics' scores
PRIOR_WEIGHT = 1.0  # weight of the squared distance of the latents to where they began
FINE_WEIGHT = 0.01  # weight of the squared changes of single steps, which only known ones have
FULL_NOISE_AFTER = 2.0  # seconds after what was given until what is danced is drawn as freely as in any dance
LEARNING_RATE = 0.05
MAX_SECONDS = 300.0  # seconds: the latents are optimised all at once


def interpolate(given: np.ndarray) -> np.ndarray:
    """Fill dances (N, T, J, 2) by straight lines in time, and hold each joint before and after it is known.

    A joint that is never known stays NaN.
    """
    filled, clock = given.copy(), np.arange(given.shape[1])
    for dance in filled.reshape(len(given), given.shape[1], -1):
        for column in dance.T:
            known = np.isfinite(column)
            if known.any():
                column[~known] = np.interp(clock[~known], clock[known], column[known])
    return filled


def optimise(
    gan: GanModel, given: np.ndarray, fps: float, music: np.ndarray, style: np.ndarray, seed: int, steps: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Fill in what is not given of dances, all of one length.

    Parameters
    ----------
    given : np.ndarray [shape=(N, T, J, 2), dtype=float32]
        Normalised; NaN where a joint is to be filled in.
    fps : float
        Frames a second.
    music : np.ndarray [shape=(N, K, M), dtype=float32]
        What is heard at the `clock_steps` of the dances' length.
    style : np.ndarray [shape=(N,), dtype=int64]
    seed : int
        Another seed, another filling.

    Returns
    -------
    poses : np.ndarray [shape=(N, T, J, 2), dtype=float32]
        Whole; the known joints are as the path meets them.
    off : np.ndarray [shape=(N,), dtype=float32]
        How far the known joints are met: mean distance in torso lengths.
    """
    config, networks = gan.config, gan.networks
    device = next(networks.parameters()).device
    count, frames = music.shape[1], given.shape[1]
    told = torch.from_numpy(style).to(device)
    heard = torch.from_numpy(music).to(device)
    known = torch.from_numpy(np.isfinite(given).all(-1)).to(device)
    goal = torch.from_numpy(np.nan_to_num(given)).to(device)
    begun = initial_path(gan, given, fps, heard, told, seed)
    known_steps = observed_steps(gan, given, fps, count).to(device)
    basis = spline(count, config.fps, frames, fps).to(device)
    coarse = spline(-(-count // config.hold) + 1, 1 / config.hold, count, 1.0).to(device)
    fine = torch.zeros_like(begun, requires_grad=True)
    slow = torch.zeros(len(given), coarse.shape[1], begun.shape[-1], device=device, requires_grad=True)
    optimiser = torch.optim.Adam([fine, slow], lr=LEARNING_RATE)
    starts = sorted({*range(0, count - config.steps, config.steps // 2), count - config.steps})
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, 2 * (steps - step) / steps)
        exact = fine * known_steps[..., None]
        path = begun + exact + torch.einsum("tk,nkl->ntl", coarse, slow)
        poses = sequence_networks.decode_path(
            networks["pose_generator"], torch.einsum("tk,nkl->ntl", basis, path), told
        )
        off = ((poses - goal) ** 2).sum(-1)[known].mean()
        loss = (
            OBSERVED_WEIGHT * off
            + PRIOR_WEIGHT * ((path - begun - exact) ** 2).sum(-1).mean()
            + FINE_WEIGHT * (exact**2).sum(-1).mean()
        )
        on_clock = sequence_networks.decode_path(networks["pose_generator"], path, told)
        cut = torch.cat([on_clock[:, s : s + config.steps] for s in starts])
        sound = torch.cat([heard[:, s : s + config.steps] for s in starts])
        score = networks["sequence_critic"](cut, sound, told.repeat(len(starts))).mean()
        score = score + networks["pose_critic"](on_clock.flatten(0, 1), told.repeat_interleave(count)).mean()
        optimiser.zero_grad()
        ((loss - CRITIC_WEIGHT * score) * len(given)).backward()
        optimiser.step()
    path = path.detach()
    with torch.no_grad():
        poses = sequence_networks.decode_path(
            networks["pose_generator"], torch.einsum("tk,nkl->ntl", basis, path), told
        )
        distance = (poses - goal).norm(dim=-1) * known
        off = distance.sum((1, 2)) / known.sum((1, 2))
    return poses.cpu().numpy(), off.cpu().numpy()


def initial_path(gan: GanModel, given: np.ndarray, fps: float, heard: Tensor, style: Tensor, seed: int) -> Tensor:
    """Return the path (N, K, latent) to begin with.

    Where something is given, it is that of the given joints, others filled by straight lines; the generator dances
    on from there, and is led to what is given next.
    """
    pose_generator, encoder, count, fewer = (
        gan.networks["pose_generator"],
        gan.networks["pose_encoder"],
        heard.shape[1],
        given.shape[1] - 1,
    )
    rough = interpolate(given)
    rough = np.where(np.isfinite(rough), rough, pose_generator.mean.cpu().numpy())
    times = np.arange(count) / gan.config.fps * fps
    before = np.minimum(times.astype(int), fewer - 1)
    part = np.minimum(times - before, 1)[:, None, None].astype(np.float32)
    rough = torch.from_numpy(rough[:, before] * (1 - part) + rough[:, before + 1] * part).to(style.device)
    with torch.no_grad():
        path = encoder(rough.flatten(0, 1), style.repeat_interleave(count))[0].unflatten(0, (len(given), -1))
    known = observed_steps(gan, given, fps, count).to(style.device)
    return rollout_unobserved(gan, path, known, heard, style, seed)


def observed_steps(gan: GanModel, given: np.ndarray, fps: float, count: int) -> Tensor:
    """Tell at which steps of the GAN's clock any joint is given: bool (N, K)."""
    there = np.isfinite(given).all(-1).any(-1)  # (N, T)
    nearest = np.round(np.arange(count) / gan.config.fps * fps).astype(int)
    return torch.from_numpy(there[:, np.minimum(nearest, given.shape[1] - 1)] & (nearest < given.shape[1]))


@torch.no_grad()
def rollout_unobserved(gan: GanModel, path: Tensor, known: Tensor, heard: Tensor, style: Tensor, seed: int) -> Tensor:
    """Replace the steps of paths (N, K, latent) that are not known (N, K) by what the generator dances there."""
    generator, config = gan.networks["generator"], gan.config
    told = generator.encode_music(functional.pad(heard, (0, 0, config.lookahead, config.lookahead)), style)
    noise = sequence_networks.draw_noise(
        config, len(path), path.shape[1], torch.Generator().manual_seed(seed), path.device
    )
    since = torch.zeros_like(known, dtype=torch.float32)  # steps since something was known
    for t in range(1, path.shape[1]):
        since[:, t] = (since[:, t - 1] + 1) * ~known[:, t]
    free = (since / (FULL_NOISE_AFTER * config.fps)).clamp(max=1)[:, :: config.hold, None]
    danced = generator.rollout(told, path, known, noise * free)
    left = torch.zeros_like(since)  # steps until something is known again
    for t in range(path.shape[1] - 2, -1, -1):
        left[:, t] = (left[:, t + 1] + 1) * ~known[:, t]
    # The leap to what is known next is spread over the second before, or over all of the gap.
    leap = torch.zeros_like(path)
    for t in range(path.shape[1] - 2, -1, -1):
        arrives = known[:, t + 1] & ~known[:, t]
        leap[:, t] = torch.where(arrives[:, None], path[:, t + 1] - danced[:, t + 1], leap[:, t + 1])
    ends = known.flip(1).cummax(1).values.flip(1)  # something known comes later
    span = torch.minimum(since + left, torch.full_like(since, config.fps))
    share = ((span - left + 1) / (span + 1)).clamp(0, 1) * (ends & ~known)
    return torch.where(known[..., None], path, danced + share[..., None] * leap)


def steps_for(gan: GanModel, frames: int, fps: float) -> int:
    """Return how many steps of the GAN's clock hold so many frames; no less than a critic's sequence."""
    return max(int(np.ceil((frames - 1) / fps * gan.config.fps - 1e-9)) + 1, gan.config.steps)


def spline(count: int, clock: float, frames: int, fps: float) -> Tensor:
    """Return the matrix (frames, count) that takes values at the GAN's clock to those at the frames: a cubic spline."""
    basis = make_interp_spline(np.arange(count) / clock, np.eye(count), k=min(3, count - 1))
    return torch.from_numpy(basis(np.arange(frames) / fps).astype(np.float32))


def likeliest_style(gan: GanModel, given: np.ndarray) -> int:
    """Return the style (index plus one) in which the encoder knows the given poses (T, J, 2) best; 0 without styles."""
    rough = interpolate(given[None])[0]
    poses = torch.from_numpy(rough[np.isfinite(rough).all((1, 2))]).to(next(gan.networks.parameters()).device)
    off = []
    for style in range(1, 1 + len(gan.poses.styles)):
        told = torch.full((len(poses),), style, device=poses.device)
        again = gan.networks["pose_generator"](gan.networks["pose_encoder"](poses, told)[0], told)
        off.append(float(((again - poses) ** 2).mean()) if len(poses) else 0.0)
    return 1 + int(np.argmin(off)) if off else 0


def complete(
    gan: GanModel,
    path: str | Path,
    frames: list[str],
    joints: list[int] | None,
    music: dict | None,
    style: str | None,
    seed: int,
    seconds: float = 0.0,
) -> dict:
    """Dance what is not given of a file's poses.

    Parameters
    ----------
    path : str or Path
        Any .npz with ``poses`` of the GAN's joints, and ``fps``.
    frames : list of str
        What is given: ranges ``A:B`` from frame A to before frame B.
    joints : list of int, optional
        Of those frames; none: all of them.
    music : dict, optional
        What it is danced to, beginning with the file's first frame.
    seconds : float
        Length; 0: the file's own.

    Returns
    -------
    dict
        What a ``dance`` file holds, at the file's own frames a second, and ``off``: how far the given joints are met, a
        mean distance in torso lengths.

    Raises
    ------
    UserError
        If the file's joints are not the GAN's, or nothing is known in what is given.
    """
    found, wanted = npz.load_poses(path), gan.poses.joints
    poses, fps = found["poses"], found["fps"] or pose_folder.ASSUMED_FPS
    poses = poses[:, :15] if wanted == 15 and poses.shape[1] == 25 else poses
    if poses.shape[1] != wanted:
        raise UserError(
            f"{path}: {poses.shape[1]} joints, expected {wanted}, those of the dances that were learned from"
        )
    given = np.zeros(len(poses), bool)
    for part in frames:
        first, _, last = part.partition(":")
        given[int(first or 0) : int(last) if last else None] = True
    poses = np.where(given[:, None, None], poses, np.nan).astype(np.float32)  # what is not given must not be seen
    poses = poses if found["y_up"] else skeleton.normalise_any(poses, fps)
    if joints is not None:
        if max(joints) >= wanted:
            raise UserError(f"{path}: no joint {max(joints)}; there are {wanted}, counted from 0")
        poses[:, [j for j in range(wanted) if j not in joints]] = np.nan
    if not np.isfinite(poses).all(-1).any():
        raise UserError(
            f"{path}: no joint is known in the frames and joints given; count from 0, there are {len(poses)} frames"
        )
    count = int(np.ceil(seconds * fps)) or len(poses)
    if count > MAX_SECONDS * fps:
        raise UserError(f"{path}: {count / fps:.0f} s to complete, expected {MAX_SECONDS:g} at most; give a part of it")
    poses = np.concatenate([poses, np.full((max(count - len(poses), 0), *poses.shape[1:]), np.nan, np.float32)])[:count]
    beats = np.zeros(0)
    if music is not None:
        music, index = gan.count_in(music, style)
        beats = music["beats"]
    elif style:
        index = data_root.style_index(style, gan.poses.styles)
    else:
        index = likeliest_style(gan, poses)
    heard = generate.conditioning_of(gan, music, steps_for(gan, count, fps))
    made, off = optimise(gan, poses[None], fps, heard[None], np.array([index]), seed)
    dance = {"poses": made[0], "tokens": np.zeros((0, 0), np.int64), "beats": beats, "seed": seed, "fps": fps}
    return dance | {"off": float(off[0])}
