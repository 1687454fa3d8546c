"""What the GAN hears of a song, step by step."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from learn2dance.motion.projection import Projection
from learn2dance.music import beat_grid

FEATURES = ("mel", "chroma", "onset", "rms")
MUSIC_SIZE = 8  # numbers that these are heard as
GRID_SIZE = 6  # beat phase, bar phase, whether the bar has three beats, whether there is music at all


def stack_features(music: dict) -> np.ndarray:
    """Return the features that are heard (T, D), at the music's own 30 frames a second."""
    return np.concatenate([music[key].reshape(len(music["rms"]), -1) for key in FEATURES], axis=1)


def condition(
    music: dict, count: int, clock: float, music_pca: Projection, laid: np.ndarray | None = None
) -> np.ndarray:
    """Hear a song step by step.

    Parameters
    ----------
    music : dict
        As Process_Waves.ipynb saves it.
    count : int
        Steps, T.
    clock : float
        Steps a second.
    laid : np.ndarray [shape=(B,)], optional
        The song's beats by the dance's clock, where that is another (`sync.align`).

    Returns
    -------
    np.ndarray [shape=(T, EAR + GRID), dtype=float32]
    """
    frames = uniform_filter1d(stack_features(music), max(1, round(music["fps"] / clock)), axis=0)
    times, grid = np.arange(count) / clock, music["beats"] if laid is None else laid
    wider, lead = beat_grid.extend(grid, max(count / clock, grid[-1]))
    phases = beat_grid.phases(times, music | {"beats": wider, "downbeat": music["downbeat"] + lead})
    song_times = times if laid is None else np.interp(times, grid, music["beats"])
    nearest = np.clip(np.round(song_times * music["fps"]).astype(int), 0, len(frames) - 1)
    rest = [phases["beat_phase"], phases["bar_phase"], np.full((count, 1), music["beats_per_bar"] == 3)]
    return np.concatenate([music_pca(frames[nearest]).numpy(), *rest, np.ones((count, 1))], axis=1).astype(np.float32)
