"""Does a dance follow the energy of its music? The correlation over bars between both.

It is small even in real dances: 0.13 in the ballroom dances of the train and val splits. A dance that ignores its music
has 0 on average, with a deviation of about 1 / √(number of bars), so it takes many dances to measure it.
"""

import numpy as np

from learn2dance.motion.energy import speed_and_size
from learn2dance.motion.kinematics import METRIC_FPS

STEADY = 0.1  # deviation of the energy of a song below which the song has no variation to follow


def bar_energies(motion: np.ndarray, music: dict, energy: np.ndarray) -> np.ndarray:
    """Measure the energy of the music and of the dance in each bar of a song.

    Parameters
    ----------
    motion : float64 (T, 15, 2)
        `kinematics.low_pass` motion, root-centred, frame 0 at the song's start.
    music : dict
        The song's ``beats`` (B,), in seconds; ``downbeat``, the index of the first downbeat; ``beats_per_bar``.
    energy : float64 (B,)
        `music.energy.beat_energy`.

    Returns
    -------
    bars : float64 (N, 3)
        For each complete bar in which every joint is observed in every frame: the mean energy of its beats, and the
        dancer's speed and size in it (`motion.energy.speed_and_size`), each divided by its mean over the bars.
    """
    beats, bar = music["beats"], int(music["beats_per_bar"])
    found = []
    for first in range(int(music["downbeat"]), len(beats) - bar, bar):
        start, end = np.round(beats[[first, first + bar]] * METRIC_FPS).astype(int)
        if start >= 0 and end < len(motion):
            found.append([energy[first : first + bar].mean(), *speed_and_size(motion[start : end + 1])])
    bars = np.array(found).reshape(-1, 3)
    bars = bars[np.isfinite(bars).all(1)]
    if len(bars):
        bars[:, 1:] /= np.maximum(bars[:, 1:].mean(0), 1e-9)
    return bars


def energy_correlation(songs: list[np.ndarray]) -> dict[str, float]:
    """Correlate the energy of the music with the dancers' speed and size, over the bars of these songs.

    Takes the `bar_energies` of each song (or of one). All are relative to their mean in their song, so what is measured
    is how dances vary within songs; songs that vary more count more. Returns Pearson's correlations ``energy_speed``
    and ``energy_size``: NaN if the energies vary less than `STEADY` within songs, or if no dance moves.
    """
    bars = np.concatenate([song - song.mean(0) for song in songs if len(song) > 1] or [np.zeros((1, 3))])
    energy, *dance = bars.T
    varies = energy.std() > STEADY
    return {
        name: float(energy @ values / np.sqrt((energy @ energy) * (values @ values)))
        if varies and values.std() > 1e-6
        else np.nan
        for name, values in zip(("energy_speed", "energy_size"), dance, strict=True)
    }
