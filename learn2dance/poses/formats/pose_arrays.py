"""Read poses from arrays: .npy, .npz, and AIST++'s pickles of 2-D key points.

AIST++ (Li et al., "AI Choreographer", ICCV 2021; its repository's loader) has one pickle a dance: ``keypoints2d``
(cameras, T, 17, 3) with x, y and confidence at 60 frames a second, NaN where nobody was detected; camera 1 is in front.
"""

import io
from pathlib import Path

import numpy as np

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion import plausibility
from learn2dance.motion.skeleton import JOINTS
from learn2dance.poses.formats import safe_pickle
from learn2dance.poses.formats.openpose_json import Detections, detections

AIST_FPS = 60.0  # frames a second
POSES = ("poses", "keypoints")  # keys of the poses, tried in this order
CONFIDENCE = ("confidence", "keypoint_scores", "scores")  # keys of the confidence, tried in this order


def read(path: Path, data: bytes, kind: str | None = None, camera: int | None = None) -> Detections:
    """Read the poses of one dancer from the bytes of an .npy, .npz or .pkl file; ``path`` is for error messages.

    ``kind`` is ``"aist"`` or ``"array"``; if None, ``keypoints2d`` with four dimensions is AIST++'s, all else an array.
    ``camera`` is AIST++'s, counted from 1 (default 1). The result has 15 (the first of BODY_25), 17 (COCO), 18
    (OpenPose's COCO) or 25 joints (BODY_25). Raises a UserError if the file holds no such poses or is damaged, or if
    confidences are not within 0-1.
    """
    arrays = _arrays(path, data)
    views = arrays.get("keypoints2d")
    if kind == "aist" or (kind is None and np.ndim(views) == 4):
        return _aist(path, arrays, camera or 1)
    fit = [key for key, value in arrays.items() if np.ndim(value) == 3 and np.shape(value)[2] in (2, 3)]
    key = next((key for key in POSES if isinstance(arrays.get(key), np.ndarray)), fit[0] if len(fit) == 1 else None)
    if key is None:
        expected = "expected 'poses' (frames, joints, 2 or 3); is it another kind of data?"
        raise UserError(f"{path}: found {_describe(arrays)}, {expected}")
    poses = _numbers(path, key, arrays[key])
    if poses.ndim != 3 or poses.shape[1] not in JOINTS or poses.shape[2] not in (2, 3):
        joints = ", ".join(map(str, sorted(JOINTS)))
        hint = _axes_problem(poses)
        expected = f"expected (frames, joints, 2 or 3) with {joints} joints"
        raise UserError(f"{path}: '{key}' is {poses.shape}, {expected}" + (f"; {hint}" if hint else ""))
    if hint := _axes_problem(poses):
        raise UserError(f"{path}: '{key}' is {poses.shape}, expected (frames, joints, 2 or 3); {hint}")
    confidence_key = next((k for k in CONFIDENCE if k in arrays), None)
    if poses.shape[2] == 2 and confidence_key:
        confidence = _numbers(path, confidence_key, arrays[confidence_key])
        if confidence.shape != poses.shape[:2]:
            expected = f"expected (frames, joints) as in '{key}'"
            raise UserError(f"{path}: '{confidence_key}' is {confidence.shape}, {expected}")
        poses = np.concatenate([poses, confidence[..., None]], axis=2)
    return _detections(path, poses, "an array", _fps(path, arrays.get("fps")))


def _axes_problem(poses: np.ndarray) -> str:
    """Return what `plausibility.axes_problem` finds, without the confidence."""
    places = poses[..., :2] if poses.ndim == 3 and poses.shape[2] == 3 else poses
    return plausibility.axes_problem(places.shape, places)


def _arrays(path: Path, data: bytes) -> dict:
    """Return the content of the file by name; a single array gets the name ``poses``."""
    if data[:4] == b"PK\x03\x04":
        return npz.read_npz(path, data)
    if data[:1] == b"\x80":
        return safe_pickle.load(path, data)
    if data[:6] != b"\x93NUMPY":
        expected = "expected .npy, .npz or a pickle (protocol 2 or later); is it complete?"
        raise UserError(f"{path}: found {data[:6] or 'nothing'}, {expected}")
    try:
        return {"poses": np.load(io.BytesIO(data), allow_pickle=False)}
    except npz.DAMAGED as error:
        if "Object arrays" in str(error):
            raise UserError(f"{path}: found pickled objects, which could run code; save plain arrays instead") from None
        raise UserError(f"{path}: incomplete .npy file ({str(error)[:80]!r}); was writing it interrupted?") from None


def _describe(arrays: dict) -> str:
    """List names and shapes for an error message; () for what is no array."""
    return ", ".join(f"{key} {np.shape(value)}" for key, value in arrays.items())[:200] or "no arrays"


def _numbers(path: Path, key: str, array: object) -> np.ndarray:
    """Return the array as float64, or raise a UserError if it is not numeric."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise UserError(f"{path}: '{key}' is {found}, expected numbers")
    with np.errstate(invalid="ignore"):  # a damaged file may hold invalid numbers
        return array.astype(np.float64)


def _fps(path: Path, value: object) -> float | None:
    """Return the frame rate given in the file, or None."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < 1e4:
        raise UserError(f"{path}: 'fps' is {str(value)[:40]!r}, expected frames a second")
    return float(value)


def _aist(path: Path, arrays: dict, camera: int) -> Detections:
    """Read one camera's poses from AIST++'s arrays. Its frames are those of the video; timestamps are ignored."""
    views = arrays.get("keypoints2d")
    if np.ndim(views) != 4 or views.shape[2:] != (17, 3):
        expected = "expected 'keypoints2d' (cameras, frames, 17, 3); use the pickles of AIST++'s folder keypoints2d"
        raise UserError(f"{path}: found {_describe(arrays)}, {expected}")
    if camera > len(views):
        raise UserError(f"{path}: found {len(views)} cameras, expected at least {camera}, the number of --camera")
    poses = _numbers(path, "keypoints2d", views[camera - 1])
    return _detections(path, poses, f"AIST++, camera {camera}", _fps(path, arrays.get("fps")) or AIST_FPS)


def _detections(path: Path, poses: np.ndarray, kind: str, fps: float | None) -> Detections:
    """Build `Detections` from poses (T, J, 2 or 3) of one dancer."""
    unknown = np.isnan(plausibility.mark_missing(poses)).any(axis=2)
    confidence = poses[~unknown][:, 2:]  # (n, 0 or 1)
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-3):
        found = f"found third numbers from {confidence.min():g} to {confidence.max():g}"
        raise UserError(f"{path}: {found}, expected confidence, 0-1; if they are depth, save (frames, joints, 2)")
    people = np.ones((*poses.shape[:2], 3))
    people[..., : poses.shape[2]] = poses
    people[unknown] = 0
    return detections(people, np.arange(len(people)), kind, fps=fps, dancer_only=True)
