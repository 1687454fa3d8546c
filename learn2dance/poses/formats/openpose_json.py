"""Read OpenPose's JSON files of one clip into one array of people.

OpenPose writes one file a frame, ``<clip>_000000000123_keypoints.json``, with the frame number in the name. The formats
read here are those of its documentation ("Output format"): BODY_25 and COCO-18, three numbers a joint (x, y,
confidence), under ``pose_keypoints_2d`` or, in older versions, ``pose_keypoints``. Converters of other tools write the
same files with COCO's 17 joints, or more that begin with them.
"""

import json
import re
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from learn2dance.errors import UserError
from learn2dance.motion.skeleton import names_of, to_order
from learn2dance.poses.formats.clip_files import Files

KEYS = ("pose_keypoints_2d", "pose_keypoints")
LIMITS = np.array([1e5, 1e5, 2])  # pixels larger than any image; confidence, sometimes slightly above 1
_NUMBER = re.compile(r"(?<![0-9])([0-9]{1,15})(?:_keypoints)?\.json$")
COCO_FIRST = (17, 26, 68, 133, 136)  # joint counts of models whose first 17 joints are COCO's
BODY = 15  # joints: the first 15 of BODY_25, without eyes, ears and feet


@dataclass(frozen=True)
class Detections:
    """All people detected in one clip."""

    people: np.ndarray  # float32 (N, J, 3): x right and y down in pixels, confidence 0-1; all 0 where not detected
    frame: np.ndarray  # int64 (N,): frame of each person, non-decreasing
    frames: int  # number of frames of the clip: from frame 0 to the last one in the source
    missing: int  # number of frames without a file
    impossible: int  # number of joints with impossible numbers, which count as not detected
    kind: str = "OpenPose's JSON"
    fps: float | None = None  # frames a second, if the source says
    dancer_only: bool = False  # whether the source holds one dancer, selected by its authors: at most one a frame
    names: list[str] | None = None  # of the joints, if the source says
    first: int = 0  # frame of the first file, if each frame has a file

    def people_count(self) -> str:
        """Return how many people the frames hold as text: "1 person", "0-3 people"."""
        count = np.bincount(self.frame, minlength=self.frames)
        low, high = count.min(), count.max()
        return "1 person" if low == high == 1 else f"{high if low == high else f'{low}-{high}'} people"


def read(path: Path, files: Files, first_frame: int = 0) -> Detections:
    """Read the JSON files of a clip, as `clip_files.read` returns them; ``path`` is for error messages.

    ``first_frame`` is the number of the video's first frame in the files' names. The result has 25 joints (BODY_25), 18
    (COCO-18), 17 (COCO) or 15 (MPI, or the first of BODY_25). Raises a UserError if a file is not OpenPose's, is
    truncated or has another number of joints, if two files are the same frame, or if one is before the first frame.
    """
    frame_of = _frame_numbers(path, [name for name, _ in files], first_frame)
    numbers = array("d")  # 3 J numbers for each person
    source: list[int] = []  # index of each person's file
    length = 0  # of each person's numbers
    for index in np.argsort(frame_of).tolist():
        name, data = files[index]
        try:
            people = orjson.loads(data)["people"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            people = None
        for person in people if type(people) is list else _people(f"{path}/{name}", data):
            try:
                row = person["pose_keypoints_2d"]
                numbers.fromlist(row)
            except (KeyError, TypeError):
                row = _person(f"{path}/{name}", person)
                numbers.fromlist(row)
            if not row:  # OpenPose ran with hands or faces alone
                continue
            if len(row) // 3 not in (25, 18, 15, *COCO_FIRST) or len(row) % 3:
                expected = "expected 75 (BODY_25) or 54 (COCO-18); was it another model?"
                raise UserError(f"{path}/{name}: found {len(row)} numbers for a person, {expected}")
            length = length or len(row)
            if len(row) != length:
                raise UserError(f"{path}/{name}: found {len(row) // 3} joints, {length // 3} before; are runs mixed?")
            source.append(index)
    people = np.frombuffer(numbers).reshape(len(source), (length or 75) // 3, 3)
    people, impossible = remove_impossible(people[:, :17] if length // 3 in COCO_FIRST else people)
    frames = int(frame_of.max()) + 1
    return Detections(people, frame_of[source], frames, frames - len(files), impossible, first=int(frame_of.min()))


def remove_impossible(people: np.ndarray) -> tuple[np.ndarray, int]:
    """Set joints of people (N, J, 3) with impossible numbers to 0, not detected, and confidences above 1 to 1.

    Returns the people as float32, all 0 where not detected, and the number of joints with impossible numbers.
    """
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is impossible below
        people = people.astype(np.float32)
    confidence = people[..., 2]
    possible = (np.abs(people) <= LIMITS).all(axis=-1) & (confidence >= 0)  # False for NaN
    people[~possible | (confidence == 0)] = 0
    np.minimum(confidence, 1, out=confidence)
    return people, int((~possible).sum())


def detections(people: np.ndarray, frame: np.ndarray, kind: str, **more) -> Detections:
    """Build the `Detections` of people (N, J, 3) and their frames (N,), in any order."""
    order = np.argsort(frame, kind="stable")
    people, impossible = remove_impossible(people[order])
    return Detections(people, frame[order], int(frame.max(initial=-1)) + 1, 0, impossible, kind, **more)


def _frame_numbers(path: Path, names: list[str], first: int) -> np.ndarray:
    """Return each file's frame number, int64, from its name; ``first`` becomes 0."""
    file_of: dict[int, str] = {}
    for name in names:
        if not (match := _NUMBER.search(name)):
            expected = "expected …_000000000123_keypoints.json; was it renamed?"
            raise UserError(f"{path}/{name}: found no frame number in the name, {expected}")
        if (number := int(match[1]) - first) in file_of:
            raise UserError(f"{path}: '{file_of[number]}' and '{name}' are the same frame; are two clips mixed?")
        file_of[number] = name
    if min(file_of) < 0:
        raise UserError(f"{path}: '{file_of[min(file_of)]}' is before --first-frame {first}; is that too high?")
    if max(file_of) + 1 > 10 * len(names) + 1000:
        raise UserError(f"{path}: found {len(names)} files, but frame numbers up to {max(file_of)}; are files missing?")
    return np.array(list(file_of))


def _people(where: str, data: bytes) -> list:
    """Return the people of a file in which orjson found no list of people, or raise a UserError."""
    if not data.strip():
        raise UserError(f"{where}: empty, expected OpenPose's JSON; was OpenPose stopped or the disk full?")
    try:
        frame = json.loads(data, parse_int=float)  # unlike orjson, accepts NaN and Infinity
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: invalid JSON ({error}); was writing or copying it interrupted?") from None
    people = frame.get("people") if isinstance(frame, dict) else None
    if not isinstance(people, list):
        raise UserError(f"{where}: found {describe(frame)}, expected a list of 'people'; is it from another tool?")
    return people


def _person(where: str, person: object) -> list[float]:
    """Return the numbers of a person from an older version or with null, NaN for null; or raise a UserError."""
    key = next((key for key in KEYS if isinstance(person, dict) and key in person), None)
    if key is None:
        raise UserError(f"{where}: found {describe(person)}, expected '{KEYS[0]}'; is it from another tool?")
    row = person[key] or []
    if not isinstance(row, list) or not all(value is None or isinstance(value, (int, float)) for value in row):
        raise UserError(f"{where}: a person's joints are not a list of numbers; is it from another tool?")
    return [float("nan") if value is None else value for value in row]


def describe(found: object) -> str:
    """Describe a value of JSON in an error message: its keys, if it is an object, else its type."""
    if found is None:
        return "null, or invalid JSON"
    return f"keys {', '.join(found) or 'none'}"[:80] if isinstance(found, dict) else f"a {type(found).__name__}"


def to_body_25(path: Path, people: np.ndarray, joints: int) -> np.ndarray:
    """Convert people (N, J, 3), J being 15, 17, 18 or 25, to the first 15, or all 25, joints of BODY_25.

    COCO-18 has no MidHip, and COCO-17 has no Neck either. They are set to the midpoints of the hips and of the
    shoulders, with the lower confidence of the two. Raises a UserError, which names ``path``, if 25 joints are
    requested from a model without feet.
    """
    found = people.shape[1]
    if found in (15, 25) and joints <= found:
        return people[:, :joints]
    if joints != 15:
        model = "COCO" if found in (17, 18) else "BODY"
        raise UserError(f"{path}: found {model}-{found}, which has no feet, expected {joints} joints; use --joints 15")
    return to_order(people, names_of(found))


def body_size(people: np.ndarray) -> np.ndarray:
    """Return the size (N,) of people (N, J, 3): the diagonal of the bounding box of their first `BODY` joints.

    The unit is that of the people, usually pixels. Joints with confidence 0 are ignored; without others, the size is 0.
    """
    x, y, confidence = np.ascontiguousarray(people[:, :BODY].T)  # (J, N) each: far faster to reduce over joints
    unseen = confidence == 0
    width, height = (
        np.where(unseen, -np.inf, axis).max(axis=0) - np.where(unseen, np.inf, axis).min(axis=0) for axis in (x, y)
    )
    return np.where(unseen.all(axis=0), 0, np.hypot(width, height))
