"""From detections to poses: parse.py, a plain loop, and reading the files alone.

Folders and archives of the same clips are stages of their own. The plain loop is a script as one writes it first: the
first person of each frame, joints of low confidence from the frame before. It neither follows the dancer nor removes
jitter.
"""

import glob
import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from benchmarks import inputs
from benchmarks.row import Row

from learn2dance.data.data_root import DataRoot, open_root
from learn2dance.poses import parsing
from learn2dance.poses.formats import clip_files

SETTINGS = {
    "start": 0.0,
    "end": None,
    "joints": 15,
    "min_confidence": 0.25,
    "max_gap": 0.5,
    "person": 1,
    "travel": "on",
}


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of parse.py, and of what it is compared with."""
    found = []
    for form, (root, frames) in both_forms(work, data).items():
        command = ("parse.py", root.path, "--fps", 25, "--quiet", "--jobs", 1)
        stage, count = f"parse, {form}", (frames, "frames")
        found += [
            Row(stage, "parse.parse_clip for all clips", "ours", partial(parse, root), *count),
            Row(stage, "parse.py --jobs 1", "ours", partial(anew, root, *command), *count),
            Row(stage, "a plain loop", "original", partial(plain, root), *count),
            Row(stage, "reading the files", "floor", partial(read, root), *count),
            Row(stage, "reading them and parsing by orjson", "floor", partial(read, root, orjson.loads), *count),
        ]
    return found


def both_forms(work: Path, data: Path | None) -> dict[str, tuple[DataRoot, int]]:
    """Lay the same clips out as folders and as archives: form -> data root and number of frames."""
    counts = dict.fromkeys(("folders", "archives"), 0)
    source = inputs.data_root(work, data)
    for form in counts:
        (work / form / "keypoints").mkdir(parents=True)
        for clip, path in source.keypoints.items():
            files, _ = clip_files.read(path)
            if not files[0][0].endswith(".json"):  # the poses of another tool
                continue
            counts[form] += len(files)
            target = work / form / "keypoints" / clip
            if form == "folders":
                target.mkdir()
                for name, content in files:
                    (target / Path(name).name).write_bytes(content)
            else:
                with tarfile.open(f"{target}.tar.gz", "w:gz") as archive:
                    for name, content in files:
                        member = tarfile.TarInfo(f"{clip}/{Path(name).name}")
                        member.size = len(content)
                        archive.addfile(member, io.BytesIO(content))
    return {form: (open_root(work / form), count) for form, count in counts.items()}


def anew(root: DataRoot, *command) -> None:
    """Run parse.py on all clips."""
    shutil.rmtree(root.path / "poses", ignore_errors=True)
    inputs.command(*command)


def parse(root: DataRoot) -> None:
    """Do in this process what parse.py does."""
    shutil.rmtree(root.path / "poses", ignore_errors=True)
    for clip in root.keypoints:
        parsing.parse_clip((root, clip, 25.0, SETTINGS, {}))


def plain(root: DataRoot) -> None:
    """Parse as a first script does."""
    (root.path / "plain").mkdir(exist_ok=True)
    for clip, path in root.keypoints.items():
        poses, previous = [], np.zeros((25, 3))
        for frame in frames(path):
            people, pose = frame["people"], previous
            if people:
                pose = np.array(people[0]["pose_keypoints_2d"]).reshape(-1, 3)
                low = pose[:, 2] < 0.25
                pose[low] = previous[low]
            poses.append(pose)
            previous = pose
        poses = np.array(poses)
        np.savez(root.path / "plain" / f"{clip}.npz", poses=poses[..., :2], confidence=poses[..., 2])


def frames(path: Path) -> Iterator[dict]:
    """Yield the JSON of each file of a folder or an archive, in order."""
    if path.is_dir():
        for name in sorted(glob.glob(f"{path}/*.json")):
            with open(name) as file:
                yield json.load(file)
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                yield json.load(archive.extractfile(member))


def read(root: DataRoot, parse: Callable[[bytes], object] = bytes) -> None:
    """Read all files, unpack archives, and ``parse`` the content of each file; no more."""
    for path in root.keypoints.values():
        if path.is_dir():
            for name in os.listdir(path):
                with open(f"{path}/{name}", "rb", buffering=0) as file:
                    parse(file.read())
        else:
            packed = io.BytesIO(gzip.decompress(path.read_bytes()))
            with tarfile.open(fileobj=packed, mode="r:") as archive:
                for member in archive:
                    parse(archive.extractfile(member).read())
