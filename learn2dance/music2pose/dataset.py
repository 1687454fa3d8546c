"""Network inputs: a song's music features on the beat grid, and the tokens of its real dance."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot, style_index
from learn2dance.errors import UserError
from learn2dance.motion.projection import Projection
from learn2dance.music import beat_grid
from learn2dance.music import features as music_features
from learn2dance.music2pose import networks
from learn2dance.tokens.codebook import Codebook


@dataclass(frozen=True)
class Song:
    """One song of B beats, from the first beat of its first window."""

    music: Tensor  # float32 (before + B + after - 1, S, D): features projected by ``music_pca``; zeros outside the song
    bar: Tensor  # int64 (B,): position in the bar
    style: int  # index into the styles plus one; 0 if unknown
    tokens: Tensor  # int64 (B, L): whole-body tokens of the real dance
    motion: Tensor  # float32 (B, motion_size): its windows decoded from all tokens, projected by ``motion_pca``
    mirrored: tuple[Tensor, Tensor]  # tokens and motion of its mirror image
    known: Tensor  # bool (B,): which windows are valid, as every joint was observed


def music_around(music: Tensor, start: int, beats: int, config: networks.Config) -> Tensor:
    """Cut music (all beats of the song, S, D) to the beats that windows ``start … start + beats - 1`` depend on.

    Return (before + beats + after - 1, S, D): zeros outside the song.
    """
    first, last = start - config.before, start + beats + config.after - 1
    inside = music[max(first, 0) : max(last, 0)]
    missing = last - first - max(-first, 0) - len(inside)
    return functional.pad(inside, (0, 0, 0, 0, max(-first, 0), missing))


def load(root: DataRoot, clip: str, clusters: str, steps_per_beat: int) -> dict:
    """Load a clip's tokens, and on the same beats ``features`` (B - 1, S, D) and ``bar``; also ``tempo`` and ``style``.

    Raises a UserError if the tokens were computed from other music or poses than the present files, or with another
    codebook than ``clusters``, the digest of clusters.npz.
    """
    tokens = npz.load(root.file("tokens", clip), "tokens")
    files = [(kind, root.file(kind, clip)) for kind in ("music", "poses")]
    parents = {"clusters": clusters} | {kind: npz.digest(file) for kind, file in files if file.exists()}
    for kind, digest in parents.items():
        if tokens["meta"].get("parents", parents)[kind] != digest:
            raise UserError(f"{root.file('tokens', clip)}: computed from other {kind} than now; run Clustering.ipynb")
    music = npz.load(root.file("music", clip), "music")
    features = music_features.beat_features(music, steps_per_beat)
    bar = beat_grid.bar_positions(len(music["beats"]), music["downbeat"], music["beats_per_bar"])
    return tokens | {"features": features, "bar": bar, "tempo": music["tempo"], "style": root.styles.get(clip)}


def to_song(clip: dict, config: networks.Config, music_pca: Projection, motion_pca: Projection, book: Codebook) -> Song:
    """Convert a clip, as `load` returns it, to the input of a network of this configuration."""
    start, beats = clip["start"], len(clip["tokens"])

    def targets(codes: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(codes[:, : config.levels]), motion_pca(book.spectra(codes))

    return Song(
        music_around(music_pca(clip["features"]), start, beats, config),
        torch.from_numpy(clip["bar"][start : start + beats]),
        style_index(clip["style"], config.styles),
        *targets(clip["tokens"]),
        targets(clip["mirrored"]),
        torch.from_numpy(clip["known"]),
    )


def crop(song: Song, start: int, beats: int, config: networks.Config, mirrored: bool = False) -> tuple[Tensor, ...]:
    """Cut tokens, motion, known, music and bar of ``beats`` beats from a song; beats past its end are invalid."""
    extra = max(start + beats - len(song.tokens), 0)
    tokens, motion = song.mirrored if mirrored else (song.tokens, song.motion)
    long = beats + config.before + config.after - 1
    parts = ((tokens, beats), (motion, beats), (song.known, beats), (song.music, long), (song.bar, beats))
    return tuple(functional.pad(x[start : start + size], (*[0] * (2 * x.ndim - 1), extra)) for x, size in parts)


def batch(
    songs: list[Song], size: int, beats: int, config: networks.Config, mirror: float, rng: np.random.Generator
) -> tuple:
    """Draw random crops: songs in proportion to length, a fraction ``mirror`` mirrored, 15% of style labels dropped.

    Return ``tokens, motion, known, music, bar, style``, as the networks' ``forward`` takes them, with N = ``size``.
    """
    lengths, crops, styles = np.array([len(s.tokens) for s in songs]), [], []
    for i in rng.choice(len(songs), size, p=lengths / lengths.sum()):
        start = int(rng.integers(max(lengths[i] - beats // 2, 1)))
        crops.append(crop(songs[i], start, beats, config, mirrored=bool(rng.random() < mirror)))
        styles.append(songs[i].style if rng.random() < 0.85 else 0)
    return *(torch.stack(part) for part in zip(*crops, strict=True)), torch.tensor(styles)
