"""Training of music2pose: a step of train.py with its default settings, beside its matrix products alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from benchmarks.row import Row
from torch import Tensor, nn

import train
from learn2dance.music.beat_grid import BAR_POSITIONS
from learn2dance.music2pose import training
from learn2dance.music2pose.network import Config, TokenPredictor

STYLES = tuple("abcdefghij")


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of a training step. Its time does not depend on the data, which are random numbers."""
    torch.manual_seed(0)
    args = train.arguments(["DATA"])
    network = TokenPredictor(Config(2, 256, training.MOTION_SIZE, STYLES, args.width, args.dropout))
    optimiser = training.optimiser(network, args.lr, args.weight_decay)
    step = partial(training.step, network, optimiser, random_batch(network.config, args.batch), args.lr)
    runs = [("training.step", "ours", step), ("its matrix products", "floor", products(network, args.batch))]
    count = 10 * args.batch, "windows"
    return [Row("train.py, 10 steps", what, kind, partial(ten_times, run), *count) for what, kind, run in runs]


def ten_times(run: Callable) -> None:
    """Call a function ten times."""
    for _ in range(10):
        run()


def random_batch(config: Config, size: int) -> list[Tensor]:
    """Return random examples, as `dataset.batch` does."""
    tokens = torch.randint(config.codes, (size, config.levels))
    known, bar = torch.rand(size) < 0.95, torch.randint(BAR_POSITIONS, (size,))
    return [tokens, torch.randn(size, config.motion_size), known, bar, torch.randint(len(config.styles) + 1, (size,))]


def products(network: TokenPredictor, size: int) -> Callable[[], None]:
    """Return a function that computes the matrix products of a step: of each layer, and of its two gradients."""
    inputs = {network.motion, *network.partial}  # nothing before these layers is trained
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    factors = [(torch.randn(size, layer.in_features), layer.weight.detach(), layer not in inputs) for layer in layers]

    def compute() -> None:
        for values, weight, trained in factors:
            slopes = values @ weight.T
            slopes.T @ values
            if trained:
                slopes @ weight

    return compute
