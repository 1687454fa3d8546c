"""Generate a dance to a song: select units beat by beat, and render them as motion."""

from pathlib import Path

import numpy as np

from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, travel, windows
from learn2dance.music import beat_grid
from learn2dance.music.features import FPS
from learn2dance.music.marks import marks
from learn2dance.music2pose.model import Music2Pose
from learn2dance.music2pose.plan import Plan, plan_song
from learn2dance.music2pose.selection import Selection
from learn2dance.tokens.codebook import Codebook

VARIATION = 0.25  # fraction of the bars of repeated phrases that are danced anew
HELD = 0.15  # fraction of its motion that a unit keeps while the music is silent


def select_units(
    model: Music2Pose,
    plan: Plan,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int = 0,
    prefix: np.ndarray | None = None,
    stage: float = travel.STAGE,
) -> tuple[np.ndarray, np.ndarray]:
    """Select the units of a dance; at most one number is drawn per beat.

    ``plan`` is from `plan_song`. Below 1, ``temperature`` makes likelier units more frequent; at 0, only the likeliest
    is chosen. Units are drawn from the ``top_k`` likeliest; 0: from all. ``prefix`` (P, F) are windows to begin with,
    from `cut_prefix`. Units that would take the dancer off the ``stage``, this many torso lengths wide, are avoided.

    Return the tokens (W, C), int64, of one unit for each beat of the plan, and the units as windows (W, F), float32,
    for `play_units`.
    """
    graph, book, count = model.graph, model.codebook, len(plan.bar)
    selection, position = Selection(graph, plan, temperature, top_k, stage), np.zeros(2)
    tokens = np.zeros((count, book.columns), np.int64)
    motion = np.zeros((count, book.frames * windows.CHANNELS), np.float32)
    given = 0 if prefix is None else min(len(prefix), count)
    if given:
        tokens[:given], motion[:given] = book.encode(prefix[:given]), prefix[:given]
    pose = None  # while the music is silent: the pose that is held, as a frame of a window
    for beat in range(count):
        if beat < given:
            selection.units.append(-1)
        else:
            scores = None
            if beat == given > 0 or pose is not None:  # the last window is not a unit as it was recorded
                scores = graph.transitions_from(motion[beat - 1], int(plan.bar[beat]), plan.style)
            unit = selection.draw(position, rng, scores)
            tokens[beat], motion[beat] = graph.units.tokens[unit], graph.motion[unit]
            pose = None if not plan.held[beat] else _pose(motion[max(beat - 1, 0)]) if pose is None else pose
            if pose is not None:
                window = motion[beat].reshape(book.frames, -1)
                window[:] = pose + HELD * (window - pose)
        recent = motion[max(beat + 1 - book.window_beats, 0) : beat + 1]
        done = windows.blend(recent, book.frames_per_beat, book.window_beats)[-book.frames :][: book.frames_per_beat]
        position += windows.root_speeds(done, book.frames_per_beat).mean(0)
    return tokens, motion


def _pose(window: np.ndarray) -> np.ndarray:
    """Return the last frame (C,) of a window (F,), without travel."""
    frame = window[-windows.CHANNELS :].copy()
    frame[windows.SPEEDS] = 0
    return frame


def play_units(codebook: Codebook, motion: np.ndarray, music: dict, fps: float = FPS) -> tuple[np.ndarray, np.ndarray]:
    """Render windows (W, F) from `select_units` over the complete song.

    Return poses and path as `Codebook.play` does, as many frames as the song's duration times fps, rounded up.
    """
    beats, _ = beat_grid.extend(music["beats"], music["duration"])
    return codebook.play(motion, beats, int(np.ceil(music["duration"] * fps)), fps)


def cut_prefix(codebook: Codebook, path: str | Path, music: dict) -> np.ndarray:
    """Cut a file's poses into windows on a song's beats, with its first frame at the song's start.

    ``music`` is from `Music2Pose.choose_style`. Return the windows (P, F), float32, up to the first with a missing
    joint, for `select_units`. Raises a UserError if the poses do not have 15 or 25 joints, have no fps, or do not begin
    with a complete window.
    """
    found = npz.load_poses(path)
    poses, fps, joints = found["poses"][:, :15], found["fps"], found["poses"].shape[1]
    if joints not in (15, 25):
        raise UserError(f"{path}: {joints} joints, expected 15 or 25 in the order of BODY_25")
    if fps is None:
        raise UserError(f"{path}: no key 'fps' (frames per second); save it with the poses")
    poses, way = travel.split(poses, fps, found["y_up"], found["nearer"], found["travel"])
    way = travel.or_feet(way, poses, fps)
    beats, _ = beat_grid.extend(music["beats"], music["duration"])
    held = int(np.ceil(max(-beats[0], 0) * fps))  # frames: the first pose is repeated from the first beat to time 0
    poses, way = (np.concatenate([np.repeat(part[:1], held, 0), part]) for part in (poses, way))
    motion, known, _ = windows.cut(poses, fps, beats + held / fps, codebook.frames_per_beat, codebook.window_beats, way)
    complete = len(known) if known.all() else int(np.argmin(known))
    if not complete:
        if unseen := skeleton.never_seen(found["poses"]):
            raise UserError(f"{path}: {unseen} never seen; a prefix needs all joints")
        needed = beats[codebook.window_beats] + held / fps
        raise UserError(f"{path}: expected {needed:.1f} s of complete poses at its beginning; use a longer recording")
    cause = "" if complete == len(known) else ", where a joint is missing"
    log.info("%s: continued from %.1f s on%s", path, beats[complete], cause)
    return motion[:complete]


def dance(
    model: Music2Pose,
    music: dict,
    seed: int,
    style: str | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    prefix: str | Path | None = None,
    stage: float = travel.STAGE,
    variation: float = VARIATION,
    energy: float = 1.0,
) -> dict:
    """Generate a dance to a song: `choose_style`, `plan_song`, `cut_prefix`, `select_units`, then `play_units`.

    ``music`` is a ``music`` file or `features.features`; each ``seed`` gives another dance; ``prefix`` is a file of
    poses to continue; ``stage`` is the width, in torso lengths, that the dance keeps to. ``variation`` and ``energy``
    are those of `plan_song`. Return the arrays of a ``dance`` file.
    """
    music, index = model.choose_style(music, style)
    given = None if prefix is None else cut_prefix(model.codebook, prefix, music)
    rng = np.random.default_rng(seed)
    plan = plan_song(model.graph, music, index, rng, variation, energy)
    tokens, motion = select_units(model, plan, rng, temperature, top_k, given, stage)
    poses, path = play_units(model.codebook, motion, music)
    placed = travel.on_stage(poses, path, FPS, stage)
    return placed | {"tokens": tokens, "seed": seed, "fps": FPS} | marks(music)
