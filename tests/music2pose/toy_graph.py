"""Small sets of units whose joins, targets and plans are known."""

import numpy as np
import torch

from learn2dance.motion import windows
from learn2dance.motion.projection import Projection
from learn2dance.music2pose.network import Config, TokenPredictor
from learn2dance.music2pose.plan import Plan
from learn2dance.music2pose.unit_graph import UnitGraph
from learn2dance.music2pose.units import Units
from learn2dance.tokens.codebook import Codebook

BEAT = 8  # frames; a window has two beats
SIZE = BEAT * 33  # DCT coefficients of a window
BOOK = Codebook(np.zeros((3, 5, SIZE), np.float32), 2, np.zeros(SIZE, np.float32), frames_per_beat=BEAT)
MOTION_PCA = Projection(torch.zeros(SIZE), torch.eye(SIZE)[:, :6] / 4)


def make_units(motion, tokens=None, **columns):
    """Return units of windows (N, 16, 30), or 33 with travel, by default of one style and bar position.

    Each is of its own clip; without travel, the windows stay where they are.
    """
    count = len(motion)
    motion = np.pad(motion, [(0, 0), (0, 0), (0, 33 - motion.shape[2])])
    columns = {"bar": 3, "style": 1, "tempo": 120.0, "clip": np.arange(count), "beat": 0} | columns
    columns = {key: np.broadcast_to(np.asarray(value), count) for key, value in columns.items()}
    tokens = np.zeros((count, BOOK.columns), np.int64) if tokens is None else tokens
    return Units(windows.dct_coefficients(motion.reshape(count, -1), 2 * BEAT), tokens, **columns)


def network(seed=0, scale=3.0):
    """Return an untrained network with two levels of 5 codes; with ``scale`` 0, all its predictions are uniform."""
    torch.manual_seed(seed)
    found = TokenPredictor(Config(2, 5, 6, ("tango", "waltz"), width=16)).eval()
    found.code_vectors.normal_()
    with torch.no_grad():
        for layer in found.classify:
            layer.weight *= scale
            layer.bias *= scale
    return found


def graph(motion, tokens=None, scale=0.0, **columns):
    """Return the `UnitGraph` of `make_units`, with a `network`."""
    return UnitGraph(make_units(motion, tokens, **columns), BOOK, network(scale=scale), MOTION_PCA)


def swaying(count, seed=0, beats=2):
    """Return different dances (count, beats x 8, 30), so slow that DCT coefficients preserve them."""
    rng = np.random.default_rng(seed)
    time = np.arange(beats * BEAT)[:, None] / BEAT
    pace, phase, size = rng.uniform(0.5, 1.5, (count, 1, 30)), rng.uniform(0, 6, (count, 1, 30)), rng.normal(size=30)
    return size * np.sin(pace * time + phase)


def recordings(count, beats, seed=0, scale=1.0):
    """Return the windows of several dances (count x beats, 16, 30), and the columns ``clip, beat`` of their units."""
    dances = scale * swaying(count, seed, beats + 1)
    motion = [dance[beat * BEAT :][: 2 * BEAT] for dance in dances for beat in range(beats)]
    return np.array(motion), {"clip": np.repeat(np.arange(count), beats), "beat": np.tile(np.arange(beats), count)}


def held(poses):
    """Hold each of the poses (N, 30) for a window."""
    return np.repeat(np.asarray(poses, float)[:, None], 2 * BEAT, axis=1)


def make_plan(known, bar, begins=(), repeats=(), style=1):
    """Return a plan that asks for nothing but these positions in the bar, beginnings of phrases, and repeats.

    ``repeats`` are pairs of a beat and the earlier beat whose unit is danced again.
    """
    bar = np.array(bar)
    scores = [np.zeros(len(known.candidates(int(position), style))) for position in bar]
    source = np.full(len(bar), -1)
    for beat, earlier in dict(repeats).items():
        source[beat] = earlier
    return Plan(style, bar, scores, np.isin(np.arange(len(bar)), begins), source, np.zeros(len(bar), bool))
