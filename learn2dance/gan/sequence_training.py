"""Training and scoring of the sequence GAN: the functions that train_seq.py's loop calls."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from learn2dance.errors import UserError
from learn2dance.gan import pose_networks, pose_training
from learn2dance.gan.dataset import Dance, DanceReader
from learn2dance.gan.generate import PARTS, GanModel
from learn2dance.gan.losses import PENALTY, gradient_penalty
from learn2dance.gan.pose_folder import PoseFolder
from learn2dance.gan.pose_networks import PoseCritic, PoseEncoder, PoseGenerator
from learn2dance.gan.sampler import Batch, RolloutState
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator, decode_path, draw_noise
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton, travel_model

POSE_CRITIC_WEIGHT = 2.0  # loss weight of the pose critic, relative to the sequence critic
MUSIC_CRITIC_WEIGHT = 2.0  # loss weight of the critic that compares own and mismatched music
RECON_WEIGHT = 3.0  # loss weight of the squared reconstruction error
VELOCITY_WEIGHT = 10.0  # weight of the squared error of velocities, relative to that of poses
RECON_SIGMA = 0.06  # torso lengths: assumed standard deviation of each coordinate's reconstruction error
PRETRAINING_RATE = 10.0  # factor of the learning rate in pretraining, without critics
MAX_GRADIENT_NORM = 10.0  # the generator's gradient is clipped to this norm


class SequenceGan(nn.Module):
    """Generator, its moving average, the critics, the rollouts, and the frozen pose generator with its encoder."""

    def __init__(
        self, config: SequenceConfig, pose_generator: PoseGenerator, encoder: PoseEncoder, decay: float, batch: int
    ):
        super().__init__()
        self.config, poses = config, pose_generator.config
        self.pose_generator, self.encoder = pose_generator.requires_grad_(False), encoder.requires_grad_(False)
        self.generator = SequenceGenerator(config, poses)
        self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.critic = nn.ModuleDict({name: SequenceCritic(config, poses) for name in ("sequence", "music")})
        self.critic["step"] = PoseCritic(poses)
        self.paths = RolloutState(batch, poses.latent, config.width)

    def fit(self, dances: list[Dance]) -> "SequenceGan":
        """Set mean and deviation from the pose generator, and the scale of speed from dances; return the GAN."""
        for network in self.critic.values():
            network.mean.copy_(self.pose_generator.mean)
            network.deviation.copy_(self.pose_generator.deviation)
        squares = np.concatenate([np.diff(dance.poses, axis=0).ravel() ** 2 for dance in dances])
        for name in ("sequence", "music"):
            self.critic[name].speed.fill_(2 * float(np.sqrt(np.nanmean(squares))))
        return self

    def crop_context(self, music: Tensor) -> Tensor:
        """Cut the ``lookahead`` steps before and after a sequence from its music features (N, T, M)."""
        return music[:, self.config.lookahead : music.shape[1] - self.config.lookahead]


def load_pose_gan(path: Path, folder: PoseFolder, device: str) -> tuple[PoseGenerator, PoseEncoder]:
    """Load the pose generator and encoder; raise a UserError if their joints or styles are not those of the folder."""
    generator, encoder = pose_training.load_poses(path, device)
    both = (generator.config.joints, generator.config.styles), (folder.joints, folder.names())
    found, expected = (f"{joints} joints, styles {', '.join(names) or 'none'}" for joints, names in both)
    if both[0] != both[1]:
        raise UserError(f"{path}: was trained on {found}; {folder.path} has {expected}; run train_pose.py on it")
    return generator, encoder


def new_config(reader: DanceReader, args) -> SequenceConfig:
    """Return the configuration of the networks for these dances and the hyperparameters of train_seq.py."""
    return SequenceConfig(
        reader.music_size, args.fps, args.sequence, args.noise, width=args.width, channels=args.channels
    )


def learning_rate(step: int, steps: int, pretraining: int) -> float:
    """Return the factor of the learning rate at a step: high in pretraining, later it decays."""
    return PRETRAINING_RATE if step < pretraining else pose_training.learning_rate_decay(step, steps)


def trained_model(gan: SequenceGan, reader: DanceReader, train: list[Dance]) -> GanModel:
    """Return the model as trained so far, with the averaged generator."""
    parts = [gan.pose_generator, gan.encoder, gan.average.module, gan.critic["sequence"], gan.critic["step"]]
    networks = nn.ModuleDict(dict(zip(PARTS, parts, strict=True)))
    steps = np.concatenate([kinematics.steps(dance.poses) for dance in train])
    top_speed = float(np.nanpercentile(steps, 99.9)) * reader.clock
    travel = travel_model.fit([(dance.poses, dance.path) for dance in train], reader.clock)
    poses = gan.pose_generator.config
    return GanModel(gan.config, poses, networks, reader.music_pca, reader.profiles, top_speed, travel)


def rollout(gan: SequenceGan, batch: Batch, rng: torch.Generator) -> Tensor:
    """Generate the next sequence of every rollout and keep its end state: poses (N, steps, J, 2)."""
    paths, generator, device = gan.paths, gan.generator, gan.paths.latent.device
    encoded = generator.encode_music(batch.music, batch.style)
    latent = pose_networks.draw_latents(len(encoded), gan.pose_generator.config.latent, rng, device)
    memory = torch.where(batch.begun[:, None], generator.start(encoded, latent), paths.memory)
    latent = torch.where(batch.begun[:, None], latent, paths.latent)
    noise = draw_noise(gan.config, len(encoded), gan.config.steps, rng, device)
    path, latent, memory = generator(encoded, noise, latent, memory)
    paths.latent.copy_(latent.detach())
    paths.memory.copy_(memory.detach())
    return decode_path(gan.pose_generator, path, batch.style)


def critic_step(gan: SequenceGan, optimiser, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Take one step of the critics; return the sequence critic's score gap (real - fake) and gradient penalty."""
    music, real, style = gan.crop_context(batch.music), batch.poses, batch.style
    with torch.no_grad():
        fake = rollout(gan, batch, rng)
    sequence, step = gan.critic["sequence"], gan.critic["step"]
    gap = sequence(real, music, style).mean() - sequence(fake, music, style).mean()
    penalty = gradient_penalty(sequence, real, fake, rng, music, style)
    which = torch.randint(real.shape[1], (len(real),), generator=rng).to(real.device)
    poses = [sequences[torch.arange(len(real), device=real.device), which] for sequences in (real, fake)]
    step_gap = step(poses[0], style).mean() - step(poses[1], style).mean()
    penalties = penalty + gradient_penalty(step, *poses, rng, style)
    optimiser.zero_grad()
    (PENALTY * penalties - gap - step_gap + mismatch_loss(gan, real, batch)).backward()
    optimiser.step()
    return gap.detach(), penalty.detach()


def mismatch_loss(gan: SequenceGan, poses: Tensor, batch: Batch) -> Tensor:
    """Return the music critic's loss for sequences (N, steps, J, 2); 0 without music.

    It is the mean of log(1 + exp(score with mismatched music - score with own music)). The critic is trained on real
    sequences, the generator on generated ones.
    """
    if not gan.config.music:
        return torch.zeros((), device=poses.device)
    music = (gan.crop_context(batch.music), gan.crop_context(batch.other))
    own, other = (gan.critic["music"](poses, features, batch.style) for features in music)
    return functional.softplus(other - own).mean()


def reconstruction_loss(gan: SequenceGan, batch: Batch, rng: torch.Generator) -> Tensor:
    """Return the reconstruction and KL loss of real sequences, with noise from the posterior.

    As in a variational autoencoder (Kingma and Welling, ICLR 2014; for sequences Chung et al., NeurIPS 2015), with a
    velocity term; the target is the pose GAN's reconstruction of the real poses. It is the only loss in pretraining;
    later it keeps the generator from forgetting moves.
    """
    real, style = batch.poses, batch.style
    with torch.no_grad():
        path = gan.encoder(real.flatten(0, 1), style.repeat_interleave(real.shape[1]))[0].unflatten(0, real.shape[:2])
        target = decode_path(gan.pose_generator, path, style)
    noise = draw_noise(gan.config, len(style), real.shape[1], rng, real.device)
    found, divergence, _ = gan.generator.reconstruct(gan.generator.encode_music(batch.music, style), path, noise)
    error = torch.cat([target[:, :1], decode_path(gan.pose_generator, found, style)], 1) - target
    squares = (error**2).sum((2, 3)).mean() + VELOCITY_WEIGHT * (error.diff(dim=1) ** 2).sum((2, 3)).mean()
    return RECON_WEIGHT * (squares + 2 * RECON_SIGMA**2 * divergence.mean())


def generator_step(gan: SequenceGan, optimiser, batch: Batch, rng: torch.Generator, adversarial: bool) -> None:
    """Take one step of the generator, with the critics' losses if ``adversarial``, and update its average."""
    gan.critic.requires_grad_(False)  # not trained here
    loss = reconstruction_loss(gan, batch, rng)
    if adversarial:
        fake, style = rollout(gan, batch, rng), batch.style
        loss = loss + MUSIC_CRITIC_WEIGHT * mismatch_loss(gan, fake, batch)
        loss = loss - gan.critic["sequence"](fake, gan.crop_context(batch.music), style).mean()
        scores = gan.critic["step"](fake.flatten(0, 1), style.repeat_interleave(fake.shape[1]))
        loss = loss - POSE_CRITIC_WEIGHT * scores.mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(gan.generator.parameters(), MAX_GRADIENT_NORM)
    optimiser.step()
    gan.critic.requires_grad_(True)
    gan.average.update_parameters(gan.generator)


def score_training_dances(train: list[Dance], real: list[np.ndarray], fps: float) -> str:
    """Score about as many training dances against the real validation dances; return the scores as text."""
    some = [dance.poses for dance in train[:: max(1, len(train) // len(real))]]
    return ", ".join(f"{name} {value:.2f}" for name, value in score_dances(some, real, fps).items())


def score_dances(fake: list[np.ndarray], real: list[np.ndarray], fps: float) -> dict[str, float]:
    """Score generated dances against real ones, both (T, J, 2) at ``fps``; real ones may have NaN.

    ``FID_k`` is the Fréchet distance of `motion_features.kinetic`; for 15 or 25 joints ``FID_g`` is that of
    `motion_features.geometric`; ``FID`` is their sum; they are NaN with too few windows. ``jerk`` is generated divided
    by real. ``precision`` and ``recall`` are those of poses, fewer than 2000 of each.
    """
    motion = [[kinematics.low_pass(dance, fps) for dance in dances] for dances in (fake, real)]
    cuts = [np.concatenate([motion_features.cut(m)[0] for m in dances]) for dances in motion]
    joints = cuts[0].shape[2]
    moving = skeleton.MOVING if joints in (15, 25) else np.arange(joints)
    kinds = {"FID_k": lambda cut: motion_features.kinetic(cut, moving)}
    kinds |= {"FID_g": motion_features.geometric} if joints in (15, 25) else {}
    scores = {"FID": 0.0}
    for name, kind in kinds.items():
        features = [kind(cut[:, :, :15] if joints == 25 else cut) for cut in cuts]
        mean, deviation = distribution.scale(features[1]) if len(features[1]) else (0.0, 1.0)
        scores[name] = distribution.frechet(*((f - mean) / deviation for f in features))
        scores["FID"] += scores[name]
    jerk = [np.nanmean([distribution.jerk(dance, moving) for dance in dances]) for dances in motion]
    scores["jerk"] = np.divide(*jerk)
    poses = [np.concatenate(dances) for dances in (fake, real)]
    poses = [p[np.isfinite(p).all((1, 2))].reshape(-1, 2 * joints) for p in poses]
    poses = [p[:: max(1, len(p) // 1000)] for p in poses]
    scores["precision"], scores["recall"] = distribution.precision_recall(poses[1], poses[0])
    return {key: float(value) for key, value in scores.items()}


def render_comparison(real: np.ndarray, fake: np.ndarray, fps: float, path: Path, seconds: float = 10.0) -> None:
    """Draw the first seconds of a real and of a generated dance side by side."""
    from learn2dance.render import animation

    length = int(seconds * fps)
    animation.animate([real[:length], fake[:length]], fps, path, titles=["real", "generated"], y_up=True)
