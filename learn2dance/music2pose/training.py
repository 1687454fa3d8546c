"""Functions shared by train.py and Model.ipynb: reading a data root, a gradient step, and validation."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance import distributed
from learn2dance.data import data_root, npz
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.motion import kinematics, projection, travel
from learn2dance.music import styles
from learn2dance.music.styles import Profiles
from learn2dance.music2pose import dataset, generate, network, units
from learn2dance.music2pose.model import Music2Pose
from learn2dance.music2pose.network import Config, TokenPredictor
from learn2dance.render import animation
from learn2dance.tokens import tokenize
from learn2dance.tokens.codebook import Codebook

MOTION_SIZE = 64  # components of ``motion_pca``, for each window
EVALUATED = 4096  # examples that are evaluated at once


@dataclass(frozen=True)
class Data:
    """The training and validation clips of a data root (`dataset.load`), their codebook and their units."""

    train: dict[str, dict]
    val: dict[str, dict]
    styles: tuple[str, ...]
    codebook: Codebook
    units: units.Units
    profiles: Profiles
    mirror: bool  # whether to train on mirror images too: as the codebook was fitted
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
    if any(set(names[name]) - set(fitted.get(name, [])) for name in names):
        raise UserError(f"{path}: fitted on another split than {root.path / 'splits'} says now; run Clustering.ipynb")
    if style:
        names = {name: [clip for clip in names[name] if root.styles.get(clip) == style] for name in names}
        if not all(names.values()):
            raise UserError(f"--style {style}: not in both the train and the val split; is it so in clips.csv?")
    loaded = {clip: dataset.load(root, clip, digest, codebook) for clip in names["train"] + names["val"]}
    split = {name: {c: loaded[c] for c in names[name] if loaded[c]["known"].any()} for name in names}
    for name in split:
        if not split[name]:
            found = f"no song of the {name} split has a window of poses with all joints"
            raise UserError(f"{root.path}: {found}; are the clips long enough?")
    parents = {"clusters": digest, **{name: list(split[name]) for name in split}}
    for kind in ("music", "tokens"):
        parents[kind] = npz.digest(*(root.file(kind, clip) for name in split for clip in split[name]))
    parents["styles"] = {clip: root.styles.get(clip) for name in split for clip in split[name]}
    labels = tuple(sorted({clip["style"] for clip in split["train"].values()} - {None}))
    danced = [clip | {"danced": int(clip["known"].sum())} for clip in split["train"].values()]
    found = units.collect(split["train"], labels, partial(dataset.load_motion, root)), styles.collect(labels, danced)
    return Data(split["train"], split["val"], labels, codebook, *found, bool(saved["mirror"]), parents)


def new_model(data: Data, width: int, dropout: float) -> Music2Pose:
    """Build an untrained model for these data."""
    book = data.codebook
    motion_pca = projection.fit_projection(data.units.motion, MOTION_SIZE)
    vectors = torch.from_numpy(book.centroids[: book.whole]) @ motion_pca.components
    config = Config(book.whole, book.centroids.shape[1], vectors.shape[-1], data.styles, width, dropout)
    untrained = TokenPredictor(config)
    untrained.code_vectors.copy_(vectors)
    return Music2Pose(untrained, motion_pca, data.units, data.profiles, book, data.parents["clusters"])


def examples(clips: dict[str, dict], model: Music2Pose, mirror: bool = False) -> list[Tensor]:
    """Return the `dataset.examples` of clips (`Data`) for the model's network."""
    parts = (model.config.styles, model.config.levels, model.motion_pca, model.codebook)
    return dataset.examples(list(clips.values()), *parts, mirror)


def step(
    predictor: TokenPredictor,
    optimiser: torch.optim.Optimizer,
    batch: list[Tensor],
    rate: float,
    processes: distributed.Processes = distributed.SINGLE,
) -> tuple:
    """Take one gradient step with learning rate ``rate``; each process computes its part of the batch.

    Return the losses (L,) before the step, from `network.loss`, and the gradient norm before clipping to 1.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    predictor.train()
    optimiser.zero_grad()
    total = torch.zeros(predictor.config.levels, device=batch[0].device)
    for part, share in processes.parts(len(batch[0])):
        with processes.autocast():
            losses = network.loss(predictor, *(column[part] for column in batch))
        (share * losses.mean()).backward()
        total += share * losses.detach()
    total = processes.sum_gradients(predictor.parameters(), total)
    norm = nn.utils.clip_grad_norm_(predictor.parameters(), 1.0)
    optimiser.step()
    return total, norm


def optimiser(predictor: nn.Module, rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW for the network's parameters; one-dimensional ones (biases, norms) have no weight decay."""
    decayed = [p for p in predictor.parameters() if p.ndim >= 2]
    others = [p for p in predictor.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


@torch.no_grad()
def validation_loss(predictor: TokenPredictor, found: list[Tensor]) -> np.ndarray:
    """Return the loss (L,) over examples (`dataset.examples`)."""
    predictor.eval()
    device = next(predictor.parameters()).device
    total = np.zeros(predictor.config.levels)
    for part in zip(*(column.split(EVALUATED) for column in found), strict=True):
        total += network.loss(predictor, *(column.to(device) for column in part)).cpu().double().numpy() * len(part[0])
    return total / len(found[0])


def unigram_loss(train: list[Tensor], val: list[Tensor], codes: int) -> np.ndarray:
    """Return the loss (L,) on val of a prediction from the token frequencies in train, with one added to each count."""
    columns = zip(train[0].T, val[0].T, strict=True)
    shares = [((torch.bincount(used, minlength=codes) + 1) / (len(used) + codes), tokens) for used, tokens in columns]
    return np.array([float(-share[tokens].log().mean()) for share, tokens in shares])


def mismatch_bars(found: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """Return examples (`dataset.examples`) in which each has the position in the bar of another of its style."""
    tokens, before, known, bar, style = found
    shuffled = bar.clone()
    for one in style.unique():
        here = torch.nonzero(style == one)[:, 0]
        shuffled[here] = bar[here[torch.from_numpy(rng.permutation(len(here)))]]
    return [tokens, before, known, shuffled, style]


def render_sample(root: DataRoot, model: Music2Pose, clip: str, seed: int, path: Path, seconds: float = 10.0) -> None:
    """Draw the first seconds of a clip's real dance, and of one generated to its music, side by side as a video."""
    music, style = npz.load(root.file("music", clip), "music"), root.styles.get(clip)
    dance, (real, fps) = generate.dance(model, music, seed, style), data_root.placed(root, clip)
    both = [kinematics.resample(real, fps, dance["fps"]), travel.perspective(dance["poses"], dance["nearer"])]
    length = int(seconds * dance["fps"])
    audio = root.audio.get(clip)
    titles = [f"{clip}, real", "generated"]
    animation.animate([poses[:length] for poses in both], dance["fps"], path, titles, audio, y_up=True)
