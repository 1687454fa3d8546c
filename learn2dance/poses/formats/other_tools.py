"""Read poses of published data sets and of tools other than OpenPose; find the format by the content.

coco     results in the format of the COCO key-point challenge, one list for all frames: ``[{"image_id": …,
         "keypoints": [x, y, confidence, …], "score": …}]``. Written by AlphaPose (``image_id`` is the image's name; for
         a video ``0.jpg``, ``1.jpg`` …), by Detectron2 and MMPose in evaluation (a number), and by rtmlib's users. Also
         what AlphaPose's tracker makes of it, ``{"0.jpg": [{"keypoints": …, "idx": …}]}``.
mmpose   of MMPose's inferencer, ``[{"frame_id": 0, "instances": [{"keypoints": [[x, y], …], "keypoint_scores": …}]}]``,
         and of its demos, which have the same under ``instance_info`` and count from 1.
brace    BRACE's segments (Moltisanti et al., ECCV 2022): ``{"<video>/img-000001.png": {"box": …, "keypoints": [[x, y,
         score], …]}}``; 1 is the video's first frame, as in ffmpeg. A folder may hold all segments of a video.
aist     AIST++'s ``keypoints2d`` (Li et al., ICCV 2021), see `pose_arrays`.
array    arrays (T, J, 2 or 3) in .npy, .npz or a pickle, see `pose_arrays`.

In the first three, the joints are COCO's 17 or begin with them, as in Halpe (26, 68, 136) and COCO-WholeBody (133),
unless MMPose's demo names others (`joint_names`).
"""

import contextlib
import json
import re
from pathlib import Path

import numpy as np
import orjson

from learn2dance.data.clip_names import ARRAYS
from learn2dance.errors import UserError
from learn2dance.poses.formats import pose_arrays
from learn2dance.poses.formats.clip_files import Files
from learn2dance.poses.formats.joint_names import joint_names
from learn2dance.poses.formats.openpose_json import COCO_FIRST, Detections, describe, detections

LAST = 1_000_000  # frames, eleven hours at 25 a second: limit of BRACE's frame numbers, which may start anywhere
_BINARY = (b"\x80", b"\x93NUMPY", b"PK\x03\x04")  # how pickles, .npy and .npz begin
_OPENPOSE = re.compile(r"\d_keypoints\.json$")
_NUMBER = re.compile(
    r"(?<![0-9])([0-9]{1,15})[^0-9]*?(\.[a-z]\w*)?$", re.IGNORECASE
)  # the last number in an image's name


def read(
    path: Path, files: Files, format: str | None = None, camera: int | None = None, first_frame: int | None = None
) -> Detections | None:
    """Read a clip's people from its files, as `clip_files.read` returns them; ``path`` is for error messages.

    ``format`` is one of `formats.FORMATS`; if None, it is found by the content. ``camera`` is AIST++'s, counted from 1,
    the front camera and default. ``first_frame`` is the number of the video's first frame in the file; if None, as the
    format defines it. The result has 15, 17, 18 or 25 joints; it is None for OpenPose's format, which
    `openpose_json.read` reads. Raises a UserError if the format is none of these, or for incomplete files and poses
    that are not in pixels.
    """
    files = _without_tracked(files)
    name, data = files[0]
    single = path.name == name
    where = path if single else path / name
    if data.startswith(_BINARY) or format in ("aist", "array") or name.lower().endswith(ARRAYS):
        _expect_one(path, files)
        if format not in (None, "aist", "array"):
            raise UserError(f"{where}: found no JSON, as --format {format} expects; omit --format")
        if first_frame:
            raise UserError(
                f"{where}: --first-frame {first_frame} is for numbered frames, an array's begin at its start"
            )
        return pose_arrays.read(where, data, format, camera)
    if format == "openpose":
        return None
    content = _json(data)
    format = format or _format(where, content, frames=not single and (len(files) > 1 or _OPENPOSE.search(name)))
    if format == "brace":
        return _brace(path, [content, *(_json(data) for _, data in files[1:])], first_frame)
    if format:
        _expect_one(path, files)
        return (_mmpose if format == "mmpose" else _coco)(where, content, first_frame)
    if single:
        raise UserError(f"{path}: found one frame of OpenPose's, expected a folder of the clip's name with all frames")
    return None


def _without_tracked(files: Files) -> Files:
    """Leave out what AlphaPose's tracker and viewer made of its results, if it lies beside them."""
    results = [file for file in files if file[0].lower() == "alphapose-results.json"]
    return results if all(name.lower().startswith("alphapose-") for name, _ in files) and results else files


def _expect_one(path: Path, files: Files) -> None:
    if len(files) > 1:
        names = f"{files[0][0]}, {files[1][0]}"
        raise UserError(f"{path}: found {len(files)} files ({names} …), expected one for the whole clip")


def _json(data: bytes) -> object:
    """Return the content of the JSON; None if it is invalid."""
    for loads in (orjson.loads, lambda data: json.loads(data, parse_int=float)):  # json accepts NaN and Infinity
        with contextlib.suppress(ValueError, RecursionError):
            return loads(data)
    return None


def _format(where: Path, content: object, frames: bool) -> str | None:
    """Return the format of this JSON; None for OpenPose's, also if it may be a damaged one of OpenPose's ``frames``."""
    element = content[0] if isinstance(content, list) and content else content
    if isinstance(content, dict) and content:
        element = next(iter(content.values()))
        if "people" in content:
            return None
        if "instance_info" in content:
            return "mmpose"
        if isinstance(element, dict) and "keypoints" in element:
            return "brace"
        tracked = [people for people in content.values() if people]  # a frame may have nobody
        if tracked and all(isinstance(people, list) and isinstance(people[0], dict) for people in tracked):
            return "coco"
        if isinstance(element, dict) and ("people" in element or "bodies" in element):
            raise UserError(f"{where}: found AlphaPose's --format open or cmu; run AlphaPose with its default format")
    elif content == [] or (isinstance(element, dict) and "image_id" in element):
        return "coco"
    elif isinstance(element, dict) and "instances" in element:
        return "mmpose"
    if frames:
        return None
    if content is None:
        raise UserError(f"{where}: invalid JSON; was writing or copying it interrupted?")
    found = describe(content if isinstance(content, dict) else element)
    raise UserError(f"{where}: found {found}, expected JSON of OpenPose, COCO, MMPose or BRACE; is it another tool's?")


def _coco(path: Path, content: object, first: int | None) -> Detections:
    """Read results in COCO's format: a list of people, each with its image; or lists of people by image."""
    if isinstance(content, dict):
        content = [
            person | {"image_id": image}
            for image, people in content.items()
            for person in _records(path, people, "keypoints")
        ]
    people = _records(path, content, "image_id", "keypoints")
    frames = _frames(path, [person["image_id"] for person in people])
    return _detections(path, "COCO results", [person["keypoints"] for person in people], frames - (first or 0))


def _mmpose(path: Path, content: object, first: int | None) -> Detections:
    """Read the output of MMPose's inferencer or of one of its demos."""
    if demo := isinstance(content, dict):
        content, meta = content.get("instance_info"), content.get("meta_info")
    frames = _records(path, content, "frame_id", "instances")
    names = joint_names(path, meta) if demo and isinstance(meta, dict) else None
    rows, numbers = [], []
    for frame, number in zip(frames, _frames(path, [frame["frame_id"] for frame in frames]), strict=True):
        for person in _records(path, frame["instances"], "keypoints", "keypoint_scores"):
            try:
                places = np.array(person["keypoints"], np.float64)
                scores = np.array(person["keypoint_scores"], np.float64)
                rows.append(np.concatenate([places, scores[:, None]], axis=1))
            except (ValueError, TypeError, OverflowError, IndexError):
                problem = "'keypoints' and 'keypoint_scores' are not numbers of the same joints"
                raise UserError(f"{path}: frame {number}: {problem}") from None
            numbers.append(number)
    first = int(demo) if first is None else first
    return _detections(path, "MMPose's JSON", rows, np.array(numbers, np.int64) - first, names=names)


def _brace(path: Path, contents: list, first: int | None) -> Detections:
    """Read segments of one video in BRACE's format; of two people in one frame, the first is kept."""
    if other := [content for content in contents if not isinstance(content, dict)]:
        raise UserError(f"{path}: found {describe(other[0])}, expected BRACE's images by name; is a file incomplete?")
    people = [pair for content in contents for pair in content.items()]
    rows = _records(path, [person for _, person in people], "keypoints")
    first = 1 if first is None else first
    frames, kept = np.unique(_frames(path, [image for image, _ in people]) - first, return_index=True)
    return _detections(path, "BRACE", [rows[i]["keypoints"] for i in kept], frames, dancer_only=True)


def _records(path: Path, content: object, *keys: str) -> list[dict]:
    """Return ``content`` if it is a list of objects with these keys; else raise a UserError."""
    expected = f"expected a list of objects with {' and '.join(keys)}; is it another format?"
    if not isinstance(content, list):
        raise UserError(f"{path}: found {describe(content)}, {expected}")
    for record in content:
        if not isinstance(record, dict) or any(key not in record for key in keys):
            raise UserError(f"{path}: found a list with {describe(record)}, {expected}")
    return content


def _frames(path: Path, images: list) -> np.ndarray:
    """Return the frame numbers, int64, of images given by number or name; names may differ in the number alone."""
    numbers, stems = [], set()
    for image in images:
        if isinstance(image, str) and len(image) < 256 and (match := _NUMBER.search(image)):
            numbers.append(int(match[1]))
            stems.add(image[: match.start()])
        elif type(image) in (int, float) and 0 <= image <= 1e15 and image == int(image):
            numbers.append(int(image))
            stems.add(None)
        else:
            expected = "expected a frame's number, or a name that ends in one"
            raise UserError(f"{path}: found image {str(image)[:60]!r}, {expected}")
    if len(stems) > 1:
        one, other = sorted(map(str, stems))[:2]
        raise UserError(f"{path}: found images {one[:60]!r}… and {other[:60]!r}…, expected one clip's; are two mixed?")
    return np.array(numbers, np.int64)


def _detections(
    path: Path, kind: str, rows: list, frame: np.ndarray, dancer_only: bool = False, names: list[str] | None = None
) -> Detections:
    """Build `Detections` from each person's numbers and frame, sorted by frame; the joints are COCO's without names."""
    if not rows:
        return detections(np.zeros((0, 17, 3)), frame, kind, dancer_only=dancer_only)
    if frame.min() < 0:
        raise UserError(f"{path}: found a frame {-frame.min()} before the video's first; is --first-frame too high?")
    count = len(np.unique(frame))
    if frame.max() >= (LAST if dancer_only else 10 * count + 1000):
        found = f"found people in {count} frames, but frame numbers up to {frame.max()}"
        raise UserError(f"{path}: {found}; are these the frame numbers of one video?")
    try:
        people = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{path}: 'keypoints' differ in length, or are not numbers; are two models mixed?") from None
    numbers = int(np.prod(people.shape[1:]))
    joints = numbers // 3
    if (
        numbers % 3
        or joints not in ([len(names)] if names else COCO_FIRST)
        or people.shape[1:] not in ((numbers,), (joints, 3))
    ):
        expected = "expected 51 (COCO-17: x, y, confidence), or a model whose first joints are COCO's"
        raise UserError(f"{path}: found {numbers} numbers for a person, {expected}; which model was it?")
    people = people.reshape(len(people), -1, 3)[:, : None if names else 17]
    people[..., 2] = np.clip(people[..., 2], 0, 1)  # AlphaPose, Detectron2 and RTMPose sometimes exceed 0-1
    return detections(people, frame, kind, dancer_only=dancer_only, names=names)
