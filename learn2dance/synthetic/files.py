"""The toy data's files: what OpenPose would write, and wav; whole or not at all, the same content in the same bytes."""

import gzip
import io
import tarfile
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from learn2dance.data.temporary import atomic, atomic_folder


def write(path: Path, content: bytes) -> None:
    """Write a file, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """Write a mono wav, atomically: int16 (N,) at `rate` Hz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    write(path, buffer.getvalue())


def write_keypoints(target: Path, name: str, people: list[list[np.ndarray]]) -> None:
    """Write a clip's keypoints as OpenPose would: a file for each frame, all of them or none.

    Parameters
    ----------
    target : Path
        A folder, or an archive where it ends in ``.tar.gz``; what is there is replaced.
    name : str
        Of the clip.
    people : list of list of np.ndarray [shape=(25, 3)]
        For each frame everybody in it: x, y in pixels, confidence.
    """
    if target.suffix == ".gz":
        write(target, _packed_bytes(name, people))
        return
    with atomic_folder(target) as folder:
        for file, content in _frames(name, people):
            (folder / file).write_bytes(content)


def _frames(name: str, people: list[list[np.ndarray]]) -> Iterator[tuple[str, bytes]]:
    """Yield each frame's file name and JSON in OpenPose's output format (its documentation, "Output format")."""
    for number, crowd in enumerate(people):
        found = [
            {
                "person_id": [-1],
                "pose_keypoints_2d": np.round(person, 3).ravel().tolist(),
                "face_keypoints_2d": [],
                "hand_left_keypoints_2d": [],
                "hand_right_keypoints_2d": [],
                "pose_keypoints_3d": [],
                "face_keypoints_3d": [],
                "hand_left_keypoints_3d": [],
                "hand_right_keypoints_3d": [],
            }
            for person in crowd
        ]
        yield f"{name}_{number:012d}_keypoints.json", orjson.dumps({"version": 1.3, "people": found})


def _packed_bytes(name: str, people: list[list[np.ndarray]]) -> bytes:
    """Pack a clip's frames; no names or times of this machine, so that the same frames give the same bytes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file, content in _frames(name, people):
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
