"""Which unit may follow which, and how likely: target cost, join cost and the correction for hubs.

A transition from one unit to the next is scored by the network's probability of the next unit's tokens (target cost),
by the distance of the next unit from the continuation of the last one (join cost), and by how many other units the next
one joins well to (hubness). The unit that followed in the recorded dance has no join cost: it is its continuation.
"""

from functools import cache, cached_property

import numpy as np
import torch
from scipy.spatial.distance import cdist

from learn2dance.motion.energy import unit_energy
from learn2dance.motion.projection import Projection
from learn2dance.motion.windows import POSE, dct_coefficients, fade, from_dct, root_speeds
from learn2dance.music2pose.network import TokenPredictor
from learn2dance.music2pose.units import Units
from learn2dance.tokens.codebook import Codebook

JOIN_SCALE = 0.18  # torso lengths: at this rms join distance, a unit is e times less likely than at zero
TARGET_WEIGHT = 0.5  # of the network's log-probability: its input, the last window, also enters the join cost
HUBNESS_CORRECTION = 1.5  # weight: at 1, join cost alone makes all units about equally likely; 1.5 by recall on val
MIN_DISTANCE = 3  # beats: a jump to a unit no farther than this from the last one in the same clip would replay it
FEW = 8  # units of a style and bar position: with no more, there is no hubness correction
SPARSE = 4  # frames: join distances are measured on every fourth frame


class UnitGraph:
    """The units of a model, prepared for selection. Scores are log-probabilities, not normalised."""

    def __init__(self, units: Units, codebook: Codebook, network: TokenPredictor, motion_pca: Projection):
        self.units, self.codebook, self.network, self.motion_pca = units, codebook, network, motion_pca
        self.motion = from_dct(units.motion, codebook.frames)
        self.openings, self.closings = self.join_features(self.motion)
        self.next = self._continuations()
        self.transitions = cache(self._transitions)
        self.hubness = cache(self._hubness)
        self.candidates = cache(self._candidates)
        self.energy = cache(self._energy)

    @cached_property
    def displacement(self) -> np.ndarray:
        """How far each unit takes the dancer in an overlap-add: (N, 2), across and nearer."""
        frames, beat = self.codebook.frames, self.codebook.frames_per_beat
        speeds = root_speeds(self.motion.reshape(len(self.motion), frames, -1), beat)
        return np.einsum("nfc,f->nc", speeds, fade(frames)) / beat

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

    def _continuations(self) -> np.ndarray:
        """Return the unit one beat later in the same clip (N,), int64; -1 if there is none."""
        units = self.units
        index = {key: i for i, key in enumerate(zip(units.clip.tolist(), units.beat.tolist(), strict=True))}
        keys = zip(units.clip.tolist(), (units.beat + 1).tolist(), strict=True)
        return np.array([index.get(key, -1) for key in keys])

    def _candidates(self, bar: int, style: int) -> np.ndarray:
        """Return the units (M,) of a bar position and a style (0: unknown); a condition that none meets is ignored."""
        allowed = np.ones(len(self.units.bar), bool)
        for rule in (self.units.style == style, self.units.bar == bar):
            allowed = allowed & rule if (allowed & rule).any() else allowed
        return np.flatnonzero(allowed)

    def _energy(self, style: int) -> np.ndarray:
        """Return how energetic units are within their style (`motion.energy.unit_energy`): (N,), 0 for other styles."""
        energy, rows = np.zeros(len(self.units.style)), self.units.style == style
        rows = rows if rows.any() else ~rows
        energy[rows] = unit_energy(self.motion[rows], self.units.style[rows], self.codebook.frames)
        return energy

    def _transitions(self, before: int, bar: int, style: int) -> np.ndarray:
        """Score the transitions from all candidates of a bar position to all of the next: (M, M'), float64.

        -inf where a unit would replay what was just seen.
        """
        last, here = self.candidates(before, style), self.candidates(bar, style)
        scores = TARGET_WEIGHT * self.target(self.units.motion[last], bar, style)
        scores += self.joins(self.closings[last], here) + self.hubness(before, bar, style)
        continued = self.next[last][:, None] == here
        replayed = self._near(last, here) & ~continued
        replayed[replayed.all(1)] = False  # nothing else is left
        scores[replayed] = -np.inf
        return scores

    def transitions_from(self, window: np.ndarray, bar: int, style: int) -> np.ndarray:
        """Score the transitions from a window (F,), which need not be a unit, to all candidates: (M,)."""
        here, frames = self.candidates(bar, style), self.codebook.frames
        before = dct_coefficients(window[None], frames)
        scores = TARGET_WEIGHT * self.target(before, bar, style) + self.joins(self.join_features(window[None])[1], here)
        return scores[0]

    def joins(self, closings: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Score the joins of windows, whose last parts (P, E) are from `join_features`, to units (M,): (P, M)."""
        return -cdist(closings, self.openings[here], "sqeuclidean") / JOIN_SCALE**2

    def _hubness(self, before: int, bar: int, style: int) -> np.ndarray:
        """Return the hubness correction (M,) of the candidates' scores, times `HUBNESS_CORRECTION`.

        Units near the mean motion join well to most others and would be chosen too often (hubs: Radovanović et al.,
        JMLR 2010). The correction lowers a unit's score by the logarithm of its mean probability under join cost alone,
        until all units of a style and bar position are about equally likely.
        """
        last, here = self.candidates(before, style), self.candidates(bar, style)
        correction = np.zeros(len(here))
        if len(here) > FEW:
            scores = self.joins(self.closings[last], here)
            scores[self._near(last, here)] = -np.inf  # never all of them: fewer than `FEW` are near
            for _ in range(10):  # lowering one unit raises others: repeat until nearly equal
                chances = scores + correction
                chances = np.exp(chances - chances.max(1, keepdims=True))
                chances /= chances.sum(1, keepdims=True)
                correction -= np.log(chances.mean(0) * len(here) + 1e-3)
        return HUBNESS_CORRECTION * correction

    def _near(self, last: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Return which units (M,) are within `MIN_DISTANCE` beats of each unit (P,) in the same clip: bool (P, M)."""
        clip, beat = self.units.clip, self.units.beat
        apart = np.abs(beat[last][:, None] - beat[here])
        return (clip[last][:, None] == clip[here]) & (apart <= MIN_DISTANCE)

    @torch.inference_mode()
    def target(self, before: np.ndarray, bar: int, style: int) -> np.ndarray:
        """Return the log-probability of each candidate after windows (P, D), given as DCT coefficients: (P, M).

        Candidates with equal tokens share the probability of these tokens.
        """
        here, levels = self.candidates(bar, style), self.network.config.levels
        device = next(self.network.parameters()).device
        tokens = torch.from_numpy(self.units.tokens[here, :levels])
        _, which, counts = torch.unique(tokens, dim=0, return_inverse=True, return_counts=True)
        motion = self.motion_pca(before).to(device)
        given = (torch.full((len(motion),), value, device=device) for value in (bar, style))
        states = self.network.states(motion, torch.ones(len(motion), dtype=torch.bool, device=device), *given)
        total = torch.zeros(len(motion), len(here)) - counts[which].log()
        for level in range(levels):
            prefixes, index = (
                torch.unique(tokens[:, :level], dim=0, return_inverse=True)
                if level
                else (tokens[:1, :0], torch.zeros(len(here), dtype=torch.int64))
            )
            for i, prefix in enumerate(prefixes.to(device)):
                mine = torch.nonzero(index == i)[:, 0]
                logits = self.network.level_logits(states, prefix.expand(len(states), -1)).log_softmax(-1).cpu()
                total[:, mine] += logits[:, tokens[mine, level]]
        return total.double().numpy()
