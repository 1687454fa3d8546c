"""Write OpenPose's JSON files, one a frame, as its documentation ("Output format") describes them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from learn2dance.data.temporary import atomic_folder

_EMPTY = [f"{part}_keypoints_{d}d" for d in (2, 3) for part in ("pose", "face", "hand_left", "hand_right")][1:]


def write(path: str | Path, clip: str, frames: Iterable[Iterable[np.ndarray]]) -> None:
    """Write a folder with a file for each frame's people (see `text`); it replaces ``path`` when it is complete."""
    with atomic_folder(path) as folder:
        for t, people in enumerate(frames):
            (folder / name(clip, t)).write_text(text(people), encoding="ascii")


def name(clip: str, t: int) -> str:
    """Return the name of a clip's file for frame t."""
    return f"{clip}_{t:012}_keypoints.json"


def text(people: Iterable[np.ndarray]) -> str:
    """Return a frame's JSON as OpenPose 1.7 writes it.

    Each person's joints (J, 3) are x right and y down in pixels, and confidence; all 0 where not detected.
    """
    empty = ",".join(f'"{key}":[]' for key in _EMPTY)
    rows = [",".join(f"{value:.6g}" for value in np.ravel(joints)) for joints in people]
    persons = ",".join(f'{{"person_id":[-1],"pose_keypoints_2d":[{row}],{empty}}}' for row in rows)
    return f'{{"version":1.3,"people":[{persons}]}}'
