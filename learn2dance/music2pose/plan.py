"""What a song asks of a dance, beat by beat: tempo, energy, phrases, repetitions and rests."""

from dataclasses import dataclass

import numpy as np

from learn2dance.music import beat_grid, energy, form
from learn2dance.music2pose.unit_graph import UnitGraph

TEMPO_WEIGHT = 10.0  # log-probability per squared logarithm of how much faster or slower a unit is danced than recorded
OTHER_ENERGY = 4.0  # difference in `energy.beat_energy` from which music that comes again is not danced alike
ENERGY_WEIGHT = 0.5  # log-probability for a unit and music that are both one deviation above the mean


@dataclass(frozen=True)
class Plan:
    """What a song asks of each of its B beats, where a window starts."""

    style: int  # index into the styles plus one; 0 if unknown
    bar: np.ndarray  # int64 (B,): position in the bar
    scores: list[np.ndarray]  # for each beat the log-probability (M,), up to a constant, of each candidate
    begins: np.ndarray  # bool (B,): a phrase begins here, and so a new figure
    repeats: np.ndarray  # int64 (B,): earlier beat whose unit is danced again; -1: none
    held: np.ndarray  # bool (B,): the music is silent, so the pose is held


def plan_song(
    graph: UnitGraph, music: dict, style: int, rng: np.random.Generator, variation: float, strength: float
) -> Plan:
    """Plan a dance to a song: for each beat of `beat_grid.extend`, except the last ``window_beats``.

    ``music`` and ``style`` are from `Music2Pose.choose_style`. Where a phrase of the music comes again, its units are
    danced again, except for a fraction ``variation`` of its bars, and for bars with a very different energy.
    Energetic music is danced with energetic units: ``strength`` 1 as much as by default, 0 not at all.
    """
    beats, lead = beat_grid.extend(music["beats"], music["duration"])
    count, rest = len(beats) - graph.codebook.window_beats, len(beats) - lead - len(music["beats"])
    bar = beat_grid.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"])
    energetic, silent = (
        np.pad(values, (lead, rest), mode="edge") for values in (energy.beat_energy(music), energy.silent_beats(music))
    )
    tempo, asked = (
        60 / np.median(np.diff(music["beats"])),
        strength * ENERGY_WEIGHT * (energetic[:-1] + energetic[1:]) / 2,
    )
    scores = []
    for beat in range(count):
        here = graph.candidates(int(bar[beat]), style)
        stretch = np.log(graph.units.tempo[here] / tempo)
        scores.append(asked[beat] * graph.energy(style)[here] - TEMPO_WEIGHT * stretch**2)
    begins, repeats = _phrases(form.find(music), lead, energetic[:count], music["beats_per_bar"], variation, rng)
    return Plan(style, bar, scores, begins, repeats, silent[:count] & silent[1 : count + 1])


def _phrases(
    found: form.Form, lead: int, energetic: np.ndarray, bar: int, variation: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return at which beats phrases begin, and which beat each beat repeats: ``begins`` and ``repeats`` of `Plan`."""
    count = len(energetic)
    begins, repeats = np.zeros(count, bool), np.full(count, -1)
    starts = found.phrases + lead
    begins[starts[(starts >= 0) & (starts < count)]] = True
    for phrase in np.flatnonzero(found.repeats != np.arange(len(starts))):
        source, end = found.repeats[phrase], [*starts, count][phrase + 1]
        for first in range(starts[phrase], end, bar):
            beats = np.arange(max(first, 0), min(first + bar, end, count))
            sources = beats - starts[phrase] + starts[source]
            beats = beats[(sources >= 0) & (sources < starts[source + 1])]
            sources = beats - starts[phrase] + starts[source]
            alike = len(beats) and abs(energetic[beats].mean() - energetic[sources].mean()) < OTHER_ENERGY
            if rng.random() >= variation and alike:
                repeats[beats] = sources
    return begins, repeats
