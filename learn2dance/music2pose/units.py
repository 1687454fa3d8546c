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

from learn2dance.motion.windows import from_dct
from learn2dance.tokens.codebook import Codebook

MOST = 20000  # units: of more, every n-th is kept
JOIN_SCALE = 0.18  # torso lengths: at this rms join distance, a unit is e times less likely than at zero
TARGET_WEIGHT = 0.5  # of the network's log-probability: its input, the last window, also enters the join cost
HUBNESS_CORRECTION = 1.5  # weight of the hubness correction: at 1, join cost alone would choose all units equally often
MIN_DISTANCE = 3  # beats: units no farther than this from the last unit in the same clip are excluded
FEW = 8  # units of a style and bar position: with no more, there is no hubness correction
SPARSE = 4  # frames: join distances are measured on every fourth frame


@dataclass(frozen=True)
class Units:
    """The N units of a train split.

    Attributes
    ----------
    motion : np.ndarray [shape=(N, D), dtype=float32]
        DCT coefficients of the real windows. Their tokens' residual is small, but holds a fifth of the jerk.
    tokens : np.ndarray [shape=(N, C), dtype=int64]
    bar : np.ndarray [shape=(N,), dtype=int64]
        Position in the bar of the first beat: see `beat_grid.bar_positions`.
    style : np.ndarray [shape=(N,), dtype=int64]
        Index into the styles plus one; 0 if unknown.
    tempo : np.ndarray [shape=(N,), dtype=float64]
        Of the clip's music, beats per minute.
    clip, beat : np.ndarray [shape=(N,), dtype=int64]
        Index of the source clip, and of the window in it (one per beat).
    """

    motion: np.ndarray
    tokens: np.ndarray
    bar: np.ndarray
    style: np.ndarray
    tempo: np.ndarray
    clip: np.ndarray
    beat: np.ndarray


def collect(clips: dict[str, dict], styles: tuple[str, ...]) -> Units:
    """Collect the valid windows of clips as units.

    Parameters
    ----------
    clips : dict of str to dict
        From `dataset.load`.
    styles : tuple of str
        All styles.
    """
    every = -(-sum(int(clip["known"].sum()) for clip in clips.values()) // MOST)
    rows = []
    for number, clip in enumerate(clips.values()):
        places = np.flatnonzero(clip["known"])[::every]
        many = np.ones(len(places), np.int64)
        style = 1 + styles.index(clip["style"]) if clip["style"] in styles else 0
        bar = clip["bar"][clip["start"] + places]
        repeated = (style * many, clip["tempo"] * many, number * many)
        rows.append((clip["motion"][places], clip["tokens"][places], bar, *repeated, places))
    return Units(*(np.concatenate(column) for column in zip(*rows, strict=True)))


class UnitInventory:
    """Units prepared for selection: their first and last parts for the join cost, and the hubness correction."""

    def __init__(self, units: Units, codebook: Codebook):
        self.units, self.codebook = units, codebook
        self.motion = from_dct(units.motion, codebook.frames)
        self.openings, self.closings = self.join_features(self.motion)
        self.body_tokens = torch.from_numpy(units.tokens[:, : codebook.whole])
        begun = functional.pad(self.body_tokens, (1, 0))  # with a leading zero, so that no prefix is empty
        self.prefixes = [
            torch.unique(begun[:, : 1 + level], dim=0, return_inverse=True) for level in range(codebook.whole)
        ]
        _, which, alike = torch.unique(begun, dim=0, return_inverse=True, return_counts=True)
        self.alike = alike[which].double()
        self.hubness = self._hubness()

    def join_features(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return windows (N, F) without the last beat, and without the first.

        They are scaled so that the distance of a window's first part from the last part of the window before is an rms
        distance of joints, in torso lengths: the join cost.
        """
        frames, beat = self.codebook.frames, self.codebook.frames_per_beat
        motion = motion.reshape(len(motion), frames, -1)
        first, last = motion[:, : frames - beat : SPARSE], motion[:, beat::SPARSE]
        scale = np.sqrt(first.shape[1] * first.shape[2] / 2)
        return first.reshape(len(motion), -1) / scale, last.reshape(len(motion), -1) / scale

    def _hubness(self) -> np.ndarray:
        """Return the hubness correction (N,) of the units' scores, times `HUBNESS_CORRECTION`.

        Units near the mean motion join well to most others and would be chosen too often (hubs: Radovanović et al.,
        JMLR 2010). The correction lowers a unit's score by the logarithm of its mean probability under join cost
        alone, until all units of a style and bar position are about equally likely.
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
        """Tell which units are within `MIN_DISTANCE` beats of a unit in the same clip, and so would replay the clip."""
        clip, beat = self.units.clip, self.units.beat
        return (clip[unit] == clip[others]) & (np.abs(beat[unit] - beat[others]) <= MIN_DISTANCE)

    def log_probabilities(self, network: nn.Module, state: Tensor) -> np.ndarray:
        """Return each unit's log-probability (N,) for a state (width,); units with equal tokens share it."""
        total = torch.zeros(len(self.body_tokens), dtype=torch.float64)
        for level, (prefixes, which) in enumerate(self.prefixes):
            logits = network.level_logits(state.expand(len(prefixes), -1), prefixes[:, 1:].to(state.device))
            total += logits.log_softmax(-1).cpu()[which, self.body_tokens[:, level]]
        return (total - self.alike.log()).numpy()

    def choose(
        self,
        target: np.ndarray,
        last: np.ndarray | None,
        danced: list[int],
        bar: int,
        style: int,
        rng: np.random.Generator,
        temperature: float = 1.0,
        top_k: int = 0,
    ) -> int:
        """Choose the next unit; return its index.

        Parameters
        ----------
        target : np.ndarray [shape=(N,)]
            From `log_probabilities`.
        last : np.ndarray [shape=(E,)], optional
            The last window without its first beat, from `join_features`.
        danced : list of int
            The units of the dance so far. Units near the last one in the same clip are excluded if others remain. So
            are the most recently used units, up to half of those left.
        bar, style : int
            The beat's position in the bar, and the style (0: unknown). A condition that no unit meets is ignored.
        temperature : float
            Below 1, likelier units are chosen more often; at 0, always the likeliest.
        top_k : int
            Number of likeliest units to draw from; 0: all.
        """
        units = self.units
        allowed = np.ones(len(units.bar), bool)
        for rule in (units.style == style, units.bar == bar):
            allowed = allowed & rule if (allowed & rule).any() else allowed
        if danced:
            elsewhere = allowed & ~self._near(danced[-1], np.arange(len(allowed)))
            allowed = elsewhere if elsewhere.any() else allowed
            lately = [unit for unit in dict.fromkeys(reversed(danced)) if allowed[unit]]
            allowed[lately[: int(allowed.sum()) // 2]] = False
        allowed = np.flatnonzero(allowed)
        scores = TARGET_WEIGHT * target[allowed] + self.hubness[allowed]
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
