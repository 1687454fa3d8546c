"""The networks of the pose GAN: generator and critic of single poses, in the latent space of poses.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.1).
The generator removes noise (`denoising`), as in denoising diffusion GANs (Xiao, Kreis and Vahdat, ICLR 2022).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class PoseConfig:
    """Hyperparameters from which a pose GAN can be built."""

    joints: int
    styles: tuple[str, ...]
    latent: int  # size of a code
    width: int = 384
    layers: int = 3

    @property
    def style_count(self) -> int:
        """Number of style labels, 0 (unknown) included; mirrored poses have the label plus this number."""
        return len(self.styles) + 1


class TimeAndStyle(nn.Module):
    """Maps times (N,) and styles int64 (N,) to vectors (N, size)."""

    def __init__(self, styles: int, size: int):
        super().__init__()
        self.style = nn.Embedding(styles, size)
        self.time = nn.Sequential(nn.Linear(32, size), nn.SiLU(), nn.Linear(size, size))
        octaves = torch.linspace(-1, 3, 16, device="cpu")  # also if the network is built without storage
        self.register_buffer("frequencies", 2 * torch.pi * torch.exp(octaves), persistent=False)

    def forward(self, time: Tensor, style: Tensor) -> Tensor:
        """Return the vectors."""
        angles = time[:, None] * self.frequencies
        return self.time(torch.cat([angles.sin(), angles.cos()], -1)) + self.style(style)


class PoseNetwork(nn.Module):
    """A perceptron for codes (N, latent) with the noise of times (N,), and styles int64 (N,)."""

    def __init__(self, config: PoseConfig, out: int):
        super().__init__()
        self.config, width = config, config.width
        self.label = TimeAndStyle(2 * config.style_count, 64)
        sizes = [config.latent + 64, *[width] * config.layers]
        hidden = [part for i in range(config.layers) for part in (nn.Linear(*sizes[i : i + 2]), nn.LeakyReLU(0.2))]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, out))

    def forward(self, codes: Tensor, time: Tensor, style: Tensor) -> Tensor:
        """Return the output (N, out)."""
        return self.layers(torch.cat([codes, self.label(time, style)], -1))


class PoseGenerator(PoseNetwork):
    """Predicts codes (N, latent) from codes with noise."""

    def __init__(self, config: PoseConfig):
        super().__init__(config, config.latent)


class PoseCritic(PoseNetwork):
    """Maps codes to scores (N, 1): high for real poses."""

    def __init__(self, config: PoseConfig):
        super().__init__(config, 1)


def draw_noise(shape: tuple[int, ...], rng: torch.Generator, device: str | torch.device = "cpu") -> Tensor:
    """Draw standard normal noise on the CPU, so that a seed gives the same noise on every device."""
    return torch.randn(shape, generator=rng).to(device)
