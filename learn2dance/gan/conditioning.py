"""Time in beats: the beats that a dance is generated on, and what the generator knows of each.

A dance has `STEPS` poses a beat, which follow the tempo of its song; cubic splines lead from frames to steps and back.
At 8 steps a beat, FID_k of real dances does not change. Without music, beats are `UNIFORM` seconds long.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline

from learn2dance.motion.kinematics import fill_gaps
from learn2dance.music import beat_grid, energy
from learn2dance.music.beat_grid import BAR_POSITIONS

STEPS = 8  # poses per beat
UNIFORM = 0.5  # seconds per beat without music
# Of a beat: its position in the bar (one of 7), the median length of the song's beats, the energy, that there is music.
FEATURES = BAR_POSITIONS + 3


@dataclass(frozen=True)
class Timeline:
    """The beats of a dance and their features.

    ``beats`` float64 (B + 1,), in seconds, increasing, from 0 or before to the dance's end or after. ``features``
    float32 (B, FEATURES), all 0 without music. Step s of the dance is at `step_times` (s).
    """

    beats: np.ndarray
    features: np.ndarray

    @property
    def steps(self) -> int:
        """The number of steps, `STEPS` a beat."""
        return STEPS * len(self.features)

    def cut(self, start: float, end: float) -> "Timeline":
        """Return the beats that cover the time from ``start`` to ``end``, which becomes 0 s to ``end - start``."""
        first = max(int(np.searchsorted(self.beats, start, "right")) - 1, 0)
        last = min(int(np.searchsorted(self.beats, end)), len(self.beats) - 1)
        return Timeline(self.beats[first : last + 1] - start, self.features[first:last])

    def step_times(self) -> np.ndarray:
        """Return the time of each step in seconds, (steps,)."""
        return np.interp(np.arange(self.steps) / STEPS, np.arange(len(self.beats)), self.beats)

    def to_steps(self, poses: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
        """Sample poses (T, J, 2) at the steps: float32 (steps, J, 2), NaN where a joint is missing or before or after.

        Also returns which steps have all joints, bool (steps,).
        """
        frames = np.arange(len(poses)) / fps
        times, flat = self.step_times(), poses.reshape(len(poses), -1)
        missing = np.isnan(flat)
        at = np.clip(times, 0, frames[-1])
        sampled = make_interp_spline(frames, fill_gaps(flat.astype(np.float64)), k=min(3, len(poses) - 1))(at)
        gaps = make_interp_spline(frames, missing.astype(float), k=1)(at) > 1e-9
        sampled[gaps | ((times < -1 / fps) | (times > frames[-1] + 1 / fps))[:, None]] = np.nan
        return sampled.reshape(len(times), *poses.shape[1:]).astype(np.float32), np.isfinite(sampled).all(1)

    def to_frames(self, steps: np.ndarray, count: int, fps: float) -> np.ndarray:
        """Sample poses (steps, J, 2) at frames: float32 (count, J, 2), the first at 0 s.

        From the last step to the end of its beat, motion goes on at the same speed.
        """
        at = np.interp(np.arange(count) / fps, self.beats, np.arange(len(self.beats))) * STEPS
        steps = np.concatenate([steps, 2 * steps[-1:] - steps[-2:-1]]).astype(np.float64)
        return make_interp_spline(np.arange(len(steps)), steps, k=3)(at).astype(np.float32)


def uniform(duration: float) -> Timeline:
    """Return the timeline of a dance of so many seconds without music."""
    count = int(np.ceil(duration / UNIFORM)) + 1
    return Timeline(np.arange(count + 1) * UNIFORM, np.zeros((count, FEATURES), np.float32))


def of_music(music: dict, duration: float, aligned: np.ndarray | None = None) -> Timeline:
    """Return the timeline of a dance of so many seconds to a ``music`` file.

    ``aligned`` (B,) are the song's beats in seconds of the dance, if they differ from the music's (`sync.align`).
    """
    beats = music["beats"] if aligned is None else aligned
    level = energy.beat_energy(music)
    wider, lead = beat_grid.extend(beats, duration)
    index = np.arange(len(wider) - 1) - lead
    features = np.zeros((len(index), FEATURES), np.float32)
    beats_per_bar = int(music["beats_per_bar"])
    position = (index - int(music["downbeat"])) % beats_per_bar + (0 if beats_per_bar == 3 else 3)
    features[np.arange(len(index)), position] = 1
    features[:, BAR_POSITIONS] = 2 * np.log(np.median(np.diff(beats)) / UNIFORM)
    features[:, BAR_POSITIONS + 1] = np.interp(index, np.arange(len(level)), level) / 2
    features[:, BAR_POSITIONS + 2] = 1
    return Timeline(wider, features).cut(0.0, duration)
