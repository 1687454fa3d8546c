"""The dances that a model's are judged beside, so that no measure can be won by what nobody would call dancing.

Each returns normalised poses (T, 15, 2) whose first frame is at the song's beginning, NaN where there are none.
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

PIECE = 8  # beats that are spliced from one place: two bars of four


def real(root: DataRoot, clip: str, duration: float = np.inf) -> tuple[np.ndarray, float]:
    """Return what was danced to a clip, no longer than its music lasts, and its fps.

    Raises
    ------
    UserError
        If so few frames a second cannot show the motion that is measured.
    """
    poses, fps = data_root.normalised(root, clip)
    if fps <= 2 * CUTOFF_HZ:
        raise UserError(
            f"{root.file('poses', clip)}: {fps:g} fps, expected more than {2 * CUTOFF_HZ:g} to judge motion by"
        )
    return poses[: int(min(duration * fps, len(poses)))], fps


def reconstructed(poses: np.ndarray, fps: float, beats: np.ndarray, codebook: Codebook) -> np.ndarray:
    """Write a real dance in tokens and play them: what the tokens alone do to motion, whoever chooses them."""
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
    """Cut the real dances of these clips into windows on beats, as the units are cut.

    Returns
    -------
    list of dict
        A clip each: ``windows`` (W, D), ``known`` (W,), ``bar`` (W,) the position in the bar of each window's first
        beat, ``style``.
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
    """Splice pieces of real dances on a song's beats: real motion, in time, chosen without hearing the song.

    Pieces of `PIECE` beats are drawn from the `library` of the same style (of all, where none has it), so that they
    go on at the same position in the bar.

    Returns
    -------
    np.ndarray [shape=(T, 15, 2), dtype=float32]
        At ``dancing.FPS``, as long as the music.
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
        # A bar of this metre may be in no piece of the style: then any position does.
        starts = [(p, s) for p, s in starts if p["bar"][s] == bar[beat]] or starts
        piece, start = starts[rng.integers(len(starts))]
        motion[beat : beat + length] = piece["windows"][start : start + length]
    return codebook.play(motion, beats, int(np.ceil(music["duration"] * features.FPS)), features.FPS)


def _starts(pieces: list[dict], length: int) -> list[tuple[dict, int]]:
    """List from which windows of which pieces so many known ones follow."""
    return [(p, s) for p in pieces for s in range(len(p["bar"]) - length + 1) if p["known"][s : s + length].all()]


def noise(like: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw each of ``count`` poses on its own, with the mean and deviation of each joint of real poses (T, 15, 2)."""
    mean, deviation = np.nanmean(like, axis=0), np.nanstd(like, axis=0)
    return (mean + deviation * rng.standard_normal((count, *mean.shape))).astype(np.float32)


class UniformNetwork(nn.Module):
    """In place of a network: holds every code as likely as any other, so that joins alone choose the units."""

    def __init__(self, config: networks.Config):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(config.codes))

    def encode_music(self, music: Tensor, bar: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        """As `networks.MotionTransformer.listen`; hears nothing."""
        return (bar,)

    def states(self, heard: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """As `networks.MotionTransformer.states`; sees nothing."""
        return torch.zeros(*known.shape, 1)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """As `networks.MotionTransformer.level_logits`; always the same."""
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
    """Make the dances of every row of the report: rivals first, the model last.

    Parameters
    ----------
    model : list of dict
        The model's own dances, one dict a seed: song -> (poses, fps).
    music : dict
        Song -> music, of all songs that were danced to.
    seed : int
        The first of the model's. Whatever is drawn is drawn with the model's seeds.
    lstm : Dancer, optional
        The baseline; without it its row is left out.
    gan : GanDancer, optional
        The model, if it is a GAN: then ``dancer``, music2pose, is one of its rivals.

    Returns
    -------
    dict of str to list of dict
        Name -> one dict a seed: song -> (poses, fps). What nothing is drawn for has one alone, and so has noise.
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
    """Of these clips, name those of the val and the test split."""
    return sorted({*root.split("val", clips), *root.split("test", clips)})


def frozen(poses: np.ndarray) -> np.ndarray:
    """Hold the first whole pose of (T, J, 2)."""
    return np.repeat(poses[np.isfinite(poses).all((1, 2)).argmax()][None], len(poses), 0)


def mismatched_song(clip: str, clips: list[str], styles: dict[str, str]) -> str:
    """Choose a wrong song for a clip: the next one, of the same style where there is one."""
    others = [c for c in clips if c != clip] or [clip]
    others = [c for c in others if styles.get(c) == styles.get(clip)] or others
    return next((c for c in others if c > clip), others[0])
