"""A music2pose model: the network with its projections, units and codebook, saved in one file."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from learn2dance.data import checkpoint, npz
from learn2dance.errors import UserError
from learn2dance.motion.projection import Projection
from learn2dance.music import styles
from learn2dance.music.styles import Profiles
from learn2dance.music2pose.network import Config, TokenPredictor
from learn2dance.music2pose.unit_graph import UnitGraph
from learn2dance.music2pose.units import Units, with_mirror_images
from learn2dance.tokens.codebook import Codebook

_PLAIN = ("whole", "frames_per_beat", "window_beats", "top_speed")  # scalar fields of `Codebook`


@dataclass(frozen=True)
class Music2Pose:
    """A network with its projection, units, styles and codebook; see `load_model` and `save_model`."""

    network: TokenPredictor
    motion_pca: Projection  # of a window's DCT coefficients
    units: Units
    profiles: Profiles
    codebook: Codebook
    codebook_digest: str  # of the clusters.npz used in training

    @property
    def config(self) -> Config:
        """The hyperparameters of the network."""
        return self.network.config

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles in the training data."""
        return self.config.styles

    def to(self, device: str) -> "Music2Pose":
        """Move the network to this device, and return the model."""
        self.network.to(device)
        return self

    @cached_property
    def graph(self) -> UnitGraph:
        """The units, prepared for selection."""
        return UnitGraph(with_mirror_images(self.units, self.codebook), self.codebook, self.network, self.motion_pca)

    def choose_style(self, music: dict, style: str | None = None) -> tuple[dict, int]:
        """Choose a style by name, or by the music (`styles.choose`); also count the beats."""
        choice = styles.choose(music, self.profiles, style)
        return choice.music, choice.index


def save_model(path: str | Path, model: Music2Pose, **more) -> None:
    """Save a model as a ``music2pose`` checkpoint, with further plain values ``more`` (loss, arguments, parents)."""
    book, units = model.codebook, {key: torch.from_numpy(value) for key, value in asdict(model.units).items()}
    centroids = torch.from_numpy(book.centroids).half()  # the relative error is at most 5e-4
    plain = {key: getattr(book, key) for key in _PLAIN} | {"digest": model.codebook_digest}
    checkpoint.save(
        path,
        "music2pose",
        config=asdict(model.config),
        network={key: value.cpu() for key, value in model.network.state_dict().items()},
        motion_pca=asdict(model.motion_pca),
        units=units | {"tokens": units["tokens"].short(), "motion": units["motion"].half()},
        profiles=styles.to_plain(model.profiles),
        codebook={"centroids": centroids, "mean": torch.from_numpy(book.mean), **plain},
        **more,
    )


def load_model(path: str | Path, device: str = "cpu") -> Music2Pose:
    """Load a model onto this device, in evaluation mode (`checkpoint.load_as`)."""
    return checkpoint.load_as(path, {"music2pose": from_parts}).to(device)


def from_parts(parts: dict) -> Music2Pose:
    """Build a model from the parts of its checkpoint; raise a UserError if they are not those of a model."""
    config = checkpoint.config(Config, parts["config"])
    network = checkpoint.load_network(lambda: TokenPredictor(config), parts["network"])
    book = Codebook(**checkpoint.arrays("codebook", parts["codebook"], K=config.codes))
    size = len(book.mean)
    pca = checkpoint.arrays("projection", parts["motion_pca"], D=size, S=config.motion_size)
    units = Units(**checkpoint.arrays("units", parts["units"], D=size, C=book.columns))
    profiles = styles.from_plain(config.styles, parts["profiles"])
    if units.tokens.max() >= config.codes or units.style.max() > len(config.styles) or book.whole != config.levels:
        raise UserError("the units are of another codebook, or of other styles")
    motion_pca = Projection(**{key: torch.from_numpy(value) for key, value in pca.items()})
    return Music2Pose(network, motion_pca, units, profiles, book, str(parts["codebook"]["digest"]))


def check_codebook(model: Music2Pose, path: str | Path, clusters: str | Path) -> None:
    """Raise a UserError if a model, loaded from this path, was trained on another codebook than this clusters.npz."""
    trained, found = model.codebook_digest, npz.digest(clusters)
    if found != trained:
        hint = "Clustering.ipynb ran again since: train again, or give the model that was trained on it"
        raise UserError(f"{path}: trained on codebook {trained}, but {clusters} is {found}; {hint}")
