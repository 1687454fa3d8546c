"""Folders of dances for the GAN: any .npz with poses, of any number of joints, in any unit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import data_root, npz, splits
from learn2dance.data.clip_names import ignored
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, travel

ASSUMED_FPS = 30.0  # frames per second of files without ``fps``
POOL_BYTES = 1 << 28  # bytes of poses held in memory: 21 hours of 15 joints at 30 frames per second


@dataclass(frozen=True)
class PoseFolder:
    """The dances of a folder for training and validation, by file name without .npz, and their styles, if known.

    ``joints`` is the J of the first file; `read` refuses files with another J.
    """

    path: Path
    train: list[str]
    val: list[str]
    joints: int
    styles: dict[str, str]

    def names(self) -> tuple[str, ...]:
        """Return the styles of the train split, sorted."""
        return tuple(sorted({self.styles[name] for name in self.train if name in self.styles}))

    @property
    def models(self) -> Path:
        """The folder for models: ``models/`` beside this folder."""
        return self.path.resolve().parent / "models"

    def parents(self) -> dict:
        """Return what a model trained on this folder depends on."""
        names = sorted({*self.train, *self.val})
        digest = npz.digest(*(self.file(name) for name in names))
        return {"poses": digest, "train": self.train, "val": self.val, "styles": list(self.names())}

    def mirrored(self, no_mirror: bool) -> int:
        """Return what is added to the style of mirrored poses; 0 if there are none: unwanted, or of unknown joints."""
        return 0 if no_mirror or self.joints not in skeleton.JOINTS else len(self.names()) + 1

    def style(self, name: str) -> int:
        """Return the style of a dance: its index in `names` plus one; 0 if unknown."""
        return data_root.style_index(self.styles.get(name), self.names())

    def file(self, name: str) -> Path:
        """Return the path of a dance's file."""
        return self.path / f"{name}.npz"


def open_folder(path: str | Path) -> PoseFolder:
    """List the dances of a folder and split them.

    ``poses/`` of a data root has the root's splits and styles. In other folders, a tenth of the files, chosen by the
    hash of their names, is the val split; a single file is in both splits. Raises a UserError if there is no such
    folder, or no .npz with poses in it.
    """
    path = cli.existing_path(path, "folder of .npz files with poses")
    if not path.is_dir():
        raise UserError(f"{path}: a file, expected a folder of .npz files with poses")
    names = data_root.npz_names(path)
    if not names:
        inside = ", ".join(sorted(p.name for p in path.iterdir() if not ignored(p.name))[:8]) or "nothing"
        hint = f"; did you mean {path / 'poses'}?" if (path / "poses").is_dir() else ""
        raise UserError(f"{path}: no .npz with poses in it, found {inside}{hint}")
    parent, styles = path.resolve().parent, {}
    if path.resolve().name == "poses" and any((parent / part).is_dir() for part in ("keypoints", "audio", "splits")):
        root = data_root.open_root(parent)
        train, val, styles = root.split("train", names), root.split("val", names), root.styles
    else:
        parts = splits.deal(path, splits.by_song(names), "val")
        train, val = parts["train"], parts["val"]
    joints = npz.load_poses(path / f"{names[0]}.npz")["poses"].shape[1]
    return PoseFolder(path, train, val, joints, styles)


def read(folder: PoseFolder, name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Read a dance: its root-centred poses float32 (T, J, 2) and path float32 (T, 3) (`travel.split`), and fps.

    Raises a UserError if J is not that of the folder, or if it is a single pose.
    """
    path = folder.file(name)
    found = npz.load_poses(path)
    poses, fps = found["poses"], found["fps"] or ASSUMED_FPS
    if poses.shape[1] != folder.joints:
        expected = f"{folder.joints} as in the first file of {folder.path}"
        raise UserError(f"{path}: {poses.shape[1]} joints, expected {expected}; put other skeletons in another folder")
    if len(poses) == 1:
        expected = "expected the frames of a dance; put them into one array (frames, joints, 2), in order"
        raise UserError(f"{path}: 'poses' is {poses.shape}, one pose, {expected}")
    if found["fps"] is None:
        log.info("%s: no key 'fps', %g frames a second assumed", path, ASSUMED_FPS)
    return *travel.split(poses, fps, found["y_up"], found["nearer"], found["travel"]), fps


def read_until(names: list[str], read_one: Callable, rng: np.random.Generator, most: int) -> tuple[list, bool]:
    """Read dances in random order until all are read or they exceed ``most`` bytes.

    ``read_one(name)`` returns the data and their size in bytes. Return the data as a list, and whether they are all.
    """
    kept, left = [], most
    for name in (names[i] for i in rng.permutation(len(names))):
        found, size = read_one(name)
        kept.append(found)
        left -= size
        if left < 0:
            break
    return kept, left >= 0


def pool(folder: PoseFolder, names: list[str], rng: np.random.Generator, most: int = POOL_BYTES) -> tuple[tuple, bool]:
    """Read the complete poses of dances, as `read_until` does: ``(poses, style), everything``.

    Poses are float32 (N, J, 2); style is int64 (N,), for each pose the index in `PoseFolder.names` plus one, 0 if
    unknown. Raises a UserError if no pose is complete.
    """

    def read_one(name: str) -> tuple[tuple[np.ndarray, np.ndarray], int]:
        poses, _, _ = read(folder, name)
        poses = poses[np.isfinite(poses).all((1, 2))]
        return (poses, np.full(len(poses), folder.style(name))), poses.nbytes

    kept, everything = read_until(names, read_one, rng, most)
    poses, style = (np.concatenate(part) for part in zip(*kept, strict=True))
    if not len(poses):
        unseen = skeleton.never_seen(npz.load_poses(folder.file(names[0]))["poses"])
        cause = f"{unseen} never seen in {names[0]}: {skeleton.HALF_BODY}" if unseen else "look at one with animate.py"
        raise UserError(f"{folder.path}: no pose in {', '.join(names[:4])} has all joints; {cause}")
    return (poses, style), everything


class Resampled:
    """Training data that may exceed memory: every ``every`` steps, another part is drawn if not everything fits.

    ``draw(rng)`` returns the data and whether they are everything. Each part depends on seed and step alone, so that
    training resumes exactly.
    """

    def __init__(self, draw: Callable, seed: int, every: int):
        self.draw, self.seed, self.every, self.part = draw, seed, every, 0
        self.data, self.everything = draw(np.random.default_rng([seed, 0]))

    def advance(self, step: int) -> bool:
        """Draw the part of this step; return whether it is another one than before."""
        part = step // self.every
        if self.everything or part == self.part:
            return False
        self.part = part
        self.data, _ = self.draw(np.random.default_rng([self.seed, 2, part]))
        return True
