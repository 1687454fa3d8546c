"""Dances at the sequence GAN's frame rate, with the music features of each step."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from learn2dance.data import data_root, npz
from learn2dance.gan import pose_folder
from learn2dance.gan.conditioning import GRID_SIZE, MUSIC_SIZE, condition, stack_features
from learn2dance.gan.pose_folder import POOL_BYTES, PoseFolder
from learn2dance.metrics import beat
from learn2dance.motion import kinematics, projection, sync
from learn2dance.music import styles
from learn2dance.music.styles import Profiles

SCORED_BYTES = 1 << 23  # bytes of dances for validation: 50 minutes of 15 joints and music at 15 steps per second


@dataclass(frozen=True)
class Dance:
    """One dance: root-centred poses float32 (T, J, 2) and path float32 (T, 3), both NaN where not observed.

    ``music`` holds the features of each step, float32 (T, M): those of `conditioning.condition`, or zeros without
    music. The style is its index plus one, or 0 if unknown. ``beats`` (B,) are those of the music in seconds of the
    dance, or None.
    """

    name: str
    poses: np.ndarray
    path: np.ndarray
    music: np.ndarray
    style: int
    beats: np.ndarray | None = None

    def starts(self, steps: int) -> np.ndarray:
        """Return the first steps of all sequences of ``steps`` complete poses: int64 (S,)."""
        known = np.isfinite(self.poses).all((1, 2))
        total = np.concatenate([[0], np.cumsum(known)])
        return np.flatnonzero(total[steps:] - total[:-steps] == steps)


class DanceReader:
    """Reads the dances of a folder one by one, with their music if any; ``music_pca`` is None without music."""

    def __init__(self, folder: PoseFolder, clock: float):
        self.folder, self.clock, self.music_pca, self.root, self.paired = folder, clock, None, None, set()
        root = folder.path.resolve().parent
        if folder.path.resolve().name == "poses" and (root / "music").is_dir() and folder.joints in (15, 25):
            self.root = data_root.open_root(root)
            self.paired = set(self.root.have("poses", "music"))
            train = [name for name in folder.train if name in self.paired]
            if train:
                frames = [stack_features(self.song(name))[:: max(1, len(train) // 20)] for name in train]
                self.music_pca = projection.fit_projection(np.concatenate(frames), MUSIC_SIZE, alike=True)
                self.timing = data_root.common_timing(self.root, train)

    def bar_locking(self, dances: list[Dance], generated: list[np.ndarray]) -> dict[str, float]:
        """Return the mean `beat.bar_locking` of poses generated to the music of these dances; empty without music."""
        found = []
        for dance, poses in zip(dances, generated, strict=True):
            if dance.beats is not None:
                motion, beats_per_bar = kinematics.low_pass(poses, self.clock), self.song(dance.name)["beats_per_bar"]
                found.append(beat.bar_locking(motion[:, :15], dance.beats, beats_per_bar))
        return {"bar_locking": float(np.mean(found))} if found else {}

    def parents(self, pose_gan: Path) -> dict:
        """Return what a model trained on these dances and this pose GAN depends on."""
        names = sorted({*self.folder.train, *self.folder.val} & self.paired)
        music = npz.digest(*(self.root.file("music", name) for name in names)) if self.music_pca else ""
        return self.folder.parents() | {"pose_gan": npz.digest(pose_gan), "music": music}

    @cached_property
    def profiles(self) -> Profiles:
        """What the styles of the train split were danced to."""
        clips = []
        for name in sorted(self.paired & set(self.folder.train)):
            song = self.song(name)
            clips.append(styles.describe(song) | {"style": self.folder.styles.get(name), "danced": len(song["beats"])})
        return styles.collect(self.folder.names(), clips)

    @property
    def music_size(self) -> int:
        """Number of music features per step."""
        return MUSIC_SIZE + GRID_SIZE if self.music_pca else 0

    def song(self, name: str) -> dict:
        """Load the music of a dance."""
        return npz.load(self.root.file("music", name), "music")

    def __call__(self, name: str) -> Dance:
        """Read a dance, resample it, and re-synchronise its music with it."""
        recorded, path, fps = pose_folder.read(self.folder, name)
        poses, path = (kinematics.to_frame_rate(part, fps, self.clock) for part in (recorded, path))
        music, beats = np.zeros((len(poses), self.music_size), np.float32), None
        if self.music_pca and name in self.paired:
            song = self.song(name)
            beats = sync.correct_beats(recorded[:, :15], fps, song, self.timing)
            music = condition(song, len(poses), self.clock, self.music_pca, beats)
            beats = song["beats"] if beats is None else beats
        return Dance(name, poses, path, music, self.folder.style(name), beats)


def read_pool(reader: DanceReader, names: list[str], rng: np.random.Generator, most: int = POOL_BYTES):
    """Read dances as `pose_folder.read_until` does; return them sorted by name, and whether they are all."""

    def read_one(name: str) -> tuple[Dance, int]:
        dance = reader(name)
        return dance, dance.poses.nbytes + dance.path.nbytes + dance.music.nbytes

    kept, everything = pose_folder.read_until(names, read_one, rng, most)
    return sorted(kept, key=lambda dance: dance.name), everything
