"""How energetic a song is around each beat, relative to the rest of the song; and which of its beats are silent.

People move more to louder music with stronger onsets (Burger et al., "Influences of rhythm- and timbre-related musical
features on characteristics of music-induced movement", Frontiers in Psychology 2013; Van Dyck et al., "The impact of
the bass drum on human dance movement", Music Perception 2013). `metrics.energy` measures how a dance follows.
"""

import numpy as np
from scipy.ndimage import binary_erosion, binary_opening

from learn2dance.music.features import QUIETEST

LIMIT = 3.0  # bounds of the energy: -LIMIT in silence
SILENCE = 30.0  # dB below the loudness of the song at which a beat is silent
SHORTEST = 2  # beats: a shorter rest is not a silence

_DB = 10 / np.log(10)  # decibels for one unit of log power
# One unit of energy, as much as it typically varies in a song (ballroom music, standard deviation over the beats).
_LEVEL = 4.3  # dB of level
_ONSET = 0.28  # dB per frame of onset strength
_BARS = 4  # length of the smoothing window, whose effective length is half as much


def beat_energy(music: dict) -> np.ndarray:
    """Measure how energetic the music is around each beat, relative to the rest of the song.

    The energy is the level divided by `_LEVEL`, plus the onset strength divided by `_ONSET`. The level is the mean over
    the mel bands of the power in dB above 1 / `features.MEL_GAIN`, a rough measure of loudness: 0 dB if all are below.
    The onset strength is the mean increase of the level in a band from frame to frame (Böck, Krebs and Schedl,
    "Evaluating the online capabilities of onset detection methods", ISMIR 2012), so quiet onsets count less. Both are
    smoothed over the beats with a Hann window of `_BARS` bars, in which the pattern of a bar cancels out, relative to
    their mean over the song. Silent beats are left out of both.

    The units are fixed: the energy is not divided by the deviation of the song, so it is about 0 throughout a steady
    one.

    Parameters
    ----------
    music : dict
        A ``music`` file, or `features.features`; also if its beats were changed by `beat_grid.at_tempo`.

    Returns
    -------
    energy : float64 (B,)
        For each beat, from -`LIMIT` to `LIMIT`: 0 where the music is as energetic as on average, -`LIMIT` on silent
        beats (`silent_beats`) and on single beats amid silence.
    """
    beat, count, bar = _nearest_beat(music), len(music["beats"]), int(music["beats_per_bar"])
    level = _DB * music["mel"].astype(np.float64)
    onset = np.maximum(np.diff(level, axis=0, prepend=level[:1]), 0).mean(1)
    frames = level.mean(1) / _LEVEL + onset / _ONSET
    energy = np.bincount(beat, frames, count) / np.maximum(np.bincount(beat, minlength=count), 1)
    heard = ~silent_beats(music)
    used = binary_erosion(heard, np.ones(3), border_value=1)  # a beat next to a silent one may be silent in part
    if not used.any():
        return np.where(heard, 0.0, -LIMIT)
    # The song is continued by repeating its first and its last bar, without the beats that its ends may cut.
    index = np.arange(-_BARS * bar // 2, count + _BARS * bar // 2)
    index = np.where(index < 1, 1 + (index - 1) % bar, index)
    index = np.where(index > count - 2, count - 1 - bar + (index - count + 1) % bar, index).clip(0, count - 1)
    window = np.hanning(_BARS * bar + 1)
    total, weight = (np.convolve(values[index], window, "valid") for values in (energy * used, used))
    smooth = total / np.maximum(weight, 1e-9)
    heard &= weight > 1e-6  # a sound amid silence
    return np.where(heard, np.clip(smooth - smooth[used].mean(), -LIMIT, LIMIT), -LIMIT)


def silent_beats(music: dict) -> np.ndarray:
    """Find the beats around which there is no sound: bool (B,).

    The loudness of a beat is the highest root mean square of the frames within half a beat of it. A beat is silent if
    it is `SILENCE` dB below the root mean square of all beats, which loud passages determine, and if a beat next to it
    is silent too (`SHORTEST`). A song below `features.QUIETEST` is silent. Takes what `beat_energy` takes.
    """
    loudness = np.zeros(len(music["beats"]))
    np.maximum.at(loudness, _nearest_beat(music), music["rms"])
    least = max(np.sqrt(np.mean(loudness**2)) * 10 ** (-SILENCE / 20), QUIETEST)
    return binary_opening(loudness < least, np.ones(SHORTEST))


def _nearest_beat(music: dict) -> np.ndarray:
    """Return the index of the beat that is nearest to each frame: int64 (T,)."""
    beats = music["beats"]
    return np.searchsorted((beats[1:] + beats[:-1]) / 2, np.arange(len(music["rms"])) / music["fps"])
