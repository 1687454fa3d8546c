"""Music conditioning of the GAN: the features of a song at each GAN step."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from learn2dance.motion.projection import Projection
from learn2dance.music import beat_grid

FEATURES = ("mel", "chroma", "onset", "rms")
MUSIC_SIZE = 8  # number of principal components of these features
GRID_SIZE = 6  # sin and cos of beat and bar phase; flags: three beats per bar, there is music


def stack_features(music: dict) -> np.ndarray:
    """Return the `FEATURES` of a song (T, D), at the music's own 30 frames per second."""
    return np.concatenate([music[key].reshape(len(music["rms"]), -1) for key in FEATURES], axis=1)


def condition(
    music: dict, count: int, clock: float, music_pca: Projection, laid: np.ndarray | None = None
) -> np.ndarray:
    """Return the music features at each GAN step.

    Parameters
    ----------
    music : dict
        As Process_Waves.ipynb saves it.
    count : int
        Number of steps, T.
    clock : float
        Steps per second.
    laid : np.ndarray [shape=(B,)], optional
        The song's beats on the dance's time axis, if it differs from the music's (`sync.align`).

    Returns
    -------
    np.ndarray [shape=(T, MUSIC_SIZE + GRID_SIZE), dtype=float32]
    """
    frames = uniform_filter1d(stack_features(music), max(1, round(music["fps"] / clock)), axis=0)
    times, grid = np.arange(count) / clock, music["beats"] if laid is None else laid
    wider, lead = beat_grid.extend(grid, max(count / clock, grid[-1]))
    phases = beat_grid.phases(times, music | {"beats": wider, "downbeat": music["downbeat"] + lead})
    song_times = times if laid is None else np.interp(times, grid, music["beats"])
    nearest = np.clip(np.round(song_times * music["fps"]).astype(int), 0, len(frames) - 1)
    rest = [phases["beat_phase"], phases["bar_phase"], np.full((count, 1), music["beats_per_bar"] == 3)]
    return np.concatenate([music_pca(frames[nearest]).numpy(), *rest, np.ones((count, 1))], axis=1).astype(np.float32)
