"""Read OpenPose's JSON files of one clip into one array of people.

OpenPose writes one file a frame, ``<clip>_000000000123_keypoints.json``, with the frame number in the name. The formats
read here are those of its documentation ("Output format"): BODY_25 and COCO-18, three numbers a joint (x, y,
confidence), under ``pose_keypoints_2d`` or, in older versions, ``pose_keypoints``.
"""

import json
import re
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from learn2dance.errors import UserError

KEYS = ("pose_keypoints_2d", "pose_keypoints")
FARTHEST = np.array([1e5, 1e5, 2])  # limits: pixels larger than any image; confidence, sometimes slightly above 1
_NUMBER = re.compile(r"(\d+)(?:_keypoints)?\.json$")
BODY = 15  # joints: the first 15 of BODY_25, without eyes, ears and feet


@dataclass(frozen=True)
class Detections:
    """All people detected in one clip."""

    people: np.ndarray  # float32 (N, J, 3): x right and y down in pixels, confidence 0-1; all 0 where not detected
    frame: np.ndarray  # int64 (N,): frame of each person, non-decreasing
    frames: int  # number of frames of the clip: from frame 0 to the last one in the source
    missing: int  # number of frames without a file
    odd: int  # number of joints with impossible numbers, which count as not detected
    kind: str = "OpenPose's JSON"
    fps: float | None = None  # frames a second, if the source says
    chosen: bool = False  # whether the source holds one dancer only, selected by its authors: at most one a frame

    def crowd(self) -> str:
        """Say how many people the frames hold: "1 person", "0-3 people"."""
        count = np.bincount(self.frame, minlength=self.frames)
        low, high = count.min(), count.max()
        return "1 person" if low == high == 1 else f"{high if low == high else f'{low}-{high}'} people"


def detect(path: Path, files: list[tuple[str, bytes]]) -> Detections:
    """Read the JSON files of a clip into one array.

    Parameters
    ----------
    path : Path
        Folder or archive of the files, for error messages.
    files : list of (str, bytes)
        Names and contents, as `clip_files.read` returns them.

    Returns
    -------
    Detections
        With 25 joints in the order of BODY_25, or 18 in the order of COCO-18.

    Raises
    ------
    UserError
        If a file is not OpenPose's, is truncated or has another number of joints, or if two files are the same frame.
    """
    frame_of = _frame_numbers(path, [name for name, _ in files])
    order = np.argsort(frame_of)
    numbers = array("d")  # 3 J numbers for each person
    source: list[int] = []  # index of each person's file
    length = 0
    for index in order.tolist():
        name, data = files[index]
        try:
            people = orjson.loads(data)["people"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            people = None
        if type(people) is not list:
            people = _people(f"{path}/{name}", data)
        for person in people:
            try:
                row = person["pose_keypoints_2d"]
            except (KeyError, TypeError):
                row = _older(f"{path}/{name}", person)
            if not row:  # OpenPose ran with hands or faces alone
                continue
            try:
                numbers.fromlist(row)
            except TypeError:
                numbers.fromlist(_numbers(f"{path}/{name}", row))
            if len(row) != length:
                length = _length(f"{path}/{name}", len(row), length)
            source.append(index)
    people, odd = sift(np.frombuffer(numbers).reshape(len(source), (length or 75) // 3, 3))
    frames = int(frame_of.max()) + 1
    return Detections(people, frame_of[source], frames, frames - len(files), odd)


def sift(people: np.ndarray) -> tuple[np.ndarray, int]:
    """Set joints with impossible numbers to not detected, and confidences slightly above 1 to 1.

    Parameters
    ----------
    people : np.ndarray [shape=(N, J, 3)]
        x, y in pixels, confidence; 0 where not detected.

    Returns
    -------
    people : np.ndarray [shape=(N, J, 3), dtype=float32]
        The same, all 0 where not detected.
    odd : int
        Number of joints with impossible numbers.
    """
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is impossible below
        people = people.astype(np.float32)
    confidence = people[..., 2]
    possible = (np.abs(people) <= FARTHEST).all(axis=-1) & (confidence >= 0)  # False for NaN
    people[~possible | (confidence == 0)] = 0
    np.minimum(confidence, 1, out=confidence)
    return people, int((~possible).sum())


def _frame_numbers(path: Path, names: list[str]) -> np.ndarray:
    """Return each file's frame number, int64, from its name."""
    found = [_NUMBER.search(name) for name in names]
    if None in found:
        name = names[found.index(None)]
        raise UserError(
            f"{path}/{name}: no frame number in the name, expected …_000000000123_keypoints.json; was it renamed?"
        )
    numbers = [int(match[1]) for match in found]
    if len(set(numbers)) < len(numbers):
        first: dict[int, str] = {}
        one, other = next(
            (first[n], name) for n, name in zip(numbers, names, strict=True) if first.setdefault(n, name) != name
        )
        raise UserError(f"{path}: '{one}' and '{other}' are the same frame; are two clips mixed?")
    if max(numbers) + 1 > 10 * len(numbers) + 1000:
        raise UserError(
            f"{path}: {len(numbers)} files, but frame numbers up to {max(numbers)}; are most files missing?"
        )
    return np.array(numbers)


def _people(where: str, data: bytes) -> list:
    """Return the people of a file in which orjson found no list of people, or raise a UserError."""
    if not data.strip():
        raise UserError(f"{where}: empty, expected OpenPose's JSON; was OpenPose stopped or the disk full?")
    try:
        frame = json.loads(data, parse_int=float)  # unlike orjson, takes NaN and Infinity
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not whole JSON ({error}); was its writing or copying cut short?") from None
    people = frame.get("people") if isinstance(frame, dict) else None
    if not isinstance(people, list):
        found = f"keys {', '.join(frame) or 'none'}" if isinstance(frame, dict) else f"a {type(frame).__name__}"
        raise UserError(
            f"{where}: expected OpenPose's JSON with a list of 'people', found {found[:80]}; is it another tool's?"
        )
    return people


def _older(where: str, person: object) -> list:
    """Return a person's numbers under the key of older OpenPose versions, or raise a UserError."""
    if isinstance(person, dict) and KEYS[1] in person:
        return person[KEYS[1]]
    found = f"keys {', '.join(person) or 'none'}" if isinstance(person, dict) else f"a {type(person).__name__}"
    raise UserError(f"{where}: a person without '{KEYS[0]}', found {found[:80]}; is it another tool's JSON?")


def _numbers(where: str, row: object) -> list[float]:
    """Return a person's numbers with NaN for null, or raise a UserError if they are not numbers."""
    if not isinstance(row, list) or not all(value is None or isinstance(value, (int, float)) for value in row):
        raise UserError(f"{where}: a person's joints are not a list of numbers; is it another tool's JSON?")
    return [float("nan") if value is None else value for value in row]


def _length(where: str, length: int, before: int) -> int:
    """Return ``length``, the numbers per person; raise a UserError if it is not OpenPose's or has changed."""
    if length not in (75, 54):
        raise UserError(
            f"{where}: {length} numbers for a person, expected 75 (BODY_25) or 54 (COCO-18); which model was it?"
        )
    if before:
        raise UserError(f"{where}: {length // 3} joints, but {before // 3} in the files before; are two runs mixed?")
    return length


def to_body_25(path: Path, people: np.ndarray, joints: int) -> np.ndarray:
    """Convert people to the first 15, or all 25, joints of BODY_25.

    COCO-18 has no MidHip, and COCO-17 has no Neck either. They are set to the midpoints of the hips and of the
    shoulders, with the lower confidence of the two.

    Parameters
    ----------
    path : Path
        Source of the people, for the error message.
    people : np.ndarray [shape=(N, J, 3)]
        x, y, confidence; J is 15, 17, 18 or 25.
    joints : int
        15 or 25.

    Returns
    -------
    np.ndarray [shape=(N, joints, 3)]
        x, y, confidence.

    Raises
    ------
    UserError
        If 25 joints are requested from a model without feet.
    """
    from learn2dance.motion.skeleton import BODY_15, JOINTS

    found = people.shape[1]
    if found in (15, 25) and joints <= found:
        return people[:, :joints]
    if joints != 15:
        model = "COCO" if found in (17, 18) else "BODY"
        raise UserError(
            f"{path}: --joints {joints}, but its model is {model}-{found}, which has no feet; take --joints 15"
        )
    names = list(JOINTS[found])
    for middle, pair in (("Neck", "Shoulder"), ("MidHip", "Hip")):
        if middle not in names:
            sides = people[:, [names.index(side + pair) for side in "RL"]]
            halfway = sides.mean(axis=1)
            halfway[:, 2] = sides[..., 2].min(axis=1)
            halfway[halfway[:, 2] == 0] = 0
            people = np.concatenate([people, halfway[:, None]], axis=1)
            names.append(middle)
    return people[:, [names.index(name) for name in BODY_15]]


def body_size(people: np.ndarray) -> np.ndarray:
    """Measure the size of people: the diagonal of the bounding box of the first `BODY` joints, where detected.

    Parameters
    ----------
    people : np.ndarray [shape=(N, J, 3)]
        x, y in pixels and confidence, 0 where not detected.

    Returns
    -------
    np.ndarray [shape=(N,)]
        Pixels; 0 where no joint is detected.
    """
    x, y, confidence = np.ascontiguousarray(people[:, :BODY].T)  # (J, N) each: far faster to reduce over joints
    unseen = confidence == 0
    width, height = (
        np.where(unseen, -np.inf, axis).max(axis=0) - np.where(unseen, np.inf, axis).min(axis=0) for axis in (x, y)
    )
    return np.where(unseen.all(axis=0), 0, np.hypot(width, height))
