"""Selection of a dance's units, beat by beat, with regard to what comes later.

Units are drawn from the first beat on, in proportion to the exponential of the score of the transition (`unit_graph`)
and of what the beat asks for (`plan`). Where a phrase is danced again, its units are given. The units before are drawn
with the probability that they have given those: its logarithm is added as the backward message of a hidden Markov model
(Rabiner, Proceedings of the IEEE 1989), over `LOOKAHEAD` beats. So the dance leads to what it repeats.

Rules that depend on more than the last unit apply when a unit is drawn: no more than `CONTINUED` successive units of
one recording, none that was used recently, and none that leads off the stage.
"""

import numpy as np
from scipy.special import softmax

from learn2dance.motion import travel
from learn2dance.music2pose.plan import Plan
from learn2dance.music2pose.unit_graph import UnitGraph

LOOKAHEAD = 16  # beats
REFRESH = 4  # beats after which messages are computed again, as more units to be repeated are known
CONTINUED = 3  # units: at most so many successive units of one recording
STAGE_WEIGHT = 10.0  # log-probability per `travel.edge_cost`
LEAST = 1e-300  # of a message, so that its logarithm is finite


class Selection:
    """A dance to a plan; ``units`` are those chosen so far, -1 where a window is given."""

    def __init__(self, graph: UnitGraph, plan: Plan, temperature: float, top_k: int, stage: float):
        self.graph, self.plan, self.temperature, self.top_k, self.stage = graph, plan, temperature, top_k, stage
        self.units: list[int] = []
        self.run = 0  # number of successive units of one recording, up to the last
        self.messages: dict[int, np.ndarray] = {}  # beat -> log-probability (M,) of later repeats, given each candidate
        self.probabilities: dict[tuple[int, int, bool], np.ndarray] = {}

    def draw(self, position: np.ndarray, rng: np.random.Generator, given: np.ndarray | None = None) -> int:
        """Choose the unit of the next beat; draws one number at most.

        ``position`` (2,) is where the dancer is, across and nearer. ``given`` (M,) are the scores of the transitions if
        the last window is not a unit.
        """
        beat = len(self.units)
        if beat not in self.messages or beat % REFRESH == 0:
            self._look_ahead(beat)
        here = self._candidates(beat)
        follows = self.graph.next[self.units[-1]] if self.units and self.units[-1] >= 0 else -1
        chosen = self._repeated(beat)
        if chosen < 0:
            if given is None and self.units:
                given = self._transitions(beat)[np.searchsorted(self._candidates(beat - 1), self.units[-1])]
            scores = self.plan.scores[beat] + (0.0 if given is None else given)
            scores -= STAGE_WEIGHT * travel.edge_cost(position + self.graph.displacement[here], self.stage)
            if self.run >= CONTINUED or self.plan.begins[beat]:
                scores = _without(scores, here == follows)
            scores = _without(scores, self._recent(here, np.isfinite(scores)))
            chosen = int(here[self._sample(scores / (self.temperature or 1) + self.messages[beat], rng)])
        self.run = self.run + 1 if chosen == follows else 1
        self.units.append(chosen)
        return chosen

    def _candidates(self, beat: int) -> np.ndarray:
        return self.graph.candidates(int(self.plan.bar[beat]), self.plan.style)

    def _transitions(self, beat: int) -> np.ndarray:
        return self.graph.transitions(*(int(bar) for bar in self.plan.bar[beat - 1 : beat + 1]), self.plan.style)

    def _repeated(self, beat: int) -> int:
        """Return the unit that is danced again at a beat; -1 if there is none, or it is not chosen yet."""
        source = self.plan.repeats[beat]
        unit = self.units[source] if 0 <= source < len(self.units) else -1
        return unit if unit in self._candidates(beat) else -1

    def _look_ahead(self, beat: int) -> None:
        """Compute the messages from the end of the lookahead back to this beat."""
        last = min(beat + LOOKAHEAD, len(self.plan.bar)) - 1
        self.messages = {last: np.zeros(len(self._candidates(last)))}
        for b in range(last, beat, -1):
            unit, here, message = self._repeated(b), self._candidates(b), self.messages[b]
            message = message if unit < 0 else np.where(here == unit, message, -np.inf)
            total = self._probabilities(b) @ np.exp(message - message.max())
            self.messages[b - 1] = np.log(np.maximum(total, LEAST)) + message.max()

    def _probabilities(self, beat: int) -> np.ndarray:
        """Return the probability of the transition from each candidate of the last beat to each of this: (P, M).

        As in `draw`, no unit is continued where a phrase begins.
        """
        key = (*self.plan.bar[beat - 1 : beat + 1].tolist(), bool(self.plan.begins[beat]))
        if key not in self.probabilities:
            scores = self._transitions(beat)
            if self.plan.begins[beat]:
                follows = self.graph.next[self._candidates(beat - 1)]
                scores = _without(scores, follows[:, None] == self._candidates(beat))
            self.probabilities[key] = softmax(scores / (self.temperature or 1), axis=1)
        return self.probabilities[key]

    def _recent(self, here: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Return which candidates (M,) were used most recently: up to half of those that are allowed."""
        recent = np.array([u for u in dict.fromkeys(reversed(self.units)) if u >= 0], np.int64)
        recent = recent[np.isin(recent, here[allowed])]
        return np.isin(here, recent[: int(allowed.sum()) // 2])

    def _sample(self, scores: np.ndarray, rng: np.random.Generator) -> int:
        """Draw an index in proportion to the exponential of scores (M,), or the highest at temperature 0."""
        if self.temperature == 0:
            return int(scores.argmax())
        if 0 < self.top_k < len(scores):
            scores = np.where(scores < np.partition(scores, -self.top_k)[-self.top_k], -np.inf, scores)
        chances = np.exp(scores - scores.max()).cumsum()
        return int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))


def _without(scores: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Return scores (…, M) with -inf where excluded, but unchanged where nothing would be left of the M."""
    left = np.where(excluded, -np.inf, scores)
    return np.where(np.isfinite(left).any(-1, keepdims=True), left, scores)
