"""Functions shared by train.py and Model.ipynb: reading a data root, a gradient step, and validation."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.motion import projection
from learn2dance.music2pose import dataset, networks, units
from learn2dance.music2pose.dataset import Song
from learn2dance.music2pose.model import Music2Pose
from learn2dance.music2pose.networks import Config
from learn2dance.tokens import tokenize
from learn2dance.tokens.codebook import Codebook

STEPS_PER_BEAT = 4
MUSIC_SIZE = 16  # components of ``music_pca``, for each step of music: with more, the networks memorise songs
MOTION_SIZE = 64  # components of ``motion_pca``, for each window


@dataclass(frozen=True)
class Data:
    """The training and validation clips of a data root (`dataset.load`), their codebook and their units."""

    train: dict[str, dict]
    val: dict[str, dict]
    styles: tuple[str, ...]
    codebook: Codebook
    units: units.Units
    mirror: float  # fraction of sequences that are mirrored; 0 if the codebook was fitted without mirrored motion
    parents: dict


def read_data(root: DataRoot, style: str | None = None) -> Data:
    """Read the music and tokens of a data root: all clips, or those of one style.

    Raises a UserError if files of earlier stages are missing or out of date, or a split has no usable clip.
    """
    path = root.path / "clusters.npz"
    codebook, saved, digest = tokenize.load_codebook(path), npz.load(path, "clusters"), npz.digest(path)
    clips = root.have("music", "tokens")
    names = {name: root.split(name, clips) for name in ("train", "val")}
    fitted = saved["meta"].get("parents", names)
    if any(set(names[name]) - set(fitted[name]) for name in names):
        raise UserError(f"{path}: fitted on another split than {root.path / 'splits'} says now; run Clustering.ipynb")
    if style:
        names = {name: [clip for clip in names[name] if root.styles.get(clip) == style] for name in names}
        if not all(names.values()):
            raise UserError(f"--style {style}: not in both the train and the val split; is it so in clips.csv?")
    loaded = {clip: dataset.load(root, clip, digest, STEPS_PER_BEAT) for clip in names["train"] + names["val"]}
    split = {name: {c: loaded[c] for c in names[name] if loaded[c]["known"].any()} for name in names}
    for name in split:
        if not split[name]:
            found = f"no song of the {name} split has a window of poses with all joints"
            raise UserError(f"{root.path}: {found}; are the clips long enough?")
    parents = {"clusters": digest, **{name: list(split[name]) for name in split}}
    for kind in ("music", "tokens"):
        parents[kind] = npz.digest(*(root.file(kind, clip) for name in split for clip in split[name]))
    parents["styles"] = {clip: root.styles.get(clip) for name in split for clip in split[name]}
    styles = tuple(sorted({clip["style"] for clip in split["train"].values()} - {None}))
    mirror = 0.5 if saved["mirror"] else 0.0
    return Data(split["train"], split["val"], styles, codebook, units.collect(split["train"], styles), mirror, parents)


def new_model(data: Data, hyperparameters) -> Music2Pose:
    """Build an untrained model for these data, with the hyperparameters of train.py."""
    book = data.codebook
    steps = np.concatenate([clip["features"].reshape(-1, clip["features"].shape[-1]) for clip in data.train.values()])
    music_pca = projection.fit_projection(steps, MUSIC_SIZE, alike=True)
    motion_pca = projection.fit_projection(data.units.motion, MOTION_SIZE)
    vectors = torch.from_numpy(book.centroids[: book.whole]) @ motion_pca.components
    sizes = {"motion_size": vectors.shape[-1], "music_size": music_pca.components.shape[1]}
    sizes |= {"levels": book.whole, "codes": book.centroids.shape[1], "steps_per_beat": STEPS_PER_BEAT}
    chosen = {name: getattr(hyperparameters, name) for name in ("model", "width", "layers", "context", "dropout")}
    config = Config(styles=data.styles, **sizes, **chosen)
    network = networks.build(config)
    if hyperparameters.model == "transformer":
        network.code_vectors.copy_(vectors)
    return Music2Pose(network, config, music_pca, motion_pca, data.units, book, data.parents["clusters"])


def to_songs(clips: dict[str, dict], model: Music2Pose) -> list[Song]:
    """Convert clips (`Data`) to inputs of the model's network."""
    parts = (model.config, model.music_pca, model.motion_pca, model.codebook)
    return [dataset.to_song(clip, *parts) for clip in clips.values()]


def loss(network: nn.Module, tokens: Tensor, motion: Tensor, known: Tensor, *around: Tensor) -> Tensor:
    """Return the mean cross-entropy (nats per token) of each level (L,) over a batch's valid windows."""
    return networks.loss(network(tokens, motion, known, *around), tokens, known)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, batch: list[Tensor], rate: float) -> tuple:
    """Take one gradient step with learning rate ``rate``.

    Return the losses (L,) before the step, from `loss`, and the gradient norm before clipping to 1.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    network.train()
    losses = loss(network, *batch)
    optimiser.zero_grad()
    losses.mean().backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return losses.detach(), norm


def optimiser(network: nn.Module, rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW for the network's parameters; one-dimensional ones (biases, norms) have no weight decay."""
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    others = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def history(folder: Path) -> dict[str, np.ndarray]:
    """Read the TensorBoard scalars of a run: for each name an array (n, 2) of steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: np.array([(scalar.step, scalar.value) for scalar in events.Scalars(name)]) for name in names}


@torch.no_grad()
def validation_loss(network: nn.Module, songs: list[Song], config: Config) -> np.ndarray:
    """Return the loss (L,) over complete songs, averaged over valid windows."""
    network.eval()
    device = next(network.parameters()).device
    total, count = np.zeros(config.levels), 0
    for song in songs:
        parts = dataset.crop(song, 0, len(song.tokens), config)
        batch = [part[None].to(device) for part in parts] + [torch.tensor([song.style], device=device)]
        windows = int(song.known.sum())
        total += loss(network, *batch).cpu().double().numpy() * windows
        count += windows
    return total / count


def unigram_loss(train: list[Song], songs: list[Song], config: Config) -> np.ndarray:
    """Return the loss (L,) on songs of a prediction from the token frequencies of the train split alone.

    The frequencies include its mirror image, with one added to each count.
    """
    total = np.zeros(config.levels)
    for level in range(config.levels):
        used = torch.cat([codes[song.known, level] for song in train for codes in (song.tokens, song.mirrored[0])])
        share = (torch.bincount(used, minlength=config.codes) + 1) / (len(used) + config.codes)
        tokens = torch.cat([song.tokens[song.known, level] for song in songs])
        total[level] = -share[tokens].log().mean()
    return total


def mismatch_music(songs: list[Song]) -> list[Song]:
    """Give each song the music features of the next one, repeated if that is shorter; bar positions stay."""
    pairs = zip(songs, songs[1:] + songs[:1], strict=True)
    return [replace(song, music=other.music[torch.arange(len(song.music)) % len(other.music)]) for song, other in pairs]
