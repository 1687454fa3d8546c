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
    """One song, from the first beat of its first window.

    Attributes
    ----------
    music : Tensor [shape=(before + B + after - 1, S, D), dtype=float32]
        Music features (projected by the model's ``music_pca``) of these beats and those around; zeros outside.
    bar : Tensor [shape=(B,), dtype=int64]
        Position in the bar.
    style : int
        Index into the styles plus one; 0 if unknown.
    tokens, motion : Tensor [shape=(B, L), dtype=int64], Tensor [shape=(B, motion_size), dtype=float32]
        The real dance: whole-body tokens, and the windows decoded from all tokens, projected by ``motion_pca``.
    mirrored : tuple of Tensor
        Tokens and motion of its mirror image.
    known : Tensor [shape=(B,), dtype=bool]
        Which windows are valid: every joint was observed.
    """

    music: Tensor
    bar: Tensor
    style: int
    tokens: Tensor
    motion: Tensor
    mirrored: tuple[Tensor, Tensor]
    known: Tensor


def music_around(music: Tensor, start: int, beats: int, config: networks.Config) -> Tensor:
    """Cut music (all beats of the song, S, D) to the beats that windows ``start … start + beats - 1`` depend on.

    Returns
    -------
    Tensor [shape=(before + beats + after - 1, S, D)]
        Zeros outside the song.
    """
    first, last = start - config.before, start + beats + config.after - 1
    inside = music[max(first, 0) : max(last, 0)]
    missing = last - first - max(-first, 0) - len(inside)
    return functional.pad(inside, (0, 0, 0, 0, max(-first, 0), missing))


def load(root: DataRoot, clip: str, clusters: str, steps_per_beat: int) -> dict:
    """Load a clip's tokens, and on the same beats ``features`` (B - 1, S, D) and ``bar``; also ``tempo`` and ``style``.

    Raises
    ------
    UserError
        If the tokens were made from other music or poses than the present files, or with another codebook than
        ``clusters``, the digest of clusters.npz.
    """
    tokens = npz.load(root.file("tokens", clip), "tokens")
    files = [(kind, root.file(kind, clip)) for kind in ("music", "poses")]
    made_of = {"clusters": clusters} | {kind: npz.digest(file) for kind, file in files if file.exists()}
    for kind, digest in made_of.items():
        if tokens["meta"].get("parents", made_of)[kind] != digest:
            raise UserError(
                f"{root.file('tokens', clip)}: made with other {kind} than there are now; run Clustering.ipynb"
            )
    music = npz.load(root.file("music", clip), "music")
    features = music_features.beat_features(music, steps_per_beat)
    bar = beat_grid.bar_positions(len(music["beats"]), music["downbeat"], music["beats_per_bar"])
    return tokens | {"features": features, "bar": bar, "tempo": music["tempo"], "style": root.styles.get(clip)}


def to_song(clip: dict, config: networks.Config, music_pca: Projection, motion_pca: Projection, book: Codebook) -> Song:
    """Convert a clip, as `load` returns it, to the input of a network of this configuration."""
    start, beats = clip["start"], len(clip["tokens"])

    def danced(codes: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(codes[:, : config.levels]), motion_pca(book.spectra(codes))

    return Song(
        music_around(music_pca(clip["features"]), start, beats, config),
        torch.from_numpy(clip["bar"][start : start + beats]),
        style_index(clip["style"], config.styles),
        *danced(clip["tokens"]),
        danced(clip["mirrored"]),
        torch.from_numpy(clip["known"]),
    )


def crop(song: Song, start: int, beats: int, config: networks.Config, mirrored: bool = False) -> tuple[Tensor, ...]:
    """Cut tokens, motion, known, music and bar of ``beats`` beats from a song; beats past its end are invalid."""
    extra = max(start + beats - len(song.tokens), 0)
    tokens, motion = song.mirrored if mirrored else (song.tokens, song.motion)
    return (
        functional.pad(tokens[start : start + beats], (0, 0, 0, extra)),
        functional.pad(motion[start : start + beats], (0, 0, 0, extra)),
        functional.pad(song.known[start : start + beats], (0, extra)),
        functional.pad(song.music[start : start + beats + config.before + config.after - 1], (0, 0, 0, 0, 0, extra)),
        functional.pad(song.bar[start : start + beats], (0, extra)),
    )


def batch(
    songs: list[Song], size: int, beats: int, config: networks.Config, mirror: float, rng: np.random.Generator
) -> tuple:
    """Draw random crops: songs in proportion to length, a fraction ``mirror`` mirrored, 15% of style labels dropped.

    Returns
    -------
    tuple of Tensor
        ``tokens, motion, known, music, bar, style``, as the networks' ``forward`` takes them, with N = ``size``.
    """
    lengths = np.array([len(s.tokens) for s in songs])
    drawn = rng.choice(len(songs), size, p=lengths / lengths.sum())
    crops, styles = [], []
    for i in drawn:
        start = int(rng.integers(max(lengths[i] - beats // 2, 1)))
        crops.append(crop(songs[i], start, beats, config, mirrored=bool(rng.random() < mirror)))
        styles.append(songs[i].style if rng.random() < 0.85 else 0)
    return *(torch.stack(part) for part in zip(*crops, strict=True)), torch.tensor(styles)
