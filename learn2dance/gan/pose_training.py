"""Training and scoring of the pose GAN: the functions that train_pose.py's loop calls."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from learn2dance.data import checkpoint
from learn2dance.data.temporary import atomic
from learn2dance.gan import denoising
from learn2dance.gan.adversarial import Batch
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator, draw_noise
from learn2dance.gan.pose_space import PoseSpace
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import skeleton

SCORED = 4000  # poses that are scored, at most: the Fréchet distance falls with their number
DENOISING_STEPS = 10  # steps of `denoising.sample`


def draw(
    space: PoseSpace, poses: np.ndarray, style: np.ndarray, size: int, mirrored: int, rng: np.random.Generator, device
) -> Batch:
    """Draw ``size`` of the real poses (N, J, 2) and their styles (N,); their condition is the style.

    If ``mirrored`` is not 0, half of them are mirrored and have this number added to their style: the networks learn
    from both sides, and the label selects one.
    """
    drawn = rng.integers(len(poses), size=size)
    real, style = poses[drawn], style[drawn]
    if mirrored:
        half = rng.random(size) < 0.5
        real[half] = skeleton.mirror(real[half])
        style[half] += mirrored
    codes, style = space.encode(torch.from_numpy(real).to(device)), torch.from_numpy(style).to(device)
    given = torch.zeros(size, dtype=torch.bool, device=device)
    return Batch(codes, (~given).float(), given, (style,))


@torch.inference_mode()
def generate_poses(space: PoseSpace, generator: PoseGenerator, style: np.ndarray, seed: int) -> np.ndarray:
    """Generate one pose for each style (N,): float32 (N, J, 2)."""
    device, label = space.mean.device, torch.from_numpy(style).to(space.mean.device)
    noise = draw_noise((len(style), generator.config.latent), torch.Generator().manual_seed(seed), device)
    codes = denoising.sample(lambda noisy, time: generator(noisy, time, label), noise, DENOISING_STEPS)
    return space.decode(codes).cpu().numpy()


def score_poses(fake: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Score generated poses (N, J, 2) against real ones (M, J, 2).

    ``FID`` is the Fréchet distance of coordinates, scaled by the deviation of the real ones; ``precision`` and
    ``recall`` are those of the first 1000 of each. For 15 or 25 joints, ``FID_g`` is the Fréchet distance of the
    `motion_features.relations` (0 or 1), scaled likewise.
    """
    flat = [poses.reshape(len(poses), -1) for poses in (fake, real)]
    moving = flat[1].std(0) > 1e-6
    mean, deviation = distribution.scale(flat[1][:, moving], 1e-6)
    few = [poses[:1000, moving] for poses in flat]
    precision, recall = distribution.precision_recall(few[1], few[0])
    distance = distribution.frechet(*((poses[:, moving] - mean) / deviation for poses in flat))
    found = {"FID": distance, "precision": precision, "recall": recall}
    if fake.shape[1] in (15, 25):
        flat = [np.stack(list(motion_features.relations(p[:, :15]).values()), 1).astype(float) for p in (fake, real)]
        mean, deviation = distribution.scale(flat[1])
        found["FID_g"] = distribution.frechet(*((f - mean) / deviation for f in flat))
    return found


def save_poses(path: Path, space: PoseSpace, generator: PoseGenerator, **more) -> None:
    """Save the space of poses and the generator as a ``pose_gan`` checkpoint, with ``more`` plain values."""
    parts = {"space": space, "network": generator}
    parts = {name: {key: value.cpu() for key, value in part.state_dict().items()} for name, part in parts.items()}
    checkpoint.save(path, "pose_gan", config=asdict(generator.config), **parts, **more)


def load_poses(path: Path, device: str = "cpu") -> tuple[PoseSpace, PoseGenerator]:
    """Load a space of poses and its generator onto this device, in evaluation mode (`checkpoint.load_as`)."""
    space, generator = checkpoint.load_as(path, {"pose_gan": from_parts})
    return space.to(device), generator.to(device)


def from_parts(parts: dict) -> tuple[PoseSpace, PoseGenerator]:
    """Build a space of poses and its generator from the parts of their checkpoint."""
    config = checkpoint.config(PoseConfig, parts["config"])
    space = checkpoint.load_network(lambda: PoseSpace(config.joints, config.latent), parts["space"])
    return space, checkpoint.load_network(lambda: PoseGenerator(config), parts["network"])


def validation_poses(train: np.ndarray, val: np.ndarray, style: np.ndarray, seed: int) -> tuple:
    """Draw at most `SCORED` real poses of the val split, their styles, and the FID of as many training poses."""
    drawn = np.random.default_rng(seed).permutation(len(val))[:SCORED]
    others = np.random.default_rng(seed).integers(len(train), size=len(drawn))
    return val[drawn], style[drawn], score_poses(train[others], val[drawn])["FID"]


def plot_comparison(real: np.ndarray, fake: np.ndarray, path: Path):
    """Draw real poses (N, J, 2) above generated ones, save them as a PNG, and return the figure."""
    from matplotlib.figure import Figure

    from learn2dance.render import animation

    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, poses, title in zip(figure.subplots(2, 1), (real, fake), ("real", "generated"), strict=True):
        animation.strip(axes, poses, count=len(poses), y_up=True)
        axes.set_title(title, loc="left", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80, metadata={"Software": None})
    return figure
