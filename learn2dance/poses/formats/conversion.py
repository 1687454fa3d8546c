"""Bring the people of any source to pixels, y down, in the joint order of BODY_25."""

from pathlib import Path

import numpy as np

from learn2dance.motion import plausibility
from learn2dance.poses.formats.openpose_json import Detections, to_body_25


def to_body(path: Path, found: Detections, joints: int) -> tuple[np.ndarray, list[str]]:
    """Check and convert a clip's people by `plausibility.checked` and `to_body_25`; ``path`` is for error messages.

    Returns float32 (N, joints, 3), all 0 where not detected, and notes on what was converted or looks unusual. Raises a
    UserError if the people are not in pixels, or their joints are in no known order.
    """
    seen = np.where(found.people[..., 2:] > 0, found.people, np.float32(np.nan))
    poses, notes = plausibility.checked(path, seen, pixels=True, names=found.names)
    people = found.people if poses is seen else np.nan_to_num(poses)
    return to_body_25(path, people, joints), notes
