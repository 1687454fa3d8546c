"""Motion prediction and completion: part of a dance is given, and the GAN generates the rest.

After Cai et al. (arXiv 1711.08682, 3.3): the latents are optimised to fit the observed joints, while the critics keep
the motion realistic.
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

OBSERVED_WEIGHT = 300.0  # loss weight of the squared error of the observed joints
CRITIC_WEIGHT = 0.03  # loss weight of the critic scores
PRIOR_WEIGHT = 1.0  # loss weight of the squared coarse corrections: keeps the path near the initial one
FINE_WEIGHT = 0.01  # loss weight of the squared corrections of single steps, which only observed steps have
FULL_NOISE_AFTER = 2.0  # seconds after the last observed step, over which the noise rises from 0 to its full deviation
LEARNING_RATE = 0.05  # of Adam; it falls linearly to 0 in the second half
MAX_SECONDS = 300.0  # seconds: the longest completion, since all latents are optimised at once


def interpolate(given: np.ndarray) -> np.ndarray:
    """Fill gaps of dances (N, T, J, 2) by linear interpolation in time; hold the first and the last observed value.

    A joint that is never observed stays NaN.
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
    """Complete dances of equal length.

    Parameters
    ----------
    given : np.ndarray [shape=(N, T, J, 2), dtype=float32]
        Normalised; NaN where a joint is to be generated.
    fps : float
        Frames per second.
    music : np.ndarray [shape=(N, K, M), dtype=float32]
        Music features (`generate.conditioning_of`) of K GAN steps; K from `steps_for`.
    style : np.ndarray [shape=(N,), dtype=int64]
        Index plus one; 0 if unknown.
    seed : int
        Each seed gives another completion.

    Returns
    -------
    poses : np.ndarray [shape=(N, T, J, 2), dtype=float32]
        Complete; the observed joints are approximated, not copied.
    off : np.ndarray [shape=(N,), dtype=float32]
        Mean error of the observed joints in torso lengths.
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
    """Return the initial path (N, K, latent).

    At observed steps it encodes the given joints; missing ones are interpolated linearly, or, if never observed, taken
    from the mean pose. The other steps are generated and joined to the next observed step.
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
    """Return at which GAN steps any joint is observed, in the nearest frame: bool (N, K)."""
    there = np.isfinite(given).all(-1).any(-1)  # (N, T)
    nearest = np.round(np.arange(count) / gan.config.fps * fps).astype(int)
    return torch.from_numpy(there[:, np.minimum(nearest, given.shape[1] - 1)] & (nearest < given.shape[1]))


@torch.no_grad()
def rollout_unobserved(gan: GanModel, path: Tensor, known: Tensor, heard: Tensor, style: Tensor, seed: int) -> Tensor:
    """Replace the unobserved steps (not ``known``, bool (N, K)) of paths (N, K, latent) by a generator rollout."""
    generator, config = gan.networks["generator"], gan.config
    told = generator.encode_music(functional.pad(heard, (0, 0, config.lookahead, config.lookahead)), style)
    noise = sequence_networks.draw_noise(
        config, len(path), path.shape[1], torch.Generator().manual_seed(seed), path.device
    )
    since = torch.zeros_like(known, dtype=torch.float32)  # steps since the last observed one
    for t in range(1, path.shape[1]):
        since[:, t] = (since[:, t - 1] + 1) * ~known[:, t]
    free = (since / (FULL_NOISE_AFTER * config.fps)).clamp(max=1)[:, :: config.hold, None]
    danced = generator.rollout(told, path, known, noise * free)
    left = torch.zeros_like(since)  # steps until the next observed one
    for t in range(path.shape[1] - 2, -1, -1):
        left[:, t] = (left[:, t + 1] + 1) * ~known[:, t]
    # The jump to the next observed step is spread over the last second of the gap, or over all of a shorter gap.
    leap = torch.zeros_like(path)
    for t in range(path.shape[1] - 2, -1, -1):
        arrives = known[:, t + 1] & ~known[:, t]
        leap[:, t] = torch.where(arrives[:, None], path[:, t + 1] - danced[:, t + 1], leap[:, t + 1])
    ends = known.flip(1).cummax(1).values.flip(1)  # an observed step follows
    span = torch.minimum(since + left, torch.full_like(since, config.fps))
    share = ((span - left + 1) / (span + 1)).clamp(0, 1) * (ends & ~known)
    return torch.where(known[..., None], path, danced + share[..., None] * leap)


def steps_for(gan: GanModel, frames: int, fps: float) -> int:
    """Return the number of GAN steps (`config.fps`) that span these frames; at least `config.steps`."""
    return max(int(np.ceil((frames - 1) / fps * gan.config.fps - 1e-9)) + 1, gan.config.steps)


def spline(count: int, clock: float, frames: int, fps: float) -> Tensor:
    """Return the matrix (frames, count) of a cubic spline from values at ``clock`` Hz to frames at ``fps``."""
    basis = make_interp_spline(np.arange(count) / clock, np.eye(count), k=min(3, count - 1))
    return torch.from_numpy(basis(np.arange(frames) / fps).astype(np.float32))


def likeliest_style(gan: GanModel, given: np.ndarray) -> int:
    """Return the style (index plus one) with the least reconstruction error of poses (T, J, 2); 0 without styles."""
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
    """Generate what is missing in a file's poses.

    Parameters
    ----------
    path : str or Path
        Any .npz with ``poses`` of the GAN's joints, and ``fps``.
    frames : list of str
        The given frames: ranges ``A:B`` from frame A to before frame B.
    joints : list of int, optional
        The given joints of those frames; None: all.
    music : dict, optional
        Music features that start at the file's first frame.
    seconds : float
        Length; 0: that of the file.

    Returns
    -------
    dict
        The arrays of a ``dance`` file, at the file's frame rate, and ``off``: mean error of the given joints in torso
        lengths.

    Raises
    ------
    UserError
        If the file's joints are not the GAN's, if it is too long, or if no joint is observed in the given part.
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
    poses = np.where(given[:, None, None], poses, np.nan).astype(np.float32)  # normalisation must not use the others
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
