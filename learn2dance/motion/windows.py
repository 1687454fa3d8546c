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
    """Cut normalised poses (T, J, 2), frame 0 at time 0, into windows on beats (B,), in seconds, increasing.

    Returns the windows, float32 (W, F), F = frames_per_beat * window_beats * J * 2; whether no joint is missing in
    each, bool (W,); and the index of the first window's first beat. There is one window for each beat from which it is
    within the poses. Missing joints (NaN) are interpolated.
    """
    frame_times, size = np.arange(len(poses)) / fps, frames_per_beat * window_beats
    inside = np.flatnonzero((beats >= 0) & (beats <= (len(poses) - 1) / fps))
    start, beats = int(inside[0]) if len(inside) else 0, beats[inside]
    count = max(len(beats) - window_beats, 0)
    flat = poses.reshape(len(poses), -1).copy()  # a copy, since gaps are filled below
    missing = np.isnan(flat)
    if count == 0 or missing.all(0).any():
        return np.zeros((count, size * flat.shape[1]), np.float32), np.zeros(count, bool), start
    for column, gaps in zip(flat.T, missing.T, strict=True):
        column[gaps] = np.interp(frame_times[gaps], frame_times[~gaps], column[~gaps])
    times = np.interp(np.arange((len(beats) - 1) * frames_per_beat) / frames_per_beat, np.arange(len(beats)), beats)
    sampled = make_interp_spline(frame_times, flat, k=min(3, len(poses) - 1))(times).astype(np.float32)
    incomplete = np.interp(times, frame_times, missing.any(1)) > 0
    index = np.arange(count)[:, None] * frames_per_beat + np.arange(size)
    return sampled[index].reshape(count, -1), ~incomplete[index].any(1), start


def overlap_add(
    windows: np.ndarray, beats: np.ndarray, times: np.ndarray, frames_per_beat: int, window_beats: int
) -> np.ndarray:
    """Join windows (W, F) by overlap-add on beats (W + window_beats,), and sample the poses at times (T,), in seconds.

    Window w starts at ``beats[w]``. Each window is weighted by sin² over its length, so that it is cross-faded with its
    neighbours; the weights of two-beat windows one beat apart add up to one. Outside the beats, the first or last pose
    is held. Returns float32 (T, J, 2).
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
    spectra = dct(windows.reshape(len(windows), frames, -1), axis=1, norm="ortho")
    return spectra[:, : frames // 2].reshape(len(windows), -1).astype(np.float32)


def from_dct(spectra: np.ndarray, frames: int) -> np.ndarray:
    """Return the windows float32 (W, F) of these `dct_coefficients` (W, D)."""
    lower = spectra.reshape(len(spectra), frames // 2, -1)
    return idct(lower, n=frames, axis=1, norm="ortho").reshape(len(spectra), -1).astype(np.float32)


def mirror(windows: np.ndarray) -> np.ndarray:
    """Mirror windows (W, F) of 15 joints left to right."""
    return skeleton.mirror(windows.reshape(-1, 15, 2)).reshape(windows.shape)
