"""Songs as the networks see them: music on the beat grid, beside the tokens that were danced to it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from learn2dance import music as music_features
from learn2dance import networks, store
from learn2dance.dataroot import DataRoot
from learn2dance.stage import Fault


@dataclass(frozen=True)
class Song:
    """One song, from the beat of its first window on.

    Attributes
    ----------
    music : Tensor [shape=(before + B + after - 1, S, D), dtype=float32]
        Normalised features of the beats and of those around them, zeros outside the song.
    bar : Tensor [shape=(B,), dtype=int64]
        Position in the bar.
    style : int
        Index into the styles plus one; 0 where not known.
    tokens, mirrored : Tensor [shape=(B, L), dtype=int64]
        What was danced, and its mirror image.
    known : Tensor [shape=(B,), dtype=bool]
        Which windows were seen whole.
    """

    music: Tensor
    bar: Tensor
    style: int
    tokens: Tensor
    mirrored: Tensor
    known: Tensor


@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation (D,) of each music feature over the train split."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, features: np.ndarray) -> Tensor:
        """Normalise features (B, S, D)."""
        return (torch.from_numpy(features) - self.mean) / self.deviation


def fit_normaliser(features: list[np.ndarray]) -> Normaliser:
    """Fit on the features (B, S, D) of the train split's songs."""
    count = sum(f.shape[0] * f.shape[1] for f in features)
    mean = sum(f.sum((0, 1), dtype=np.float64) for f in features) / count
    variance = sum(((f - mean) ** 2).sum((0, 1)) for f in features) / count
    deviation = np.maximum(np.sqrt(variance), 1e-3)  # a band that is never heard must not blow up when it is
    return Normaliser(torch.tensor(mean).float(), torch.tensor(deviation).float())


def around(music: Tensor, start: int, beats: int, config: networks.Config) -> Tensor:
    """Cut music (all beats of the song, S, D) to the beats that windows ``start … start + beats - 1`` hear.

    Returns
    -------
    Tensor [shape=(before + beats + after - 1, S, D)]
        With zeros where that reaches outside the song.
    """
    first, last = start - config.before, start + beats + config.after - 1
    inside = music[max(first, 0) : max(last, 0)]
    missing = last - first - max(-first, 0) - len(inside)
    return functional.pad(inside, (0, 0, 0, 0, max(-first, 0), missing))


def load(root: DataRoot, clip: str, clusters: str, steps_per_beat: int) -> dict:
    """Load a clip's labels, and its music on the same beats as ``features`` (B - 1, S, D), ``bar`` and ``style``.

    Raises
    ------
    Fault
        If the labels were made of other music or poses than there are, or in another codebook than ``clusters``, the
        digest of clusters.npz.
    """
    labels = store.load(root.file("labels", clip), "labels")
    made_of = {"clusters": clusters} | {kind: store.digest(root.file(kind, clip)) for kind in ("music", "poses")}
    for kind, digest in made_of.items():
        if labels["meta"]["parents"][kind] != digest:
            raise Fault(f"{root.file('labels', clip)}: made with other {kind} than there are now; run Clustering.ipynb")
    music = store.load(root.file("music", clip), "music")
    features = music_features.beat_features(music, steps_per_beat)
    bar = networks.bar_positions(len(music["beats"]), music["downbeat"], music["beats_per_bar"])
    return labels | {"features": features, "bar": bar, "style": root.styles.get(clip)}


def song(clip: dict, config: networks.Config, normaliser: Normaliser) -> Song:
    """Make a clip, as `load` returns it, into what a network of this configuration takes."""
    start, beats = clip["start"], len(clip["labels"])
    return Song(
        around(normaliser(clip["features"]), start, beats, config),
        clip["bar"][start : start + beats],
        style_index(clip["style"], config.styles),
        torch.from_numpy(clip["labels"]),
        torch.from_numpy(clip["mirrored"]),
        torch.from_numpy(clip["known"]),
    )


def style_index(style: str | None, styles: tuple[str, ...]) -> int:
    """Return the style's index plus one; 0 where it is not given or was not learned."""
    return styles.index(style) + 1 if style in styles else 0


def crop(song: Song, start: int, beats: int, config: networks.Config, mirrored: bool = False) -> tuple[Tensor, ...]:
    """Cut tokens, known, music and bar of ``beats`` beats from a song; beats past its end are not known."""
    extra = max(start + beats - len(song.tokens), 0)
    tokens = (song.mirrored if mirrored else song.tokens)[start : start + beats]
    return (
        functional.pad(tokens, (0, 0, 0, extra)),
        functional.pad(song.known[start : start + beats], (0, extra)),
        functional.pad(song.music[start : start + beats + config.before + config.after - 1], (0, 0, 0, 0, 0, extra)),
        functional.pad(song.bar[start : start + beats], (0, extra)),
    )


def batch(
    songs: list[Song], size: int, beats: int, config: networks.Config, mirror: float, rng: np.random.Generator
) -> tuple:
    """Draw crops from songs at random, longer songs more often, a share of them mirrored, some without their style.

    Returns
    -------
    tuple of Tensor
        ``tokens, known, music, bar, style``, as the networks' ``forward`` takes them, N being ``size``.
    """
    lengths = np.array([len(s.tokens) for s in songs])
    drawn = rng.choice(len(songs), size, p=lengths / lengths.sum())
    crops, styles = [], []
    for i in drawn:
        start = int(rng.integers(max(lengths[i] - beats // 2, 1)))
        crops.append(crop(songs[i], start, beats, config, mirrored=bool(rng.random() < mirror)))
        styles.append(songs[i].style if rng.random() < 0.85 else 0)
    return *(torch.stack(part) for part in zip(*crops, strict=True)), torch.tensor(styles)
