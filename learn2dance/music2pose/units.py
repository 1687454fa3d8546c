"""Unit selection: a dance is a sequence of real windows from the train split, chosen beat by beat.

Tokens sampled from a network can combine into motion that never occurs. Therefore a dance consists of units: windows of
the train split with all their tokens. They are chosen as in concatenative synthesis (Hunt and Black, ICASSP 1996), by
target cost (the network's prediction) and join cost (distance to the continuation of the last unit). Units last two
beats and start one beat apart, so two units are cross-faded at any time. A unit within `MIN_DISTANCE` beats of the last
one in the same clip is excluded if possible, so that training dances are not replayed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.data.data_root import style_index
from learn2dance.motion import travel
from learn2dance.motion.windows import POSE, fade, from_dct, root_speeds
from learn2dance.tokens.codebook import Codebook

MOST = 20000  # units: of more, every n-th is kept
JOIN_SCALE = 0.18  # torso lengths: at this rms join distance, a unit is e times less likely than at zero
TARGET_WEIGHT = 0.5  # of the network's log-probability: its input, the last window, also enters the join cost
HUBNESS_CORRECTION = 1.5  # weight: at 1, join cost alone makes all units about equally likely; 1.5 by recall on val
MIN_DISTANCE = 3  # beats: units no farther than this from the last unit in the same clip are excluded
FEW = 8  # units of a style and bar position: with no more, there is no hubness correction
SPARSE = 4  # frames: join distances are measured on every fourth frame
STAGE_WEIGHT = 10.0  # log-probability per `travel.edge_cost`


@dataclass(frozen=True)
class Units:
    """The N units of a train split; all but ``motion`` and ``tempo`` are int64."""

    motion: np.ndarray  # float32 (N, D): DCT coefficients of the real windows; their tokens lose a fifth of the jerk
    tokens: np.ndarray  # (N, C)
    bar: np.ndarray  # (N,): position in the bar of the first beat, see `beat_grid.bar_positions`
    style: np.ndarray  # (N,): index into the styles plus one; 0 if unknown
    tempo: np.ndarray  # float64 (N,): of the clip's music, beats per minute
    clip: np.ndarray  # (N,): index of the source clip
    beat: np.ndarray  # (N,): index of the window in it, one per beat


def collect(clips: dict[str, dict], styles: tuple[str, ...]) -> Units:
    """Collect the valid windows of clips (`dataset.load`) as units; ``styles`` are all styles."""
    every = -(-sum(int(clip["known"].sum()) for clip in clips.values()) // MOST)
    rows = []
    for number, clip in enumerate(clips.values()):
        beats = np.flatnonzero(clip["known"])[::every]
        bar, style = clip["bar"][clip["start"] + beats], style_index(clip["style"], styles)
        repeated = (value * np.ones(len(beats), np.int64) for value in (style, clip["tempo"], number))
        rows.append((clip["motion"][beats], clip["tokens"][beats], bar, *repeated, beats))
    return Units(*(np.concatenate(column) for column in zip(*rows, strict=True)))


class UnitInventory:
    """Units prepared for selection: their first and last parts for the join cost, and the hubness correction."""

    def __init__(self, units: Units, codebook: Codebook):
        self.units, self.codebook = units, codebook
        self.motion = from_dct(units.motion, codebook.frames)
        self.openings, self.closings = self.join_features(self.motion)
        self.displacement = self.displacements(self.motion)
        self.body_tokens = torch.from_numpy(units.tokens[:, : codebook.whole])
        padded = functional.pad(self.body_tokens, (1, 0))  # with a leading zero, so that no prefix is empty
        prefixes = (padded[:, : 1 + level] for level in range(codebook.whole))
        self.prefixes = [torch.unique(prefix, dim=0, return_inverse=True) for prefix in prefixes]
        _, which, counts = torch.unique(padded, dim=0, return_inverse=True, return_counts=True)
        self.equal = counts[which].double()  # number of units with the same whole-body tokens
        self.hubness = self._hubness()

    def join_features(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return windows (N, F) without the last beat, and without the first.

        They are scaled so that the distance of a window's first part from the last part of the window before is an rms
        distance of joints, in torso lengths: the join cost. Differences in travel add to it.
        """
        frames, beat = self.codebook.frames, self.codebook.frames_per_beat
        motion = motion.reshape(len(motion), frames, -1)
        parts = motion[:, : frames - beat : SPARSE], motion[:, beat::SPARSE]
        scale = np.sqrt(parts[0].shape[1] * POSE / 2)
        return tuple(part.reshape(len(motion), -1) / scale for part in parts)

    def displacements(self, motion: np.ndarray) -> np.ndarray:
        """Return how far each of the windows (N, F) takes the dancer in an overlap-add: (N, 2), across and nearer."""
        frames, beat = self.codebook.frames, self.codebook.frames_per_beat
        speeds = root_speeds(motion.reshape(len(motion), frames, -1), beat)
        return np.einsum("nfc,f->nc", speeds, fade(frames)) / beat

    def _hubness(self) -> np.ndarray:
        """Return the hubness correction (N,) of the units' scores, times `HUBNESS_CORRECTION`.

        Units near the mean motion join well to most others and would be chosen too often (hubs: Radovanović et al.,
        JMLR 2010). The correction lowers a unit's score by the logarithm of its mean probability under join cost alone,
        until all units of a style and bar position are about equally likely.
        """
        correction, units = np.zeros(len(self.units.bar)), self.units
        for style in np.unique(units.style):
            for bar in np.unique(units.bar[units.style == style]):
                here = np.flatnonzero((units.style == style) & (units.bar == bar))
                before = np.flatnonzero((units.style == style) & (units.bar == _position_before(bar)))
                if len(before) and len(here) > FEW:
                    scores = -cdist(self.closings[before], self.openings[here], "sqeuclidean") / JOIN_SCALE**2
                    scores[self._near(before[:, None], here)] = -np.inf
                    for _ in range(10):  # lowering one unit raises others: repeat until nearly equal
                        chances = scores + correction[here]
                        chances = np.exp(chances - chances.max(1, keepdims=True))
                        chances /= chances.sum(1, keepdims=True)
                        correction[here] -= np.log(chances.mean(0) * len(here) + 1e-3)
        return HUBNESS_CORRECTION * correction

    def _near(self, unit: np.ndarray | int, others: np.ndarray) -> np.ndarray:
        """Return which units are within `MIN_DISTANCE` beats of a unit in the same clip, and so would replay it."""
        clip, beat = self.units.clip, self.units.beat
        return (clip[unit] == clip[others]) & (np.abs(beat[unit] - beat[others]) <= MIN_DISTANCE)

    def log_probabilities(self, network: nn.Module, state: Tensor) -> np.ndarray:
        """Return each unit's log-probability (N,) for a state (width,); units with equal tokens share it."""
        total = torch.zeros(len(self.body_tokens), dtype=torch.float64)
        for level, (prefixes, which) in enumerate(self.prefixes):
            logits = network.level_logits(state.expand(len(prefixes), -1), prefixes[:, 1:].to(state.device))
            total += logits.log_softmax(-1).cpu()[which, self.body_tokens[:, level]]
        return (total - self.equal.log()).numpy()

    def choose(
        self,
        target: np.ndarray,
        last: np.ndarray | None,
        before: list[int],
        bar: int,
        style: int,
        rng: np.random.Generator,
        temperature: float = 1.0,
        top_k: int = 0,
        position: np.ndarray | None = None,
        stage: float = travel.STAGE,
    ) -> int:
        """Choose the next unit of a dance; return its index.

        ``target`` (N,) is from `log_probabilities`; ``last`` (E,) is the last window without its first beat, from
        `join_features`. ``before`` are the units so far: those near the last one in the same clip are excluded if
        others remain; so are the most recently used ones, up to half of those left. ``bar`` is the beat's position in
        the bar, ``style`` 0 if unknown; a condition that no unit meets is ignored. Units that take a dancer from
        ``position`` (2,), across and nearer, to an edge of the ``stage`` are less likely. For ``temperature`` and
        ``top_k`` see `generate.select_units`.
        """
        units = self.units
        allowed = np.ones(len(units.bar), bool)
        for rule in (units.style == style, units.bar == bar):
            allowed = allowed & rule if (allowed & rule).any() else allowed
        if before:
            elsewhere = allowed & ~self._near(before[-1], np.arange(len(allowed)))
            allowed = elsewhere if elsewhere.any() else allowed
            recent = [unit for unit in dict.fromkeys(reversed(before)) if allowed[unit]]
            allowed[recent[: int(allowed.sum()) // 2]] = False
        allowed = np.flatnonzero(allowed)
        scores = TARGET_WEIGHT * target[allowed] + self.hubness[allowed]
        if position is not None:
            scores -= STAGE_WEIGHT * travel.edge_cost(position + self.displacement[allowed], stage)
        if last is not None:
            scores -= cdist(last[None], self.openings[allowed], "sqeuclidean")[0] / JOIN_SCALE**2
        return int(allowed[sample(scores, rng, temperature, top_k)])

    @cached_property
    def tempi(self) -> tuple[tuple[int, float, int], ...]:
        """The style, median tempo and beats per bar of the units' music, for `beat_grid.choose_style`."""
        units, metre = self.units, np.where(self.units.bar < 3, 3, 4)
        return tuple(
            (int(style), float(np.median(units.tempo[units.style == style])), int(beats))
            for style, beats in np.unique(np.stack([units.style, metre]), axis=1).T
        )


def sample(scores: np.ndarray, rng: np.random.Generator, temperature: float, top_k: int) -> int:
    """Draw one index from unnormalised log-probabilities (N,)."""
    if temperature == 0:
        return int(scores.argmax())
    if 0 < top_k < len(scores):
        scores = np.where(scores < np.partition(scores, -top_k)[-top_k], -np.inf, scores)
    chances = np.exp((scores - scores.max()) / temperature).cumsum()
    return int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))


def _position_before(bar: int) -> int:
    """Return the position in the bar one beat earlier: see `beat_grid.bar_positions`."""
    return (bar - 1) % 3 if bar < 3 else (bar - 4) % 4 + 3
