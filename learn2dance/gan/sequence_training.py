"""Training and scoring of the sequence GAN: the functions that train_seq.py's loop calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from learn2dance.errors import UserError
from learn2dance.gan import generate, pose_training
from learn2dance.gan.dataset import Dance
from learn2dance.gan.generate import PARTS, GanModel
from learn2dance.gan.pose_folder import PoseFolder
from learn2dance.gan.pose_networks import PoseGenerator
from learn2dance.gan.pose_space import PoseSpace
from learn2dance.gan.sequence_networks import SequenceConfig
from learn2dance.metrics import beat, distribution, motion_features
from learn2dance.motion import kinematics, skeleton, travel_model
from learn2dance.music.features import FPS
from learn2dance.music.styles import Profiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_pose_gan(path: Path, folder: PoseFolder, device: str) -> tuple[PoseSpace, PoseGenerator]:
    """Load the pose GAN; raise a UserError if its joints or styles are not those of the folder."""
    space, generator = pose_training.load_poses(path, device)
    both = (generator.config.joints, generator.config.styles), (folder.joints, folder.names())
    found, expected = (f"{joints} joints, styles {', '.join(names) or 'none'}" for joints, names in both)
    if both[0] != both[1]:
        raise UserError(f"{path}: was trained on {found}; {folder.path} has {expected}; run train_pose.py on it")
    return space, generator


class ModelBuilder:
    """Builds the model that is saved, from the generator as trained so far and what does not depend on it."""

    def __init__(self, space: PoseSpace, poses: PoseGenerator, profiles: Profiles, train: list[Dance]):
        self.space, self.poses, self.profiles = space, poses, profiles
        speeds = np.concatenate([kinematics.steps(dance.poses) * dance.fps for dance in train])
        self.top_speed = float(np.nanpercentile(speeds, 99.9))
        self.travel = travel_model.fit((dance.poses, dance.path, dance.fps) for dance in train)

    def __call__(self, config: SequenceConfig, generator: nn.Module) -> GanModel:
        """Return the model with this generator."""
        networks = nn.ModuleDict(dict(zip(PARTS, (self.space, self.poses, generator), strict=True)))
        return GanModel(config, self.poses.config, networks, self.profiles, self.top_speed, self.travel)


def generate_dances(gan: GanModel, dances: list[Dance], seed: int) -> list[np.ndarray]:
    """Generate a dance on the timeline of each of these real ones: poses float32 (T, J, 2) at `features.FPS`."""
    found = []
    for i, dance in enumerate(dances):
        steps = generate.generate_steps(gan, dance.timeline.features[None], np.array([dance.style]), seed + i)[0]
        found.append(dance.timeline.to_frames(steps, int(dance.seconds * FPS), FPS))
    return found


def bar_locking(dances: list[Dance], generated: list[np.ndarray]) -> dict[str, float]:
    """Return the mean `beat.bar_locking` of poses generated to the music of these dances; empty without music."""
    found = [
        beat.bar_locking(kinematics.low_pass(poses, FPS)[:, :15], dance.timeline.beats, dance.beats_per_bar)
        for dance, poses in zip(dances, generated, strict=True)
        if dance.beats_per_bar
    ]
    return {"bar_locking": float(np.mean(found))} if found else {}


def score_training_dances(train: list[Dance], real: list[Dance]) -> str:
    """Score about as many training dances against the real validation dances; return the scores as text."""
    some = [(dance.poses, dance.fps) for dance in train[:: max(1, len(train) // len(real))]]
    return ", ".join(f"{name} {value:.2f}" for name, value in score_dances(some, real).items())


def score_dances(fake: list[tuple[np.ndarray, float]], real: list[Dance]) -> dict[str, float]:
    """Score dances, poses (T, J, 2) with their fps, against real ones; all may have NaN.

    ``FID_k`` is the Fréchet distance of `motion_features.kinetic`; for 15 or 25 joints ``FID_g`` is that of
    `motion_features.geometric`; ``FID`` is their sum; they are NaN with too few windows. ``jerk`` is generated divided
    by real. ``precision`` and ``recall`` are those of poses, fewer than 2000 of each.
    """
    both = fake, [(dance.poses, dance.fps) for dance in real]
    motion = [[to_metric_rate(*dance) for dance in dances] for dances in both]
    cuts = [np.concatenate([motion_features.cut(m)[0] for m in dances]) for dances in motion]
    joints = cuts[0].shape[2]
    moving = skeleton.MOVING if joints in (15, 25) else np.arange(joints)
    kinds = {"FID_k": lambda cut: motion_features.kinetic(cut, moving)}
    kinds |= {"FID_g": motion_features.geometric} if joints in (15, 25) else {}
    scores = {"FID": 0.0}
    for name, kind in kinds.items():
        features = [kind(cut[:, :, :15] if joints == 25 else cut) for cut in cuts]
        mean, deviation = distribution.scale(features[1]) if len(features[1]) else (0.0, 1.0)
        scores[name] = distribution.frechet(*((f - mean) / deviation for f in features))
        scores["FID"] += scores[name]
    jerk = [np.nanmean([distribution.jerk(dance, moving) for dance in dances]) for dances in motion]
    scores["jerk"] = np.divide(*jerk)
    poses = [np.concatenate(dances) for dances in motion]
    poses = [p[np.isfinite(p).all((1, 2))].reshape(-1, 2 * joints) for p in poses]
    poses = [p[:: max(1, len(p) // 1000)] for p in poses]
    scores["precision"], scores["recall"] = distribution.precision_recall(poses[1], poses[0])
    return {key: float(value) for key, value in scores.items()}


def to_metric_rate(poses: np.ndarray, fps: float) -> np.ndarray:
    """Return poses (T, J, 2) as the metrics see them (`kinematics.low_pass`); without a filter if fps is too low."""
    if fps > 2 * kinematics.CUTOFF_HZ:
        return kinematics.low_pass(poses, fps)
    return kinematics.resample(poses.astype(np.float64), fps, kinematics.METRIC_FPS)


def first_seconds(real: Dance, fake: np.ndarray, seconds: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the first seconds of a real and of a generated dance, poses (T, J, 2), both at `features.FPS`."""
    length = int(seconds * FPS)
    return kinematics.resample(real.poses, real.fps, FPS)[:length], fake[:length]


def render_comparison(real: np.ndarray, fake: np.ndarray, path: Path) -> None:
    """Draw a real and a generated dance (`first_seconds`) side by side as a video."""
    from learn2dance.render import animation

    animation.animate([real, fake], FPS, path, titles=["real", "generated"], y_up=True)


def plot_comparison(real: np.ndarray, fake: np.ndarray, path: Path, count: int = 12) -> Figure:
    """Draw moments of a real dance above those of a generated one, save them as a PNG, and return the figure."""
    moments = np.linspace(0, min(len(real), len(fake)) - 1, count).astype(int)
    return pose_training.plot_comparison(real[moments], fake[moments], path)
