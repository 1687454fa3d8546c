"""The times of a video's stored frames, where these are uneven (phones, screen recordings), and poses at even times."""

import numpy as np

from learn2dance.media.video_reader import Footage

LONGEST = 2.5  # frames at the constant rate: over longer pauses between stored frames, `resample` does not interpolate


def of_frames(frames: int, footage: Footage) -> tuple[np.ndarray, str]:
    """Return the seconds, float64 (frames,), of a clip's frames of poses, which were detected in this video.

    Frame t of the poses is the t-th frame stored in the video. If there are as many frames as after conversion to the
    constant rate (`video_reader.steady`), and not as many as are stored, they are taken to be those. Also returns a
    note on what was assumed; empty if the video's frames are evenly spaced.
    """
    even, times = np.arange(frames) / footage.fps, np.array(footage.times)
    first = min(frames, len(times))
    if len(times) == footage.frames and np.abs(times[:first] - even[:first]).max(initial=0) * footage.fps < 0.5:
        return even, ""
    note = f"the frames of {footage.path.name} are uneven in time"
    if abs(frames - footage.frames) < abs(frames - len(times)):
        return even, f"{note}; the poses are as many as at {footage.fps:g} frames a second, which is assumed"
    beyond = times[-1] + even[1 : frames - first + 1]  # readers may differ by a last frame or two
    return np.concatenate([times[:first], beyond]), f"{note}, so the poses are put at their own times"


def resample(keypoints: np.ndarray, times: np.ndarray, fps: float) -> np.ndarray:
    """Interpolate key points (T, J, 3), 0 where not detected, from their ``times`` (T,) in seconds to a constant rate.

    A joint that was detected in only one of the two frames around a time is taken from it if it is the nearest, within
    half a frame. The confidence is the lower one.
    """
    grid = np.arange(round(times[-1] * fps) + 1) / fps
    after = np.clip(np.searchsorted(times, grid), 1, max(len(times) - 1, 1))
    before, after = after - 1, np.minimum(after, len(times) - 1)
    pause = np.maximum(times[after] - times[before], 1e-9)
    part = np.clip((grid - times[before]) / pause, 0, 1)[:, None, None]
    one, two = keypoints[before], keypoints[after]
    result = (1 - part) * one + part * two
    result[..., 2] = np.minimum(one[..., 2], two[..., 2])
    nearest = np.where(part > 0.5, two, one)
    near = np.abs(grid - times[np.where(part[:, 0, 0] > 0.5, after, before)]) <= 0.5 / fps + 1e-9
    exact = np.minimum(part, 1 - part)[:, 0] < 1e-6
    alone = (result[..., 2] == 0) | (pause * fps > LONGEST)[:, None] | exact
    result[alone] = np.where(near[:, None, None], nearest, 0)[alone]
    return result.astype(np.float32)
