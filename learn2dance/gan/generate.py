"""Generation of dances with a trained GAN, which is saved in one file with all that it needs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor, nn

from learn2dance.data import checkpoint, data_root
from learn2dance.errors import UserError
from learn2dance.gan import conditioning, pose_networks, sequence_networks
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseEncoder, PoseGenerator
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator
from learn2dance.motion import kinematics
from learn2dance.motion.projection import Projection
from learn2dance.music import beat_grid
from learn2dance.music.features import FPS

PARTS = (
    "pose_generator",
    "pose_encoder",
    "generator",
    "sequence_critic",
    "pose_critic",
)  # the last two are critics


@dataclass(frozen=True)
class GanModel:
    """The GAN's networks, and what else generation needs.

    Attributes
    ----------
    networks : nn.ModuleDict
        Its keys are `PARTS`.
    music_pca : Projection or None
        None if it was trained without music.
    tempi : tuple of (int, float, int)
        For each style with training music: its index plus one (0: unknown), the median tempo in beats per minute, and
        the beats per bar.
    top_speed : float
        Torso lengths per second: 99.9th percentile of the fastest joint's speed in the training data.
    """

    config: SequenceConfig
    poses: PoseConfig
    networks: nn.ModuleDict
    music_pca: Projection | None
    tempi: tuple[tuple[int, float, int], ...]
    top_speed: float

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that it was trained on."""
        return self.poses.styles

    def style_for(self, music: dict) -> int:
        """Return the style (index plus one) of this song's metre, if there is one, with the nearest tempo."""
        alike = [t for t in self.tempi if t[2] == music["beats_per_bar"]] or self.tempi
        return min(alike, key=lambda t: abs(np.log(t[1] / music["tempo"])))[0]

    def count_in(self, music: dict, style: str | None) -> tuple[dict, int]:
        """Choose a song's style and the octave of its tempo, as `music2pose.generate.choose_style` does."""
        if not self.tempi:
            return music, data_root.style_index(style, self.poses.styles) or min(len(self.poses.styles), 1)
        wanted = data_root.style_index(style, self.poses.styles) or self.style_for(music)
        tempo = next((t[1] for t in self.tempi if t[0] == wanted), music["tempo"])
        return beat_grid.at_tempo(music, tempo), wanted


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
        tempi=gan.tempi,
        top_speed=gan.top_speed,
        **more,
    )


def load(path: str | Path, device: str = "cpu") -> GanModel:
    """Load a model for generation on this device.

    Raises
    ------
    UserError
        If the file is not a ``seq_gan`` checkpoint of this version.
    """
    parts = checkpoint.load(path, "seq_gan")
    try:
        config = SequenceConfig(**parts["config"])
        poses = PoseConfig(**parts["poses"] | {"styles": tuple(parts["poses"]["styles"])})
        networks = build(config, poses)
        networks.load_state_dict(parts["network"])
        music_pca = Projection(**parts["music_pca"]) if parts["music_pca"] else None
        tempi, top_speed = tuple(map(tuple, parts["tempi"])), parts["top_speed"]
    except (KeyError, TypeError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise UserError(
            f"{path}: not the parts of a sequence GAN ({said}); was it trained by another version?"
        ) from None
    return GanModel(config, poses, networks.to(device).eval().requires_grad_(False), music_pca, tempi, top_speed)


def conditioning_of(gan: GanModel, music: dict | None, steps: int) -> np.ndarray:
    """Return the music features of ``steps`` steps, float32 (T, M); zeros without music."""
    if music is None or gan.music_pca is None:
        return np.zeros((steps, gan.config.music), np.float32)
    return conditioning.condition(music, steps, gan.config.fps, gan.music_pca)


def encode_music(gan: GanModel, music: np.ndarray, style: int) -> Tensor:
    """Encode music features (T, M) with the generator: (1, T, …)."""
    device, c = next(gan.networks.parameters()).device, gan.config
    padded = torch.from_numpy(np.pad(music, ((c.lookahead, c.lookahead), (0, 0)), "edge"))[None].to(device)
    return gan.networks["generator"].encode_music(padded, torch.tensor([style], device=device))


def sample_path(gan: GanModel, music: np.ndarray, style: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Sample a path of latents (T, latent) to music features (T, M); ``temperature`` is the noise's deviation."""
    told, rng = encode_music(gan, music, style), torch.Generator().manual_seed(seed)
    latent = pose_networks.draw_latents(1, gan.poses.latent, rng, told.device)
    noise = temperature * sequence_networks.draw_noise(gan.config, 1, told.shape[1], rng, told.device)
    generator = gan.networks["generator"]
    return generator(told, noise, latent, generator.start(told, latent))[0][0]


def resample_path(path: Tensor, clock: float, count: int, fps: float) -> Tensor:
    """Resample a path (T, latent) from ``clock`` Hz to ``count`` frames at ``fps``, by a cubic spline."""
    spline = make_interp_spline(np.arange(len(path)) / clock, path.double().cpu().numpy(), k=min(3, len(path) - 1))
    times = np.minimum(np.arange(count) / fps, (len(path) - 1) / clock)
    return torch.from_numpy(spline(times).astype(np.float32)).to(path.device)


def decode_latents(gan: GanModel, path: Tensor, style: int) -> Tensor:
    """Decode a path (T, latent) to poses (T, J, 2)."""
    return gan.networks["pose_generator"](path, torch.full((len(path),), style, device=path.device))


@torch.inference_mode()
def generate_steps(gan: GanModel, music: np.ndarray, style: int, seed: int) -> np.ndarray:
    """Generate a dance to music features (T, M): poses float32 (T, J, 2) at the GAN's frame rate."""
    return decode_latents(gan, sample_path(gan, music, style, seed), style).cpu().numpy()


@torch.inference_mode()
def dance(
    gan: GanModel,
    music: dict | None,
    seed: int,
    style: str | None = None,
    seconds: float = 0.0,
    temperature: float = 1.0,
) -> dict:
    """Generate a dance to a whole song, or one of ``seconds`` without music.

    Parameters
    ----------
    music : dict, optional
        As `features.features` returns it and Process_Waves.ipynb saves it.
    seed : int
        Each seed gives another dance.
    temperature : float
        Deviation of the noise: below 1 gives likelier moves, above 1 more variety.

    Returns
    -------
    dict
        The arrays of a ``dance`` file; ``tokens`` is empty.
    """
    if music is None:
        wanted, beats = data_root.style_index(style, gan.poses.styles) or min(len(gan.poses.styles), 1), np.zeros(0)
    else:
        music, wanted = gan.count_in(music, style)
        seconds, beats = music["duration"], beat_grid.extend(music["beats"], music["duration"])[0]
    steps = max(int(np.ceil(seconds * gan.config.fps)) + 1, 2)
    path = sample_path(gan, conditioning_of(gan, music, steps), wanted, seed, temperature)
    poses = (
        decode_latents(gan, resample_path(path, gan.config.fps, int(np.ceil(seconds * FPS)), FPS), wanted).cpu().numpy()
    )
    poses = kinematics.limit_speed(poses, gan.top_speed / FPS)
    return {"poses": poses, "tokens": np.zeros((0, 0), np.int64), "beats": beats, "seed": seed, "fps": FPS}
