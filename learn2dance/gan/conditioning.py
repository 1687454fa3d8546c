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


def condition(music: dict, count: int, clock: float, music_pca: Projection, aligned: np.ndarray | None = None):
    """Return the music features at ``count`` steps of ``clock`` Hz: float32 (count, MUSIC_SIZE + GRID_SIZE).

    ``aligned`` (B,) are the song's beats on the dance's time axis, if it differs from the music's (`sync.align`).
    """
    frames = uniform_filter1d(stack_features(music), max(1, round(music["fps"] / clock)), axis=0)
    times, grid = np.arange(count) / clock, music["beats"] if aligned is None else aligned
    wider, lead = beat_grid.extend(grid, max(count / clock, grid[-1]))
    phases = beat_grid.phases(times, music | {"beats": wider, "downbeat": music["downbeat"] + lead})
    song_times = times if aligned is None else np.interp(times, grid, music["beats"])
    nearest = np.clip(np.round(song_times * music["fps"]).astype(int), 0, len(frames) - 1)
    rest = [phases["beat_phase"], phases["bar_phase"], np.full((count, 1), music["beats_per_bar"] == 3)]
    return np.concatenate([music_pca(frames[nearest]).numpy(), *rest, np.ones((count, 1))], axis=1).astype(np.float32)
