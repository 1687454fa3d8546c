"""The networks of the pose GAN: generator and critic of single poses, and an encoder of poses as latents.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.1),
trained as a Wasserstein GAN with gradient penalty (Gulrajani et al., NeurIPS 2017).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.motion.skeleton import MID_HIP


@dataclass(frozen=True)
class PoseConfig:
    """Hyperparameters from which a pose GAN can be built."""

    joints: int
    styles: tuple[str, ...]
    latent: int = 32
    width: int = 256
    layers: int = 3

    @property
    def style_count(self) -> int:
        """Number of style labels, 0 (unknown) included; mirrored poses have the label plus this number."""
        return len(self.styles) + 1


class _PoseNetwork(nn.Module):
    """A perceptron with a style label, for poses with this mean (J, 2) and deviation."""

    def __init__(self, config: PoseConfig, size: int, out: int):
        super().__init__()
        self.config = c = config
        self.style = nn.Embedding(2 * c.style_count, c.latent)
        sizes = pairwise([size + c.latent, *[c.width] * c.layers])
        hidden = [layer for pair in sizes for layer in (nn.Linear(*pair), nn.LeakyReLU(0.2))]
        self.layers = nn.Sequential(*hidden, nn.Linear(c.width, out))
        self.register_buffer("mean", torch.zeros(c.joints, 2))
        self.register_buffer("deviation", torch.ones(()))

    def of_poses(self, poses: Tensor, style: Tensor) -> Tensor:
        """Standardise poses (N, J, 2), and return the output (N, out)."""
        standardised = ((poses - self.mean) / self.deviation).flatten(1)
        return self.layers(torch.cat([standardised, self.style(style)], -1))


class PoseGenerator(_PoseNetwork):
    """Maps latents to poses."""

    def __init__(self, config: PoseConfig):
        super().__init__(config, config.latent, 2 * config.joints)

    def forward(self, latent: Tensor, style: Tensor) -> Tensor:
        """Return poses (N, J, 2) for latents (N, latent) of a standard normal distribution and styles int64 (N,)."""
        offsets = self.layers(torch.cat([latent, self.style(style)], -1)).unflatten(-1, (-1, 2))
        poses = self.mean + self.deviation * offsets
        root = poses[:, MID_HIP : MID_HIP + 1] if self.config.joints in (15, 25) else poses.mean(1, keepdim=True)
        return poses - root


class PoseEncoder(_PoseNetwork):
    """Maps poses to the posterior of their latents: mean and deviation of a normal distribution (N, latent)."""

    def __init__(self, config: PoseConfig):
        super().__init__(config, 2 * config.joints, 2 * config.latent)

    def forward(self, poses: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation (N, latent) for poses (N, J, 2) and styles int64 (N,)."""
        mean, spread = self.of_poses(poses, style).chunk(2, -1)
        return mean, functional.softplus(spread) + 1e-3


class PoseCritic(_PoseNetwork):
    """Maps poses to scores: high for real poses."""

    def __init__(self, config: PoseConfig):
        super().__init__(config, 2 * config.joints, 1)

    def forward(self, poses: Tensor, style: Tensor) -> Tensor:
        """Return scores (N,) for poses (N, J, 2) and styles int64 (N,)."""
        return self.of_poses(poses, style).squeeze(-1)


def draw_latents(count: int, size: int, rng: torch.Generator, device: str | torch.device = "cpu") -> Tensor:
    """Draw latents (count, size) on the CPU, so that a seed gives the same latents on every device."""
    return torch.randn((count, size), generator=rng).to(device)
