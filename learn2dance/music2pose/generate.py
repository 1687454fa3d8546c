"""Generate a dance to a song: select units beat by beat, and render them as motion."""

from pathlib import Path

import numpy as np
import torch

from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, travel, windows
from learn2dance.music import beat_grid
from learn2dance.music import features as music_features
from learn2dance.music.features import FPS
from learn2dance.music2pose import dataset
from learn2dance.music2pose.model import Music2Pose
from learn2dance.tokens.codebook import Codebook


@torch.inference_mode()
def select_units(
    model: Music2Pose,
    music: dict,
    rng: np.random.Generator,
    style: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    prefix: np.ndarray | None = None,
    stage: float = travel.STAGE,
) -> tuple[np.ndarray, np.ndarray]:
    """Select the units of a dance to a complete song; at most one number is drawn per beat.

    ``music`` and ``style`` are from `Music2Pose.choose_style`. Below 1, ``temperature`` makes likelier units more
    frequent; at 0, only the likeliest is chosen. Units are drawn from the ``top_k`` likeliest; 0: from all. ``prefix``
    (P, F) are windows to begin with, from `cut_prefix`. Units that would take the dancer off the ``stage``, this many
    torso lengths wide, are avoided.

    Return the tokens (W, C), int64, of one unit for each beat of `extend`, except the last ``window_beats``, and the
    units as windows (W, F), float32, for `play_units`.
    """
    config, inventory, book = model.config, model.inventory, model.codebook
    device = next(model.network.parameters()).device
    beats, lead = beat_grid.extend(music["beats"], music["duration"])
    count = len(beats) - book.window_beats
    features = model.music_pca(music_features.beat_features(music, config.steps_per_beat))
    around = dataset.music_around(features, -lead, count, config)
    bar = torch.from_numpy(beat_grid.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"]))
    label = torch.tensor([style], device=device)
    encoded = model.network.encode_music(around[None].to(device), bar[None].to(device), label)

    tokens, motion = (
        np.zeros((count, book.columns), np.int64),
        np.zeros((count, book.frames * windows.CHANNELS), np.float32),
    )
    given = 0 if prefix is None else min(len(prefix), count)
    if given:
        tokens[:given], motion[:given] = book.encode(prefix[:given]), prefix[:given]
    before, last, chosen, past, position = torch.zeros(config.motion_size), None, [], [], np.zeros(2)
    for beat in range(count):
        known = torch.full((1, 1), beat > 0, device=device)
        here = tuple(part[:, beat : beat + 1] for part in encoded)
        state = model.network.states(here, before[None, None].to(device), known, past)[0, 0]
        if beat >= given:
            target = inventory.log_probabilities(model.network, state)
            where = (int(bar[beat]), style)
            chosen.append(inventory.choose(target, last, chosen, *where, rng, temperature, top_k, position, stage))
            tokens[beat], motion[beat] = inventory.units.tokens[chosen[-1]], inventory.motion[chosen[-1]]
        before = model.motion_pca(windows.dct_coefficients(motion[beat : beat + 1], book.frames))[0]
        last = inventory.join_features(motion[beat : beat + 1])[1][0]
        recent = motion[max(beat + 1 - book.window_beats, 0) : beat + 1]
        done = windows.blend(recent, book.frames_per_beat, book.window_beats)[-book.frames :][: book.frames_per_beat]
        position += windows.root_speeds(done, book.frames_per_beat).mean(0)
    return tokens, motion


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
) -> dict:
    """Generate a dance to a song: `Music2Pose.choose_style`, `cut_prefix`, `select_units`, then `play_units`.

    ``music`` is a ``music`` file or `music_features.features`; each ``seed`` gives another dance; ``prefix`` is a file
    of poses to continue; ``stage`` is the width, in torso lengths, that the dance keeps to. Return the arrays of a
    ``dance`` file: ``poses, nearer, tokens, beats, seed, fps``.
    """
    music, index = model.choose_style(music, style)
    given = None if prefix is None else cut_prefix(model.codebook, prefix, music)
    tokens, motion = select_units(model, music, np.random.default_rng(seed), index, temperature, top_k, given, stage)
    poses, path = play_units(model.codebook, motion, music)
    beats, _ = beat_grid.extend(music["beats"], music["duration"])
    return travel.on_stage(poses, path, FPS, stage) | {"tokens": tokens, "beats": beats, "seed": seed, "fps": FPS}
