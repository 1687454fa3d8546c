"""Baselines of the report. They show which metrics also give good values to motion that is not a dance.

Each returns normalised poses (T, 15, 2). The first frame is at the song's start; missing poses are NaN.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.cli import progress
from learn2dance.data import data_root
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.gan import generate as gan_generate
from learn2dance.gan.generate import GanModel
from learn2dance.motion import windows
from learn2dance.motion.kinematics import CUTOFF_HZ
from learn2dance.music import beat_grid, features
from learn2dance.music2pose import generate as music2pose_generate
from learn2dance.music2pose import networks
from learn2dance.music2pose.model import Music2Pose
from learn2dance.tokens import tokenize
from learn2dance.tokens.codebook import Codebook

PIECE = 8  # beats per spliced piece: two bars of four


def real(root: DataRoot, clip: str, duration: float = np.inf) -> tuple[np.ndarray, float]:
    """Return the real dance of a clip, cut to ``duration`` seconds, and its fps.

    Raises
    ------
    UserError
        If fps is not above `2 * CUTOFF_HZ`: too low for the metrics.
    """
    poses, fps = data_root.normalised(root, clip)
    if fps <= 2 * CUTOFF_HZ:
        raise UserError(
            f"{root.file('poses', clip)}: {fps:g} fps, expected more than {2 * CUTOFF_HZ:g} to judge motion by"
        )
    return poses[: int(min(duration * fps, len(poses)))], fps


def reconstructed(poses: np.ndarray, fps: float, beats: np.ndarray, codebook: Codebook) -> np.ndarray:
    """Encode a real dance as tokens and decode them: shows the error of the codebook alone."""
    size = (codebook.frames_per_beat, codebook.window_beats)
    cut, known, start = windows.cut(poses.copy(), fps, beats, *size)
    played = np.full(poses.shape, np.nan, np.float32)
    if not len(cut):
        return played
    grid = beats[start:][: len(cut) + codebook.window_beats]
    first, last = int(np.ceil(grid[0] * fps)), int(np.floor(grid[-1] * fps))
    motion = codebook.decode(codebook.encode(cut))
    played[first : last + 1] = codebook.play(motion, grid, last + 1 - first, fps, first / fps)
    for w in np.flatnonzero(~known):
        played[int(grid[w] * fps) : int(np.ceil(grid[w + codebook.window_beats] * fps)) + 1] = np.nan
    return played


def unit_pieces(root: DataRoot, clips: list[str], music: dict[str, dict]) -> list[dict]:
    """Cut the real dances of these clips into windows on beats, in the same way as the units.

    Returns
    -------
    list of dict
        One per clip: ``windows`` (W, F), ``known`` (W,), ``bar`` (W,), the position in the bar of each window's first
        beat, and ``style``.
    """
    cutter = tokenize.clip_cutter(root)
    found = []
    for clip in clips:
        cut, heard = cutter(clip), music[clip]
        bar = beat_grid.bar_positions(len(heard["beats"]), heard["downbeat"], heard["beats_per_bar"])
        bar = bar[cut["start"] :][: len(cut["windows"])]
        found.append({key: cut[key] for key in ("windows", "known")} | {"bar": bar, "style": root.styles.get(clip)})
    return found


def spliced(
    pieces: list[dict], music: dict, style: str | None, codebook: Codebook, rng: np.random.Generator
) -> np.ndarray:
    """Splice pieces of real dances on a song's beats: real motion, in time, but chosen without the music features.

    Pieces of `PIECE` beats are drawn from dances of the same style (from all, if there is none). Each piece starts at
    the same position in the bar as in its source, if possible.

    Returns
    -------
    np.ndarray [shape=(T, 15, 2), dtype=float32]
        At `features.FPS`, as long as the music.
    """
    beats, lead = beat_grid.extend(music["beats"], music["duration"])
    count = len(beats) - codebook.window_beats
    bar = beat_grid.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"])
    motion = np.empty((count, pieces[0]["windows"].shape[1]), np.float32)
    for beat in range(0, count, PIECE):
        length = min(PIECE, count - beat)
        starts = _starts([p for p in pieces if p["style"] == style], length) or _starts(pieces, length)
        if not starts:
            raise UserError(f"no dance that was learned from has {length} windows of known joints in a row to splice")
        # If no piece starts at this position in a bar of this metre, any piece is used.
        starts = [(p, s) for p, s in starts if p["bar"][s] == bar[beat]] or starts
        piece, start = starts[rng.integers(len(starts))]
        motion[beat : beat + length] = piece["windows"][start : start + length]
    return codebook.play(motion, beats, int(np.ceil(music["duration"] * features.FPS)), features.FPS)


def _starts(pieces: list[dict], length: int) -> list[tuple[dict, int]]:
    """List all (piece, window index) from which ``length`` consecutive windows are valid."""
    return [(p, s) for p in pieces for s in range(len(p["bar"]) - length + 1) if p["known"][s : s + length].all()]


def noise(like: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` independent poses with the mean and deviation of each coordinate of real poses (T, 15, 2)."""
    mean, deviation = np.nanmean(like, axis=0), np.nanstd(like, axis=0)
    return (mean + deviation * rng.standard_normal((count, *mean.shape))).astype(np.float32)


class UniformNetwork(nn.Module):
    """Replaces a network: all tokens are equally likely, so that the target cost has no effect."""

    def __init__(self, config: networks.Config):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(config.codes))

    def encode_music(self, music: Tensor, bar: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        """As `networks.MotionTransformer.encode_music`, but ignores the music."""
        return (bar,)

    def states(self, heard: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """As `networks.MotionTransformer.states`, but always zero."""
        return torch.zeros(*known.shape, 1)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """As `networks.MotionTransformer.level_logits`, but always zero."""
        return self.nothing.expand(len(state), -1)


def rows(
    root: DataRoot,
    dancer: Music2Pose,
    model: list[dict],
    music: dict[str, dict],
    seed: int,
    lstm: Music2Pose | None = None,
    gan: GanModel | None = None,
) -> dict[str, list[dict]]:
    """Generate the dances of every row of the report: real dances and baselines first, the model last.

    Parameters
    ----------
    model : list of dict
        The model's own dances, one dict per seed: song -> (poses, fps).
    music : dict
        Song -> music, of all songs with poses.
    seed : int
        The model's first seed. Baselines use the same seeds.
    lstm : Music2Pose, optional
        The BiLSTM baseline; without it, its row is left out.
    gan : GanModel, optional
        The model, if it is a GAN: then ``dancer``, music2pose, is a baseline.

    Returns
    -------
    dict of str to list of dict
        Name -> one dict per seed: song -> (poses, fps). White noise and rows without randomness have only one dict.
    """
    clips, seeds, book, styles = list(model[0]), range(seed, seed + len(model)), dancer.codebook, root.styles
    danced = {clip: real(root, clip, music[clip]["duration"]) for clip in clips}
    pieces = unit_pieces(root, root.split("train", list(music)), music)
    like = np.concatenate([poses for poses, _ in danced.values()])
    shaken = np.random.default_rng([seed, 1])
    splicing = [np.random.default_rng([s, 2]) for s in seeds]
    held = not_trained_on(root, list(music))
    strangers = {clip: mismatched_song(clip, held, styles) for clip in clips}

    def dance(who: Music2Pose | GanModel, to: str, as_if: str, s: int) -> tuple[np.ndarray, float]:
        how = gan_generate.dance if isinstance(who, GanModel) else music2pose_generate.dance
        return how(who, music[to], s, styles.get(as_if))["poses"][:, :15], features.FPS

    def row(name: str, who: Music2Pose | GanModel, to: dict[str, str] | None = None) -> None:
        made[name] = [{c: dance(who, (to or {}).get(c, c), c, s) for c in clips} for s in progress(seeds, name)]

    def splice(clip: str, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        return spliced(pieces, music[clip], styles.get(clip), book, rng), features.FPS

    made = {
        "real": [danced],
        "real, spliced": [{c: splice(c, rng) for c in clips} for rng in splicing],
        "frozen": [{c: (frozen(poses), fps) for c, (poses, fps) in danced.items()}],
        "white noise": [{c: (noise(like, len(poses), shaken), fps) for c, (poses, fps) in danced.items()}],
        "tokens alone": [
            {c: (reconstructed(poses, fps, music[c]["beats"], book), fps) for c, (poses, fps) in danced.items()}
        ],
    }
    if gan:
        row("music2pose", dancer)
    else:
        if lstm:
            row("BiLSTM", lstm)
        row("no network", replace(dancer, network=UniformNetwork(dancer.config)))
    row("wrong song", gan or dancer, strangers)
    return made | {"model": model}


def not_trained_on(root: DataRoot, clips: list[str]) -> list[str]:
    """Return the clips that are in the val or test split, sorted."""
    return sorted({*root.split("val", clips), *root.split("test", clips)})


def frozen(poses: np.ndarray) -> np.ndarray:
    """Repeat the first complete pose of (T, J, 2) in all frames."""
    return np.repeat(poses[np.isfinite(poses).all((1, 2)).argmax()][None], len(poses), 0)


def mismatched_song(clip: str, clips: list[str], styles: dict[str, str]) -> str:
    """Choose a mismatched song for a clip: the next one, of the same style if there is one."""
    others = [c for c in clips if c != clip] or [clip]
    others = [c for c in others if styles.get(c) == styles.get(clip)] or others
    return next((c for c in others if c > clip), others[0])
