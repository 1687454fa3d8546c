"""The networks of the GAN's second step: paths through the latent space of poses, and the critic of whole sequences.

After Cai et al., "Deep Video Generation, Prediction and Completion of Human Action Sequences" (arXiv 1711.08682, 3.2):
a recurrent network gives a first latent and then shifts, whose running sum is the path; the frozen pose generator turns
each latent of it into a pose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.gan import pose_networks
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator


@dataclass(frozen=True)
class SequenceConfig:
    """The shape of a sequence GAN: all it takes to build it anew, beside its pose GAN's."""

    music: int  # numbers heard at each step; 0 without music
    fps: float = 15.0  # steps a second
    steps: int = 50  # in a sequence that the critic judges
    noise: int = 16
    hold: int = 5  # steps that noise is held for: motion is steady in between
    width: int = 192
    channels: int = 96  # of the critic
    lookahead: int = 4  # steps that the generator hears to either side


class SequenceGenerator(nn.Module):
    """Noise, music and style to a path of latents, as long as the music is."""

    def __init__(self, config: SequenceConfig, poses: PoseConfig):
        super().__init__()
        self.config, self.latent = (c := config), poses.latent
        self.style = nn.Embedding(2 * poses.style_count, 16)
        told = 16 + c.width // 2
        self.music_conv = nn.Conv1d(max(c.music, 1), c.width // 2, 2 * c.lookahead + 1)
        self.begin = _perceptron(told + poses.latent, c.width, c.width)
        self.cell = nn.GRUCell(told + c.noise + poses.latent, c.width)
        self.shift = _perceptron(c.width, c.width, poses.latent)
        with torch.no_grad():
            self.shift[-1].weight.mul_(0.1)  # steps begin as small as a body's
        self.posterior = _perceptron(told + (1 + c.hold) * poses.latent + c.width, c.width, 2 * c.noise)

    def encode_music(self, music: Tensor, style: Tensor) -> Tensor:
        """Encode music (N, lookahead + T + lookahead, M) and style int64 (N,): a vector for each step, (N, T, …)."""
        if not self.config.music:
            music = music.new_zeros((*music.shape[:2], 1))  # the network receives silence
        heard = functional.leaky_relu(self.music_conv(music.transpose(1, 2)), 0.2).transpose(1, 2)
        return torch.cat([heard, self.style(style)[:, None].expand(-1, heard.shape[1], -1)], -1)

    def start(self, heard: Tensor, latent: Tensor) -> Tensor:
        """Return the memory (N, width) of paths that begin at these latents (N, latent)."""
        return torch.tanh(self.begin(torch.cat([heard[:, 0], latent], -1)))

    def forward(self, heard: Tensor, noise: Tensor, latent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Go on from a latent (N, latent) and memory (N, width), told noise (N, T / hold, noise).

        Returns
        -------
        path : Tensor [shape=(N, T, latent)]
            The given latent is its first.
        latent, memory : Tensor
            From where the next path goes on.
        """
        noise = noise.repeat_interleave(self.config.hold, 1)[:, : heard.shape[1]]
        told, path = torch.cat([heard, noise], -1), []
        for step in told.unbind(1):
            path.append(latent)
            memory = self.cell(torch.cat([step, latent], -1), memory)
            latent = latent + self.shift(memory)
        return torch.stack(path, 1), latent, memory

    def reconstruct(self, heard: Tensor, path: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Follow a given path (N, T, latent) from its first latent: guess what noise leads along it, shift by that.

        Returns
        -------
        followed : Tensor [shape=(N, T - 1, latent)]
            Where the shifts lead, one after the other: along the given path, if all is learned.
        divergence : Tensor [shape=(N, T - 1)]
            Nats from the guessed noise to what is drawn when dancing.
        memory : Tensor [shape=(N, width)]
            With it `forward` goes on from the last latent.
        """
        hold, followed, divergence = self.config.hold, [], []
        memory, latent = self.start(heard, path[:, 0]), path[:, 0]
        coming = torch.cat([path[:, 1:], path[:, -1:].expand(-1, hold, -1)], 1)
        for t in range(path.shape[1] - 1):
            if t % hold == 0:
                shifts = coming[:, t : t + hold] - latent[:, None]
                seen = torch.cat([heard[:, t], latent, shifts.flatten(1), memory], -1)
                drawn, nats = _drawn(self.posterior(seen), noise[:, t // hold])
                divergence.append(nats)
            memory = self.cell(torch.cat([heard[:, t], drawn, latent], -1), memory)
            latent = latent + self.shift(memory)
            followed.append(latent)
        return torch.stack(followed, 1), torch.stack(divergence, 1), memory

    def rollout(self, heard: Tensor, path: Tensor, known: Tensor, noise: Tensor) -> Tensor:
        """Dance where a path (N, T, latent) is not known bool (N, T), and follow it where it is.

        Returns
        -------
        Tensor [shape=(N, T, latent)]
            Where each step leads; at a step that is known, where it would have led.
        """
        hold, danced = self.config.hold, [path[:, 0]]
        memory, latent = self.start(heard, path[:, 0]), path[:, 0]
        coming = torch.cat([path[:, 1:], path[:, -1:].expand(-1, hold, -1)], 1)
        lookahead = torch.cat([known[:, 1:], known[:, -1:].expand(-1, hold)], 1)
        for t in range(path.shape[1] - 1):
            if t % hold == 0:
                shifts = coming[:, t : t + hold] - latent[:, None]
                seen = torch.cat([heard[:, t], latent, shifts.flatten(1), memory], -1)
                guessed = self.posterior(seen).chunk(2, -1)[0]
                ahead_known = lookahead[:, t : t + hold].all(1, keepdim=True)
                drawn = torch.where(ahead_known, guessed, noise[:, t // hold])
            memory = self.cell(torch.cat([heard[:, t], drawn, latent], -1), memory)
            led = latent + self.shift(memory)
            danced.append(led)
            latent = torch.where(known[:, t + 1, None], path[:, t + 1], led)
        return torch.stack(danced, 1)


def _drawn(guessed: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw from the guessed normal distribution (N, 2 D) by noise (N, D); return the nats (N,) to that noise."""
    mean, spread = guessed.chunk(2, -1)
    deviation = functional.softplus(spread) + 1e-3
    nats = 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).sum(-1)
    return mean + deviation * noise, nats


def _perceptron(size: int, width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Linear(width, out))


class SequenceCritic(nn.Module):
    """Sequences, and the music they are danced to, to scores: high where dances are real and go with the music."""

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
        """Return scores (N,) of poses (N, steps, J, 2), danced to music (N, steps, M), in styles int64 (N,)."""
        place = ((poses - self.mean) / self.deviation).flatten(2)
        moved = functional.pad((poses.diff(dim=1) / self.speed).flatten(2), (0, 0, 0, 1))
        told = self.style(style)[:, None].expand(-1, poses.shape[1], -1)
        seen = functional.leaky_relu(self.motion_conv(torch.cat([place, moved, told], -1).transpose(1, 2)), 0.2)
        heard = torch.tanh(self.music_conv(torch.cat([music, told], -1).transpose(1, 2)))
        # Their product tells whether motion goes with the music (as in Miyato and Koyama's projection, ICLR 2018).
        found = self.layers(torch.cat([seen, heard, seen * heard], 1))
        # How much sequences differ is seen too (Karras et al., ICLR 2018, 3): dances must not be alike.
        spread = (found.var(0, correction=0) + 1e-6).sqrt().mean().expand(len(found), 1)
        return self.score(torch.cat([found, spread], 1)).squeeze(-1)


def draw_noise(config: SequenceConfig, count: int, steps: int, rng: torch.Generator, device) -> Tensor:
    """Draw the noise (N, steps / hold, noise) of paths of so many steps."""
    drawn = pose_networks.draw_latents(count * -(-steps // config.hold), config.noise, rng, device)
    return drawn.unflatten(0, (count, -1))


def decode_path(pose_generator: PoseGenerator, path: Tensor, style: Tensor) -> Tensor:
    """Turn paths (N, T, latent) in styles (N,) into poses (N, T, J, 2)."""
    return pose_generator(path.flatten(0, 1), style.repeat_interleave(path.shape[1])).unflatten(0, path.shape[:2])
