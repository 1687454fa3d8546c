"""Read poses from arrays: .npy, .npz, and AIST++'s pickles of 2-D key points.

AIST++ (Li et al., "AI Choreographer", ICCV 2021; its repository's loader) has one pickle a dance: ``keypoints2d``
(cameras, T, 17, 3) with x, y and confidence at 60 frames a second, NaN where nobody was detected; camera 1 is in front.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion.skeleton import JOINTS
from learn2dance.poses.formats import safe_pickle
from learn2dance.poses.formats.clip_files import LARGEST_CLIP
from learn2dance.poses.formats.openpose_json import Detections, sift

AIST_FPS = 60.0  # frames a second
POSES = ("poses", "keypoints")  # keys of the poses, tried in this order
CONFIDENCE = ("confidence", "keypoint_scores", "scores")  # keys of the confidence, tried in this order


def detect(path: Path, data: bytes, kind: str | None = None, camera: int | None = None) -> Detections:
    """Read the poses of one dancer from the bytes of an .npy, .npz or .pkl file.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    data : bytes
        Content of the file.
    kind : str, optional
        ``"aist"`` or ``"array"``; if None, ``keypoints2d`` with four dimensions is AIST++'s, all else an array.
    camera : int, optional
        AIST++'s camera, counted from 1 (default 1).

    Returns
    -------
    Detections
        With 15 (the first of BODY_25), 17 (COCO), 18 (OpenPose's COCO) or 25 joints (BODY_25).

    Raises
    ------
    UserError
        If the file holds no such poses or is damaged, or if confidences are not within 0-1.
    """
    arrays = _arrays(path, data)
    views = arrays.get("keypoints2d")
    if kind == "aist" or (kind is None and isinstance(views, np.ndarray) and views.ndim == 4):
        return _aist(path, arrays, camera or 1)
    key = _key(path, arrays)
    poses = _poses(path, key, arrays[key])
    known = next((k for k in CONFIDENCE if k in arrays), None)
    if poses.shape[2] == 2 and known:
        confidence = _numbers(path, known, arrays[known])
        if confidence.shape != poses.shape[:2]:
            raise UserError(f"{path}: '{known}' is {confidence.shape}, expected (frames, joints) as in '{key}'")
        poses = np.concatenate([poses, confidence[..., None]], axis=2)
    return _made(path, poses, "an array", _fps(path, arrays.get("fps")))


def _arrays(path: Path, data: bytes) -> dict:
    """Return the content of the file by name; a single array gets the name ``poses``."""
    if data[:4] == b"PK\x03\x04":
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(member.file_size for member in archive.infolist())
        except npz.DAMAGED:
            size = 0  # `npz.read_npz` reports what is wrong
        if size > LARGEST_CLIP:
            raise UserError(f"{path}: unpacks to {size >> 20} MiB, expected the poses of one clip; is it damaged?")
        return npz.read_npz(path, data)
    if data[:1] == b"\x80":
        return safe_pickle.load(path, data)
    if data[:6] != b"\x93NUMPY":
        found = "nothing" if not data else f"{data[:6]!r}"
        raise UserError(
            f"{path}: expected .npy, .npz or a pickle (protocol 2 or later), found {found}; was it cut short?"
        )
    try:
        return {"poses": np.load(io.BytesIO(data), allow_pickle=False)}
    except npz.DAMAGED as error:
        if "Object arrays" in str(error):
            raise UserError(f"{path}: holds pickled objects, which could run code; save plain arrays instead") from None
        raise UserError(f"{path}: not a whole .npy file ({str(error)[:80]!r}); was its writing cut short?") from None


def _key(path: Path, arrays: dict) -> str:
    """Return the key of the poses: one of `POSES`, else the only array whose shape fits."""
    shapes = {key: array.shape for key, array in arrays.items() if isinstance(array, np.ndarray)}
    fit = [key for key, shape in shapes.items() if len(shape) == 3 and shape[2] in (2, 3)]
    if key := next((key for key in (*POSES, *fit[: len(fit) == 1]) if key in shapes), None):
        return key
    found = ", ".join(f"{key} {shape}" for key, shape in shapes.items())[:200] or "no arrays"
    raise UserError(f"{path}: expected 'poses' (frames, joints, 2 or 3), found {found}; is it another kind of data?")


def _numbers(path: Path, key: str, array: object) -> np.ndarray:
    """Return the array as float64, or raise a UserError if it is not numeric."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise UserError(f"{path}: '{key}' is {found}, expected numbers")
    with np.errstate(invalid="ignore"):  # a damaged file may hold invalid numbers
        return array.astype(np.float64)


def _poses(path: Path, key: str, array: object) -> np.ndarray:
    """Return the array as float64 (T, J, 2 or 3), or raise a UserError if its shape does not fit."""
    poses = _numbers(path, key, array)
    if poses.ndim != 3 or poses.shape[1] not in JOINTS or poses.shape[2] not in (2, 3):
        joints = ", ".join(map(str, sorted(JOINTS)))
        raise UserError(f"{path}: '{key}' is {poses.shape}, expected (frames, joints, 2 or 3) with {joints} joints")
    return poses


def _fps(path: Path, value: object) -> float | None:
    """Return the frame rate given in the file, or None."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e4:
        found = value if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
        raise UserError(f"{path}: 'fps' is {str(found)[:40]}, expected frames a second")
    return float(value)


def _aist(path: Path, arrays: dict, camera: int) -> Detections:
    """Read one camera's poses from AIST++'s arrays. Its frames are those of the video; timestamps are ignored."""
    if "keypoints2d" not in arrays:
        found = ", ".join(map(str, arrays))[:80] or "nothing"
        raise UserError(f"{path}: no 'keypoints2d', found {found}; take the pickles of AIST++'s folder keypoints2d")
    views = arrays["keypoints2d"]
    if not isinstance(views, np.ndarray) or views.ndim != 4 or views.shape[2:] != (17, 3):
        shape = getattr(views, "shape", type(views).__name__)
        raise UserError(f"{path}: 'keypoints2d' is {shape}, expected (cameras, frames, 17, 3), as in AIST++'s")
    if camera > len(views):
        raise UserError(f"{path}: --camera {camera}, but it has {len(views)}")
    poses = _numbers(path, "keypoints2d", views[camera - 1])
    return _made(path, poses, f"AIST++, camera {camera}", _fps(path, arrays.get("fps")) or AIST_FPS)


def _made(path: Path, poses: np.ndarray, kind: str, fps: float | None) -> Detections:
    """Build `Detections` from poses (T, J, 2 or 3) of one dancer."""
    unknown = np.isnan(poses).any(axis=2) | (poses[..., :2] == 0).all(axis=2)
    seen = poses[~unknown]  # (n, 2 or 3)
    if len(seen) and poses.shape[2] == 3 and not (seen[:, 2].min() >= 0 and seen[:, 2].max() <= 1 + 1e-3):
        least, most = seen[:, 2].min(), seen[:, 2].max()
        raise UserError(
            f"{path}: the third numbers run from {least:g} to {most:g}, expected confidence, 0-1; are they depth? then "
            "save (frames, joints, 2)"
        )
    people = np.ones((*poses.shape[:2], 3))
    people[..., : poses.shape[2]] = poses
    people[unknown] = 0
    people, odd = sift(people)
    return Detections(people, np.arange(len(people)), len(people), 0, odd, kind, fps, chosen=True)
