"""The networks of the pose GAN, and what it shares with the sequence GAN: gradient penalty and latents.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.1),
trained as a Wasserstein GAN with gradient penalty (Gulrajani et al., NeurIPS 2017).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.motion.skeleton import MID_HIP

PENALTY = 10.0  # weight of the gradient penalty, as in Gulrajani et al.


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


class PoseGenerator(nn.Module):
    """Maps latents to poses: a perceptron with outputs that are scaled and centred like the data."""

    def __init__(self, config: PoseConfig):
        super().__init__()
        self.config = c = config
        self.style = nn.Embedding(2 * c.style_count, c.latent)
        sizes = [2 * c.latent, *[c.width] * c.layers]
        self.layers = nn.Sequential(*_layers(sizes), nn.Linear(c.width, 2 * c.joints))
        self.register_buffer("mean", torch.zeros(c.joints, 2))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, latent: Tensor, style: Tensor) -> Tensor:
        """Return poses (N, J, 2) for latents (N, latent) of a standard normal distribution and styles int64 (N,)."""
        moved = self.layers(torch.cat([latent, self.style(style)], -1)).unflatten(-1, (-1, 2))
        poses = self.mean + self.deviation * moved
        root = poses[:, MID_HIP : MID_HIP + 1] if self.config.joints in (15, 25) else poses.mean(1, keepdim=True)
        return poses - root


class PoseEncoder(nn.Module):
    """Maps poses to the posterior of their latents: mean and deviation of a normal distribution (N, latent)."""

    def __init__(self, config: PoseConfig):
        super().__init__()
        self.config = c = config
        self.style = nn.Embedding(2 * c.style_count, c.latent)
        sizes = [2 * c.joints + c.latent, *[c.width] * c.layers]
        self.layers = nn.Sequential(*_layers(sizes), nn.Linear(c.width, 2 * c.latent))
        self.register_buffer("mean", torch.zeros(c.joints, 2))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, poses: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation (N, latent) for poses (N, J, 2) and styles int64 (N,)."""
        seen = ((poses - self.mean) / self.deviation).flatten(1)
        mean, spread = self.layers(torch.cat([seen, self.style(style)], -1)).chunk(2, -1)
        return mean, functional.softplus(spread) + 1e-3


class PoseCritic(nn.Module):
    """Maps poses to scores: high for real poses."""

    def __init__(self, config: PoseConfig):
        super().__init__()
        self.config = c = config
        self.style = nn.Embedding(2 * c.style_count, c.latent)
        sizes = [2 * c.joints + c.latent, *[c.width] * c.layers]
        self.layers = nn.Sequential(*_layers(sizes), nn.Linear(c.width, 1))
        self.register_buffer("mean", torch.zeros(c.joints, 2))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, poses: Tensor, style: Tensor) -> Tensor:
        """Return scores (N,) for poses (N, J, 2) and styles int64 (N,)."""
        seen = ((poses - self.mean) / self.deviation).flatten(1)
        return self.layers(torch.cat([seen, self.style(style)], -1)).squeeze(-1)


def _layers(sizes: list[int]) -> list[nn.Module]:
    pairs = zip(sizes, sizes[1:], strict=False)
    return [layer for size, wide in pairs for layer in (nn.Linear(size, wide), nn.LeakyReLU(0.2))]


def gradient_penalty(critic: nn.Module, real: Tensor, made: Tensor, rng: torch.Generator, *told: Tensor) -> Tensor:
    """Return the gradient penalty between real and generated examples: mean of (|gradient| - 1)².

    Gulrajani et al., eq. 3: at points drawn uniformly on the lines from real to generated examples; the norm is over
    all values of one example.

    Parameters
    ----------
    critic : callable
        Takes examples (N, …) and ``told``; returns (N,).
    real, made : Tensor [shape=(N, …)]
    rng : torch.Generator
        Draws the points, on the CPU.
    told : Tensor
        The critic's further arguments: style, or music and style.
    """
    share = torch.rand((len(real), *[1] * (real.ndim - 1)), generator=rng).to(real.device)
    between = (real + share * (made - real)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, *told).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def draw_latents(count: int, size: int, rng: torch.Generator, device: str | torch.device = "cpu") -> Tensor:
    """Draw latents (count, size) on the CPU, so that a seed gives the same latents on every device."""
    return torch.randn((count, size), generator=rng).to(device)
