"""A data root: a folder of clips, paired by name across keypoints/, audio/, videos/, clips.csv and splits/.

What computes with poses imports `learn2dance.motion`, which loads much of scipy, only when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import clips_table, npz, splits
from learn2dance.data.clip_names import ARCHIVES, AUDIO, FRAME, NOT_FITTING, SINGLE, VIDEO, fits_tables, ignored
from learn2dance.data.temporary import atomic_folder, remove_strays
from learn2dance.errors import UserError

if TYPE_CHECKING:
    from learn2dance.motion import sync


@dataclass(frozen=True)
class DataRoot:
    """The contents of a data root; see `open_root`."""

    path: Path
    keypoints: dict[str, Path]  # clip -> folder, archive or file of poses
    audio: dict[str, Path]
    videos: dict[str, Path]
    styles: dict[str, str]
    fps: dict[str, float]
    person: dict[str, int]  # number of the person to follow, counted from 1
    camera: dict[str, str]  # what the camera does: "still" or "moving"
    unusable: dict[str, dict[str, str]]  # kind -> clip -> error: several files, or a name that the tables cannot hold

    def one(self, kind: str, clip: str) -> Path | None:
        """Return a clip's file of ``keypoints``, ``audio`` or ``videos``, or None; UserError if it is unusable."""
        if clip in self.unusable.get(kind, {}):
            raise UserError(self.unusable[kind][clip])
        return getattr(self, kind).get(clip)

    def file(self, kind: str, clip: str) -> Path:
        """Return the path of a clip's ``poses``, ``music``, ``tokens`` … file, whether or not it exists."""
        return self.path / kind / f"{clip}.npz"

    def have(self, *kinds: str) -> list[str]:
        """List the clips that have a file of each kind, sorted; warn of the rest; UserError if no clip does."""
        found = [set(npz_names(self.path / kind)) for kind in kinds]
        complete = set.intersection(*found)
        for clip in sorted(set.union(*found) - complete):
            lacking = [f"{kind}/{clip}.npz" for kind, clips in zip(kinds, found, strict=True) if clip not in clips]
            log.warning("%s: left out, no %s", clip, ", ".join(lacking))
        if not complete:
            counts = ", ".join(f"{len(clips)} in {kind}/" for kind, clips in zip(kinds, found, strict=True))
            hint = "run the stages in order"
            raise UserError(f"{self.path}: no clip has all of {', '.join(kinds)} (found {counts}); {hint}")
        return sorted(complete)

    def split(self, name: str, clips: list[str]) -> list[str]:
        """List which of these clips are in the split ``train``, ``val`` or ``test``.

        If there is no ``splits/`` folder, it is written by `splits.deal`. Raises a UserError if the split's
        file is missing, shares a clip with a different split, or lists none of these clips.
        """
        folder = self.path / "splits"
        file, here = folder / f"{name}.txt", set(clips)
        if not folder.is_dir():
            self._write_splits(clips)
        if not file.exists():
            raise UserError(f"{file}: no such split; list its clips in it, or remove {folder} to write new splits")
        listed = splits.read(file)
        for other in splits.files(folder):
            both = sorted(set(listed) & set(splits.read(other)))
            if both and set(listed) != set(splits.read(other)):
                raise UserError(f"{file}: '{both[0]}' is in {other.name} too; list each clip in one split")
        for clip in listed:
            if clip not in here:
                log.warning("%s: '%s' is listed, but the stages before have not written it", file, clip)
        if here.isdisjoint(listed):
            raise UserError(f"{file}: none of its {len(listed)} clips exists; do the names match the files' names?")
        return sorted(here.intersection(listed))

    def in_no_split(self, clips: list[str]) -> list[str]:
        """List which of these clips are in no file in ``splits/``."""
        listed = {clip for file in splits.files(self.path / "splits") for clip in splits.read(file)}
        return [clip for clip in clips if clip not in listed]

    def _write_splits(self, clips: list[str]) -> None:
        music = self.path / "music"
        songs = splits.by_song(clips, music if self.audio or music.is_dir() else None)
        parts = splits.deal(self.path, songs, "test", "val")
        with atomic_folder(self.path / "splits") as folder:
            for name, part in parts.items():
                (folder / f"{name}.txt").write_text("".join(f"{clip}\n" for clip in part), encoding="utf-8")
        log.info("%s: split at random: %s", self.path / "splits", ", ".join(f"{len(p)} {n}" for n, p in parts.items()))


def open_root(path: str | Path, coming: Iterable[str] = ()) -> DataRoot:
    """List the contents of a data root.

    Raises a UserError if it is not a folder, has none of keypoints/, audio/ and poses/, or ``clips.csv`` cannot be
    read. If a clip has several files of a kind, or its name cannot stand in ``clips.csv``, ``unusable`` has the error
    message. ``coming`` are clips without files that may be in ``clips.csv``.
    """
    path = cli.existing_path(path, "data root (a folder with keypoints/ and audio/)")
    if not path.is_dir():
        raise UserError(f"{path}: a file, expected a data root: a folder with keypoints/ and audio/")
    if not any((path / kind).is_dir() for kind in ("keypoints", "audio", "poses")):
        found = ", ".join(sorted(p.name for p in path.iterdir() if not ignored(p.name))[:8]) or "nothing"
        hint = "is it one folder too deep?"
        raise UserError(f"{path}: expected keypoints/ and audio/ in a data root, found {found}; {hint}")
    for folder in (path, path / "keypoints"):  # where whole folders are written
        remove_strays(folder)
    endings = {"keypoints": (*ARCHIVES, *SINGLE), "audio": AUDIO, "videos": VIDEO}
    found = {kind: _by_clip(path / kind, endings[kind]) for kind in endings}
    files, unusable = ({kind: part[i] for kind, part in found.items()} for i in (0, 1))
    clips = {clip for part in (*files.values(), *unusable.values()) for clip in part} | set(coming)
    clips |= {clip for kind in ("poses", "music") for clip in npz_names(path / kind)}
    table = clips_table.read(path / "clips.csv", clips)
    return DataRoot(path, **table, unusable=unusable, **files)


def _by_clip(folder: Path, endings: tuple[str, ...]) -> tuple[dict[str, Path], dict[str, str]]:
    """Map clips to the files with these endings in a folder, and unusable clips to an error message.

    In ``keypoints/``, a folder counts as a file.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        ending = next((e for e in endings if path.name.lower().endswith(e)), None)
        if ignored(path.name):
            continue
        if path.is_dir():
            if folder.name == "keypoints":
                found.setdefault(path.name, []).append(path)
        elif ending and not FRAME.search(path.name):
            found.setdefault(path.name[: -len(ending)], []).append(path)
    unusable = {
        clip: f"{folder}: {', '.join(file.name for file in files)} have the same clip name; keep one of them"
        for clip, files in found.items()
        if len(files) > 1
    }
    for clip in found:
        if not fits_tables(clip):
            unusable[clip] = f"{folder}/{clip!a}: {NOT_FITTING}"
    return {clip: files[0] for clip, files in found.items() if clip not in unusable}, unusable


def npz_names(folder: Path) -> list[str]:
    """List the .npz files in a folder by name without the ending, sorted; warn of names that the tables cannot hold."""
    names = sorted(path.stem for path in folder.glob("*.npz") if not ignored(path.name))
    for name in names:
        if not fits_tables(name):
            cli.warn_once(f"{folder}/{name!a}.npz: left out, {NOT_FITTING}")
    return list(filter(fits_tables, names))


def common_timing(root: DataRoot, clips: list[str]) -> sync.Timing:
    """Return what these dances have in common in how they relate to their music (`sync.timing`); log the rate."""
    from learn2dance.motion import sync

    found = (sync.dance_rhythm(*normalised(root, c), npz.load(root.file("music", c), "music")) for c in clips)
    timing = sync.timing([one for one in found if one is not None])
    if timing.rate != 1:
        log.info("dances drift from their music by %+.2f%%; beats are corrected", 100 * (timing.rate - 1))
    return timing


def normalised(root: DataRoot, clip: str) -> tuple[np.ndarray, float]:
    """Return a clip's normalised poses (T, 15, 2) and their frame rate."""
    from learn2dance.motion import skeleton

    poses = npz.load(root.file("poses", clip), "poses")
    return skeleton.normalise(poses["poses"][:, :15], poses["fps"]), poses["fps"]


def placed(root: DataRoot, clip: str) -> tuple[np.ndarray, float]:
    """Return a clip's poses (T, 15, 2) in torso lengths, y up, with the dancer's path, and their frame rate."""
    from learn2dance.motion import travel

    poses, fps = normalised(root, clip)
    return travel.place(poses, path(root, clip)), fps


def path(root: DataRoot, clip: str) -> np.ndarray:
    """Return the path (T, 3) of a clip's dancer (`travel`), from the feet if the camera moved or the hips never do."""
    from learn2dance.motion import travel

    poses = npz.load(root.file("poses", clip), "poses")
    centred, fps = normalised(root, clip)
    found = travel.from_camera(poses["poses"], fps) if poses["travel"] else np.full((len(centred), 3), np.nan)
    return travel.or_feet(found, centred, fps)


def style_index(style: str | None, styles: tuple[str, ...]) -> int:
    """Return the style's index in ``styles`` plus one; 0 if it is None or not among them."""
    return styles.index(style) + 1 if style in styles else 0
