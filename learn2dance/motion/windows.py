"""Windows of motion: cut on the beat grid, and joined again on any beats.

A window is two beats of normalised poses, resampled to 24 frames a beat; windows start one beat apart. Cut on beats
and played back on another song's beats, the motion stays locked to the music.
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
        Normalised; frame 0 at time 0; NaN where not known.
    fps : float
        Frames a second.
    beats : np.ndarray [shape=(B,)]
        Seconds, increasing.
    frames_per_beat, window_beats : int
        Samples in each beat, and beats in each window.

    Returns
    -------
    windows : np.ndarray [shape=(W, D), dtype=float32]
        One for every beat from which the whole window lies within the poses; unknown joints are interpolated.
    known : np.ndarray [shape=(W,), dtype=bool]
        Whether every joint was known all through the window.
    start : int
        Index of the beat with which the first window starts.
    """
    length = (len(poses) - 1) / fps
    inside = np.flatnonzero((beats >= 0) & (beats <= length))
    start = int(inside[0]) if len(inside) else 0
    beats = beats[inside]
    count = max(len(beats) - window_beats, 0)
    flat = poses.reshape(len(poses), -1).copy()  # whose gaps are filled below
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

    Window w starts at ``beats[w]``. Each is weighted by sin² over its length, so that it fades in while the one before
    fades out; two-beat windows one beat apart add up to one.

    Parameters
    ----------
    windows : np.ndarray [shape=(W, D)]
        Motion in torso lengths.
    beats : np.ndarray [shape=(W + window_beats,)]
        Seconds, increasing.
    times : np.ndarray [shape=(T,)]
        Seconds; held at the ends outside the beats.

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
    """Write windows (W, F) of so many frames by the slower half of their frequencies: float32 (W, D), D = F / 2.

    The orthonormal cosine transform over time (DCT-II) of each coordinate, which keeps distances. At 24 frames a beat
    the faster half is 12 and more half-turns a beat: at 60 to 130 beats a minute above 6 to 13 Hz, the noise of
    detectors rather than motion.
    """
    moving = dct(windows.reshape(len(windows), frames, -1), axis=1, norm="ortho")
    return moving[:, : frames // 2].reshape(len(windows), -1).astype(np.float32)


def from_dct(spectra: np.ndarray, frames: int) -> np.ndarray:
    """Return the windows float32 (W, F) of these `spectra` (W, D)."""
    slow = spectra.reshape(len(spectra), frames // 2, -1)
    return idct(slow, n=frames, axis=1, norm="ortho").reshape(len(spectra), -1).astype(np.float32)


def mirror(windows: np.ndarray, joints: int = 15) -> np.ndarray:
    """Mirror windows (W, D) left to right."""
    return skeleton.mirror(windows.reshape(-1, joints, 2)).reshape(windows.shape)
