"""Operations on a beat grid: phases, positions in the bar, extension beyond the ends, half and double time."""

import numpy as np

BAR_POSITIONS = 7  # number of values of `bar_positions`: 0-2 in a bar of three beats, 3-6 in a bar of four


def phases(times: np.ndarray, grid: dict) -> dict[str, np.ndarray]:
    """Return ``beat_phase`` and ``bar_phase`` at these times (T,), in seconds: float32 (T, 2) each.

    They are sin and cos of 2 pi x the elapsed fraction of the beat and of the bar: (0, 1) on a beat and on a downbeat.
    The grid, as `beats.track` returns it, is extended by one beat at each end, as long as the beat next to it.
    """
    beats = grid["beats"]
    wider = np.concatenate([[2 * beats[0] - beats[1]], beats, [2 * beats[-1] - beats[-2]]])
    turns = np.interp(times, wider, np.arange(-1, len(beats) + 1))
    bars = (turns - grid["downbeat"]) / grid["beats_per_bar"]
    angles = {"beat_phase": 2 * np.pi * turns, "bar_phase": 2 * np.pi * bars}
    return {key: np.stack([np.sin(a), np.cos(a)], axis=1).astype(np.float32) for key, a in angles.items()}


def bar_positions(beats: int, downbeat: int, beats_per_bar: int) -> np.ndarray:
    """Return each beat's position in its bar: int64 (B,), 0-2 in bars of three beats, 3-6 in bars of four."""
    return (np.arange(beats) - downbeat) % beats_per_bar + (0 if beats_per_bar == 3 else 3)


def extend(beats: np.ndarray, duration: float) -> tuple[np.ndarray, int]:
    """Extend beats (B,), in seconds, until they cover 0 s to ``duration``; return the number added in front too."""
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    lead = max(int(np.ceil(beats[0] / first - 1e-9)), 0)
    tail = max(int(np.ceil((duration - beats[-1]) / last - 1e-9)), 0)
    front = beats[0] - first * np.arange(lead, 0, -1)
    return np.concatenate([front, beats, beats[-1] + last * np.arange(1, tail + 1)]), lead


def at_tempo(music: dict, tempo: float) -> dict:
    """Return the music with its beats in half or double time if that is nearer to ``tempo`` (beats a minute).

    Only ``beats`` and ``downbeat`` change.
    """
    octave = round(np.log2(tempo / music["tempo"]))
    beats, downbeat = music["beats"], int(music["downbeat"])
    if octave < 0 and len(beats) > 4:
        beats, downbeat = beats[downbeat % 2 :: 2], downbeat // 2
    elif octave > 0:
        beats, downbeat = np.interp(np.arange(2 * len(beats) - 1) / 2, np.arange(len(beats)), beats), 2 * downbeat
    return music | {"beats": beats, "downbeat": downbeat}
