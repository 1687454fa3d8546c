"""Dances on the sequence GAN's clock, with what is heard at each step of them."""

from dataclasses import dataclass

import numpy as np

from learn2dance.data import data_root, npz
from learn2dance.gan import pose_folder
from learn2dance.gan.conditioning import GRID_SIZE, MUSIC_SIZE, condition, stack_features
from learn2dance.gan.pose_folder import POOL_BYTES, PoseFolder
from learn2dance.metrics import beat
from learn2dance.motion import kinematics, projection, sync
from learn2dance.motion.kinematics import to_frame_rate

SCORED_BYTES = 1 << 23  # bytes of dances that are judged by: of 15 joints, half an hour at 15 steps a second


@dataclass(frozen=True)
class Dance:
    """One dance, or a stretch without one.

    Attributes
    ----------
    name : str
    poses : np.ndarray [shape=(T, J, 2), dtype=float32]
        NaN where not known.
    music : np.ndarray [shape=(T, M), dtype=float32]
        What is heard at each step: `hear`.
    style : int
        Index into the styles plus one; 0 where not known.
    """

    name: str
    poses: np.ndarray
    music: np.ndarray
    style: int

    def starts(self, steps: int) -> np.ndarray:
        """Return where sequences of so many known steps begin: int64 (S,)."""
        known = np.isfinite(self.poses).all((1, 2))
        total = np.concatenate([[0], np.cumsum(known)])
        return np.flatnonzero(total[steps:] - total[:-steps] == steps)


class DanceReader:
    """Reads the dances of a folder one by one, with their music where there is any.

    Attributes
    ----------
    music_pca : Projection or None
        None: there is no music.
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
        """Measure how dances to these takes' music swing with its bars (`beat.lock`); nothing without music."""
        found = []
        for take, dance in zip(takes, dances, strict=True):
            if take.name in self.paired and self.music_pca:
                song, motion = self.song(take.name), kinematics.low_pass(dance, self.clock)
                found.append(beat.bar_locking(motion[:, :15], song["beats"], song["beats_per_bar"]))
        return {"lock": float(np.mean(found))} if found else {}

    def digest(self) -> str:
        """Return the digest of all music that is learned from or judged by; empty where there is none."""
        names = sorted({*self.folder.train, *self.folder.val} & self.paired)
        return npz.digest(*(self.root.file("music", name) for name in names)) if self.music_pca else ""

    def tempi(self) -> tuple[tuple[int, float, int], ...]:
        """Return style (index plus one), median tempo (beats a minute) and beats in a bar of what is danced to."""
        found: dict[int, list[tuple[float, int]]] = {}
        for name in sorted(self.paired & set(self.folder.train)):
            song, style = self.song(name), data_root.style_index(self.folder.styles.get(name), self.folder.names())
            found.setdefault(style, []).append((song["tempo"], song["beats_per_bar"]))
        return tuple((style, *(float(x) for x in np.median(heard, 0))) for style, heard in sorted(found.items()))

    @property
    def heard(self) -> int:
        """Return how many numbers are heard at each step."""
        return MUSIC_SIZE + GRID_SIZE if self.music_pca else 0

    def song(self, name: str) -> dict:
        """Return a dance's music."""
        return npz.load(self.root.file("music", name), "music")

    def __call__(self, name: str) -> Dance:
        """Read a dance."""
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
    """Read dances: all of these, or as many as fit into so many bytes, drawn at random.

    Returns
    -------
    takes : list of Take
        In the order of their names.
    everything : bool
        Whether they are all there.
    """
    left, kept = most, []
    for name in (names[i] for i in rng.permutation(len(names))):
        kept.append(reader(name))
        left -= kept[-1].poses.nbytes + kept[-1].music.nbytes
        if left < 0:
            break
    return sorted(kept, key=lambda take: take.name), left >= 0
