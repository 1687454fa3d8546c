"""Windows of motion: cut on the beat grid, and joined on any beats.

A window is two beats of normalised poses, resampled to 24 frames per beat; windows start one beat apart. Motion that is
cut on beats and played on another song's beats stays aligned with the music.
"""

import numpy as np
from scipy.fft import dct, idct
from scipy.interpolate import make_interp_spline

from learn2dance.motion import skeleton


def cut(
    poses: np.ndarray, fps: float, beats: np.ndarray, frames_per_beat: int = 24, window_beats: int = 2
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut normalised poses into windows on the beat grid.

    Parameters
    ----------
    poses : np.ndarray [shape=(T, J, 2)]
        Normalised; frame 0 at time 0; NaN where missing.
    fps : float
        Frames per second.
    beats : np.ndarray [shape=(B,)]
        Seconds, increasing.
    frames_per_beat, window_beats : int
        Frames in each beat, and beats in each window.

    Returns
    -------
    windows : np.ndarray [shape=(W, D), dtype=float32]
        One for each beat from which a complete window is within the poses; missing joints are interpolated.
    known : np.ndarray [shape=(W,), dtype=bool]
        Whether no joint is missing in the window.
    start : int
        Index of the first window's first beat.
    """
    length = (len(poses) - 1) / fps
    inside = np.flatnonzero((beats >= 0) & (beats <= length))
    start = int(inside[0]) if len(inside) else 0
    beats = beats[inside]
    count = max(len(beats) - window_beats, 0)
    flat = poses.reshape(len(poses), -1).copy()  # a copy, since gaps are filled below
    lost = np.isnan(flat).any(1)
    if count == 0 or np.isnan(flat).all(0).any():
        return (
            np.zeros((count, frames_per_beat * window_beats * flat.shape[1]), np.float32),
            np.zeros(count, bool),
            start,
        )
    positions = np.arange((len(beats) - 1) * frames_per_beat) / frames_per_beat
    times = np.interp(positions, np.arange(len(beats)), beats)
    clock = np.arange(len(poses)) / fps
    for column in flat.T if lost.any() else ():
        gaps = np.isnan(column)
        column[gaps] = np.interp(clock[gaps], clock[~gaps], column[~gaps])
    sampled = make_interp_spline(clock, flat, k=min(3, len(poses) - 1))(times).astype(np.float32)
    lost = np.interp(times, clock, lost) > 0
    size = frames_per_beat * window_beats
    index = np.arange(count)[:, None] * frames_per_beat + np.arange(size)
    return sampled[index].reshape(count, -1), ~lost[index].any(1), start


def overlap_add(
    windows: np.ndarray, beats: np.ndarray, times: np.ndarray, frames_per_beat: int, window_beats: int
) -> np.ndarray:
    """Join windows by overlap-add on beats, and sample the motion at these times.

    Window w starts at ``beats[w]``. Each window is weighted by sin² over its length, so that it is cross-faded with its
    neighbours; the weights of two-beat windows one beat apart add up to one.

    Parameters
    ----------
    windows : np.ndarray [shape=(W, D)]
        Motion in torso lengths.
    beats : np.ndarray [shape=(W + window_beats,)]
        Seconds, increasing.
    times : np.ndarray [shape=(T,)]
        Seconds; outside the beats, the first or last pose is held.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        Normalised poses.
    """
    size = frames_per_beat * window_beats
    windows = windows.reshape(len(windows), size, -1)
    weight = np.sin(np.pi * (np.arange(size) + 0.5) / size)[:, None] ** 2
    total = np.zeros(((len(windows) - 1) * frames_per_beat + size, windows.shape[-1]))
    weights = np.zeros((len(total), 1))
    for w, window in enumerate(windows):
        span = slice(w * frames_per_beat, w * frames_per_beat + size)
        total[span] += weight * window
        weights[span] += weight
    positions = np.interp(times, beats, np.arange(len(beats))) * frames_per_beat
    motion = make_interp_spline(np.arange(len(total)), total / weights, k=3)
    return motion(np.clip(positions, 0, len(total) - 1)).reshape(len(times), -1, 2).astype(np.float32)


def dct_coefficients(windows: np.ndarray, frames: int) -> np.ndarray:
    """Return the lower half of the DCT coefficients of windows (W, F) of ``frames`` frames: float32 (W, D), D = F / 2.

    The transform is an orthonormal DCT-II over time of each coordinate, which preserves distances. At 24 frames per
    beat the upper half is 12 and more half-cycles per beat: at 60 to 130 beats per minute above 6 to 13 Hz, which is
    detector noise rather than motion.
    """
    moving = dct(windows.reshape(len(windows), frames, -1), axis=1, norm="ortho")
    return moving[:, : frames // 2].reshape(len(windows), -1).astype(np.float32)


def from_dct(spectra: np.ndarray, frames: int) -> np.ndarray:
    """Return the windows float32 (W, F) of these `dct_coefficients` (W, D)."""
    slow = spectra.reshape(len(spectra), frames // 2, -1)
    return idct(slow, n=frames, axis=1, norm="ortho").reshape(len(spectra), -1).astype(np.float32)


def mirror(windows: np.ndarray, joints: int = 15) -> np.ndarray:
    """Mirror windows (W, D) left to right."""
    return skeleton.mirror(windows.reshape(-1, joints, 2)).reshape(windows.shape)
