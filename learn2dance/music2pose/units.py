"""The units of a dance: whole windows that were danced, and the choice of the one that comes next.

A network that says how likely each code is can put codes together that no body ever was. So a dance is written in the
units that occur in the train split, each a window in all its codes, chosen beat by beat as concatenative synthesis
chooses its units (Hunt and Black, ICASSP 1996): what the network expects, and how well the unit joins on to the last.
Two-beat units one beat apart overlap by a beat, so a dance is a cross-fade of two units everywhere; and what lies
within `AWAY` beats of a unit, in the dance it comes from, does not follow it: dances are put together, not replayed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.motion.windows import dct_coefficients, from_dct
from learn2dance.tokens.codebook import Codebook

MOST = 20000  # units: with more, as many drawn evenly
JOIN_SCALE = 0.18  # torso lengths: units that miss by so much (rms) are e times less likely to be joined
TARGET_WEIGHT = 0.5  # weight of what the network expects: it knows the motion before, which joins count once already
HUBNESS_CORRECTION = (
    1.5  # how far units that join on to many others are held back: at 1, joins alone would choose all alike
)
MIN_DISTANCE = 3  # beats: what lies nearer to the last unit in the same dance is not its next
FEW = 8  # units of a style and beat in the bar: with no more, none is held back
SPARSE = 4  # joins are measured on every so many frames


@dataclass(frozen=True)
class Units:
    """The units of a train split, N of them.

    Attributes
    ----------
    motion : np.ndarray [shape=(N, D), dtype=float32]
        Spectra of the windows as they were danced: what codes leave over is little, but a fifth of the jerk.
    tokens : np.ndarray [shape=(N, C), dtype=int64]
    bar : np.ndarray [shape=(N,), dtype=int64]
        Position in the bar of the first beat: see `beat_grid.bar_positions`.
    style : np.ndarray [shape=(N,), dtype=int64]
        Index into the styles plus one; 0 where not known.
    tempo : np.ndarray [shape=(N,), dtype=float64]
        Of the music it was danced to: beats a minute.
    clip, beat : np.ndarray [shape=(N,), dtype=int64]
        Where it was danced: which clip, which beat.
    """

    motion: np.ndarray
    tokens: np.ndarray
    bar: np.ndarray
    style: np.ndarray
    tempo: np.ndarray
    clip: np.ndarray
    beat: np.ndarray


def collect(clips: dict[str, dict], styles: tuple[str, ...], cut: Callable[[str], np.ndarray], frames: int) -> Units:
    """Collect the known windows of clips.

    Parameters
    ----------
    clips : dict of str to dict
        As `dataset.load` returns them.
    styles : tuple of str
        All that there are.
    cut : callable
        Returns the windows (W, F) of a clip, as they were danced.
    frames : int
        Of a window.
    """
    every = -(-sum(int(clip["known"].sum()) for clip in clips.values()) // MOST)
    rows = []
    for number, (name, clip) in enumerate(clips.items()):
        places = np.flatnonzero(clip["known"])[::every]
        many = np.ones(len(places), np.int64)
        style = 1 + styles.index(clip["style"]) if clip["style"] in styles else 0
        bar = clip["bar"][clip["start"] + places]
        moved = dct_coefficients(cut(name)[places], frames)
        rows.append((moved, clip["tokens"][places], bar, style * many, clip["tempo"] * many, number * many, places))
    return Units(*(np.concatenate(column) for column in zip(*rows, strict=True)))


class UnitInventory:
    """Units ready to be chosen from: how each opens and closes, and how freely it joins."""

    def __init__(self, units: Units, codebook: Codebook):
        self.units, self.codebook = units, codebook
        self.motion = from_dct(units.motion, codebook.frames)
        self.openings, self.closings = self.ends(self.motion)
        self.body_tokens = torch.from_numpy(units.tokens[:, : codebook.whole])
        begun = functional.pad(self.body_tokens, (1, 0))  # with a nought before them, so that none is empty
        self.prefixes = [
            torch.unique(begun[:, : 1 + level], dim=0, return_inverse=True) for level in range(codebook.whole)
        ]
        _, which, alike = torch.unique(begun, dim=0, return_inverse=True, return_counts=True)
        self.alike = alike[which].double()
        self.ease = self._ease()

    def ends(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how windows (N, F) begin and go on one beat later, so scaled that distances are rms torso lengths."""
        frames, beat = self.codebook.frames, self.codebook.frames_per_beat
        motion = motion.reshape(len(motion), frames, -1)
        opening, going_on = motion[:, : frames - beat : SPARSE], motion[:, beat::SPARSE]
        scale = np.sqrt(opening.shape[1] * opening.shape[2] / 2)
        return opening.reshape(len(motion), -1) / scale, going_on.reshape(len(motion), -1) / scale

    def _ease(self) -> np.ndarray:
        """Return `EASE` times what each unit's score must get for joins alone to choose all of a style and beat alike.

        Units near the middle of all motion join on to everything, and a dance that follows joins comes back to them
        again and again (hubs: Radovanović et al., JMLR 2010). A unit is held back by its mean chance to be chosen.
        """
        ease, units = np.zeros(len(self.units.bar)), self.units
        for style in np.unique(units.style):
            for bar in np.unique(units.bar[units.style == style]):
                here = np.flatnonzero((units.style == style) & (units.bar == bar))
                before = np.flatnonzero((units.style == style) & (units.bar == _position_before(bar)))
                if len(before) and len(here) > FEW:
                    scores = -_squares(self.closings[before], self.openings[here]) / JOIN_SCALE**2
                    scores[self._near(before[:, None], here)] = -np.inf
                    for _ in range(10):  # holding one back makes way for others: so again, until all are alike
                        chances = scores + ease[here]
                        chances = np.exp(chances - chances.max(1, keepdims=True))
                        chances /= chances.sum(1, keepdims=True)
                        ease[here] -= np.log(chances.mean(0) * len(here) + 1e-3)
        return HUBNESS_CORRECTION * ease

    def _near(self, unit: np.ndarray | int, others: np.ndarray) -> np.ndarray:
        """Tell which units lie so near to a unit, in the dance it comes from, that choosing them would replay it."""
        clip, beat = self.units.clip, self.units.beat
        return (clip[unit] == clip[others]) & (np.abs(beat[unit] - beat[others]) <= MIN_DISTANCE)

    def expected(self, network: nn.Module, state: Tensor) -> np.ndarray:
        """Return how likely a network in a state (width,) holds each unit: its logarithm (N,), units alike sharing."""
        total = torch.zeros(len(self.body_tokens), dtype=torch.float64)
        for level, (prefixes, which) in enumerate(self.prefixes):
            logits = network.level_logits(state.expand(len(prefixes), -1), prefixes[:, 1:].to(state.device))
            total += logits.log_softmax(-1).cpu()[which, self.body_tokens[:, level]]
        return (total - self.alike.log()).numpy()

    def choose(
        self,
        expected: np.ndarray,
        last: np.ndarray | None,
        danced: list[int],
        bar: int,
        style: int,
        rng: np.random.Generator,
        temperature: float = 1.0,
        top_k: int = 0,
    ) -> int:
        """Choose the next unit.

        Parameters
        ----------
        expected : np.ndarray [shape=(N,)]
            The network's, as `expected` returns it.
        last : np.ndarray [shape=(D,)], optional
            How the last window goes on, as `ends` returns it.
        danced : list of int
            The units of the dance so far. Of those that may be danced here, the half that was danced last does not come
            again, nor what would replay, so long as there are others.
        bar, style : int
            The beat's position in the bar, and the style (0: not known). Where no unit has them, any will do.
        temperature : float
            Below 1 the likelier units win more often, at 0 the likeliest always does.
        top_k : int
            Draw among so many of the likeliest units; 0: among all.
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
        scores = TARGET_WEIGHT * expected[allowed] + self.ease[allowed]
        if last is not None:
            scores -= _squares(last[None], self.openings[allowed])[0] / JOIN_SCALE**2
        return int(allowed[sample(scores, rng, temperature, top_k)])

    def style_for(self, music: dict) -> int:
        """Return the style (index plus one) of the units danced to music most like this: of its metre, then tempo."""
        units = self.units
        metre = (units.bar < 3) == (music["beats_per_bar"] == 3)
        metre = metre if metre.any() else np.ones(len(metre), bool)
        styles = np.unique(units.style[metre])
        tempi = np.array([self.tempo(style) for style in styles])
        return int(styles[np.abs(np.log(tempi / music["tempo"])).argmin()])

    def tempo(self, style: int) -> float:
        """Return the median tempo of the music to units of a style (index plus one; 0: not known), beats a minute."""
        return float(np.median(self.units.tempo[self.units.style == style]))


def sample(scores: np.ndarray, rng: np.random.Generator, temperature: float, top_k: int) -> int:
    """Draw one index from unnormalised log chances (N,)."""
    if temperature == 0:
        return int(scores.argmax())
    if 0 < top_k < len(scores):
        scores = np.where(scores < np.partition(scores, -top_k)[-top_k], -np.inf, scores)
    chances = np.exp((scores - scores.max()) / temperature).cumsum()
    return int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the squared distances (N, M) of points (N, D) and (M, D)."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def _position_before(bar: int) -> int:
    """Return the position in the bar one beat before: see `beat_grid.bar_positions`."""
    return (bar - 1) % 3 if bar < 3 else (bar - 4) % 4 + 3
