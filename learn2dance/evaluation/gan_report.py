"""Further scores of a GAN in the report: its single poses, and motion completion."""

from pathlib import Path

import numpy as np

from learn2dance.data.data_root import DataRoot, style_index
from learn2dance.errors import UserError
from learn2dance.evaluation import completion_benchmark
from learn2dance.gan import dataset, pose_folder, pose_space, pose_training
from learn2dance.gan.generate import GanModel

SEEDS = 3  # number of seeds for the single poses
HOP = 3  # frames between the starts of training pieces


def check_joints(root: DataRoot, path: Path, gan: GanModel) -> None:
    """Raise a UserError if the report cannot score this GAN's joints beside the poses of a data root."""
    folder = pose_folder.open_folder(root.path / "poses")
    if gan.poses.joints not in (15, 25) or gan.poses.joints > folder.joints:
        found = f"the dances have {gan.poses.joints} joints, {folder.path} has {folder.joints}"
        raise UserError(f"{path}: {found}; --report needs 15 or 25, and as many in the poses")


def make(root: DataRoot, gan: GanModel, clips: list[str], seed: int) -> dict:
    """Score a GAN's single poses, and its motion prediction and completion, on these clips.

    ``pose GAN``: measure (`pose_training.score_poses`) -> mean over seeds, conditioned on the styles of the real poses.
    ``train poses``: the same for real training poses of the same styles. ``reconstruction``: mean error of joints of
    the real poses after encoding and decoding, in torso lengths. ``completion``: task -> method -> measure -> [value,
    low, high] (`completion_benchmark.compare`).
    """
    folder, joints = pose_folder.open_folder(root.path / "poses"), gan.poses.joints
    # The GAN may know other styles than the data root.
    known = np.array([0, *(style_index(name, gan.styles) for name in folder.names())])
    complete = root.have("poses", "music")
    names = [clip for clip in folder.train if clip in complete]
    (real, style), _ = pose_folder.pool(folder, clips, np.random.default_rng([seed, 5]))
    drawn = np.random.default_rng([seed, 6]).permutation(len(real))[: pose_training.SCORED]
    real, style = real[drawn, :joints], style[drawn]  # BODY_25 begins with the GAN's 15 joints
    (train, train_style), _ = pose_folder.pool(folder, names, np.random.default_rng([seed, 7]))
    groups = {t: np.flatnonzero(train_style == t) for t in np.unique(style)}
    space, generator = gan.networks["space"], gan.networks["pose_generator"]
    fake, alike = [], []
    for s in range(seed, seed + SEEDS):
        poses = pose_training.generate_poses(space, generator, known[style], s)
        fake.append(pose_training.score_poses(poses, real))
        rng = np.random.default_rng([s, 8])
        same = [rng.choice(groups[t] if len(groups[t]) else len(train_style)) for t in style]
        alike.append(pose_training.score_poses(train[same, :joints], real))
    reader = dataset.DanceReader(folder)
    pieces = completion_benchmark.segments(reader, clips, joints)
    pieces["style"] = known[pieces["style"]]
    train_pieces = completion_benchmark.segments(reader, names, joints, HOP)["poses"]

    def mean(scores: list[dict]) -> dict:
        return {key: float(np.mean([s[key] for s in scores])) for key in scores[0]}

    found = {"pose GAN": mean(fake), "train poses": mean(alike)}
    found["reconstruction"] = pose_space.error(space, real)
    return found | {"completion": completion_benchmark.compare(gan, reader, pieces, train_pieces, seed)}


def table(card: dict) -> str:
    """Format the result of `make` as text for the terminal."""

    def line(name: str, cells: list[str]) -> str:
        return f"{name:16} " + "  ".join(cells)

    lines = ["", ""]
    for name in ("pose GAN", "train poses"):
        lines.append(line(name, [f"{key} {value:.2f}" for key, value in card[name].items()]))
    lines += ["", f"poses encoded and decoded: {100 * card['reconstruction']:.2f}% of a torso off"]
    for task, methods in card["completion"].items():
        lines += ["", f"one second completed, {task}:"]
        for name, scores in methods.items():
            lines.append(
                line(name, [f"{key} {v:.3f} [{low:.3f}, {high:.3f}]" for key, (v, low, high) in scores.items()])
            )
    return "\n".join(lines)
