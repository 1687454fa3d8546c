"""Training, validation and test splits: lists of clips, and how clips are dealt to them."""

import hashlib
from pathlib import Path

from learn2dance.cli import log
from learn2dance.data.clips_table import read_text


def split_by_hash(where: Path, names: list[str], *held_out: str) -> dict[str, list[str]]:
    """Split names in the order of their hashes: a tenth, at least one, to each part held out, the rest to ``train``.

    If there are too few, all parts are the same, and a warning names ``where``.
    """
    if len(names) <= len(held_out):
        parts = ("train", *held_out)
        log.warning("%s: %d clips cannot be split: %s are the same", where, len(names), " and ".join(parts))
        return {part: sorted(names) for part in parts}
    ordered, size = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()), max(1, len(names) // 10)
    parts = {part: sorted(ordered[i * size : (i + 1) * size]) for i, part in enumerate(held_out)}
    return {"train": sorted(ordered[len(held_out) * size :])} | parts


def read(path: Path) -> list[str]:
    """Read the clips that a split's file lists."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
