"""Dancing with the GAN: a trained generator and all that belongs to it, in one file."""

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
)  # the last two are the critics


@dataclass(frozen=True)
class GanModel:
    """The GAN's networks, and what else dancing takes.

    Attributes
    ----------
    networks : nn.ModuleDict
        `PARTS`.
    music_pca : Projection or None
        None: it has learned without music.
    tempi : tuple of (int, float, int)
        For each style that was danced to music: its index plus one (0: not known), the median tempo in beats a minute,
        and the beats in a bar.
    top_speed : float
        Torso lengths a second: 99.9% of the steps that were learned from are slower.
    """

    config: SequenceConfig
    poses: PoseConfig
    networks: nn.ModuleDict
    music_pca: Projection | None
    tempi: tuple[tuple[int, float, int], ...]
    top_speed: float

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that it has learned."""
        return self.poses.styles

    def style_for(self, music: dict) -> int:
        """Return the style (index plus one) that was danced to music most like this: of its metre, then tempo."""
        alike = [t for t in self.tempi if t[2] == music["beats_per_bar"]] or self.tempi
        return min(alike, key=lambda t: abs(np.log(t[1] / music["tempo"])))[0]

    def count_in(self, music: dict, style: str | None) -> tuple[dict, int]:
        """Decide in which style a song is danced, and how its beats are counted: as `generate.count_in` does."""
        if not self.tempi:
            return music, data_root.style_index(style, self.poses.styles) or min(len(self.poses.styles), 1)
        wanted = data_root.style_index(style, self.poses.styles) or self.style_for(music)
        tempo = next((t[1] for t in self.tempi if t[0] == wanted), music["tempo"])
        return beat_grid.at_tempo(music, tempo), wanted


def build(config: SequenceConfig, poses: PoseConfig) -> nn.ModuleDict:
    """Build the networks of a `GanDancer`."""
    parts = [PoseGenerator(poses), PoseEncoder(poses), SequenceGenerator(config, poses), SequenceCritic(config, poses)]
    return nn.ModuleDict(dict(zip(PARTS, [*parts, PoseCritic(poses)], strict=True)))


def save(path: Path, gan: GanModel, **more) -> None:
    """Save a dancer as a ``seq_gan`` checkpoint, with ``more`` plain values beside it."""
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
    """Load a dancer, ready to dance on this device.

    Raises
    ------
    UserError
        If the file is no ``seq_gan`` checkpoint of this version.
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
    """Return what so many steps hear, float32 (T, M); zeros, which mean silence, without music."""
    if music is None or gan.music_pca is None:
        return np.zeros((steps, gan.config.music), np.float32)
    return conditioning.condition(music, steps, gan.config.fps, gan.music_pca)


def encode_music(gan: GanModel, music: np.ndarray, style: int) -> Tensor:
    """Return what the generator makes of what is heard (T, M): (1, T, …)."""
    device, c = next(gan.networks.parameters()).device, gan.config
    padded = torch.from_numpy(np.pad(music, ((c.lookahead, c.lookahead), (0, 0)), "edge"))[None].to(device)
    return gan.networks["generator"].encode_music(padded, torch.tensor([style], device=device))


def sample_path(gan: GanModel, music: np.ndarray, style: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Draw a path of latents (T, latent) to what is heard (T, M), from noise of this deviation."""
    told, rng = encode_music(gan, music, style), torch.Generator().manual_seed(seed)
    latent = pose_networks.draw_latents(1, gan.poses.latent, rng, told.device)
    noise = temperature * sequence_networks.draw_noise(gan.config, 1, told.shape[1], rng, told.device)
    generator = gan.networks["generator"]
    return generator(told, noise, latent, generator.start(told, latent))[0][0]


def resample_path(path: Tensor, clock: float, count: int, fps: float) -> Tensor:
    """Bring a path (T, latent) from its clock to ``count`` frames at another: a cubic spline through its latents."""
    spline = make_interp_spline(np.arange(len(path)) / clock, path.double().cpu().numpy(), k=min(3, len(path) - 1))
    times = np.minimum(np.arange(count) / fps, (len(path) - 1) / clock)
    return torch.from_numpy(spline(times).astype(np.float32)).to(path.device)


def decode_latents(gan: GanModel, path: Tensor, style: int) -> Tensor:
    """Turn a path (T, latent) into poses (T, J, 2)."""
    return gan.networks["pose_generator"](path, torch.full((len(path),), style, device=path.device))


@torch.inference_mode()
def generate_steps(gan: GanModel, music: np.ndarray, style: int, seed: int) -> np.ndarray:
    """Dance to what is heard (T, M), step by step: poses float32 (T, J, 2) on the GAN's own clock."""
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
    """Dance to a whole song, or for so many seconds without one, in one piece.

    Parameters
    ----------
    music : dict, optional
        As ``music.features`` makes it, and Process_Waves.ipynb saves it.
    seed : int
        Another seed, another dance.
    temperature : float
        Deviation of the noise: below 1 likelier moves, above 1 a greater variety.

    Returns
    -------
    dict
        What a ``dance`` file holds; there are no ``tokens``.
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
