"""The networks of the sequence GAN: a generator of paths through the pose GAN's latent space, and a sequence critic.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.2):
from a first latent, a recurrent network predicts shifts; their running sum is the path. The frozen pose generator
decodes each latent of the path to a pose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.gan import pose_networks
from learn2dance.gan.losses import kl_divergence
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator


@dataclass(frozen=True)
class SequenceConfig:
    """Hyperparameters from which, with those of its pose GAN, a sequence GAN can be built."""

    music: int  # music features per step; 0 without music
    fps: float = 15.0  # steps per second
    steps: int = 50  # in a sequence that the critic scores
    noise: int = 16  # size of a noise vector
    hold: int = 5  # steps that share a noise vector, so that motion is smooth between changes
    width: int = 192
    channels: int = 96  # of the critic
    lookahead: int = 4  # steps of music on either side of a step that the generator uses


class SequenceGenerator(nn.Module):
    """Maps noise, music and style to a path of latents, as long as the music."""

    def __init__(self, config: SequenceConfig, poses: PoseConfig):
        super().__init__()
        self.config, self.latent = (c := config), poses.latent
        self.style = nn.Embedding(2 * poses.style_count, 16)
        condition = 16 + c.width // 2
        self.music_conv = nn.Conv1d(max(c.music, 1), c.width // 2, 2 * c.lookahead + 1)
        self.begin = _perceptron(condition + poses.latent, c.width, c.width)
        self.cell = nn.GRUCell(condition + c.noise + poses.latent, c.width)
        self.shift = _perceptron(c.width, c.width, poses.latent)
        with torch.no_grad():
            self.shift[-1].weight.mul_(0.1)  # at the start of training, shifts are as small as real ones
        self.posterior = _perceptron(condition + (1 + c.hold) * poses.latent + c.width, c.width, 2 * c.noise)

    def encode_music(self, music: Tensor, style: Tensor) -> Tensor:
        """Encode music (N, lookahead + T + lookahead, M) and style int64 (N,): a vector for each step, (N, T, …)."""
        if not self.config.music:
            music = music.new_zeros((*music.shape[:2], 1))  # a constant in place of music
        encoded = functional.leaky_relu(self.music_conv(music.transpose(1, 2)), 0.2).transpose(1, 2)
        return torch.cat([encoded, self.style(style)[:, None].expand(-1, encoded.shape[1], -1)], -1)

    def start(self, encoded: Tensor, latent: Tensor) -> Tensor:
        """Return the initial memory (N, width) of paths that start at these latents (N, latent)."""
        return torch.tanh(self.begin(torch.cat([encoded[:, 0], latent], -1)))

    def step(self, encoded: Tensor, noise: Tensor, latent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next latent (N, latent) and memory, for the music at this step (N, …) and noise (N, noise)."""
        memory = self.cell(torch.cat([encoded, noise, latent], -1), memory)
        return latent + self.shift(memory), memory

    def forward(self, encoded: Tensor, noise: Tensor, latent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Generate a path from a latent (N, latent), memory (N, width) and noise (N, ceil(T / hold), noise).

        Return the path (N, T, latent), which begins with the given latent, and the latent and memory with which to
        continue.
        """
        path = []
        for t in range(encoded.shape[1]):
            path.append(latent)
            latent, memory = self.step(encoded[:, t], noise[:, t // self.config.hold], latent, memory)
        return torch.stack(path, 1), latent, memory

    def _noise_posterior(self, encoded: Tensor, path: Tensor, t: int, latent: Tensor, memory: Tensor) -> tuple:
        """Return mean and deviation (N, noise) of the noise that leads from a latent along the path's next steps."""
        hold = self.config.hold
        coming = torch.cat([path[:, t + 1 : t + 1 + hold], path[:, -1:].expand(-1, hold, -1)], 1)[:, :hold]
        shifts = (coming - latent[:, None]).flatten(1)
        mean, spread = self.posterior(torch.cat([encoded[:, t], latent, shifts, memory], -1)).chunk(2, -1)
        return mean, functional.softplus(spread) + 1e-3

    def reconstruct(self, encoded: Tensor, path: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct a path (N, T, latent) from its first latent, with noise from the posterior.

        Return the reconstruction (N, T - 1, latent) without the first latent, the KL divergence of the posterior from
        the prior in nats for each noise vector (N, ceil((T - 1) / hold)), and the memory (N, width) with which
        `forward` continues from the last latent.
        """
        reconstruction, divergence = [], []
        memory, latent = self.start(encoded, path[:, 0]), path[:, 0]
        for t in range(path.shape[1] - 1):
            if t % self.config.hold == 0:
                mean, deviation = self._noise_posterior(encoded, path, t, latent, memory)
                divergence.append(kl_divergence(mean, deviation))
                drawn = mean + deviation * noise[:, t // self.config.hold]
            latent, memory = self.step(encoded[:, t], drawn, latent, memory)
            reconstruction.append(latent)
        return torch.stack(reconstruction, 1), torch.stack(divergence, 1), memory

    def rollout(self, encoded: Tensor, path: Tensor, known: Tensor, noise: Tensor) -> Tensor:
        """Generate the steps of a path (N, T, latent) that are not observed (``known``, bool (N, T)).

        The noise is the posterior's mean if the next ``hold`` steps are all observed, else ``noise``, as in `forward`.
        Return the predicted latents (N, T, latent), also at observed steps; the prediction after those starts at the
        observed latent.
        """
        hold, predicted = self.config.hold, [path[:, 0]]
        memory, latent = self.start(encoded, path[:, 0]), path[:, 0]
        for t in range(path.shape[1] - 1):
            if t % hold == 0:
                mean, _ = self._noise_posterior(encoded, path, t, latent, memory)
                observed = known[:, t + 1 : t + 1 + hold].all(1, keepdim=True)
                drawn = torch.where(observed, mean, noise[:, t // hold])
            latent, memory = self.step(encoded[:, t], drawn, latent, memory)
            predicted.append(latent)
            latent = torch.where(known[:, t + 1, None], path[:, t + 1], latent)
        return torch.stack(predicted, 1)


def _perceptron(size: int, width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Linear(width, out))


class SequenceCritic(nn.Module):
    """Maps sequences and their music to scores: high for real dances that match the music."""

    def __init__(self, config: SequenceConfig, poses: PoseConfig):
        super().__init__()
        self.config, c = config, config.channels
        self.style = nn.Embedding(2 * poses.style_count, 16)
        self.motion_conv = nn.Conv1d(4 * poses.joints + 16, c, 5, 2, 2)
        self.music_conv = nn.Conv1d(config.music + 16, c, 5, 2, 2)
        self.layers = nn.Sequential(
            nn.Conv1d(3 * c, c, 5, 2, 2), nn.LeakyReLU(0.2),
            nn.Conv1d(c, 2 * c, 5, 2, 2), nn.LeakyReLU(0.2), nn.Flatten(),
        )  # fmt: skip
        self.score = _perceptron(2 * c * -(-config.steps // 8) + 1, c, 1)
        self.register_buffer("mean", torch.zeros(poses.joints, 2))
        self.register_buffer("deviation", torch.ones(()))
        self.register_buffer("speed", torch.ones(()))

    def forward(self, poses: Tensor, music: Tensor, style: Tensor) -> Tensor:
        """Return scores (N,) for poses (N, steps, J, 2), music (N, steps, M) and styles int64 (N,)."""
        position = ((poses - self.mean) / self.deviation).flatten(2)
        velocity = functional.pad((poses.diff(dim=1) / self.speed).flatten(2), (0, 0, 0, 1))
        label = self.style(style)[:, None].expand(-1, poses.shape[1], -1)
        motion = self.motion_conv(torch.cat([position, velocity, label], -1).transpose(1, 2))
        motion = functional.leaky_relu(motion, 0.2)
        music = torch.tanh(self.music_conv(torch.cat([music, label], -1).transpose(1, 2)))
        # Their product shows whether motion matches the music (as in Miyato and Koyama's projection, ICLR 2018).
        features = self.layers(torch.cat([motion, music, motion * music], 1))
        # The minibatch standard deviation (Karras et al., ICLR 2018, 3) counters mode collapse.
        spread = (features.var(0, correction=0) + 1e-6).sqrt().mean().expand(len(features), 1)
        return self.score(torch.cat([features, spread], 1)).squeeze(-1)


def draw_noise(config: SequenceConfig, count: int, steps: int, rng: torch.Generator, device) -> Tensor:
    """Draw the noise (N, ceil(steps / hold), noise) of N = ``count`` paths."""
    noise = pose_networks.draw_latents(count * -(-steps // config.hold), config.noise, rng, device)
    return noise.unflatten(0, (count, -1))


def decode_path(pose_generator: PoseGenerator, path: Tensor, style: Tensor) -> Tensor:
    """Decode paths (N, T, latent) with styles (N,) to poses (N, T, J, 2)."""
    return pose_generator(path.flatten(0, 1), style.repeat_interleave(path.shape[1])).unflatten(0, path.shape[:2])
