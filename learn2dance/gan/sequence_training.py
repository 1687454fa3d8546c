"""Training and scoring of the sequence GAN: the functions that train_seq.py's loop calls."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from learn2dance.gan import pose_networks
from learn2dance.gan.dataset import Dance, DanceReader
from learn2dance.gan.generate import PARTS, GanModel
from learn2dance.gan.pose_networks import PENALTY, PoseCritic, PoseEncoder, PoseGenerator, gradient_penalty
from learn2dance.gan.sampler import Batch, RolloutState
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator, decode_path, draw_noise
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton

POSE_CRITIC_WEIGHT = 2.0  # loss weight of the pose critic, relative to the sequence critic
MUSIC_CRITIC_WEIGHT = 2.0  # loss weight of the critic that compares own and mismatched music
RECON_WEIGHT = 3.0  # loss weight of the squared reconstruction error
VELOCITY_WEIGHT = 10.0  # weight of the squared error of velocities, relative to that of poses
RECON_SIGMA = 0.06  # torso lengths: assumed standard deviation of each coordinate's reconstruction error
PRETRAINING_RATE = 10.0  # factor of the learning rate in pretraining, without critics
MAX_GRADIENT_NORM = 10.0  # the generator's gradient is clipped to this norm
RUNAWAY = 1e3  # torso lengths: a larger difference of critic scores means divergence, as the slope is near one


class SequenceGan(nn.Module):
    """Generator, its moving average, the critics, the rollouts, and the frozen pose generator with its encoder."""

    def __init__(
        self, config: SequenceConfig, pose_generator: PoseGenerator, encoder: PoseEncoder, decay: float, batch: int
    ):
        super().__init__()
        self.config, self.pose_generator, self.encoder = (
            config,
            pose_generator.requires_grad_(False),
            encoder.requires_grad_(False),
        )
        self.generator = SequenceGenerator(config, pose_generator.config)
        self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.critic = nn.ModuleDict(
            {name: SequenceCritic(config, pose_generator.config) for name in ("sequence", "music")}
        )
        self.critic["step"] = PoseCritic(pose_generator.config)
        self.paths = RolloutState(batch, pose_generator.config.latent, config.width)

    def fit(self, takes: list[Dance]) -> None:
        """Set mean and deviation from the pose generator, and the scale of speed from dances."""
        for network in self.critic.values():
            network.mean.copy_(self.pose_generator.mean)
            network.deviation.copy_(self.pose_generator.deviation)
        squares = np.concatenate([np.diff(take.poses, axis=0).ravel() ** 2 for take in takes])
        for name in ("sequence", "music"):
            self.critic[name].speed.fill_(2 * float(np.sqrt(np.nanmean(squares))))


def crop_context(music: Tensor, config: SequenceConfig) -> Tensor:
    """Cut the ``lookahead`` steps before and after a sequence from its music features (N, T, M)."""
    return music[:, config.lookahead : music.shape[1] - config.lookahead]


def trained_model(pair: SequenceGan, reader: DanceReader, learned: list[Dance]) -> GanModel:
    """Return the model as trained so far, with the averaged generator."""
    parts = [pair.pose_generator, pair.encoder, pair.average.module, pair.critic["sequence"], pair.critic["step"]]
    networks = nn.ModuleDict(dict(zip(PARTS, parts, strict=True)))
    steps = np.concatenate([kinematics.steps(take.poses) for take in learned])
    top_speed = float(np.nanpercentile(steps, 99.9)) * reader.clock
    return GanModel(pair.config, pair.pose_generator.config, networks, reader.music_pca, reader.tempi(), top_speed)


def rollout(pair: SequenceGan, where: Batch, rng: torch.Generator) -> Tensor:
    """Generate the next sequence of every rollout and keep its end state: poses (N, steps, J, 2)."""
    device, paths, generator = pair.paths.latent.device, pair.paths, pair.generator
    heard = generator.encode_music(where.music, where.style)
    latent = pose_networks.draw_latents(len(heard), pair.pose_generator.config.latent, rng, device)
    memory = torch.where(where.begun[:, None], generator.start(heard, latent), paths.memory)
    latent = torch.where(where.begun[:, None], latent, paths.latent)
    drawn = draw_noise(pair.config, len(heard), pair.config.steps, rng, device)
    path, latent, memory = generator(heard, drawn, latent, memory)
    paths.latent.copy_(latent.detach())
    paths.memory.copy_(memory.detach())
    return decode_path(pair.pose_generator, path, where.style)


def critic_step(pair: SequenceGan, optimiser, where: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Take one step of the critics; return the sequence critic's score difference (real - generated) and penalty."""
    music, real, style = crop_context(where.music, pair.config), where.poses, where.style
    with torch.no_grad():
        made = rollout(pair, where, rng)
    whole, step = pair.critic["sequence"], pair.critic["step"]
    apart = whole(real, music, style).mean() - whole(made, music, style).mean()
    penalty = gradient_penalty(whole, real, made, rng, music, style)
    which = torch.randint(real.shape[1], (len(real),), generator=rng).to(real.device)
    poses = [sequences[torch.arange(len(real), device=real.device), which] for sequences in (real, made)]
    apart_step = step(poses[0], style).mean() - step(poses[1], style).mean()
    penalties = penalty + gradient_penalty(step, *poses, rng, style)
    optimiser.zero_grad()
    (PENALTY * penalties - apart - apart_step + mismatch_loss(pair, real, where)).backward()
    optimiser.step()
    return apart.detach(), penalty.detach()


def mismatch_loss(pair: SequenceGan, poses: Tensor, where: Batch) -> Tensor:
    """Return the music critic's loss for sequences (N, steps, J, 2): own against mismatched music.

    The mean of log(1 + exp(score with mismatched music - score with own music)). The critic is trained on real
    sequences, the generator on generated ones. 0 without music.
    """
    if not pair.config.music:
        return torch.zeros((), device=poses.device)
    own, other = (
        pair.critic["music"](poses, crop_context(music, pair.config), where.style)
        for music in (where.music, where.other)
    )
    return functional.softplus(other - own).mean()


def reconstruction_loss(pair: SequenceGan, where: Batch, rng: torch.Generator) -> Tensor:
    """Return the reconstruction and KL loss of real sequences, with noise from the posterior.

    As in a variational autoencoder (Kingma and Welling, ICLR 2014; for sequences Chung et al., NeurIPS 2015), with a
    velocity term; the target is the pose GAN's reconstruction of the real poses. It is the only loss in pretraining;
    later it keeps the generator from forgetting moves.
    """
    real, style = where.poses, where.style
    with torch.no_grad():
        path = pair.encoder(real.flatten(0, 1), style.repeat_interleave(real.shape[1]))[0].unflatten(0, real.shape[:2])
        goal = decode_path(pair.pose_generator, path, style)
    drawn = draw_noise(pair.config, len(style), real.shape[1], rng, real.device)
    followed, divergence, _ = pair.generator.reconstruct(pair.generator.encode_music(where.music, style), path, drawn)
    off = torch.cat([goal[:, :1], decode_path(pair.pose_generator, followed, style)], 1) - goal
    off = (off**2).sum((2, 3)).mean() + VELOCITY_WEIGHT * (off.diff(dim=1) ** 2).sum((2, 3)).mean()
    return RECON_WEIGHT * (off + 2 * RECON_SIGMA**2 * divergence.mean())


def generator_step(pair: SequenceGan, optimiser, where: Batch, rng: torch.Generator, judged: bool) -> None:
    """Take one step of the generator, with the critics' losses if ``judged``, and update its average."""
    pair.critic.requires_grad_(False)  # not trained here
    loss = reconstruction_loss(pair, where, rng)
    if judged:
        made, style = rollout(pair, where, rng), where.style
        loss = loss + MUSIC_CRITIC_WEIGHT * mismatch_loss(pair, made, where)
        loss = loss - pair.critic["sequence"](made, crop_context(where.music, pair.config), style).mean()
        loss = (
            loss
            - POSE_CRITIC_WEIGHT
            * pair.critic["step"](made.flatten(0, 1), style.repeat_interleave(made.shape[1])).mean()
        )
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(pair.generator.parameters(), MAX_GRADIENT_NORM)
    optimiser.step()
    pair.critic.requires_grad_(True)
    pair.average.update_parameters(pair.generator)


def score_dances(made: list[np.ndarray], real: list[np.ndarray], fps: float) -> dict[str, float]:
    """Score generated dances against real ones.

    Parameters
    ----------
    made, real : list of np.ndarray [shape=(T, J, 2)]
        At ``fps`` frames per second; real ones may have NaN.

    Returns
    -------
    dict
        ``FID_k``, the Fréchet distance of `motion_features.kinetic`; for 15 or 25 joints ``FID_g``, that of
        `motion_features.geometric`; ``FID``, their sum; NaN with too few windows. ``jerk``, generated divided by real;
        ``precision`` and ``recall`` of poses, fewer than 2000 of each.
    """
    motion = [[kinematics.low_pass(dance, fps) for dance in dances] for dances in (made, real)]
    cuts = [np.concatenate([motion_features.cut(m)[0] for m in dances]) for dances in motion]
    joints = cuts[0].shape[2]
    moving = skeleton.MOVING if joints in (15, 25) else np.arange(joints)
    kinds = {"FID_k": lambda cut: motion_features.kinetic(cut, moving)}
    kinds |= {"FID_g": motion_features.geometric} if joints in (15, 25) else {}
    found = {"FID": 0.0}
    for name, kind in kinds.items():
        seen = [kind(cut[:, :, :15] if joints == 25 else cut) for cut in cuts]
        mean, deviation = distribution.scale(seen[1]) if len(seen[1]) else (0.0, 1.0)
        found[name] = distribution.frechet(*((s - mean) / deviation for s in seen))
        found["FID"] += found[name]
    found["jerk"] = np.divide(
        *(np.nanmean([distribution.jerk(dance, moving) for dance in dances]) for dances in motion)
    )
    poses = [np.concatenate(dances) for dances in (made, real)]
    poses = [p[np.isfinite(p).all((1, 2))].reshape(-1, 2 * joints) for p in poses]
    poses = [p[:: max(1, len(p) // 1000)] for p in poses]
    found["precision"], found["recall"] = distribution.precision_recall(poses[1], poses[0])
    return {key: float(value) for key, value in found.items()}


def render_comparison(real: np.ndarray, made: np.ndarray, fps: float, path: Path, seconds: float = 10.0) -> None:
    """Draw the first seconds of a real and of a generated dance side by side."""
    from learn2dance.render import animation

    length = int(seconds * fps)
    animation.animate([real[:length], made[:length]], fps, path, titles=["real", "made"], y_up=True)
