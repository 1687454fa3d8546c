"""Read poses of published data sets and of tools other than OpenPose; find the format by the content.

coco     results in the format of the COCO key-point challenge, one list for all frames: ``[{"image_id": …,
         "keypoints": [x, y, confidence, …], "score": …}]``. Written by AlphaPose (``image_id`` is the image's name; for
         a video ``0.jpg``, ``1.jpg`` …), by Detectron2 and MMPose in evaluation (a number), and by rtmlib's users.
mmpose   of MMPose's inferencer, ``[{"frame_id": 0, "instances": [{"keypoints": [[x, y], …], "keypoint_scores": …}]}]``,
         and of its demos, which have the same under ``instance_info`` and count from 1.
brace    BRACE's segments (Moltisanti et al., ECCV 2022): ``{"<video>/img-000001.png": {"box": …, "keypoints": [[x, y,
         score], …]}}``; 1 is the video's first frame, as in ffmpeg. A folder may hold all segments of a video.
aist     AIST++'s ``keypoints2d`` (Li et al., ICCV 2021), see `pose_arrays`.
array    arrays (T, J, 2 or 3) in .npy, .npz or a pickle, see `pose_arrays`.

In the first three, the joints are COCO's 17 or begin with them, as in Halpe (26, 68, 136) and COCO-WholeBody (133).
"""

import json
import re
from pathlib import Path

import numpy as np
import orjson

from learn2dance.data.data_root import ARRAYS
from learn2dance.errors import UserError
from learn2dance.poses.formats.openpose_json import Detections, body_size, sift

NAMES = {"coco": "COCO results", "mmpose": "MMPose's JSON", "brace": "BRACE"}
COCO_FIRST = (17, 26, 68, 133, 136)  # joint counts of models whose first 17 joints are COCO's
LAST = 1_000_000  # frames, eleven hours at 25 a second: limit of BRACE's frame numbers, which may start anywhere
SMALLEST = 10  # pixels: if people are smaller, the unit is probably not pixels
_OPENPOSE = re.compile(r"\d_keypoints\.json$")
_NUMBER = re.compile(r"(?<!\d)(\d{1,15})\D*?(\.[a-z]\w*)?$", re.IGNORECASE)  # the last number in an image's name


def detect(
    path: Path,
    files: list[tuple[str, bytes]],
    format: str | None = None,
    camera: int | None = None,
    first_frame: int | None = None,
) -> Detections | None:
    """Read a clip's people into one array, in any of the formats.

    Parameters
    ----------
    path : Path
        Folder, archive or file of the clip, for error messages.
    files : list of (str, bytes)
        Names and contents, as `clip_files.read` returns them.
    format : str, optional
        One of `clip_files.FORMATS`; if None, found by the content.
    camera : int, optional
        AIST++'s camera, counted from 1, the front camera and default.
    first_frame : int, optional
        Number of the video's first frame in the file; if None, as the format defines it.

    Returns
    -------
    Detections or None
        With 15, 17, 18 or 25 joints; None for OpenPose's format, which `openpose_json.detect` reads.

    Raises
    ------
    UserError
        If it is none of the formats, is incomplete, or is not in pixels.
    """
    found = _detect(path, files, format, camera, first_frame)
    if found:
        size = body_size(found.people)
        if (size > 0).any() and (height := np.median(size[size > 0])) < SMALLEST:
            raise UserError(
                f"{path}: people are {height:.3g} large, expected pixels, y down; are these parts of the picture, or "
                "torso lengths?"
            )
    return found


def _detect(
    path: Path, files: list[tuple[str, bytes]], kind: str | None, camera: int | None, first: int | None
) -> Detections | None:
    """Find the format and read the people; parameters as for `detect`."""
    name, data = files[0]
    single = path.name == name
    where = path if single else path / name
    binary = data[:1] == b"\x80" or data[:6] == b"\x93NUMPY" or data[:4] == b"PK\x03\x04"
    if binary or kind in ("aist", "array") or name.lower().endswith(ARRAYS):
        from learn2dance.poses.formats import pose_arrays

        _one(path, files)
        if kind not in (None, "aist", "array"):
            raise UserError(f"{where}: --format {kind}, but this is no JSON; leave --format out")
        return pose_arrays.detect(where, data, kind, camera)
    if kind == "openpose":
        return None
    content = _json(where, data)
    kind = kind or _kind(where, content, frames=not single and (len(files) > 1 or _OPENPOSE.search(name)))
    if kind is None:
        if single:
            raise UserError(
                f"{path}: one frame of OpenPose's; put all frames of a clip into a folder of the clip's name"
            )
        return None
    if kind == "brace":
        contents = [content, *(_json(path / name, data) for name, data in files[1:])]
        return _brace(path, contents, 1 if first is None else first)
    _one(path, files)
    return _mmpose(where, content, first) if kind == "mmpose" else _coco(where, content, first or 0)


def _one(path: Path, files: list) -> None:
    if len(files) > 1:
        raise UserError(
            f"{path}: {len(files)} files, expected one for the whole clip; found {files[0][0]}, {files[1][0]}"
        )


def _json(where: Path, data: bytes) -> object:
    """Return the content of the JSON; None if it is invalid."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data, parse_int=float)  # accepts NaN and Infinity, which Python's json writes
        except (ValueError, RecursionError):
            return None


def _kind(where: Path, content: object, frames: bool) -> str | None:
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
        if isinstance(element, dict) and ("people" in element or "bodies" in element):
            raise UserError(f"{where}: AlphaPose's --format open or cmu; run AlphaPose with its default format")
    elif content == [] or (isinstance(element, dict) and "image_id" in element):
        return "coco"
    elif isinstance(element, dict) and "instances" in element:
        return "mmpose"
    if frames:
        return None
    if content is None:
        raise UserError(f"{where}: not whole JSON; was its writing or copying cut short?")
    keys = ", ".join(element if isinstance(element, dict) else [])[:80]
    found = f"a {type(content).__name__}" + (f" with keys {keys}" if keys else "")
    raise UserError(
        f"{where}: expected OpenPose's, COCO's, MMPose's or BRACE's JSON, found {found}; is it another tool's?"
    )


def _coco(path: Path, content: object, first: int) -> Detections:
    """Read results in COCO's format: a list of people, each with its image."""
    people = _records(path, content, "image_id", "keypoints")
    numbers, stems = zip(*(_frame(path, person["image_id"]) for person in people), strict=True) if people else ((), ())
    if len(set(stems)) > 1:
        one, other = sorted(map(str, set(stems)))[:2]
        raise UserError(
            f"{path}: pictures named {one[:60]!r}… and {other[:60]!r}…, expected one clip's; are two mixed?"
        )
    return _made(path, "coco", [person["keypoints"] for person in people], np.array(numbers, np.int64) - first)


def _mmpose(path: Path, content: object, first: int | None) -> Detections:
    """Read the output of MMPose's inferencer or of one of its demos."""
    if demo := isinstance(content, dict):
        content = content.get("instance_info")
    first = int(demo) if first is None else first
    rows, numbers = [], []
    for frame in _records(path, content, "frame_id", "instances"):
        number, _ = _frame(path, frame["frame_id"])
        for person in _records(path, frame["instances"], "keypoints", "keypoint_scores"):
            try:
                places = np.array(person["keypoints"], np.float64)
                scores = np.array(person["keypoint_scores"], np.float64)
                rows.append(np.concatenate([places, scores[:, None]], axis=1))
            except (ValueError, TypeError, OverflowError, IndexError):
                raise UserError(f"{path}: frame {number}: 'keypoints' and 'keypoint_scores' do not fit") from None
            numbers.append(number)
    return _made(path, "mmpose", rows, np.array(numbers, np.int64) - first)


def _brace(path: Path, contents: list, first: int) -> Detections:
    """Read segments of one video in BRACE's format; of two people in one frame, the first is kept."""
    frames: dict[int, list] = {}
    stems = set()
    for content in contents:
        if not isinstance(content, dict):
            raise UserError(
                f"{path}: a {type(content).__name__}, expected BRACE's pictures by name; is a file cut short?"
            )
        for picture, person in content.items():
            number, stem = _frame(path, picture)
            stems.add(stem)
            frames.setdefault(number, _records(path, [person], "keypoints")[0]["keypoints"])
    if len(stems) > 1:
        one, other = sorted(stems)[:2]
        raise UserError(f"{path}: pictures of {one[:60]!r} and of {other[:60]!r}, expected one video's; are two mixed?")
    numbers = np.array(sorted(frames), np.int64)
    return _made(path, "brace", [frames[number] for number in numbers.tolist()], numbers - first, chosen=True)


def _records(path: Path, content: object, *keys: str) -> list[dict]:
    """Return ``content`` if it is a list of objects with these keys; else raise a UserError."""
    if not isinstance(content, list):
        found = "null, or not whole JSON" if content is None else f"a {type(content).__name__}"
        raise UserError(f"{path}: expected a list of objects with '{keys[0]}', found {found}; is it another format?")
    for record in content:
        if not isinstance(record, dict) or any(key not in record for key in keys):
            found = f"keys {', '.join(record)}" if isinstance(record, dict) else f"a {type(record).__name__}"
            wanted = " and ".join(keys)
            raise UserError(f"{path}: expected objects with {wanted}, found {found[:80]}; is it another format?")
    return content


def _frame(path: Path, image: object) -> tuple[int, str | None]:
    """Return an image's number, and the part of its name before the number (None if it has no name)."""
    if isinstance(image, str) and len(image) < 256 and (match := _NUMBER.search(image)):
        return int(match[1]), image[: match.start()]
    if isinstance(image, (int, float)) and not isinstance(image, bool) and 0 <= image <= 1e15 and image == int(image):
        return int(image), None
    raise UserError(f"{path}: picture {str(image)[:60]!r}, expected a frame's number, or a name that ends in one")


def _made(path: Path, kind: str, rows: list, frame: np.ndarray, chosen: bool = False) -> Detections:
    """Build `Detections` from each person's numbers and frame, sorted by frame."""
    if len(frame) and frame.min() < 0:
        raise UserError(f"{path}: a frame {-frame.min()} before the video's first; is --first-frame too high?")
    if len(frame) and frame.max() >= (LAST if chosen else 10 * len(np.unique(frame)) + 1000):
        raise UserError(
            f"{path}: people in {len(np.unique(frame))} frames, but frame numbers up to {frame.max()}; are these the "
            "numbers of one video's frames?"
        )
    if not rows:
        return Detections(np.zeros((0, 17, 3), np.float32), frame, 0, 0, 0, NAMES[kind], chosen=chosen)
    try:
        people = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise UserError(f"{path}: 'keypoints' are not as many numbers for each person; are two models mixed?") from None
    numbers = int(np.prod(people.shape[1:]))
    joints = numbers // 3
    if numbers % 3 or joints not in COCO_FIRST or people.shape[1:] not in ((numbers,), (joints, 3)):
        raise UserError(
            f"{path}: {numbers} numbers for a person, expected 51 (COCO-17: x, y, confidence), or a model's that has "
            "COCO's joints first; which model was it?"
        )
    people = people.reshape(len(people), -1, 3)[:, :17]
    people[..., 2] = np.clip(people[..., 2], 0, 1)  # AlphaPose, Detectron2 and RTMPose sometimes exceed 0-1
    order = np.argsort(frame, kind="stable")
    people, odd = sift(people[order])
    return Detections(people, frame[order], int(frame.max()) + 1, 0, odd, NAMES[kind], chosen=chosen)
