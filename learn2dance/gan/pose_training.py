"""Training and scoring of the pose GAN: the functions that train_pose.py's loop calls."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from learn2dance.data import checkpoint
from learn2dance.data.temporary import atomic
from learn2dance.gan.losses import PENALTY, gradient_penalty, kl_divergence
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseEncoder, PoseGenerator, draw_latents
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import skeleton

SCORED = 4000  # poses that are scored, at most: the Fréchet distance falls with their number
DIVERGED = 1e3  # torso lengths: a larger critic score gap means divergence, as the critic's slope is near one
RECON_WEIGHT = 2.0  # loss weight of the squared reconstruction error
RECON_SIGMA = 0.04  # torso lengths: assumed standard deviation of each coordinate's reconstruction error


class PoseGan(nn.Module):
    """Generator, critic, encoder, and the generator's moving average, which is the result of training."""

    def __init__(self, config: PoseConfig, decay: float):
        super().__init__()
        self.generator, self.critic, self.encoder = PoseGenerator(config), PoseCritic(config), PoseEncoder(config)
        self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    def fit(self, poses: np.ndarray) -> "PoseGan":
        """Set mean and deviation from real poses (N, J, 2); return the GAN."""
        mean = poses.mean(0, dtype=np.float64)
        deviation = float(np.sqrt(((poses - mean) ** 2).mean(dtype=np.float64))) or 1.0
        for network in (self.generator, self.critic, self.encoder, self.average.module):
            network.mean.copy_(torch.from_numpy(mean))
            network.deviation.fill_(deviation)
        return self


class Optimisers:
    """Adam for the critic, and for generator and encoder, with one state; default betas as in Gulrajani et al."""

    def __init__(self, gan: nn.Module, rate: float, momentum: float = 0.0):
        trained = [p for part in (gan.generator, gan.encoder) for p in part.parameters() if p.requires_grad]
        self.critic = torch.optim.Adam(gan.critic.parameters(), lr=rate, betas=(0.0, 0.9))
        self.generator = torch.optim.Adam(trained, lr=rate, betas=(momentum, 0.9))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of both."""
        for group in (*self.critic.param_groups, *self.generator.param_groups):
            group["lr"] = rate

    def state_dict(self) -> dict:
        """Return both states."""
        return {"critic": self.critic.state_dict(), "generator": self.generator.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Load both states."""
        self.critic.load_state_dict(state["critic"])
        self.generator.load_state_dict(state["generator"])


def learning_rate_decay(step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step: 1 in the first half, then linear decay to 0."""
    return min(1.0, 2 * (steps - step) / steps)


def has_diverged(gap: Tensor, generator: nn.Module) -> bool:
    """Return whether the critic score gap is too large or not finite, or a parameter of the generator is not finite."""
    finite = torch.stack([parameter.isfinite().all() for parameter in generator.parameters()]).all()
    return not (abs(gap) <= DIVERGED and finite)


def batch(poses: np.ndarray, style: np.ndarray, size: int, mirrored: int, rng: np.random.Generator) -> tuple:
    """Draw real poses (size, J, 2) and their styles (size,).

    If ``mirrored`` is not 0, half of them are mirrored and have this number added to their style: the networks learn
    from both sides, and the label selects one.
    """
    drawn = rng.integers(len(poses), size=size)
    real, style = poses[drawn], style[drawn]
    if mirrored:
        half = rng.random(size) < 0.5
        real[half] = skeleton.mirror(real[half])
        style[half] += mirrored
    return torch.from_numpy(real), torch.from_numpy(style)


def critic_step(gan: PoseGan, optimiser: torch.optim.Optimizer, real: Tensor, style: Tensor, rng: torch.Generator):
    """Take one step of the critic; return the critic score gap (real - fake) and the gradient penalty."""
    with torch.no_grad():
        fake = gan.generator(draw_latents(len(real), gan.generator.config.latent, rng, real.device), style)
    gap = gan.critic(real, style).mean() - gan.critic(fake, style).mean()
    penalty = gradient_penalty(gan.critic, real, fake, rng, style)
    optimiser.zero_grad()
    (PENALTY * penalty - gap).backward()
    optimiser.step()
    return gap.detach(), penalty.detach()


def generator_step(gan: PoseGan, optimiser: torch.optim.Optimizer, real: Tensor, style: Tensor, rng: torch.Generator):
    """Take one step of generator and encoder, update the average; return squared error and KL divergence (nats)."""
    shape = (len(style), gan.generator.config.latent)
    fake = gan.generator(draw_latents(*shape, rng, style.device), style)
    mean, deviation = gan.encoder(real, style)
    reconstruction = gan.generator(mean + deviation * draw_latents(*shape, rng, style.device), style)
    error = ((reconstruction - real) ** 2).sum((1, 2)).mean()
    divergence = kl_divergence(mean, deviation).mean()
    optimiser.zero_grad()
    (RECON_WEIGHT * (error + 2 * RECON_SIGMA**2 * divergence) - gan.critic(fake, style).mean()).backward()
    optimiser.step()
    gan.average.update_parameters(gan.generator)
    return error.detach(), divergence.detach()


@torch.no_grad()
def generate_poses(generator: nn.Module, style: np.ndarray, seed: int) -> np.ndarray:
    """Generate one pose for each style (N,): float32 (N, J, 2)."""
    generator.eval()
    device, rng = next(generator.parameters()).device, torch.Generator().manual_seed(seed)
    latents = draw_latents(len(style), generator.config.latent, rng, device)
    return generator(latents, torch.from_numpy(style).to(device)).cpu().numpy()


def score_poses(fake: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Score generated poses (N, J, 2) against real ones (M, J, 2).

    ``FID`` is the Fréchet distance of coordinates, scaled by the deviation of the real ones; ``precision`` and
    ``recall`` are those of the first 1000 of each. For 15 or 25 joints, ``FID_g`` is the Fréchet distance of the
    `motion_features.relations` (0 or 1), scaled likewise.
    """
    flat = [poses.reshape(len(poses), -1) for poses in (fake, real)]
    moving = flat[1].std(0) > 1e-6
    mean, deviation = distribution.scale(flat[1][:, moving], 1e-6)
    few = [poses[:1000, moving] for poses in flat]
    precision, recall = distribution.precision_recall(few[1], few[0])
    distance = distribution.frechet(*((poses[:, moving] - mean) / deviation for poses in flat))
    found = {"FID": distance, "precision": precision, "recall": recall}
    if fake.shape[1] in (15, 25):
        flat = [np.stack(list(motion_features.relations(p[:, :15]).values()), 1).astype(float) for p in (fake, real)]
        mean, deviation = distribution.scale(flat[1])
        found["FID_g"] = distribution.frechet(*((f - mean) / deviation for f in flat))
    return found


def save_poses(path: Path, gan: PoseGan, **more) -> None:
    """Save the averaged generator and the encoder as a ``pose_gan`` checkpoint, with ``more`` plain values."""
    parts = {"network": gan.average.module, "encoder": gan.encoder}
    parts = {name: {key: value.cpu() for key, value in part.state_dict().items()} for name, part in parts.items()}
    checkpoint.save(path, "pose_gan", config=asdict(gan.generator.config), **parts, **more)


def load_poses(path: Path, device: str = "cpu") -> tuple[PoseGenerator, PoseEncoder]:
    """Load a pose generator and its encoder onto this device, in evaluation mode (`checkpoint.load_as`)."""
    generator, encoder = checkpoint.load_as(path, {"pose_gan": from_parts})
    return generator.to(device), encoder.to(device)


def from_parts(parts: dict) -> tuple[PoseGenerator, PoseEncoder]:
    """Build a pose generator and its encoder from the parts of their checkpoint."""
    config = PoseConfig(**parts["config"])
    generator, encoder = PoseGenerator(config), PoseEncoder(config)
    generator.load_state_dict(parts["network"])
    encoder.load_state_dict(parts["encoder"])
    return generator.eval(), encoder.eval()


def validation_poses(train: np.ndarray, val: np.ndarray, style: np.ndarray, seed: int) -> tuple:
    """Draw at most `SCORED` real poses of the val split, their styles, and the FID of as many training poses."""
    drawn = np.random.default_rng(seed).permutation(len(val))[:SCORED]
    others = np.random.default_rng(seed).integers(len(train), size=len(drawn))
    return val[drawn], style[drawn], score_poses(train[others], val[drawn])["FID"]


def plot_comparison(real: np.ndarray, fake: np.ndarray, path: Path):
    """Draw real poses (N, J, 2) above generated ones, save them as a PNG, and return the figure."""
    from matplotlib.figure import Figure

    from learn2dance.render import animation

    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, poses, title in zip(figure.subplots(2, 1), (real, fake), ("real", "generated"), strict=True):
        animation.strip(axes, poses, count=len(poses), y_up=True)
        axes.set_title(title, loc="left", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80, metadata={"Software": None})
    return figure
