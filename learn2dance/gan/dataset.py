"""Dances at the sequence GAN's frame rate, with the music features of each step."""

from dataclasses import dataclass

import numpy as np

from learn2dance.data import data_root, npz
from learn2dance.gan import pose_folder
from learn2dance.gan.conditioning import GRID_SIZE, MUSIC_SIZE, condition, stack_features
from learn2dance.gan.pose_folder import POOL_BYTES, PoseFolder
from learn2dance.metrics import beat
from learn2dance.motion import kinematics, projection, sync
from learn2dance.motion.kinematics import to_frame_rate

SCORED_BYTES = 1 << 23  # bytes of dances for validation: 50 minutes of 15 joints and music at 15 steps per second


@dataclass(frozen=True)
class Dance:
    """One dance.

    Attributes
    ----------
    name : str
    poses : np.ndarray [shape=(T, J, 2), dtype=float32]
        NaN where not observed.
    music : np.ndarray [shape=(T, M), dtype=float32]
        Music features of each step (`conditioning.condition`); zeros without music.
    style : int
        Index into the styles plus one; 0 if unknown.
    """

    name: str
    poses: np.ndarray
    music: np.ndarray
    style: int

    def starts(self, steps: int) -> np.ndarray:
        """Return the first steps of all sequences of ``steps`` complete poses: int64 (S,)."""
        known = np.isfinite(self.poses).all((1, 2))
        total = np.concatenate([[0], np.cumsum(known)])
        return np.flatnonzero(total[steps:] - total[:-steps] == steps)


class DanceReader:
    """Reads the dances of a folder one by one, with their music if there is any.

    Attributes
    ----------
    music_pca : Projection or None
        None if there is no music.
    """

    def __init__(self, folder: PoseFolder, clock: float):
        self.folder, self.clock, self.music_pca, self.root, self.paired = folder, clock, None, None, set()
        root = folder.path.resolve().parent
        if folder.path.resolve().name == "poses" and (root / "music").is_dir() and folder.joints in (15, 25):
            self.root = data_root.open_root(root)
            self.paired = set(self.root.have("poses", "music"))
            learned = [name for name in folder.train if name in self.paired]
            if learned:
                frames = [stack_features(self.song(name))[:: max(1, len(learned) // 20)] for name in learned]
                self.music_pca = projection.fit_projection(np.concatenate(frames), MUSIC_SIZE, alike=True)
                self.peaks = data_root.typical_peaks(self.root, learned)

    def lock(self, takes: list[Dance], dances: list[np.ndarray]) -> dict[str, float]:
        """Return the mean `beat.bar_locking` of dances to the music of these takes; empty without music."""
        found = []
        for take, dance in zip(takes, dances, strict=True):
            if take.name in self.paired and self.music_pca:
                song, motion = self.song(take.name), kinematics.low_pass(dance, self.clock)
                found.append(beat.bar_locking(motion[:, :15], song["beats"], song["beats_per_bar"]))
        return {"lock": float(np.mean(found))} if found else {}

    def digest(self) -> str:
        """Return the digest of the music of the train and val splits; empty if there is none."""
        names = sorted({*self.folder.train, *self.folder.val} & self.paired)
        return npz.digest(*(self.root.file("music", name) for name in names)) if self.music_pca else ""

    def tempi(self) -> tuple[tuple[int, float, int], ...]:
        """Return for each style its index plus one, median tempo (beats per minute) and beats per bar in training."""
        found: dict[int, list[tuple[float, int]]] = {}
        for name in sorted(self.paired & set(self.folder.train)):
            song, style = self.song(name), data_root.style_index(self.folder.styles.get(name), self.folder.names())
            found.setdefault(style, []).append((song["tempo"], song["beats_per_bar"]))
        return tuple((style, *(float(x) for x in np.median(heard, 0))) for style, heard in sorted(found.items()))

    @property
    def heard(self) -> int:
        """Number of music features per step."""
        return MUSIC_SIZE + GRID_SIZE if self.music_pca else 0

    def song(self, name: str) -> dict:
        """Load the music of a dance."""
        return npz.load(self.root.file("music", name), "music")

    def __call__(self, name: str) -> Dance:
        """Read a dance, resample it, and re-synchronise its music with it."""
        moved, fps = pose_folder.read(self.folder, name)
        poses = to_frame_rate(moved, fps, self.clock)
        styles = self.folder.names()
        style = data_root.style_index(self.folder.styles.get(name), styles)
        music = np.zeros((len(poses), self.heard), np.float32)
        if self.music_pca and name in self.paired:
            song = self.song(name)
            if fps > 2 * kinematics.CUTOFF_HZ and len(song["beats"]) > 1:
                found = sync.best_rate(sync.bar_rhythm(kinematics.low_pass(moved[:, :15], fps), song), len(moved) / fps)
                laid = sync.align(song, *found, self.peaks[int(song["beats_per_bar"]) - 3])
            else:
                laid = None
            music = condition(song, len(poses), self.clock, self.music_pca, laid)
        return Dance(name, poses, music, style)


def read_pool(
    reader: DanceReader, names: list[str], rng: np.random.Generator, most: int = POOL_BYTES
) -> tuple[list[Dance], bool]:
    """Read dances in random order, until all are read or they exceed ``most`` bytes.

    Returns
    -------
    takes : list of Dance
        Sorted by name.
    everything : bool
        Whether they all fit.
    """
    left, kept = most, []
    for name in (names[i] for i in rng.permutation(len(names))):
        kept.append(reader(name))
        left -= kept[-1].poses.nbytes + kept[-1].music.nbytes
        if left < 0:
            break
    return sorted(kept, key=lambda take: take.name), left >= 0
