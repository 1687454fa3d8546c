"""Generate a dance to a song: select units beat by beat, and render them as motion."""

from pathlib import Path

import numpy as np
import torch

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, windows
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
) -> tuple[np.ndarray, np.ndarray]:
    """Select the units of a dance to a complete song; at most one number is drawn per beat.

    ``music`` and ``style`` are from `Music2Pose.choose_style`. Below 1, ``temperature`` makes likelier units more
    frequent; at 0, only the likeliest is chosen. Units are drawn from the ``top_k`` likeliest; 0: from all. ``prefix``
    (P, F) are windows to begin with, from `cut_prefix`.

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

    tokens, motion = np.zeros((count, book.columns), np.int64), np.zeros((count, book.frames * 30), np.float32)
    given = 0 if prefix is None else min(len(prefix), count)
    if given:
        tokens[:given], motion[:given] = book.encode(prefix[:given]), prefix[:given]
    before, last, chosen, past = torch.zeros(config.motion_size), None, [], []
    for beat in range(count):
        known = torch.full((1, 1), beat > 0, device=device)
        here = tuple(part[:, beat : beat + 1] for part in encoded)
        state = model.network.states(here, before[None, None].to(device), known, past)[0, 0]
        if beat >= given:
            target = inventory.log_probabilities(model.network, state)
            chosen.append(inventory.choose(target, last, chosen, int(bar[beat]), style, rng, temperature, top_k))
            tokens[beat], motion[beat] = inventory.units.tokens[chosen[-1]], inventory.motion[chosen[-1]]
        before = model.motion_pca(windows.dct_coefficients(motion[beat : beat + 1], book.frames))[0]
        last = inventory.join_features(motion[beat : beat + 1])[1][0]
    return tokens, motion


def play_units(codebook: Codebook, motion: np.ndarray, music: dict, fps: float = FPS) -> np.ndarray:
    """Render windows (W, F) from `select_units` over the complete song: normalised poses float32 (T, 15, 2).

    T is the song's duration times fps, rounded up.
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
    poses = poses if found["y_up"] else skeleton.normalise(poses, fps)
    beats, _ = beat_grid.extend(music["beats"], music["duration"])
    held = int(np.ceil(max(-beats[0], 0) * fps))  # frames: the first pose is repeated from the first beat to time 0
    poses = np.concatenate([np.repeat(poses[:1], held, 0), poses])
    motion, known, _ = windows.cut(poses, fps, beats + held / fps, codebook.frames_per_beat, codebook.window_beats)
    known = known[: len(known) if known.all() else int(np.argmin(known))]
    if not len(known):
        needed = beats[codebook.window_beats] + held / fps
        raise UserError(f"{path}: expected {needed:.1f} s of complete poses at its beginning; use a longer recording")
    return motion[: len(known)]


def dance(
    model: Music2Pose,
    music: dict,
    seed: int,
    style: str | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    prefix: str | Path | None = None,
) -> dict:
    """Generate a dance to a song: `Music2Pose.choose_style`, `cut_prefix`, `select_units`, then `play_units`.

    ``music`` is a ``music`` file or `music_features.features`; each ``seed`` gives another dance; ``prefix`` is a file
    of poses to continue. Return the arrays of a ``dance`` file: ``poses, tokens, beats, seed, fps``.
    """
    music, index = model.choose_style(music, style)
    given = None if prefix is None else cut_prefix(model.codebook, prefix, music)
    tokens, motion = select_units(model, music, np.random.default_rng(seed), index, temperature, top_k, given)
    poses, (beats, _) = play_units(model.codebook, motion, music), beat_grid.extend(music["beats"], music["duration"])
    return {"poses": poses, "tokens": tokens, "beats": beats, "seed": seed, "fps": FPS}
