"""Dances in steps of the beat, for the sequence GAN."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from learn2dance.data import data_root, npz
from learn2dance.gan import conditioning, pose_folder
from learn2dance.gan.conditioning import Timeline
from learn2dance.gan.pose_folder import POOL_BYTES, PoseFolder
from learn2dance.motion import kinematics, sync
from learn2dance.music import styles
from learn2dance.music.styles import Profiles

SCORED_BYTES = 1 << 23  # bytes of dances for validation: an hour of 15 joints


@dataclass(frozen=True)
class Dance:
    """One dance: root-centred poses float32 (T, J, 2) at ``fps`` and path float32 (T, 3), both NaN where not observed.

    ``steps`` float32 (S, J, 2) are its poses at the steps of its timeline, without NaN, and ``known`` bool (S,) says
    which were observed. The style is its index plus one, or 0 if unknown. ``beats_per_bar`` is 0 without music.
    """

    name: str
    poses: np.ndarray
    path: np.ndarray
    fps: float
    timeline: Timeline
    steps: np.ndarray
    known: np.ndarray
    style: int
    beats_per_bar: int

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.poses) / self.fps


class DanceReader:
    """Reads the dances of a folder one by one, with their music if any; ``music`` tells whether any has."""

    def __init__(self, folder: PoseFolder):
        self.folder, self.root, self.paired = folder, None, set()
        root = folder.path.resolve().parent
        if folder.path.resolve().name == "poses" and (root / "music").is_dir() and folder.joints in (15, 25):
            self.root = data_root.open_root(root)
            self.paired = set(self.root.have("poses", "music"))
        train = [name for name in folder.train if name in self.paired]
        self.music = bool(train)
        if self.music:
            self.timing = data_root.common_timing(self.root, train)

    def parents(self, pose_gan: Path) -> dict:
        """Return what a model trained on these dances and this pose GAN depends on."""
        names = sorted({*self.folder.train, *self.folder.val} & self.paired)
        music = npz.digest(*(self.root.file("music", name) for name in names)) if self.music else ""
        return self.folder.parents() | {"pose_gan": npz.digest(pose_gan), "music": music}

    @cached_property
    def profiles(self) -> Profiles:
        """What the styles of the train split were danced to."""
        clips = []
        for name in sorted(self.paired & set(self.folder.train)):
            song = self.song(name)
            clips.append(styles.describe(song) | {"style": self.folder.styles.get(name), "danced": len(song["beats"])})
        return styles.collect(self.folder.names(), clips)

    def song(self, name: str) -> dict:
        """Load the music of a dance."""
        return npz.load(self.root.file("music", name), "music")

    def timeline(self, name: str, poses: np.ndarray, fps: float) -> Timeline:
        """Return the timeline of a dance, synchronised with its poses (T, J, 2), which may have gaps."""
        if not (self.music and name in self.paired):
            return conditioning.uniform(len(poses) / fps)
        song = self.song(name)
        return conditioning.of_music(song, len(poses) / fps, sync.correct_beats(poses[:, :15], fps, song, self.timing))

    def __call__(self, name: str) -> Dance:
        """Read a dance, and sample it at the steps of the beats of its music."""
        poses, path, fps = pose_folder.read(self.folder, name)
        timeline = self.timeline(name, poses, fps)
        steps, known = timeline.to_steps(poses, fps)
        beats_per_bar = int(self.song(name)["beats_per_bar"]) if timeline.features.any() else 0
        style = self.folder.style(name)
        return Dance(name, poses, path, fps, timeline, fill(steps), known, style, beats_per_bar)


def fill(steps: np.ndarray) -> np.ndarray:
    """Fill missing joints of poses (S, J, 2) by interpolation (`kinematics.fill_gaps`)."""
    return kinematics.fill_gaps(steps.reshape(len(steps), -1)).reshape(steps.shape)


def read_pool(reader: DanceReader, names: list[str], rng: np.random.Generator, most: int = POOL_BYTES):
    """Read dances as `pose_folder.read_until` does; return them sorted by name, and whether they are all."""

    def read_one(name: str) -> tuple[Dance, int]:
        dance = reader(name)
        return dance, dance.poses.nbytes + dance.path.nbytes + dance.steps.nbytes

    kept, everything = pose_folder.read_until(names, read_one, rng, most)
    return sorted(kept, key=lambda dance: dance.name), everything
