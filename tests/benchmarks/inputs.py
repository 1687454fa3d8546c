"""Inputs that the benchmarks share, and how they run commands."""

import subprocess
import sys
from pathlib import Path

from learn2dance.data import data_root as roots
from learn2dance.data.data_root import DataRoot
from learn2dance.synthetic import toy_data

ROOT = Path(__file__).parents[2]


def data_root(work: Path, data: Path | None) -> DataRoot:
    """Return a data root in ``work`` with links to the keypoints, audio and tables of ``data``, or with toy data."""
    root = work / "data"
    if not root.exists() and data is None:
        toy_data.make(root, clips=12, seconds=60.0)
    elif not root.exists():
        root.mkdir()
        for name in ("keypoints", "audio", "splits", "clips.csv"):
            if (data / name).exists():
                (root / name).symlink_to((data / name).resolve())
    return roots.open_root(root)


def command(*arguments) -> None:
    """Run Python with these arguments, as a user does. Raises a CalledProcessError if it fails."""
    subprocess.run([sys.executable, *map(str, arguments)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
