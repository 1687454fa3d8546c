"""What animate.py draws: dances from files, at one frame rate, from and to one moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance.cli import log
from learn2dance.data.npz import load_poses
from learn2dance.errors import UserError
from learn2dance.motion import kinematics, travel

ASSUMED_FPS = 30.0  # frames per second of files without ``fps``
GIF_FPS = 50.0  # frames per second: delays in a gif are in 1/100 s, and viewers slow down those below 2


class Inputs(NamedTuple):
    """Dances at one frame rate.

    ``dances`` are those of `load_poses`, whose poses are resampled, seen in perspective and end at the last frame that
    is drawn; ``first`` is the first one.
    """

    dances: list[dict]
    fps: float
    first: int

    @property
    def start(self) -> float:
        """The time of the first frame that is drawn, in seconds."""
        return self.first / self.fps

    def poses(self, files: Sequence[Path]) -> list[np.ndarray]:
        """Return the poses (T, J, 2) that are drawn, y up; raise a UserError if no joint in a file's is known."""
        found = [dance["poses"][self.first :] * (1 if dance["y_up"] else (1, -1)) for dance in self.dances]
        for file, poses in zip(files, found, strict=True):
            if not np.isfinite(poses).all(-1).any():
                raise UserError(f"{file}: no joint is known in any of these {len(poses)} frames; was nobody detected?")
        return found

    def beats(self) -> list[np.ndarray | None]:
        """Return the beats of each dance in seconds after the first frame, or None if it has none."""
        return [None if dance["beats"] is None else dance["beats"] - self.start for dance in self.dances]


def read(
    files: Sequence[Path], fps: float | None, start: float, length: float | None, most: float | None = None
) -> Inputs:
    """Read dances, and resample them to ``fps`` (None: the highest of the files'), at ``most`` if it is given.

    They begin at ``start`` and last ``length`` seconds (None: to their end). What is assumed is logged. Raises a
    UserError if a file has no poses, if the frame rate is unusual, or if a dance ends before ``start``.
    """
    dances = [load_poses(file) for file in files]
    for file, dance in zip(files, dances, strict=True):
        if dance["fps"] is None:
            dance["fps"] = ASSUMED_FPS
            log.warning("%s: no fps in it, %g assumed", file, ASSUMED_FPS)
    fps = fps or max(dance["fps"] for dance in dances)
    if not 0.1 <= fps <= 1000:
        raise UserError(f"{files[0]}: {fps:g} frames a second, expected 0.1 to 1000; give another --fps")
    if most and fps > most:
        log.warning("a gif shows at most %g frames a second, not %g", most, fps)
        fps = most
    first = round(start * fps)
    last = None if length is None else first + max(1, round(length * fps))
    for file, dance in zip(files, dances, strict=True):
        poses = dance["poses"] if dance["nearer"] is None else travel.perspective(dance["poses"], dance["nearer"])
        poses = kinematics.resample(poses, dance["fps"], fps)
        if first >= len(poses):
            raise UserError(f"{file}: --start {start:g} is past its end at {len(poses) / fps:.2f} s")
        dance["poses"] = poses[:last]
    return Inputs(dances, fps, first)
