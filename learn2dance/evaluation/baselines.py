"""Baselines of the report. They show which metrics also give good values to motion that is not a dance.

Each returns poses (T, 15, 2) in torso lengths, y up, with the dancer's path over the floor (`travel.place`). The first
frame is at the song's start; missing poses are NaN.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from learn2dance import generation
from learn2dance.cli import progress
from learn2dance.data import data_root
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.generation import Model
from learn2dance.motion import travel, windows
from learn2dance.motion.kinematics import CUTOFF_HZ
from learn2dance.music import beat_grid, features
from learn2dance.music2pose.model import Music2Pose
from learn2dance.music2pose.network import TokenPredictor
from learn2dance.tokens import tokenize
from learn2dance.tokens.codebook import Codebook

PIECE = 8  # beats per spliced piece: two bars of four


def real(root: DataRoot, clip: str, duration: float = np.inf) -> tuple[np.ndarray, float]:
    """Return the real dance of a clip, cut to ``duration`` seconds, and its fps.

    Raises a UserError if fps is not above `2 * CUTOFF_HZ`: too low for the metrics.
    """
    poses, fps = data_root.placed(root, clip)
    if fps <= 2 * CUTOFF_HZ:
        expected = f"expected more than {2 * CUTOFF_HZ:g} for the motion metrics"
        raise UserError(f"{root.file('poses', clip)}: {fps:g} fps, {expected}")
    return poses[: int(min(duration * fps, len(poses)))], fps


def reconstructed(poses: np.ndarray, path: np.ndarray, fps: float, beats: np.ndarray, codebook: Codebook) -> np.ndarray:
    """Encode a real dance, poses (T, 15, 2) and path (T, 3), as tokens and decode them: shows the codebook's error."""
    size = (codebook.frames_per_beat, codebook.window_beats)
    cut, known, start = windows.cut(travel.rooted(poses), fps, beats, *size, path)
    played = np.full(poses.shape, np.nan, np.float32)
    if not len(cut):
        return played
    grid = beats[start:][: len(cut) + codebook.window_beats]
    # The first and last beat may be just outside the poses (`windows.EDGE`).
    first, last = max(int(np.ceil(grid[0] * fps)), 0), min(int(np.floor(grid[-1] * fps)), len(poses) - 1)
    motion = codebook.decode(codebook.encode(cut))
    played[first : last + 1] = travel.place(*codebook.play(motion, grid, last + 1 - first, fps, first / fps))
    for w in np.flatnonzero(~known):
        played[max(int(grid[w] * fps), 0) : int(np.ceil(grid[w + codebook.window_beats] * fps)) + 1] = np.nan
    return played


def unit_pieces(root: DataRoot, clips: list[str]) -> list[dict]:
    """Cut the real dances of these clips into windows on beats, in the same way as the units.

    Each clip has ``windows`` (W, F), ``known`` (W,), ``bar`` (W,), the position in the bar of each window's first beat,
    and ``style``.
    """
    cutter, found = tokenize.clip_cutter(root), []
    for clip in clips:
        cut = cutter(clip)
        found.append({key: cut[key] for key in ("windows", "known", "bar")} | {"style": root.styles.get(clip)})
    return found


def spliced(pieces: list[dict], music: dict, style: str | None, codebook: Codebook, rng) -> np.ndarray:
    """Splice pieces of real dances on a song's beats: real motion, in time, but chosen without the music features.

    Pieces of `PIECE` beats are drawn from dances of the same style (from all, if there is none). Each piece starts at
    the same position in the bar as in its source, if possible. The dance (T, 15, 2) is float32, at `features.FPS`, and
    as long as the music.
    """
    beats, lead = beat_grid.extend(music["beats"], music["duration"])
    count = len(beats) - codebook.window_beats
    bar = beat_grid.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"])
    motion = np.empty((count, pieces[0]["windows"].shape[1]), np.float32)
    for beat in range(0, count, PIECE):
        length = min(PIECE, count - beat)
        starts = _starts([p for p in pieces if p["style"] == style], length) or _starts(pieces, length)
        if not starts:
            raise UserError(f"no training dance has {length} consecutive windows with all joints, to splice")
        # If no piece starts at this position in a bar of this metre, any piece is used.
        starts = [(p, s) for p, s in starts if p["bar"][s] == bar[beat]] or starts
        piece, start = starts[rng.integers(len(starts))]
        motion[beat : beat + length] = piece["windows"][start : start + length]
    return travel.place(*codebook.play(motion, beats, int(np.ceil(music["duration"] * features.FPS)), features.FPS))


def _starts(pieces: list[dict], length: int) -> list[tuple[dict, int]]:
    """List all (piece, window index) from which ``length`` consecutive windows are valid."""
    return [(p, s) for p in pieces for s in range(len(p["bar"]) - length + 1) if p["known"][s : s + length].all()]


def noise(like: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` independent poses with the mean and deviation of each coordinate of real poses (T, 15, 2)."""
    mean, deviation = np.nanmean(like, axis=0), np.nanstd(like, axis=0)
    return (mean + deviation * rng.standard_normal((count, *mean.shape))).astype(np.float32)


class _UniformNetwork(TokenPredictor):
    """Replaces a network: all tokens are equally likely, so that the target cost has no effect."""

    def level_logits(self, states: Tensor, chosen: Tensor) -> Tensor:
        return torch.zeros(len(states), self.config.codes)


def rows(
    root: DataRoot,
    codebook: Codebook,
    model: Model,
    dances: list,
    others: dict,
    seed: int,
    music: dict,
    pieces: list,
    held_out: list[str],
    songs: dict[str, str],
) -> dict[str, list[dict]]:
    """Generate the dances of every row of the report: real dances and baselines first, the model last.

    ``dances`` are the model's own, one dict per seed: song -> (poses, fps). The result has such a list for each row's
    name; white noise and rows without randomness have only one dict. ``others``: name -> model that is a baseline.
    ``seed`` is the model's first; baselines use the same seeds. ``music``: song -> music, of all songs with poses.
    ``pieces`` are the `unit_pieces` of the training clips. A mismatched song is that of one of the clips ``held_out``.
    ``songs``: clip -> name of its song, as several clips may have the same.
    """
    clips, seeds, styles = list(dances[0]), range(seed, seed + len(dances)), root.styles
    danced = {clip: real(root, clip, music[clip]["duration"]) for clip in clips}
    like = np.concatenate([travel.rooted(poses) for poses, _ in danced.values()])
    rng = np.random.default_rng([seed, 1])
    own = {clip: clip for clip in clips}
    mismatched = {clip: mismatched_song(clip, held_out, styles, songs) for clip in clips}

    def each(change) -> dict:
        return {clip: (change(clip, poses, fps), fps) for clip, (poses, fps) in danced.items()}

    def reconstruct(clip: str, poses: np.ndarray, fps: float) -> np.ndarray:
        return reconstructed(poses, data_root.path(root, clip)[: len(poses)], fps, music[clip]["beats"], codebook)

    def splice(seed: int) -> dict:
        rng = np.random.default_rng([seed, 2])
        return {c: (spliced(pieces, music[c], styles.get(c), codebook, rng), features.FPS) for c in clips}

    def dance(model: Model, song: str, clip: str, seed: int) -> tuple[np.ndarray, float]:
        return generation.dance(model, music[song], seed, styles.get(clip))["poses"][:, :15], features.FPS

    def row(name: str, model: Model, songs: dict[str, str]) -> list[dict]:
        return [{clip: dance(model, song, clip, s) for clip, song in songs.items()} for s in progress(seeds, name)]

    found = {
        "real": [danced],
        "spliced": [splice(s) for s in seeds],
        "frozen": [each(lambda clip, poses, fps: frozen(poses))],
        "white noise": [each(lambda clip, poses, fps: noise(like, len(poses), rng))],
        "on the spot": [each(lambda clip, poses, fps: travel.rooted(poses))],
        "reconstruction": [each(reconstruct)],
    }
    found |= {name: row(name, other, own) for name, other in others.items()}
    if isinstance(model, Music2Pose):
        found["no network"] = row("no network", replace(model, network=_UniformNetwork(model.config)), own)
    found["mismatched song"] = row("mismatched song", model, mismatched)
    return found | {"model": dances}


def not_trained_on(root: DataRoot, clips: list[str]) -> list[str]:
    """Return the clips that are in the val or test split, sorted."""
    return sorted({*root.split("val", clips), *root.split("test", clips)})


def frozen(poses: np.ndarray) -> np.ndarray:
    """Repeat the first complete pose of (T, J, 2) in all frames."""
    return np.repeat(poses[np.isfinite(poses).all((1, 2)).argmax()][None], len(poses), 0)


def mismatched_song(clip: str, clips: list[str], styles: dict[str, str], songs: dict[str, str]) -> str:
    """Choose the clip of a mismatched song for a clip: the next one, of the same style if there is one.

    Clips of one song (``songs``: clip -> song) are not mismatched.
    """
    others = [c for c in clips if songs[c] != songs[clip]] or [clip]
    others = [c for c in others if styles.get(c) == styles.get(clip)] or others
    return next((c for c in others if c > clip), others[0])
