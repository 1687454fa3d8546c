"""The curves of a training run, as TensorBoard stores them."""

import logging
from pathlib import Path

import numpy as np


def history(folder: Path) -> dict[str, np.ndarray]:
    """Read the TensorBoard scalars of a run: for each name an array (n, 2) of steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # after a resume, it warns of steps that come again
    events = EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: np.array([(scalar.step, scalar.value) for scalar in events.Scalars(name)]) for name in names}
