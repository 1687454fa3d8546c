"""Fit the codebook of a data root, and encode every clip as tokens."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from scipy.special import entr

from learn2dance import cli, parallel
from learn2dance.cli import log
from learn2dance.data import data_root, npz
from learn2dance.data.data_root import DataRoot, common_timing, normalised
from learn2dance.errors import UserError
from learn2dance.motion import kinematics, skeleton, sync, windows
from learn2dance.music import beat_grid
from learn2dance.tokens import codebook as tokens_codebook
from learn2dance.tokens.codebook import Codebook

STAGE = "Clustering.ipynb"
UNKNOWN = sync.Timing()
VERSION = 4  # raised when the same poses would give other windows or tokens: existing files are then stale


@dataclass(frozen=True)
class Settings:
    """How motion is cut into windows, and the size of the codebook."""

    levels: int = 9
    codes: int = 256
    whole: int = 2  # levels with one token for the whole body; the others have one for each limb, and one for travel
    seed: int = 0
    frames_per_beat: int = 24
    window_beats: int = 2
    mirror: bool = True  # fit on mirrored copies too
    align: bool = True  # re-synchronise dances that drift from their music (`sync`)

    def check(self) -> None:
        """Raise a UserError if a setting is invalid."""
        least_of = {"levels": 1, "whole": 1, "codes": 2, "frames_per_beat": 2, "window_beats": 2}
        for name, least in least_of.items():
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise UserError(f"{name.upper()} is {getattr(self, name)!r}, expected an integer of at least {least}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise UserError(f"SEED is {self.seed!r}, expected a whole number below 2**31")
        if self.whole > self.levels:
            raise UserError(f"WHOLE is {self.whole}, more than the {self.levels} LEVELS")


def cut_clip(root: DataRoot, clip: str, settings: Settings, timing: sync.Timing = UNKNOWN) -> dict:
    """Cut one clip's poses into windows on its music's beats, corrected (`sync`) if ``settings.align``.

    ``timing`` comes from `common_timing`. Returns ``windows`` float32 (W, F), ``known`` bool (W,) and ``start`` int, as
    `windows.cut` returns them; ``beats`` (B,), in seconds of the dance, extended to both its ends; and ``bar`` int64
    (W,), the position in the bar of each window's first beat. Raises a UserError if the clip does not have 15 or 25
    joints, or if its poses or its music are at least twice as long as the other.
    """
    poses, music = npz.load(root.file("poses", clip), "poses"), npz.load(root.file("music", clip), "music")
    if (joints := poses["poses"].shape[1]) not in (15, 25):
        raise UserError(f"{root.file('poses', clip)}: found {joints} joints, expected 15 or 25 in the order of BODY_25")
    seconds = len(poses["poses"]) / poses["fps"]
    lengths = f"{clip}: {seconds:.1f} s of poses and {music['duration']:.1f} s of music"
    if not 0.5 < seconds / music["duration"] < 2:
        raise UserError(f"{lengths}; is the fps in clips.csv right, and is it the same clip?")
    if not 0.97 < seconds / music["duration"] < 1.03:
        cli.warn_once(f"{lengths}; is the fps in clips.csv right? If not, the dance drifts from its music")
    normal, fps = normalised(root, clip)
    corrected = sync.correct_beats(normal, fps, music, timing) if settings.align else None
    if settings.align and corrected is None:
        cli.warn_once(f"{clip}: not re-synchronised with its music: {fps:g} fps is too low, or there are no beats")
    beats, lead = music["beats"] if corrected is None else corrected, 0
    if len(beats) > 1:
        beats, lead = beat_grid.extend(beats, seconds)
    size, path = (settings.frames_per_beat, settings.window_beats), data_root.path(root, clip)
    cut, known, start = windows.cut(normal, fps, beats, *size, path)
    bar = beat_grid.bar_positions(len(beats), music["downbeat"] + lead, music["beats_per_bar"])
    return {"windows": cut, "known": known, "start": start, "beats": beats, "bar": bar[start:][: len(cut)]}


def clip_cutter(root: DataRoot) -> Callable[[str], dict]:
    """Return `cut_clip` with the settings and timing of the root's clusters.npz."""
    path = root.path / "clusters.npz"
    _, settings, timing = _saved(path, npz.digest(path))
    return lambda clip: cut_clip(root, clip, settings, timing)


def saved_timing(clusters: dict) -> sync.Timing:
    """Return the timing that a clusters.npz holds."""
    return sync.Timing(float(clusters["rate"]), clusters["peaks"])


def known_windows(
    root: DataRoot, clips: list[str], settings: Settings, timing: sync.Timing = UNKNOWN, mirror: bool = False
) -> Iterator[np.ndarray]:
    """Yield the valid windows (W, F) of each clip; with ``mirror``, also their mirror images."""
    for clip in clips:
        found = cut_clip(root, clip, settings, timing)
        valid = found["windows"][found["known"]]
        if len(valid):
            yield valid
            if mirror:
                yield windows.mirror(valid)


def tokenize(root: DataRoot, settings: Settings, dask: str | None = None) -> dict:
    """Fit the codebook on the train split and encode all clips: ``clusters.npz``, ``tokens/<clip>.npz``.

    The clips are encoded in this process, or on the cluster ``dask`` (`parallel.run`). Only files that are missing or
    stale are written. Returns ``codebook`` (`codebook.Codebook`), ``error`` (L, 2) on train and val, and ``clips``, all
    that have tokens. Raises a UserError if clips are missing or unsuitable, windows are too few, or a setting is
    invalid.
    """
    settings.check()
    clips = root.have("poses", "music")
    train, val = root.split("train", clips), root.split("val", clips)
    for clip in root.in_no_split(clips):
        log.warning("%s: in none of %s/*.txt, so not used for training or evaluation", clip, root.path / "splits")
    arguments = asdict(settings) | {"version": VERSION}
    used = sorted({*train, *val})
    parents = {kind: npz.digest(*(root.file(kind, clip) for clip in used)) for kind in ("poses", "music")}
    parents |= {"train": train, "val": val}
    path = root.path / "clusters.npz"
    if npz.is_up_to_date(path, "clusters", arguments, parents):
        log.info("%s: up to date", path)
    else:
        list(parallel.run(_encode, {}, 0, dask, [root.path]))  # without jobs: refuses a bad cluster before the long fit
        npz.save(path, "clusters", STAGE, arguments, parents, **_fit(root, train, val, settings))
    digest, written = npz.digest(path), 0
    jobs = {clip: (root, clip, digest) for clip in clips}
    for _, result in cli.progress(parallel.run(_encode, jobs, 0, dask, [root.path]), "tokens", len(jobs)):
        if isinstance(result, UserError):
            raise result
        written += result
    log.info("%s: %d of %d clips written, the others are up to date", root.path / "tokens", written, len(clips))
    return {"codebook": load_codebook(path), "error": npz.load(path, "clusters")["error"], "clips": clips}


def load_codebook(path: Path) -> Codebook:
    """Load the codebook of a clusters.npz."""
    saved = npz.load(path, "clusters")
    keys = ("centroids", "whole", "mean", "frames_per_beat", "window_beats", "top_speed")
    return Codebook(*(saved[key] for key in keys))


def load_tokens(path: Path, codebook: Codebook) -> dict:
    """Load a clip's tokens; raise a UserError if they are not tokens of this codebook."""
    saved = npz.load(path, "tokens")
    expected = codebook.columns, len(codebook.mean)
    if (found := (saved["tokens"].shape[1], saved["motion"].shape[1])) != expected:
        columns = "found {} tokens and {} coefficients a window, expected {} and {}".format(*found, *expected)
        raise UserError(f"{path}: {columns} as in clusters.npz; run Clustering.ipynb")
    codes, largest = codebook.centroids.shape[1], max(saved[key].max(initial=0) for key in ("tokens", "mirrored"))
    if largest >= codes:
        raise UserError(f"{path}: found token {largest}, expected less than the {codes} codes of clusters.npz")
    if len(saved["tokens"]) and saved["start"] + len(saved["tokens"]) + codebook.window_beats > len(saved["beats"]):
        raise UserError(f"{path}: its windows end after its beats; run Clustering.ipynb")
    return saved


def _fit(root: DataRoot, train: list[str], val: list[str], settings: Settings) -> dict:
    """Fit the codebook; return the content of clusters.npz."""
    s, timing = settings, common_timing(root, train) if settings.align else UNKNOWN
    _check_bodies(root, train)
    read = partial(known_windows, root, train, s, timing, s.mirror)
    centroids, mean = tokens_codebook.fit(read, s.frames_per_beat * s.window_beats, s.levels, s.whole, s.codes, s.seed)
    codebook = Codebook(centroids, s.whole, mean, s.frames_per_beat, s.window_beats)
    pieces = [known_windows(root, split, s, timing) for split in (train, val)]
    error = np.stack([tokens_codebook.reconstruction_error(codebook, split) for split in pieces], axis=1)
    message = "%d levels of %d codes: reconstruction error %.3f of the variance on train, %.3f on val"
    log.info(message, *centroids.shape[:2], *error[-1])
    speeds = [kinematics.steps(poses) * fps for poses, fps in (normalised(root, clip) for clip in train)]
    found = {"centroids": centroids, "whole": s.whole, "mean": mean, "rate": timing.rate, "peaks": timing.peaks}
    found |= {key: getattr(s, key) for key in ("frames_per_beat", "window_beats", "mirror", "align")}
    return found | {"top_speed": float(np.nanpercentile(np.concatenate(speeds), 99.5)), "error": error}


def _check_bodies(root: DataRoot, clips: list[str]) -> None:
    """Warn of clips in which a joint is never seen, whose windows are all incomplete; UserError if all are such."""
    unseen = {clip: skeleton.never_seen(npz.load(root.file("poses", clip), "poses")["poses"]) for clip in clips}
    half = [f"{clip}: {names} never seen" for clip, names in unseen.items() if names]
    if len(half) == len(clips):
        raise UserError(f"{root.path / 'poses'}: {half[0]} …: {skeleton.HALF_BODY}")
    for clip in half:
        log.warning("%s, so it is not trained on", clip)


@lru_cache(maxsize=1)
def _saved(path: Path, digest: str) -> tuple[Codebook, Settings, sync.Timing]:
    """Return the codebook, settings and timing of a clusters.npz with this digest."""
    saved = npz.load(path, "clusters")
    settings = Settings(**{key: saved[key] for key in ("frames_per_beat", "window_beats", "align")})
    return load_codebook(path), settings, saved_timing(saved)


def _encode(job: tuple[DataRoot, str, str]) -> bool:
    """Write the tokens of a root's clip, unless they are up to date; return whether they were written.

    The job is the root, the clip, and the digest of clusters.npz.
    """
    root, clip, digest = job
    path = root.file("tokens", clip)
    parents = {"clusters": digest} | {kind: npz.digest(root.file(kind, clip)) for kind in ("poses", "music")}
    if npz.is_up_to_date(path, "tokens", {}, parents):
        return False
    codebook, settings, timing = _saved(root.path / "clusters.npz", digest)
    found = cut_clip(root, clip, settings, timing)
    tokens, mirrored = codebook.encode(found["windows"]), codebook.encode(windows.mirror(found["windows"]))
    motion = windows.dct_coefficients(found.pop("windows"), codebook.frames)
    npz.save(path, "tokens", STAGE, {}, parents, tokens=tokens, mirrored=mirrored, motion=motion, **found)
    return True


def token_counts(root: DataRoot, clips: list[str], codebook: Codebook) -> np.ndarray:
    """Count how often each token occurs in the valid windows of these clips: int64 (C, K)."""
    counts = np.zeros((codebook.columns, codebook.centroids.shape[1]), np.int64)
    for clip in clips:
        saved = load_tokens(root.file("tokens", clip), codebook)
        np.add.at(counts, (np.arange(len(counts)), saved["tokens"][saved["known"]]), 1)
    return counts


def perplexity(counts: np.ndarray) -> np.ndarray:
    """Return the perplexity (C,) of token counts (C, K): exp of the entropy, the effective number of tokens in use."""
    return np.exp(entr(counts / counts.sum(1, keepdims=True)).sum(1))


def reconstruct(root: DataRoot, clip: str, codebook: Codebook) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip's real motion and its reconstruction from tokens: two arrays of normalised poses (T, 15, 2).

    Both are at the clip's own frame rate, from the first frame within its first window to the last frame of its last.
    """
    saved, (real, fps) = load_tokens(root.file("tokens", clip), codebook), normalised(root, clip)
    beats = saved["beats"][saved["start"] :][: len(saved["tokens"]) + codebook.window_beats]
    # The first and last beat may be just outside the poses (`windows.EDGE`).
    first, last = max(int(np.ceil(beats[0] * fps)), 0), min(int(np.floor(beats[-1] * fps)), len(real) - 1)
    decoded, _ = codebook.play(codebook.decode(saved["tokens"]), beats, last + 1 - first, fps, first / fps)
    return real[first : last + 1], decoded


def largest_steps(root: DataRoot, clips: list[str], codebook: Codebook) -> tuple[float, float]:
    """Measure whether decoding causes jumps: how far the fastest joint moves between frames, in torso lengths.

    Returns the maximum over all decoded frames of these clips, and the 99.9th percentile over the real frames.
    """
    clips = [clip for clip in clips if len(load_tokens(root.file("tokens", clip), codebook)["tokens"])]
    real, decoded = zip(*(map(kinematics.steps, reconstruct(root, clip, codebook)) for clip in clips), strict=True)
    return float(np.nanmax(np.concatenate(decoded))), float(np.nanpercentile(np.concatenate(real), 99.9))
