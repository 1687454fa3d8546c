"""Training sequences of the sequence GAN: each starts at random in a dance, or continues the one before."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.errors import UserError
from learn2dance.gan.dataset import Dance
from learn2dance.gan.sequence_networks import SequenceConfig
from learn2dance.motion import skeleton

RESTART_SHARE = 0.2  # fraction of rollouts that restart at each sequence; the others continue, as long dances do
SAME_DANCE_SHARE = 0.8  # fraction of mismatched music from the same dance: it differs in bar phase and in little else
NO_MUSIC_SHARE = 0.1  # fraction of sequences without music


class RolloutState(nn.Module):
    """State of the rollouts in training: index of the dance, step of the sequence in it, latent, memory, mirrored."""

    def __init__(self, count: int, latent: int, width: int):
        super().__init__()
        self.register_buffer("take", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("step", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("latent", torch.zeros(count, latent))
        self.register_buffer("memory", torch.zeros(count, width))
        self.register_buffer("mirrored", torch.zeros(count, dtype=torch.bool))
        self.restart()

    def restart(self) -> None:
        """Restart all rollouts at the next `SequenceSampler.advance`."""
        self.step.fill_(1 << 40)  # past the end of any dance


class Batch(NamedTuple):
    """The current sequence of each of N rollouts."""

    poses: Tensor  # (N, steps, J, 2), real
    music: Tensor  # (N, lookahead + steps + lookahead, M)
    other: Tensor  # likewise, mismatched: from another position in the same dance, or from another dance
    style: Tensor  # int64 (N,): index plus one, 0 if unknown; plus `PoseConfig.style_count` if mirrored
    begun: Tensor  # bool (N,): which rollouts restart here


class SequenceSampler:
    """Draws sequences from dances at random. Raises a UserError if no dance has a complete one.

    If ``mirrored`` is not 0, half of the rollouts are mirrored and have this number added to their style.
    """

    def __init__(self, dances: list[Dance], config: SequenceConfig, mirrored: int):
        self.config, self.mirrored = config, mirrored
        self.dances = [dance for dance in dances if len(dance.starts(config.steps))]
        if not self.dances:
            seconds = f"{config.steps / config.fps:.1f} s"
            raise UserError(f"no dance has {seconds} of poses in a row with all joints; lower --sequence")
        self.starts = [dance.starts(config.steps) for dance in self.dances]
        self.weights = np.array([len(start) for start in self.starts]) / sum(map(len, self.starts))
        pad = ((config.lookahead, config.lookahead), (0, 0))
        self.music = [np.pad(dance.music, pad, "edge") for dance in self.dances]

    def draw(self, rng: np.random.Generator, dance: int | None = None) -> tuple[int, int]:
        """Draw the index of a dance (unless one is given) and the first step of a sequence in it."""
        dance = int(rng.choice(len(self.dances), p=self.weights)) if dance is None else dance
        return dance, int(rng.choice(self.starts[dance]))

    def advance(self, paths: RolloutState, rng: np.random.Generator, device: str | torch.device = "cpu") -> Batch:
        """Advance all rollouts by one sequence; restart some, and those that have no complete next sequence."""
        count, steps, length = len(paths.take), self.config.steps, self.config.steps + 2 * self.config.lookahead
        begun, silent = rng.random(count) < RESTART_SHARE, rng.random(count) < NO_MUSIC_SHARE
        flip = rng.random(count) < (0.5 if self.mirrored else 0.0)  # of rollouts that restart
        places = list(zip(paths.take.tolist(), (paths.step + steps).tolist(), strict=True))
        mirrored = paths.mirrored.cpu().numpy().copy()
        for path, (dance, step) in enumerate(places):
            if begun[path] or dance >= len(self.dances) or step not in self.starts[dance]:
                places[path], mirrored[path], begun[path] = self.draw(rng), flip[path], True
        others = [self.draw(rng, dance if rng.random() < SAME_DANCE_SHARE else None) for dance, _ in places]
        music, other = (
            np.stack([self.music[dance][step : step + length] for dance, step in sequences]) * ~silent[:, None, None]
            for sequences in (places, others)
        )
        poses = np.concatenate([self.dances[dance].poses[step : step + steps] for dance, step in places])
        frames = np.repeat(mirrored, steps)
        poses[frames] = skeleton.mirror(poses[frames])
        poses = poses.reshape(count, steps, *poses.shape[1:])
        style = np.array([self.dances[dance].style for dance, _ in places]) + self.mirrored * mirrored
        for buffer, values in zip((paths.take, paths.step), torch.tensor(places).T, strict=True):
            buffer.copy_(values)
        paths.mirrored.copy_(torch.from_numpy(mirrored))
        return Batch(*(torch.from_numpy(part).to(device) for part in (poses, music, other, style, begun)))
