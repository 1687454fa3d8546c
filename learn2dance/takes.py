"""Dances on the sequence GAN's clock, with what is heard at each step of them."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from learn2dance import (
    alignment,
    beats,
    camera,
    clustering,
    dancing,
    dataroot,
    features,
    metrics_beat,
    moves,
    songs,
    store,
)
from learn2dance.moves import POOL, Folder
from learn2dance.songs import Projection

HEARD = ("mel", "chroma", "onset", "rms")
EAR = 8  # numbers that these are heard as
JUDGED = 1 << 23  # bytes of dances that are judged by: of 15 joints, half an hour at 15 steps a second
GRID = 6  # beat phase, bar phase, whether the bar has three beats, whether there is music at all


@dataclass(frozen=True)
class Take:
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


def on_clock(poses: np.ndarray, fps: float, clock: float) -> np.ndarray:
    """Bring poses (T, J, 2) to another number of frames a second, float32, without motion too fast for it."""
    if fps > 2 * features.CUTOFF and clock > 2 * features.CUTOFF:
        return features.steady(poses, fps, clock).astype(np.float32)
    return camera.resample(poses, fps, clock)


def sound(music: dict) -> np.ndarray:
    """Return the features that are heard (T, D), at the music's own 30 frames a second."""
    return np.concatenate([music[key].reshape(len(music["rms"]), -1) for key in HEARD], axis=1)


def hear(music: dict, count: int, clock: float, ear: Projection, laid: np.ndarray | None = None) -> np.ndarray:
    """Hear a song step by step.

    Parameters
    ----------
    music : dict
        As Process_Waves.ipynb saves it.
    count : int
        Steps, T.
    clock : float
        Steps a second.
    laid : np.ndarray [shape=(B,)], optional
        The song's beats by the dance's clock, where that is another (`alignment.align`).

    Returns
    -------
    np.ndarray [shape=(T, EAR + GRID), dtype=float32]
    """
    frames = uniform_filter1d(sound(music), max(1, round(music["fps"] / clock)), axis=0)
    times, grid = np.arange(count) / clock, music["beats"] if laid is None else laid
    wider, lead = dancing.cover(grid, max(count / clock, grid[-1]))
    phases = beats.phases(times, music | {"beats": wider, "downbeat": music["downbeat"] + lead})
    song_times = times if laid is None else np.interp(times, grid, music["beats"])
    nearest = np.clip(np.round(song_times * music["fps"]).astype(int), 0, len(frames) - 1)
    rest = [phases["beat_phase"], phases["bar_phase"], np.full((count, 1), music["beats_per_bar"] == 3)]
    return np.concatenate([ear(frames[nearest]).numpy(), *rest, np.ones((count, 1))], axis=1).astype(np.float32)


class Reader:
    """Reads the dances of a folder one by one, with their music where there is any.

    Attributes
    ----------
    ear : Projection or None
        None: there is no music.
    """

    def __init__(self, folder: Folder, clock: float):
        self.folder, self.clock, self.ear, self.root, self.paired = folder, clock, None, None, set()
        root = folder.path.resolve().parent
        if folder.path.resolve().name == "poses" and (root / "music").is_dir() and folder.joints in (15, 25):
            self.root = dataroot.open_root(root)
            self.paired = set(self.root.have("poses", "music"))
            learned = [name for name in folder.train if name in self.paired]
            if learned:
                frames = [sound(self.song(name))[:: max(1, len(learned) // 20)] for name in learned]
                self.ear = songs.fit_projection(np.concatenate(frames), EAR, alike=True)
                self.peaks = clustering.usual_peaks(self.root, learned)

    def lock(self, takes: list[Take], dances: list[np.ndarray]) -> dict[str, float]:
        """Measure how dances to these takes' music swing with its bars (`metrics_beat.lock`); nothing without music."""
        found = []
        for take, dance in zip(takes, dances, strict=True):
            if take.name in self.paired and self.ear:
                song, motion = self.song(take.name), features.steady(dance, self.clock)
                found.append(metrics_beat.lock(motion[:, :15], song["beats"], song["beats_per_bar"]))
        return {"lock": float(np.mean(found))} if found else {}

    def digest(self) -> str:
        """Return the digest of all music that is learned from or judged by; empty where there is none."""
        names = sorted({*self.folder.train, *self.folder.val} & self.paired)
        return store.digest(*(self.root.file("music", name) for name in names)) if self.ear else ""

    def tempi(self) -> tuple[tuple[int, float, int], ...]:
        """Return style (index plus one), median tempo (beats a minute) and beats in a bar of what is danced to."""
        found: dict[int, list[tuple[float, int]]] = {}
        for name in sorted(self.paired & set(self.folder.train)):
            song, style = self.song(name), songs.style_index(self.folder.styles.get(name), self.folder.names())
            found.setdefault(style, []).append((song["tempo"], song["beats_per_bar"]))
        return tuple((style, *(float(x) for x in np.median(heard, 0))) for style, heard in sorted(found.items()))

    @property
    def heard(self) -> int:
        """Return how many numbers are heard at each step."""
        return EAR + GRID if self.ear else 0

    def song(self, name: str) -> dict:
        """Return a dance's music."""
        return store.load(self.root.file("music", name), "music")

    def __call__(self, name: str) -> Take:
        """Read a dance."""
        moved, fps = moves.read(self.folder, name)
        poses = on_clock(moved, fps, self.clock)
        styles = self.folder.names()
        style = songs.style_index(self.folder.styles.get(name), styles)
        music = np.zeros((len(poses), self.heard), np.float32)
        if self.ear and name in self.paired:
            song = self.song(name)
            if fps > 2 * features.CUTOFF and len(song["beats"]) > 1:
                found = alignment.rate(alignment.swings(features.steady(moved[:, :15], fps), song), len(moved) / fps)
                laid = alignment.align(song, *found, self.peaks[int(song["beats_per_bar"]) - 3])
            else:
                laid = None
            music = hear(song, len(poses), self.clock, self.ear, laid)
        return Take(name, poses, music, style)


def pool(reader: Reader, names: list[str], rng: np.random.Generator, most: int = POOL) -> tuple[list[Take], bool]:
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
