"""Names of joints as MMPose's data sets give them (``dataset_info``), in the names of `learn2dance.motion.skeleton`."""

from pathlib import Path

from learn2dance.errors import UserError
from learn2dance.motion.skeleton import COCO_17, HUMAN36M_17

_PARTS = "shoulder elbow wrist hip knee ankle eye ear big_toe small_toe heel".split()
_NAMES = {"nose": "Nose", "neck": "Neck", "pelvis": "MidHip", "hip": "MidHip", "root": "MidHip"}
_NAMES |= {
    f"{side}_{part}": side[0].upper() + part.title().replace("_", "") for side in ("left", "right") for part in _PARTS
}
_NEEDED = [name for name in COCO_17 if not name.endswith(("Eye", "Ear"))]


def joint_names(path: Path, meta: dict) -> list[str] | None:
    """Return the joints' names in the ``meta_info`` of MMPose's demo, "" for those without a name here.

    Returns None if it names no joints. Raises a UserError, which names ``path``, if nose, shoulders, elbows, wrists,
    hips, knees or ankles are not among them.
    """
    data_set, listed = str(meta.get("dataset_name", "unknown"))[:40], meta.get("keypoint_id2name")
    if data_set.startswith("h36m"):  # it calls the ankles feet, and the joint between neck and nose neck_base
        return HUMAN36M_17
    if not isinstance(listed, dict):
        return None
    named = {int(number): str(name) for number, name in listed.items() if number.isdecimal()}
    names = [_NAMES.get(named[number], "") for number in sorted(named)]
    if lacking := [name for name in _NEEDED if name not in names]:
        found = f"found MMPose's joints of data set '{data_set}', which lack {', '.join(lacking)}"
        raise UserError(f"{path}: {found}; use a model with COCO's joints")
    return names
