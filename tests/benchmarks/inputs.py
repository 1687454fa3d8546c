"""Inputs that the benchmarks share, and how they run commands."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import parse
from learn2dance.data import data_root as roots
from learn2dance.data.data_root import DataRoot
from learn2dance.media import audio
from learn2dance.music import features
from learn2dance.synthetic import toy_data
from learn2dance.tokens import tokenize

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


def processed(work: Path, data: Path | None) -> DataRoot:
    """Return `data_root` with the poses and the features of all clips."""
    root = data_root(work, data)
    parse.main([str(root.path), "--quiet"])
    features.process(root)
    return roots.open_root(root.path)


def tokenized(work: Path, data: Path | None) -> DataRoot:
    """Return `processed` with a codebook of the whole body, two levels of 64, and the tokens of all clips."""
    root = processed(work, data)
    tokenize.tokenize(root, tokenize.Settings(levels=2, whole=2, codes=64))
    return roots.open_root(root.path)


def minute(work: Path, data: Path | None) -> np.ndarray:
    """Return a minute of the first song, repeated or cut: float32 (n,) at 22050 Hz."""
    return np.resize(audio.load(min(data_root(work, data).audio.values())), 60 * audio.SR)


def command(*arguments) -> None:
    """Run Python with these arguments, as a user does. Raises a CalledProcessError if it fails."""
    subprocess.run([sys.executable, *map(str, arguments)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
