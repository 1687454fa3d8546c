"""Training sequences of the sequence GAN: each starts at random in a dance, or continues the one before."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.errors import UserError
from learn2dance.gan.dataset import Dance
from learn2dance.gan.sequence_networks import SequenceConfig
from learn2dance.motion import skeleton

RESTART_SHARE = 0.2  # fraction of rollouts that restart with a sequence; others go on, so that long dances are learned
SAME_DANCE_SHARE = 0.8  # fraction of mismatched music from the same dance: it differs in bar phase and in little else
NO_MUSIC_SHARE = 0.1  # fraction of sequences without music


class RolloutState(nn.Module):
    """State of the rollouts in training: take, step of the sequence in it, latent, memory, and whether mirrored."""

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
        self.step.fill_(1 << 40)  # past the end of any take


class Batch(NamedTuple):
    """The current sequence of each of N rollouts.

    Attributes
    ----------
    poses : Tensor [shape=(N, steps, J, 2)]
        Real poses.
    music, other : Tensor [shape=(N, lookahead + steps + lookahead, M)]
        Music features, and mismatched ones: from another position in the same dance, or from another dance.
    style : Tensor [shape=(N,), dtype=int64]
        Index plus one, 0 if unknown; plus `PoseConfig.style_count` if mirrored.
    begun : Tensor [shape=(N,), dtype=bool]
        Which rollouts restart here.
    """

    poses: Tensor
    music: Tensor
    other: Tensor
    style: Tensor
    begun: Tensor


class SequenceSampler:
    """Draws sequences from takes at random.

    If ``mirrored`` is not 0, half of the rollouts are mirrored and have this number added to their style.

    Raises
    ------
    UserError
        If no take has a complete sequence.
    """

    def __init__(self, takes: list[Dance], config: SequenceConfig, mirrored: int):
        self.config, self.mirrored = config, mirrored
        self.takes = [take for take in takes if len(take.starts(config.steps))]
        if not self.takes:
            raise UserError(f"no dance has {config.steps / config.fps:.1f} s of known poses in a row to learn from")
        self.starts = [take.starts(config.steps) for take in self.takes]
        self.whole = [set(starts.tolist()) for starts in self.starts]
        self.weights = np.array([len(start) for start in self.starts]) / sum(map(len, self.starts))
        pad = ((config.lookahead, config.lookahead), (0, 0))
        self.heard = [torch.from_numpy(np.pad(take.music, pad, "edge")) for take in self.takes]
        self.poses = [torch.from_numpy(take.poses) for take in self.takes]

    def draw(self, rng: np.random.Generator, take: int | None = None) -> tuple[int, int]:
        """Draw a take (unless one is given) and the first step of a sequence in it."""
        take = int(rng.choice(len(self.takes), p=self.weights)) if take is None else take
        return take, int(rng.choice(self.starts[take]))

    def advance(self, paths: RolloutState, rng: np.random.Generator, device: str | torch.device = "cpu") -> Batch:
        """Advance all rollouts by one sequence; restart some, and those that have no complete next sequence."""
        steps, anew = self.config.steps, rng.random(len(paths.take)) < RESTART_SHARE
        deaf, turn = rng.random(len(anew)) < NO_MUSIC_SHARE, rng.random(len(anew)) < (0.5 if self.mirrored else 0.0)
        at = list(zip(paths.take.tolist(), (paths.step + steps).tolist(), paths.mirrored.tolist(), strict=True))
        for path, (take, step, _) in enumerate(at):
            if anew[path] or take >= len(self.takes) or step not in self.whole[take]:
                at[path], anew[path] = (*self.draw(rng), bool(turn[path])), True
        takes, starts, mirrored = (list(part) for part in zip(*at, strict=True))
        others = [self.draw(rng, take if rng.random() < SAME_DANCE_SHARE else None) for take in takes]

        def heard(places: list[tuple[int, int]]) -> Tensor:
            # Zeros: no music.
            cuts = [self.heard[take][step : step + steps + 2 * self.config.lookahead] for take, step in places]
            return torch.stack(cuts) * torch.from_numpy(~deaf)[:, None, None]

        poses = torch.stack([self.poses[t][s : s + steps] for t, s in zip(takes, starts, strict=True)])
        turned = torch.tensor(mirrored)
        poses[turned] = mirror(poses[turned])
        style = torch.tensor([self.takes[take].style for take in takes]) + self.mirrored * turned
        for buffer, values in ((paths.take, takes), (paths.step, starts), (paths.mirrored, mirrored)):
            buffer.copy_(torch.tensor(values))
        found = (poses, heard(list(zip(takes, starts, strict=True))), heard(others), style, torch.from_numpy(anew))
        return Batch(*(part.to(device) for part in found))


def mirror(poses: Tensor) -> Tensor:
    """Mirror poses (…, J, 2) left to right, as `skeleton.mirror` does."""
    return poses[..., skeleton.mirror_order(poses.shape[-2]), :] * torch.tensor([-1.0, 1.0])
