"""Write the toy data's keypoints in OpenPose's format, atomically; the same content gives the same bytes."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from learn2dance.data.temporary import atomic, atomic_folder

_PARTS = ("pose", "face", "hand_left", "hand_right")
_PERSON = {"person_id": [-1]} | {f"{part}_keypoints_{axes}": [] for axes in ("2d", "3d") for part in _PARTS}


def write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_keypoints(target: Path, name: str, people: list[list[np.ndarray]]) -> None:
    """Write a clip's keypoints, one file for each frame, to a folder, or an archive if it ends in ``.tar.gz``.

    `people` holds for each frame the people in it, (25, 3): x, y in pixels, confidence. An existing target is replaced.
    """
    frames = _frames(name, people)
    if target.suffix != ".gz":
        with atomic_folder(target) as folder:
            for file, content in frames:
                (folder / file).write_bytes(content)
        return
    buffer = io.BytesIO()
    with (  # no file name or time, which would differ from run to run
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file, content in frames:
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    write(target, buffer.getvalue())


def _frames(name: str, people: list[list[np.ndarray]]) -> Iterator[tuple[str, bytes]]:
    """Yield each frame's file name and JSON (OpenPose's documentation, "Output format")."""
    for number, crowd in enumerate(people):
        poses = [np.round(person, 3).ravel().tolist() for person in crowd]
        found = [_PERSON | {"pose_keypoints_2d": pose} for pose in poses]
        yield f"{name}_{number:012d}_keypoints.json", orjson.dumps({"version": 1.3, "people": found})
