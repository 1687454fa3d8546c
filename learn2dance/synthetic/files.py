"""Write the toy data's files, OpenPose's JSON and wav, atomically; the same content gives the same bytes."""

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
    """Write a file atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """Write int16 samples (N,) at ``rate`` Hz as a mono wav, atomically."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    write(path, buffer.getvalue())


def write_keypoints(target: Path, name: str, people: list[list[np.ndarray]]) -> None:
    """Write a clip's keypoints in OpenPose's format, one file for each frame, atomically as a whole.

    Parameters
    ----------
    target : Path
        A folder, or an archive if it ends in ``.tar.gz``; an existing one is replaced.
    name : str
        The clip name.
    people : list of list of np.ndarray [shape=(25, 3)]
        For each frame the people in it: x, y in pixels, confidence.
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
    """Return a clip's frames as .tar.gz, without local names or times, so that the bytes are reproducible."""
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
