"""Training sequences of the sequence GAN: passages of dances, some with parts that are given."""

import numpy as np
import torch

from learn2dance.errors import UserError
from learn2dance.gan.adversarial import Batch
from learn2dance.gan.conditioning import FEATURES, STEPS
from learn2dance.gan.dataset import Dance
from learn2dance.gan.pose_space import PoseSpace
from learn2dance.motion import skeleton

BEYOND = 4  # beats before and after a dance that a sequence may include
NO_MUSIC_SHARE = 0.1  # fraction of sequences without music
NO_STYLE_SHARE = 0.1  # fraction of sequences without a style, for guidance (`generate.GUIDANCE`)
GIVEN_SHARE = 0.4  # fraction of sequences that are partly given, so that the generator learns motion completion
LONGEST_GAP = 6  # beats


class SequenceSampler:
    """Draws sequences of ``beats`` beats from dances at random. Raises a UserError if no dance is long enough.

    If ``mirrored`` is not 0, half of the sequences are mirrored and have this number added to their style.
    """

    def __init__(self, dances: list[Dance], beats: int, mirrored: int):
        self.beats, self.mirrored = beats, mirrored
        self.dances = [dance for dance in dances if dance.known.sum() > STEPS * beats // 2]
        if not self.dances:
            raise UserError(f"no dance has {beats // 2} beats of poses with all joints; lower --beats")
        known = np.array([dance.known.sum() for dance in self.dances], float)
        self.shares = known / known.sum()

    def draw(self, count: int, space: PoseSpace, rng: np.random.Generator, device: str | torch.device) -> Batch:
        """Draw a batch of ``count`` sequences; their conditions are ``given``, the beats' features, and the style."""
        size = STEPS * self.beats
        poses = np.empty((count, size, *self.dances[0].steps.shape[1:]), np.float32)
        known, given = np.zeros((count, size), np.float32), np.zeros((count, size), bool)
        features, style = np.zeros((count, self.beats, FEATURES), np.float32), np.zeros(count, np.int64)
        for i, index in enumerate(rng.choice(len(self.dances), size=count, p=self.shares)):
            dance = self.dances[index]
            count_beats = len(dance.timeline.features)
            beat = int(rng.integers(-BEYOND, max(count_beats - self.beats + BEYOND, 1 - BEYOND)))
            steps = STEPS * beat + np.arange(size)
            inside = (steps >= 0) & (steps < len(dance.steps))
            steps = steps.clip(0, len(dance.steps) - 1)
            known[i] = inside & dance.known[steps]
            poses[i], style[i] = dance.steps[steps], dance.style * (rng.random() >= NO_STYLE_SHARE)
            if self.mirrored and rng.random() < 0.5:
                poses[i] = skeleton.mirror(poses[i])
                style[i] += self.mirrored
            if rng.random() >= NO_MUSIC_SHARE:
                features[i] = dance.timeline.features[np.arange(beat, beat + self.beats).clip(0, count_beats - 1)]
            given[i] = (known[i] > 0) & draw_given(size, rng)
        codes = space.encode(torch.from_numpy(poses).to(device))
        rest = [torch.from_numpy(part).to(device) for part in (known, given, features, style)]
        return Batch(codes, rest[0], rest[1], tuple(rest[1:]))


def draw_given(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw which steps of a sequence are given, bool (size,): none, all but a gap, those before a step, or after."""
    kind, given = rng.random() / GIVEN_SHARE, np.zeros(size, bool)
    if kind < 0.6:
        gap = int(rng.integers(STEPS // 2, min(LONGEST_GAP * STEPS, size) + 1))
        start = int(rng.integers(size - gap + 1))
        given[:start], given[start + gap :] = True, True
    elif kind < 1:
        cut = int(rng.integers(STEPS, size - STEPS))
        given[slice(cut) if kind < 0.8 else slice(cut, None)] = True
    return given
