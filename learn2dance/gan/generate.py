"""Generation of dances with a trained GAN, which is saved in one file with all that it needs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor, nn

from learn2dance.data import checkpoint, data_root
from learn2dance.gan import conditioning, pose_networks, sequence_networks
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseEncoder, PoseGenerator
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator
from learn2dance.motion import kinematics, travel, travel_model
from learn2dance.motion.projection import Projection
from learn2dance.motion.travel_model import TravelModel
from learn2dance.music import beat_grid, styles
from learn2dance.music.features import FPS
from learn2dance.music.styles import Profiles

PARTS = ("pose_generator", "pose_encoder", "generator", "sequence_critic", "pose_critic")


@dataclass(frozen=True)
class GanModel:
    """The GAN's networks, by the names in `PARTS`, and what else generation needs.

    ``music_pca`` is None if it was trained without music. ``profiles`` are those of the dances with music, if any.
    ``top_speed`` is the 99.9th percentile of the fastest joint's speed in the training data, in torso lengths per
    second. ``travel`` is fitted to the paths of the training data, and gives the dances theirs.
    """

    config: SequenceConfig
    poses: PoseConfig
    networks: nn.ModuleDict
    music_pca: Projection | None
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


def build(config: SequenceConfig, poses: PoseConfig) -> nn.ModuleDict:
    """Build the networks of a `GanModel`."""
    parts = [PoseGenerator(poses), PoseEncoder(poses), SequenceGenerator(config, poses), SequenceCritic(config, poses)]
    return nn.ModuleDict(dict(zip(PARTS, [*parts, PoseCritic(poses)], strict=True)))


def save(path: Path, gan: GanModel, **more) -> None:
    """Save a model as a ``seq_gan`` checkpoint, with ``more`` plain values."""
    checkpoint.save(
        path,
        "seq_gan",
        config=asdict(gan.config),
        poses=asdict(gan.poses),
        network={key: value.cpu() for key, value in gan.networks.state_dict().items()},
        music_pca=None if gan.music_pca is None else asdict(gan.music_pca),
        profiles=styles.to_plain(gan.profiles),
        top_speed=gan.top_speed,
        travel=asdict(gan.travel),
        **more,
    )


def load(path: str | Path, device: str = "cpu") -> GanModel:
    """Load a model for generation on this device (`checkpoint.load_as`)."""
    return checkpoint.load_as(path, {"seq_gan": from_parts}).to(device)


def from_parts(parts: dict) -> GanModel:
    """Build a model from the parts of its checkpoint."""
    config, poses = SequenceConfig(**parts["config"]), PoseConfig(**parts["poses"])
    networks = build(config, poses)
    networks.load_state_dict(parts["network"])
    music_pca = Projection(**parts["music_pca"]) if parts["music_pca"] else None
    networks = networks.eval().requires_grad_(False)
    moves = TravelModel(**parts["travel"])
    profiles = styles.from_plain(poses.styles, parts["profiles"])
    return GanModel(config, poses, networks, music_pca, profiles, parts["top_speed"], moves)


def conditioning_of(gan: GanModel, music: dict | None, steps: int) -> np.ndarray:
    """Return the music features of ``steps`` steps, float32 (T, M); zeros without music."""
    if music is None or gan.music_pca is None:
        return np.zeros((steps, gan.config.music), np.float32)
    return conditioning.condition(music, steps, gan.config.fps, gan.music_pca)


def sample_path(gan: GanModel, music: np.ndarray, style: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Sample a path of latents (T, latent) to music features (T, M); ``temperature`` is the noise's deviation."""
    generator, c, rng = gan.networks["generator"], gan.config, torch.Generator().manual_seed(seed)
    device = next(gan.networks.parameters()).device
    padded = torch.from_numpy(np.pad(music, ((c.lookahead, c.lookahead), (0, 0)), "edge"))[None].to(device)
    encoded = generator.encode_music(padded, torch.tensor([style], device=device))  # (1, T, …)
    latent = pose_networks.draw_latents(1, gan.poses.latent, rng, device)
    noise = temperature * sequence_networks.draw_noise(c, 1, len(music), rng, device)
    return generator(encoded, noise, latent, generator.start(encoded, latent))[0][0]


def resample_path(path: Tensor, clock: float, count: int, fps: float) -> Tensor:
    """Resample a path (T, latent) from ``clock`` Hz to ``count`` frames at ``fps``, by a cubic spline."""
    spline = make_interp_spline(np.arange(len(path)) / clock, path.double().cpu().numpy(), k=min(3, len(path) - 1))
    times = np.minimum(np.arange(count) / fps, (len(path) - 1) / clock)
    return torch.from_numpy(spline(times).astype(np.float32)).to(path.device)


def decode_latents(gan: GanModel, path: Tensor, style: int) -> np.ndarray:
    """Decode a path (T, latent) to poses float32 (T, J, 2)."""
    return gan.networks["pose_generator"](path, torch.full((len(path),), style, device=path.device)).cpu().numpy()


@torch.inference_mode()
def generate_steps(gan: GanModel, music: np.ndarray, style: int, seed: int) -> np.ndarray:
    """Generate a dance to music features (T, M): poses float32 (T, J, 2) at the GAN's frame rate."""
    return decode_latents(gan, sample_path(gan, music, style, seed), style)


@torch.inference_mode()
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

    ``music`` is a ``music`` file or `features.features`. Each seed gives another dance. ``temperature`` is the
    deviation of the noise: below 1 gives likelier moves, above 1 more variety. ``stage`` is the width, in torso
    lengths, that the dance keeps to.
    """
    music, index = gan.choose_style(music, style)
    beats = np.zeros(0)
    if music is not None:
        seconds, beats = music["duration"], beat_grid.extend(music["beats"], music["duration"])[0]
    steps = max(int(np.ceil(seconds * gan.config.fps)) + 1, 2)
    latents = sample_path(gan, conditioning_of(gan, music, steps), index, seed, temperature)
    poses = decode_latents(gan, resample_path(latents, gan.config.fps, int(np.ceil(seconds * FPS)), FPS), index)
    path = travel_model.path_of(gan.travel, poses, FPS, stage, np.random.default_rng(seed))
    poses, path = kinematics.limit_speed(poses, gan.top_speed / FPS, path)
    placed = travel.on_stage(poses, path, FPS, stage)
    return placed | {"tokens": np.zeros((0, 0), np.int64), "beats": beats, "seed": seed, "fps": FPS}
