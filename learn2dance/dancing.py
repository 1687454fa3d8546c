"""From a song to a dance: sampling tokens beat by beat, and playing them as motion."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from learn2dance import music as music_features
from learn2dance import networks, skeleton, songs, store, windows
from learn2dance.dancer import Dancer
from learn2dance.stage import Fault
from learn2dance.tokens import Codebook

FPS = 30.0  # of the dances: the music's clock


def cover(beats: np.ndarray, duration: float) -> tuple[np.ndarray, int]:
    """Extend beats at their own pace until they begin at or before 0 and end at or after the song does.

    Returns
    -------
    beats : np.ndarray [shape=(B,)]
        Seconds.
    lead : int
        How many were put in front.
    """
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    lead = max(int(np.ceil(beats[0] / first - 1e-9)), 0)
    tail = max(int(np.ceil((duration - beats[-1]) / last - 1e-9)), 0)
    front = beats[0] - first * np.arange(lead, 0, -1)
    return np.concatenate([front, beats, beats[-1] + last * np.arange(1, tail + 1)]), lead


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: layers for a single beat are so small that threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
@torch.inference_mode()
def choreograph(
    dancer: Dancer,
    music: dict,
    rng: np.random.Generator,
    style: str | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Sample the tokens of a dance to a whole song.

    Parameters
    ----------
    dancer : Dancer
    music : dict
        As ``music.features`` makes it, and Process_Waves.ipynb saves it.
    rng : np.random.Generator
        Draws one number a code.
    style : str, optional
        One that the network has learned; none leaves it to the music.
    temperature : float
        Below 1 the likelier codes win more often, at 0 the likeliest always does.
    top_k : int
        Draw among so many of the likeliest codes of a level; 0: among all.
    given : np.ndarray [shape=(P, L)], optional
        Tokens to begin with.

    Returns
    -------
    np.ndarray [shape=(W, L), dtype=int64]
        One token for every beat of `cover`, but for the last window's.
    """
    config, device = dancer.config, next(dancer.network.parameters()).device
    beats, lead = cover(music["beats"], music["duration"])
    count = len(beats) - dancer.codebook.window_beats
    features = dancer.normaliser(music_features.beat_features(music, config.steps_per_beat))
    around = songs.around(features, -lead, count, config)
    bar = networks.bar_positions(count, music["downbeat"] + lead, music["beats_per_bar"])
    index = torch.tensor([songs.style_index(style, config.styles)], device=device)
    heard = dancer.network.listen(around[None].to(device), bar[None].to(device), index)

    danced = torch.zeros(1, count, config.levels, dtype=torch.int64)
    given = np.zeros((0, config.levels), np.int64) if given is None else given[:count]
    danced[0, : len(given)] = torch.from_numpy(given)
    past: list = []
    for beat in range(count):
        before = danced[:, max(beat - 1, 0)][:, None].to(device)
        known = torch.full((1, 1), beat > 0, device=device)
        state = dancer.network.states(tuple(part[:, beat : beat + 1] for part in heard), before, known, past)
        for level in range(config.levels) if beat >= len(given) else ():
            logits = dancer.network.level_logits(state, danced[:, beat : beat + 1, :level].to(device))
            danced[0, beat, level] = draw(logits[0, 0], rng, temperature, top_k)
    return danced[0].numpy()


def draw(logits: Tensor, rng: np.random.Generator, temperature: float, top_k: int) -> int:
    """Draw one code from its logits (K,)."""
    scores = logits.cpu().double().numpy()
    if temperature == 0:
        return int(scores.argmax())
    if 0 < top_k < len(scores):
        scores[scores < np.partition(scores, -top_k)[-top_k]] = -np.inf
    chances = np.exp((scores - scores.max()) / temperature).cumsum()
    return int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))


def perform(
    codebook: Codebook, labels: np.ndarray, music: dict, given: np.ndarray | None = None, fps: float = FPS
) -> np.ndarray:
    """Play tokens (W, L), one for each beat of `cover`, over the whole song.

    Parameters
    ----------
    given : np.ndarray [shape=(P, D)], optional
        Windows to play as they are in place of the first tokens: poses that the dance goes on from.

    Returns
    -------
    np.ndarray [shape=(T, J, 2), dtype=float32]
        Normalised poses, T being the song's length times fps, rounded up.
    """
    beats, _ = cover(music["beats"], music["duration"])
    motion = codebook.decode(labels)
    if given is not None:
        motion[: len(given)] = given[: len(motion)]
    return codebook.play(motion, beats, int(np.ceil(music["duration"] * fps)), fps)


def prefix(codebook: Codebook, path: str | Path, music: dict) -> np.ndarray:
    """Cut the poses of a file on a song's beats, its first frame at the song's beginning.

    Returns
    -------
    np.ndarray [shape=(P, D), dtype=float32]
        Windows, for `choreograph` (encoded) and `perform`.

    Raises
    ------
    Fault
        If the poses are not of 15 or 25 joints, hold unknown ones, say no fps, or are shorter than a window.
    """
    found = store.load_poses(path)
    poses, fps = found["poses"][:, :15], found["fps"]
    if found["poses"].shape[1] not in (15, 25):
        raise Fault(f"{path}: {found['poses'].shape[1]} joints, expected 15 or 25 in the order of BODY_25")
    if fps is None:
        raise Fault(f"{path}: no key 'fps', which tells how fast the poses go; save it beside them")
    poses = poses if found["y_up"] else skeleton.normalise(poses, fps)
    beats, _ = cover(music["beats"], music["duration"])
    held = int(np.ceil(max(-beats[0], 0) * fps))  # the first pose, held from the first beat to the song's beginning
    poses = np.concatenate([np.repeat(poses[:1], held, 0), poses])
    motion, known, _ = windows.cut(poses, fps, beats + held / fps, codebook.frames_per_beat, codebook.window_beats)
    known = known[: len(known) if known.all() else int(np.argmin(known))]
    if not len(known):
        needed = beats[codebook.window_beats] + held / fps
        raise Fault(f"{path}: no {needed:.1f} s of whole poses at its beginning to go on from; use a longer take")
    return motion[: len(known)]


def dance(
    dancer: Dancer,
    music: dict,
    seed: int,
    style: str | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    given: np.ndarray | None = None,
) -> dict:
    """Dance to a whole song: `choreograph`, then `perform`.

    Parameters
    ----------
    given : np.ndarray [shape=(P, D)], optional
        Windows to begin with, from `prefix`.

    Returns
    -------
    dict
        What a ``dance`` file holds: ``poses, tokens, beats, seed, fps``.
    """
    codes = None if given is None else dancer.codebook.encode(given)
    labels = choreograph(dancer, music, np.random.default_rng(seed), style, temperature, top_k, codes)
    beats, _ = cover(music["beats"], music["duration"])
    poses = perform(dancer.codebook, labels, music, given)
    return {"poses": poses, "tokens": labels, "beats": beats, "seed": seed, "fps": FPS}
