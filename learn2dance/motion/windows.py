"""Windows of motion: cut on the beat grid, and joined on any beats.

A window is two beats of normalised poses, resampled to 24 frames per beat; windows start one beat apart. Motion that is
cut on beats and played on another song's beats stays aligned with the music.

A frame of a window has the coordinates of the joints (`POSE`), and, if the dance's path is known (`travel`), three
more: the speed across the floor, in torso lengths per beat, the height of the hips, in torso lengths, and the speed
towards the camera, in log size per beat. Speeds, since a dance goes on from wherever the dancer is. The speed across is
that of the supporting foot, not of the hips: between two windows the pose changes from one to the other, and the hips
move with it so that the foot does not slide (`root_speeds`).
"""

import numpy as np
from scipy.fft import dct, idct
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import make_interp_spline

from learn2dance.motion import skeleton, travel
from learn2dance.motion.travel import ACROSS, NEARER

EDGE = 0.1  # beats: a beat this far outside the poses counts as within them; the first or last pose is held there
POSE = 30  # coordinates of 15 joints in a frame
CHANNELS = POSE + 3  # values in a frame with travel
SPEEDS = [POSE + ACROSS, POSE + NEARER]


def cut(
    poses: np.ndarray,
    fps: float,
    beats: np.ndarray,
    frames_per_beat: int = 24,
    window_beats: int = 2,
    path: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut normalised poses (T, J, 2), frame 0 at time 0, into windows on beats (B,), in seconds, increasing.

    With a ``path`` (T, 3), J is 15. Returns the windows, float32 (W, F), F = frames_per_beat * window_beats * C, where
    C is `CHANNELS`, or 2 J without a path; whether no joint is missing in each, bool (W,); and the index of the first
    window's first beat. There is one window for each beat from which it is within the poses (`EDGE`). Missing joints
    (NaN) are interpolated.
    """
    frame_times, size = np.arange(len(poses)) / fps, frames_per_beat * window_beats
    edge = EDGE * np.median(np.diff(beats)) if len(beats) > 1 else 0.0
    inside = np.flatnonzero((beats >= -edge) & (beats <= (len(poses) - 1) / fps + edge))
    start, beats = int(inside[0]) if len(inside) else 0, beats[inside]
    count = max(len(beats) - window_beats, 0)
    flat = poses.reshape(len(poses), -1)
    flat = flat.copy() if path is None else np.concatenate([flat, path], axis=1)  # a copy, since gaps are filled below
    missing = np.isnan(flat)
    if count == 0 or missing.all(0).any():
        return np.zeros((count, size * flat.shape[1]), np.float32), np.zeros(count, bool), start
    for column, gaps in zip(flat.T, missing.T, strict=True):
        column[gaps] = np.interp(frame_times[gaps], frame_times[~gaps], column[~gaps])
    times = np.interp(np.arange((len(beats) - 1) * frames_per_beat) / frames_per_beat, np.arange(len(beats)), beats)
    times = np.clip(times, 0, frame_times[-1])
    sampled = make_interp_spline(frame_times, flat, k=min(3, len(poses) - 1))(times).astype(np.float32)
    if path is not None:
        sampled[:, SPEEDS] = np.gradient(sampled[:, SPEEDS], 1 / frames_per_beat, axis=0)
        sampled[:, POSE + ACROSS] += _foot_speed(sampled, frames_per_beat)
    incomplete = np.interp(times, frame_times, missing.any(1)) > 0
    index = np.arange(count)[:, None] * frames_per_beat + np.arange(size)
    return sampled[index].reshape(count, -1), ~incomplete[index].any(1), start


def fade(size: int) -> np.ndarray:
    """Return the weight (size,) of each frame of a window in `overlap_add`: sin² over its length."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def overlap_add(
    windows: np.ndarray, beats: np.ndarray, times: np.ndarray, frames_per_beat: int, window_beats: int
) -> np.ndarray:
    """Join windows (W, F) by `blend` on beats (W + window_beats,), and sample them at times (T,), in seconds.

    Window w starts at ``beats[w]``. Outside the beats, the first or last frame is held. Returns float32 (T, C); in
    windows with travel, its speeds become positions of the hips, from 0 at the first beat.
    """
    frames = blend(windows, frames_per_beat, window_beats)
    if frames.shape[1] == CHANNELS:
        speeds = root_speeds(frames, frames_per_beat)
        frames[:, SPEEDS] = cumulative_trapezoid(speeds, dx=1 / frames_per_beat, axis=0, initial=0)
    positions = np.interp(times, beats, np.arange(len(beats))) * frames_per_beat
    motion = make_interp_spline(np.arange(len(frames)), frames, k=3)
    return motion(np.clip(positions, 0, len(frames) - 1)).astype(np.float32)


def blend(windows: np.ndarray, frames_per_beat: int, window_beats: int) -> np.ndarray:
    """Overlap-add windows (W, F) that start one beat apart: frames (N, C), ``frames_per_beat`` for each beat.

    Each window is weighted by `fade`, so that it is cross-faded with its neighbours; the weights of two-beat windows
    add up to one.
    """
    size = frames_per_beat * window_beats
    windows = windows.reshape(len(windows), size, -1)
    weight = fade(size)[:, None]
    total = np.zeros(((len(windows) - 1) * frames_per_beat + size, windows.shape[-1]))
    weights = np.zeros((len(total), 1))
    for w, window in enumerate(windows):
        span = slice(w * frames_per_beat, w * frames_per_beat + size)
        total[span] += weight * window
        weights[span] += weight
    return total / weights


def root_speeds(frames: np.ndarray, frames_per_beat: int) -> np.ndarray:
    """Return the speeds (…, N, 2) of the hips across and nearer, per beat, in frames (…, N, `CHANNELS`)."""
    speeds = frames[..., SPEEDS]
    speeds[..., 0] -= _foot_speed(frames, frames_per_beat)
    return speeds


def _foot_speed(frames: np.ndarray, frames_per_beat: int) -> np.ndarray:
    """Return the speed (…, N) of the supporting foot across, relative to the hips, in torso lengths per beat."""
    feet = frames[..., :POSE].reshape(*frames.shape[:-1], 15, 2)[..., travel.FEET, :]
    across = np.gradient(feet[..., 0], 1 / frames_per_beat, axis=-2)
    return (across * travel.support(feet)).sum(-1)


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


def without_travel(windows: np.ndarray) -> np.ndarray:
    """Return windows (W, F) without their three channels of travel."""
    return windows.reshape(len(windows), -1, CHANNELS)[..., :POSE].reshape(len(windows), -1)


def mirror(windows: np.ndarray) -> np.ndarray:
    """Mirror windows (W, F) with travel left to right."""
    frames = windows.reshape(-1, CHANNELS).copy()
    frames[:, :POSE] = skeleton.mirror(frames[:, :POSE].reshape(-1, 15, 2)).reshape(-1, POSE)
    frames[:, POSE + ACROSS] *= -1
    return frames.reshape(windows.shape)
