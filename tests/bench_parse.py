"""Measure parse.py in frames a second, beside a plain loop and beside the floor; every figure from this one run.

    python tests/bench_parse.py [DATA] [--repeats 5]

DATA is a data root with keypoints/ in folders or .tar.gz; without it, toy detections are made. All are run as
processes, in turn, over the same files, and the median time of the repeats counts (on a machine that does nothing else;
on a busy one, compare the CPU times):

floor   opens and reads the files, no more
plain   a script as one writes it first: json.load, people[0], low confidences filled from the frame before, np.savez
parse   parse.py with all that it does: hashing, checking, following the dancer, cleaning, saving
"""

import argparse
import glob
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
BODY = [  # pixels from the nose, in the order of BODY_25
    (0, 0), (0, 70), (-50, 70), (-70, 140), (-80, 200), (50, 70), (70, 140), (80, 200), (0, 200), (-24, 200),
    (-28, 300), (-30, 400), (24, 200), (28, 300), (30, 400), *[(0, -5)] * 4, *[(30, 410)] * 3, *[(-30, 410)] * 3,
]  # fmt: skip


def floor(root: Path) -> None:
    for clip in (root / "keypoints").iterdir():
        if clip.is_file():
            clip.read_bytes()
        else:
            for name in os.listdir(clip):
                with open(f"{clip}/{name}", "rb") as file:
                    file.read()


def plain(root: Path) -> None:
    (root / "plain").mkdir(exist_ok=True)
    for clip in sorted((root / "keypoints").iterdir()):
        poses, previous = [], np.zeros((25, 3))
        for frame in _frames(clip):
            pose = previous
            if frame["people"]:
                pose = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)
                low = pose[:, 2] < 0.25
                pose[low] = previous[low]
            poses.append(pose)
            previous = pose
        poses = np.array(poses)
        np.savez(root / "plain" / f"{clip.name}.npz", poses=poses[..., :2], confidence=poses[..., 2])


def _frames(clip: Path):
    if clip.is_file():
        with tarfile.open(clip) as archive:
            for member in archive:
                if member.isfile():
                    yield json.load(archive.extractfile(member))
    else:
        for name in sorted(glob.glob(f"{clip}/*.json")):
            with open(name) as file:
                yield json.load(file)


def toy(keypoints: Path, clips: int = 36, frames: int = 1600) -> None:
    """Write a body that sways as OpenPose would, one person a frame."""
    rng, clock = np.random.default_rng(0), np.arange(frames)[:, None, None] / 25
    for clip in range(clips):
        folder = keypoints / f"toy_{clip}"
        folder.mkdir(parents=True)
        turns = clock * rng.uniform(0.2, 1.5, (1, 25, 2)) + rng.random((1, 25, 2))
        places = 300 + np.array(BODY) + 8 * np.sin(2 * np.pi * turns) + rng.normal(size=(frames, 25, 2))
        confidence = rng.uniform(0.6, 0.95, (frames, 25, 1)) * (rng.random((frames, 25, 1)) > 0.01)
        people = np.concatenate([places, confidence], axis=2).round(3).reshape(frames, 75).tolist()
        for t, person in enumerate(people):
            rest = {key: [] for key in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")}
            frame = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": person, **rest}]}
            (folder / f"toy_{clip}_{t:012d}_keypoints.json").write_text(json.dumps(frame, separators=(",", ":")))


def both_forms(data: str | None, work: Path) -> tuple[Path, Path, int]:
    """Lay the same clips out as folders and as archives; return both roots and the number of frames."""
    folders, archives = work / "folder", work / "archive"
    (archives / "keypoints").mkdir(parents=True)
    if data is None:
        toy(folders / "keypoints")
    else:
        (folders / "keypoints").mkdir(parents=True)
        for clip in sorted((Path(data) / "keypoints").iterdir()):
            if clip.is_dir():
                shutil.copytree(clip, folders / "keypoints" / clip.name)
            else:
                with tarfile.open(clip) as archive:
                    for member in archive:
                        name = Path(member.name).name
                        if member.isfile() and name.endswith(".json"):
                            folder = folders / "keypoints" / clip.name.split(".")[0]
                            folder.mkdir(exist_ok=True)
                            (folder / name).write_bytes(archive.extractfile(member).read())
    count = 0
    for folder in sorted((folders / "keypoints").iterdir()):
        with tarfile.open(archives / "keypoints" / f"{folder.name}.tar.gz", "w:gz") as archive:
            for path in sorted(folder.iterdir()):
                content = path.read_bytes()
                member = tarfile.TarInfo(f"{folder.name}/{path.name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
                count += 1
    return folders, archives, count


def seconds(*command) -> tuple[float, float]:
    """Run a process; return its wall time and the CPU time of all its processes."""
    begin, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=ROOT)
    after = os.times()
    return time.perf_counter() - begin, sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contestant", choices=("floor", "plain"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contestant:
        globals()[args.contestant](Path(args.data))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with tempfile.TemporaryDirectory(prefix="bench_parse.") as work:
        *roots, frames = both_forms(args.data, Path(work))
        print(f"{frames} frames, {cores} cores; medians of {args.repeats}, processes' start included")
        for root in roots:
            times: dict[str, list[tuple[float, float]]] = {
                "floor": [],
                "plain": [],
                "parse, 1 core": [],
                f"parse, {cores} cores": [],
            }
            for _ in range(args.repeats):
                for name, taken in times.items():
                    shutil.rmtree(root / "poses", ignore_errors=True)
                    if name in ("floor", "plain"):
                        taken.append(seconds(__file__, root, "--contestant", name))
                    else:
                        jobs = name.split()[1]
                        taken.append(seconds("parse.py", root, "--fps", 25, "--quiet", "--jobs", jobs))
            medians = {name: list(map(statistics.median, zip(*taken, strict=True))) for name, taken in times.items()}
            for name, (wall, cpu) in medians.items():
                ratio = f"{medians['plain'][0] / wall:6.2f} x plain"
                print(
                    f"{root.name:8} {name:15} {wall:6.2f} s {frames / wall:8.0f} frames/s {ratio}  (CPU {cpu:5.2f} s)"
                )


if __name__ == "__main__":
    main()
