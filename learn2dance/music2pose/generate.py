"""Generate a dance to a song: select units beat by beat, and render them as motion."""

from pathlib import Path

import numpy as np
import torch

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import skeleton, windows
from learn2dance.music import beat_grid
from learn2dance.music import features as music_features
from learn2dance.music.beat_grid import at_tempo, extend
from learn2dance.music.features import FPS
from learn2dance.music2pose import dataset
from learn2dance.music2pose.model import Music2Pose
from learn2dance.tokens.codebook import Codebook


def choose_style(dancer: Music2Pose, music: dict, style: str | None = None) -> tuple[dict, int]:
    """Choose the style of a dance, and count the song's beats in half or double time if needed.

    The target is the median tempo of the music of the style's units. If the song is about twice as fast, it is counted
    in half time; if it is about half as fast, in double time.

    Parameters
    ----------
    style : str, optional
        One of the model's styles; otherwise the style is chosen by the music's metre and tempo.

    Returns
    -------
    music : dict
        The song, with its beats at the chosen tempo.
    style : int
        Index into the model's styles plus one; 0 if unknown.
    """
    wanted = data_root.style_index(style, dancer.config.styles) or dancer.inventory.style_for(music)
    return at_tempo(music, dancer.inventory.tempo(wanted)), wanted


@torch.inference_mode()
def select_units(
    dancer: Music2Pose,
    music: dict,
    rng: np.random.Generator,
    style: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    given: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Select the units of a dance to a complete song.

    Parameters
    ----------
    dancer : Music2Pose
    music : dict
        From `choose_style`.
    rng : np.random.Generator
        At most one number is drawn per beat.
    style : int
        From `choose_style`.
    temperature : float
        Below 1, likelier units are chosen more often; at 0, always the likeliest.
    top_k : int
        Number of likeliest units to draw from; 0: all.
    given : np.ndarray [shape=(P, F)], optional
        Windows to begin with, from `cut_prefix`.

    Returns
    -------
    tokens : np.ndarray [shape=(W, C), dtype=int64]
        Tokens of one unit for each beat of `extend`, except the last ``window_beats``.
    motion : np.ndarray [shape=(W, F), dtype=float32]
        The units as windows, for `play_units`.
    """
    config, device = dancer.config, next(dancer.network.parameters()).device
    beats, lead = extend(music["beats"], music["duration"])
    count = len(beats) - dancer.codebook.window_beats
    features = dancer.music_pca(music_features.beat_features(music, config.steps_per_beat))
    around = dataset.music_around(features, -lead, count, config)
    bar = torch.from_numpy(beat_grid.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"]))
    inventory, book = dancer.inventory, dancer.codebook
    known_style = torch.tensor([style], device=device)
    heard = dancer.network.encode_music(around[None].to(device), bar[None].to(device), known_style)

    given = None if given is None or not len(given) else given[:count]
    tokens, motion = np.zeros((count, book.columns), np.int64), np.zeros((count, book.frames * 30), np.float32)
    begun = 0 if given is None else len(given)
    if begun:
        tokens[:begun], motion[:begun] = book.encode(given), given
    before, last, danced, past = torch.zeros(config.motion_size), None, [], []
    for beat in range(count):
        known = torch.full((1, 1), beat > 0, device=device)
        now = tuple(part[:, beat : beat + 1] for part in heard)
        state = dancer.network.states(now, before[None, None].to(device), known, past)[0, 0]
        if beat >= begun:
            expected = inventory.expected(dancer.network, state)
            danced.append(inventory.choose(expected, last, danced, int(bar[beat]), style, rng, temperature, top_k))
            tokens[beat], motion[beat] = inventory.units.tokens[danced[-1]], inventory.motion[danced[-1]]
        before = dancer.motion_pca(windows.dct_coefficients(motion[beat : beat + 1], book.frames))[0]
        last = inventory.ends(motion[beat : beat + 1])[1][0]
    return tokens, motion


def play_units(codebook: Codebook, motion: np.ndarray, music: dict, fps: float = FPS) -> np.ndarray:
    """Render windows (W, F) from `select_units` over the complete song.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        Normalised poses; T is the song's duration times fps, rounded up.
    """
    beats, _ = extend(music["beats"], music["duration"])
    return codebook.play(motion, beats, int(np.ceil(music["duration"] * fps)), fps)


def cut_prefix(codebook: Codebook, path: str | Path, music: dict) -> np.ndarray:
    """Cut a file's poses into windows on a song's beats (from `choose_style`), its first frame at the song's start.

    Returns
    -------
    np.ndarray [shape=(P, F), dtype=float32]
        Windows up to the first with a missing joint, for `select_units`.

    Raises
    ------
    UserError
        If the poses do not have 15 or 25 joints, have no fps, or do not begin with a complete window.
    """
    found = npz.load_poses(path)
    poses, fps = found["poses"][:, :15], found["fps"]
    if found["poses"].shape[1] not in (15, 25):
        raise UserError(f"{path}: {found['poses'].shape[1]} joints, expected 15 or 25 in the order of BODY_25")
    if fps is None:
        raise UserError(f"{path}: no key 'fps', which tells how fast the poses go; save it beside them")
    poses = poses if found["y_up"] else skeleton.normalise(poses, fps)
    beats, _ = extend(music["beats"], music["duration"])
    held = int(np.ceil(max(-beats[0], 0) * fps))  # frames: the first pose is repeated from the first beat to time 0
    poses = np.concatenate([np.repeat(poses[:1], held, 0), poses])
    motion, known, _ = windows.cut(poses, fps, beats + held / fps, codebook.frames_per_beat, codebook.window_beats)
    known = known[: len(known) if known.all() else int(np.argmin(known))]
    if not len(known):
        needed = beats[codebook.window_beats] + held / fps
        raise UserError(f"{path}: no {needed:.1f} s of whole poses at its beginning to go on from; use a longer take")
    return motion[: len(known)]


def dance(
    dancer: Music2Pose,
    music: dict,
    seed: int,
    style: str | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    given: str | Path | None = None,
) -> dict:
    """Generate a dance to a complete song: `choose_style`, `cut_prefix`, `select_units`, then `play_units`.

    Parameters
    ----------
    music : dict
        From `music_features.features`, or a ``music`` file.
    seed : int
        Each seed gives another dance.
    given : str or Path, optional
        A file of poses to continue: see `cut_prefix`.

    Returns
    -------
    dict
        The arrays of a ``dance`` file: ``poses, tokens, beats, seed, fps``.
    """
    music, index = choose_style(dancer, music, style)
    begun = None if given is None else cut_prefix(dancer.codebook, given, music)
    tokens, motion = select_units(dancer, music, np.random.default_rng(seed), index, temperature, top_k, begun)
    beats, _ = extend(music["beats"], music["duration"])
    return {
        "poses": play_units(dancer.codebook, motion, music),
        "tokens": tokens,
        "beats": beats,
        "seed": seed,
        "fps": FPS,
    }
