"""The networks of the sequence GAN: generator and critic of dances in the latent space of the pose GAN.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.2),
with time in beats: a dance has `conditioning.STEPS` codes a beat. The generator is a U-Net (Ronneberger, Fischer and
Brox, MICCAI 2015) of convolutions over time, so that dances can have any length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.gan.conditioning import FEATURES, STEPS
from learn2dance.gan.pose_networks import PoseConfig, TimeAndStyle

# Deviation of the noise. Neighbouring steps are alike, so that through noise with the deviation of codes, 1, the motion
# would be seen too well (Hoogeboom, Heek and Salimans, "simple diffusion", ICML 2023).
NOISE = 5.0
HALF = STEPS // 2  # steps in half a beat


@dataclass(frozen=True)
class SequenceConfig:
    """Hyperparameters from which, with those of its pose GAN, a sequence GAN can be built."""

    music: bool  # whether it was trained with music
    beats: int = 16  # in a training sequence
    width: int = 128  # of the generator: a multiple of 32
    channels: int = 96  # of the critic


class _Block(nn.Module):
    """A residual block, (N, before, L) to (N, width, L); a label (N, 128) scales and shifts its channels."""

    def __init__(self, before: int, width: int, dilation: int = 1):
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(8, before), nn.GroupNorm(8, width)])
        sizes = ((before, dilation), (width, 1))
        self.convolutions = nn.ModuleList([nn.Conv1d(size, width, 3, 1, d, d) for size, d in sizes])
        self.modulation = nn.Linear(128, 2 * width)
        self.shortcut = nn.Conv1d(before, width, 1) if before != width else nn.Identity()
        _start_at_zero(self.convolutions[1])

    def forward(self, values: Tensor, label: Tensor) -> Tensor:
        """Return the values (N, width, L)."""
        hidden = self.convolutions[0](functional.silu(self.norms[0](values)))
        scale, shift = self.modulation(label)[..., None].chunk(2, 1)
        hidden = self.norms[1](hidden) * (1 + scale) + shift
        return self.shortcut(values) + self.convolutions[1](functional.silu(hidden))


class _Stage(nn.ModuleList):
    """Residual blocks of one width, one for each dilation."""

    def __init__(self, before: int, width: int, dilations: tuple[int, ...] = (1, 1)):
        super().__init__(_Block(width if i else before, width, d) for i, d in enumerate(dilations))

    def forward(self, values: Tensor, label: Tensor) -> Tensor:
        """Apply the blocks in turn."""
        for block in self:
            values = block(values, label)
        return values


def _start_at_zero(layer: nn.Module) -> None:
    """Set the parameters to 0, so that a residual block or a network starts as the identity or as 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class SequenceGenerator(nn.Module):
    """Predicts the codes of a dance from codes with noise: a U-Net with elements of half a beat, a beat, two beats."""

    def __init__(self, config: SequenceConfig, poses: PoseConfig):
        super().__init__()
        self.config, width = config, config.width
        half, beat, double = width, width * 5 // 4, width * 3 // 2
        self.label = TimeAndStyle(2 * poses.style_count, 128)
        self.enter = nn.Conv1d(HALF * (poses.latent + 1) + 2 + FEATURES, half, 3, padding=1)
        self.features = nn.ModuleList([nn.Conv1d(FEATURES, beat, 1), nn.Conv1d(FEATURES, double, 2, 2)])
        self.down = nn.ModuleList([nn.Conv1d(half, beat, 4, 2, 1), nn.Conv1d(beat, double, 4, 2, 1)])
        self.before = nn.ModuleList([_Stage(half, half), _Stage(beat, beat)])
        self.middle = _Stage(double, double, (1, 2, 4, 1))
        self.up = nn.ModuleList([nn.Conv1d(double, beat, 3, padding=1), nn.Conv1d(beat, half, 3, padding=1)])
        self.after = nn.ModuleList([_Stage(2 * beat, beat), _Stage(2 * half, half)])
        self.leave = nn.Conv1d(half, HALF * poses.latent, 3, padding=1)
        _start_at_zero(self.leave)

    def forward(self, codes: Tensor, time: Tensor, given: Tensor, features: Tensor, style: Tensor) -> Tensor:
        """Return codes (N, STEPS B, latent) for codes with the noise of times (N,).

        ``given``, bool (N, STEPS B), says which codes have no noise. ``features`` (N, B, FEATURES) are the beats'
        (`conditioning`), ``style`` (N,) is int64.
        """
        count, odd = codes.shape[1], features.shape[1] % 2
        codes, given, features = (
            functional.pad(part, (0, 0, 0, odd * size))
            for part, size in ((codes / NOISE, STEPS), (given[..., None].to(codes.dtype), STEPS), (features, 1))
        )
        label, halves = functional.silu(self.label(time, style)), 2 * features.shape[1]
        parity = torch.eye(2, device=codes.device).repeat(halves // 2, 1).expand(len(codes), -1, -1)
        parts = [part.unflatten(1, (halves, HALF)).flatten(2) for part in (codes, given)]
        parts = [*parts, parity, features.repeat_interleave(2, 1)]
        values, features = self.enter(torch.cat(parts, -1).transpose(1, 2)), features.transpose(1, 2)
        skipped = []
        for stage, down, convolution in zip(self.before, self.down, self.features, strict=True):
            values = stage(values, label)
            skipped.append(values)
            values = down(values) + convolution(features)
        values = self.middle(values, label)
        for stage, up in zip(self.after, self.up, strict=True):
            values = functional.interpolate(up(values), scale_factor=2)
            values = stage(torch.cat([values, skipped.pop()], 1), label)
        predicted = self.leave(functional.silu(values)).transpose(1, 2)
        return predicted.unflatten(2, (HALF, -1)).flatten(1, 2)[:, :count]


class SequenceCritic(nn.Module):
    """Maps dances to scores: high for real ones that match their beats.

    It scores passages of about four, eight and more beats, and is shown codes and their differences between steps.
    """

    def __init__(self, config: SequenceConfig, poses: PoseConfig):
        super().__init__()
        c = config.channels
        self.label = TimeAndStyle(2 * poses.style_count, 64)
        self.enter = nn.Conv1d(2 * poses.latent, c, 4, 2, 1)  # 4 steps a beat
        self.features = nn.Conv1d(FEATURES, c, 1)
        self.shorter = nn.ModuleList([nn.Conv1d(c, 2 * c, 4, 2, 1), nn.Conv1d(2 * c, 2 * c, 4, 2, 1)])  # 2, 1
        self.scales = nn.ModuleList([nn.Conv1d(2 * c, 2 * c, 3, 1, d, d) for d in (1, 2, 4)])  # beats
        self.modulation = nn.Linear(64, 2 * c)
        self.scores = nn.ModuleList([nn.Linear(64, 2 * c + 1) for _ in range(3)])

    def forward(self, codes: Tensor, time: Tensor, given: Tensor, features: Tensor, style: Tensor) -> Tensor:
        """Return scores (N, 3), for the arguments of the generator; ``time`` is that before denoising.

        ``given`` is not used: given and generated poses should look alike.
        """
        label = self.label(time, style)
        velocity = functional.pad(STEPS / 2 * codes.diff(dim=1), (0, 0, 0, 1))
        values = self.enter(torch.cat([codes, velocity], -1).transpose(1, 2))
        values = functional.leaky_relu(values + self.features(features.transpose(1, 2)).repeat_interleave(4, 2), 0.2)
        values = functional.leaky_relu(self.shorter[0](values) + self.modulation(label)[..., None], 0.2)
        values, found = functional.leaky_relu(self.shorter[1](values), 0.2), []
        for convolution, score in zip(self.scales, self.scores, strict=True):
            values = functional.leaky_relu(convolution(values), 0.2)
            weights, offset = score(label).split((values.shape[1], 1), -1)
            found.append((values.mean(2) * weights).sum(1) / values.shape[1] ** 0.5 + offset[:, 0])
        return torch.stack(found, 1)
