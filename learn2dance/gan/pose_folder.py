"""Folders of dances for the GAN: any .npz with poses, of any number of joints, in any unit."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion.skeleton import normalise_any

ASSUMED_FPS = 30.0  # frames per second of files without ``fps``
POOL_BYTES = 1 << 28  # bytes of poses held in memory: 21 hours of 15 joints at 30 frames per second


@dataclass(frozen=True)
class PoseFolder:
    """The dances of a folder, for training and validation.

    Attributes
    ----------
    path : Path
    train, val : list of str
        File names without .npz.
    joints : int
        J of the first file; `read` refuses files with another J.
    styles : dict of str to str
        Name -> style, if known.
    """

    path: Path
    train: list[str]
    val: list[str]
    joints: int
    styles: dict[str, str]

    def names(self) -> tuple[str, ...]:
        """Return the styles of the train split, sorted."""
        return tuple(sorted({self.styles[name] for name in self.train if name in self.styles}))

    def file(self, name: str) -> Path:
        """Return the path of a dance's file."""
        return self.path / f"{name}.npz"

    def digest(self) -> str:
        """Return the digest of all files of the train and val splits."""
        return npz.digest(*(self.file(name) for name in sorted({*self.train, *self.val})))


def open_folder(path: str | Path) -> PoseFolder:
    """List the dances of a folder and split them.

    ``poses/`` of a data root has the root's splits and styles. In other folders, a tenth of the files, chosen by the
    hash of their names, is the val split; a single file is in both splits.

    Raises
    ------
    UserError
        If there is no such folder, or no .npz with poses in it.
    """
    path = cli.existing_path(path, "folder of .npz files with poses")
    if not path.is_dir():
        raise UserError(f"{path}: a file, expected a folder of .npz files with poses")
    names = sorted(p.stem for p in path.glob("*.npz") if p.name[0] != ".")
    if not names:
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        hint = f"; did you mean {path / 'poses'}?" if (path / "poses").is_dir() else ""
        raise UserError(f"{path}: no .npz with poses in it, found {inside}{hint}")
    root, styles = path.resolve().parent, {}
    if path.resolve().name == "poses" and any((root / part).is_dir() for part in ("keypoints", "audio", "splits")):
        opened = data_root.open_root(root)
        styles = opened.styles
        train, val = opened.split("train", names), opened.split("val", names)
    elif len(names) == 1:
        log.warning("%s: one file alone is learned from and judged by", path)
        train = val = names
    else:
        dealt = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
        held = max(1, len(names) // 10)
        train, val = sorted(dealt[held:]), sorted(dealt[:held])
    return PoseFolder(path, train, val, frames_of(path / f"{names[0]}.npz")[1], styles)


def frames_of(path: Path) -> tuple[int, int]:
    """Return the numbers of frames and joints of a file's poses, from the array's header.

    Raises
    ------
    UserError
        If it has no poses (T, J, 2).
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open("poses.npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape = read(file)[0]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        shape = ()
    if len(shape) != 3 or shape[-1] != 2 or 0 in shape:
        shape = npz.load_poses(path)["poses"].shape  # raises an error that says what is wrong
    return shape[0], shape[1]


def read(folder: PoseFolder, name: str) -> tuple[np.ndarray, float]:
    """Read a dance, and normalise it by `skeleton.normalise_any` unless it is normalised already.

    Returns
    -------
    poses : np.ndarray [shape=(T, J, 2), dtype=float32]
        x right, y up; NaN where not observed.
    fps : float

    Raises
    ------
    UserError
        If it has another number of joints than ``folder.joints``.
    """
    path = folder.file(name)
    found = npz.load_poses(path)
    poses, fps = found["poses"], found["fps"]
    if poses.shape[1] != folder.joints:
        said = f"{folder.joints} as in {folder.path}'s first file"
        raise UserError(f"{path}: {poses.shape[1]} joints, expected {said}; keep skeletons in folders of their own")
    if fps is None:
        log.info("%s: no fps in it, %g frames a second assumed", path, ASSUMED_FPS)
        fps = ASSUMED_FPS
    return poses if found["y_up"] else normalise_any(poses, fps), fps


def pool(folder: PoseFolder, names: list[str], rng: np.random.Generator, most: int = POOL_BYTES) -> tuple:
    """Read the complete poses of dances in random order, until all are read or they exceed ``most`` bytes.

    Returns
    -------
    poses : np.ndarray [shape=(N, J, 2), dtype=float32]
        Those with all joints.
    style : np.ndarray [shape=(N,), dtype=int64]
        Index into `PoseFolder.names` plus one; 0 if unknown.
    everything : bool
        Whether all dances fit.

    Raises
    ------
    UserError
        If no pose is complete.
    """
    styles, left, kept = folder.names(), most, []
    for name in (names[i] for i in rng.permutation(len(names))):
        poses, _ = read(folder, name)
        poses = poses[np.isfinite(poses).all((1, 2))]
        style = 1 + styles.index(folder.styles[name]) if folder.styles.get(name) in styles else 0
        kept.append((poses, np.full(len(poses), style)))
        left -= poses.nbytes
        if left < 0:
            break
    poses, style = (np.concatenate(part) for part in zip(*kept, strict=True))
    if not len(poses):
        raise UserError(
            f"{folder.path}: no pose with every joint known in {', '.join(names[:4])}; nothing to learn from"
        )
    return poses, style, left >= 0
