"""Generation of dances with a trained GAN, which is saved in one file with all that it needs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from learn2dance.data import checkpoint, data_root
from learn2dance.errors import UserError
from learn2dance.gan import conditioning, denoising
from learn2dance.gan.conditioning import Timeline
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator, draw_noise
from learn2dance.gan.pose_space import PoseSpace
from learn2dance.gan.sequence_networks import NOISE, SequenceConfig, SequenceGenerator
from learn2dance.motion import kinematics, travel, travel_model
from learn2dance.motion.travel_model import TravelModel
from learn2dance.music import styles
from learn2dance.music.features import FPS
from learn2dance.music.marks import marks
from learn2dance.music.styles import Profiles

_CONFIGS = ((SequenceConfig, "config"), (PoseConfig, "poses"))
LARGEST_SPEED = 1e4  # torso lengths per second
PARTS = ("space", "pose_generator", "generator")
DENOISING_STEPS = 16  # steps of `denoising.sample`
GUIDANCE = 1.25  # predictions move away from those without a style by this factor (Ho and Salimans, 2022)
SPREAD = 1.15  # deviation of the noise relative to that in training: with more, dances differ more
GIVEN_SPREAD = 0.5  # the same beside given poses, without guidance: completions are then nearer to the mean
NEAR, FAR = 2.0, 4.0  # beats from given poses: what is further than FAR is generated as if nothing were given
MISSING = 0.2  # largest fraction of joints that may be missing in a pose that is given to the generator
FADE = 2.0  # beats: in them, an offset to known joints fades out


@dataclass(frozen=True)
class GanModel:
    """The GAN's networks, by the names in `PARTS`, and what else generation needs.

    ``profiles`` are those of the dances with music, if any. ``top_speed`` is the 99.9th percentile of the fastest
    joint's speed in the training data, in torso lengths per second. ``travel`` is fitted to the paths of the training
    data, and gives the dances theirs.
    """

    config: SequenceConfig
    poses: PoseConfig
    networks: nn.ModuleDict
    profiles: Profiles
    top_speed: float
    travel: TravelModel

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that it was trained on."""
        return self.poses.styles

    def to(self, device: str) -> "GanModel":
        """Move the networks to this device, and return the model."""
        self.networks.to(device)
        return self

    def choose_style(self, music: dict | None, style: str | None) -> tuple[dict | None, int]:
        """Choose a style by name, by the music (`styles.choose`), or the first one; also count the beats."""
        if music is None or not len(self.profiles.style):
            return music, data_root.style_index(style, self.styles) or min(len(self.styles), 1)
        choice = styles.choose(music, self.profiles, style)
        return choice.music, choice.index

    def timeline(self, music: dict | None, seconds: float) -> Timeline:
        """Return the timeline of a dance of so many seconds to this music, or to none."""
        if music is None or not self.config.music:
            return conditioning.uniform(seconds)
        return conditioning.of_music(music, seconds)


def build(config: SequenceConfig, poses: PoseConfig) -> nn.ModuleDict:
    """Build the networks of a `GanModel`."""
    parts = [PoseSpace(poses.joints, poses.latent), PoseGenerator(poses), SequenceGenerator(config, poses)]
    return nn.ModuleDict(dict(zip(PARTS, parts, strict=True)))


def save(path: Path, gan: GanModel, **more) -> None:
    """Save a model as a ``seq_gan`` checkpoint, with ``more`` plain values; the networks in half precision."""
    checkpoint.save(
        path,
        "seq_gan",
        config=asdict(gan.config),
        poses=asdict(gan.poses),
        network=checkpoint.halved(gan.networks.state_dict()),
        profiles=styles.to_plain(gan.profiles),
        top_speed=gan.top_speed,
        travel=asdict(gan.travel),
        **more,
    )


def load(path: str | Path, device: str = "cpu") -> GanModel:
    """Load a model for generation on this device (`checkpoint.load_as`)."""
    return checkpoint.load_as(path, {"seq_gan": from_parts}).to(device)


def from_parts(parts: dict) -> GanModel:
    """Build a model from the parts of its checkpoint; raise a UserError if they are not those of a model."""
    config, poses = (checkpoint.config(kind, parts[key]) for kind, key in _CONFIGS)
    networks = checkpoint.load_network(lambda: build(config, poses), parts["network"]).requires_grad_(False)
    moves = TravelModel(**{k: tuple(v.tolist()) for k, v in checkpoint.arrays("travel", parts["travel"]).items()})
    profiles = styles.from_plain(poses.styles, parts["profiles"])
    if not (isinstance(parts["top_speed"], float) and 0 < parts["top_speed"] < LARGEST_SPEED):
        raise UserError(f"top_speed is {str(parts['top_speed'])[:40]!r}")
    return GanModel(config, poses, networks, profiles, parts["top_speed"], moves)


@torch.inference_mode()
def generate_steps(
    gan: GanModel,
    features: np.ndarray,
    style: np.ndarray,
    seed: int,
    spread: float = SPREAD,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Generate dances of equal length: poses float32 (N, S, J, 2) at the steps.

    ``features`` float32 (N, B, FEATURES) are those of their timelines, ``style`` int64 (N,) the labels, ``spread``
    the noise's deviation relative to that in training. ``known`` float32 (N, S, J, 2) are poses to complete, NaN where
    a joint is to be generated.

    Poses that lack few joints are given to the generator. At each step of denoising, predictions are moved to the known
    joints (after Lugmayr et al., "RePaint", CVPR 2022), and beside them by an offset that fades out.
    """
    space, generator = gan.networks["space"], gan.networks["generator"]
    device, rng = space.mean.device, torch.Generator().manual_seed(seed)
    features, style = torch.from_numpy(features).to(device), torch.from_numpy(style).to(device)
    shape = (len(features), features.shape[1] * conditioning.STEPS, gan.poses.latent)
    given, free = np.zeros(shape[:2], bool), np.ones(shape[:2], np.float32)
    codes = torch.zeros(shape, device=device)
    if known is not None:
        given = np.isnan(known).any(-1).mean(-1) <= MISSING
        known = known.copy()
        known[given] = space.complete(known[given])
        codes[torch.from_numpy(given)] = space.encode(torch.from_numpy(known[given]).to(device))
        free = np.stack([freedom(row) for row in given])
    given, free = torch.from_numpy(given).to(device), torch.from_numpy(free).to(device)[..., None]
    noise = NOISE * (GIVEN_SPREAD + free * (spread - GIVEN_SPREAD)) * draw_noise(shape, rng, device)

    def predict(noisy: Tensor, time: Tensor) -> Tensor:
        noisy = torch.where(given[..., None], codes, noisy)
        predicted = generator(noisy, time, given, features, style)
        if gan.styles:
            plain = generator(noisy, time, given, features, 0 * style)
            predicted = predicted + GUIDANCE * free * (predicted - plain)
        return predicted if known is None else move_to(predicted, known, space)

    poses = space.decode(denoising.sample(predict, noise, DENOISING_STEPS)).cpu().numpy()
    if not np.isfinite(poses).all():
        raise UserError("the model generates numbers that are not finite; is its file damaged?")
    return poses


def freedom(given: np.ndarray) -> np.ndarray:
    """Return how freely each step is generated, float32 (S,), from 0 beside ``given`` steps, bool (S,), to 1."""
    if not given.any():
        return np.ones(len(given), np.float32)
    beats = distance_transform_edt(~given) / conditioning.STEPS
    return ((beats - NEAR) / (FAR - NEAR)).clip(0, 1).astype(np.float32)


def move_to(codes: Tensor, known: np.ndarray, space: PoseSpace) -> Tensor:
    """Move codes (N, S, latent) to known joints (N, S, J, 2), NaN where not known, and less so beside them."""
    poses = space.decode(codes).cpu().numpy()
    offset = kinematics.fade((known - poses).reshape(*poses.shape[:2], -1), FADE * conditioning.STEPS)
    return space.encode(torch.from_numpy((poses + offset.reshape(poses.shape)).astype(np.float32)).to(codes.device))


def dance(
    gan: GanModel,
    music: dict | None,
    seed: int,
    style: str | None = None,
    seconds: float | None = None,
    temperature: float = 1.0,
    stage: float = travel.STAGE,
) -> dict:
    """Generate a dance to a song, or of ``seconds`` without music: the arrays of a ``dance`` file, without tokens.

    ``music`` is a ``music`` file or `features.features`. Each seed gives another dance. ``temperature`` scales
    the noise: below 1 gives likelier moves, above 1 more variety. ``stage`` is the width, in torso
    lengths, that the dance keeps to.
    """
    music, index = gan.choose_style(music, style)
    heard = {"beats": np.zeros(0)}
    if music is not None:
        seconds, heard = music["duration"], marks(music)
    timeline = gan.timeline(music, seconds)
    steps = generate_steps(gan, timeline.features[None], np.array([index]), seed, SPREAD * temperature)[0]
    poses = timeline.to_frames(steps, int(np.ceil(seconds * FPS)), FPS)
    path = travel_model.path_of(gan.travel, poses, FPS, stage, np.random.default_rng(seed))
    poses, path = kinematics.limit_speed(poses, gan.top_speed / FPS, path)
    placed = travel.on_stage(poses, path, FPS, stage)
    return placed | {"tokens": np.zeros((0, 0), np.int64), "seed": seed, "fps": FPS} | heard
