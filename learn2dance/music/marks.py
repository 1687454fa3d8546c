"""The beats of a song that a dance file holds, with those that begin bars and phrases."""

import numpy as np

from learn2dance.music import beat_grid, form


def marks(music: dict) -> dict[str, np.ndarray]:
    """Return ``beats``, seconds float64 (B,), and ``downbeats`` and ``phrases``, bool (B,): those that begin one.

    ``music`` is a ``music`` file or `features.features`. The beats are extended over the whole song
    (`beat_grid.extend`); phrases are those of `form.find`.
    """
    beats, lead = beat_grid.extend(music["beats"], music["duration"])
    downbeats = (np.arange(len(beats)) - lead - music["downbeat"]) % music["beats_per_bar"] == 0
    phrases = np.isin(np.arange(len(beats)) - lead, form.find(music).phrases)
    return {"beats": beats, "downbeats": downbeats, "phrases": phrases}
