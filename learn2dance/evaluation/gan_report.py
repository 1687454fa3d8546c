"""Further scores of a GAN in the report: its single poses, and motion completion."""

import numpy as np

from learn2dance.data.data_root import DataRoot
from learn2dance.evaluation import completion_benchmark
from learn2dance.gan import dataset, pose_folder, pose_training
from learn2dance.gan.generate import GanModel
from learn2dance.motion import kinematics

SEEDS = 3  # number of seeds for the single poses
APART = 3  # frames between the starts of training pieces


def make(root: DataRoot, gan: GanModel, clips: list[str], seed: int) -> dict:
    """Score a GAN's single poses, and its motion prediction and completion, on these clips.

    Returns
    -------
    dict
        ``pose GAN``: measure (`pose_training.score_poses`) -> mean over seeds, conditioned on the styles of the real
        poses. ``train poses``: the same for real training poses of the same styles. ``filled``: task -> method ->
        measure -> value (`completion_benchmark.compare`).
    """
    folder = pose_folder.open_folder(root.path / "poses")
    learned = [clip for clip in folder.train if clip in root.have("poses", "music")]
    real, told, _ = pose_folder.pool(folder, clips, np.random.default_rng([seed, 5]))
    drawn = np.random.default_rng([seed, 6]).permutation(len(real))[: pose_training.SCORED]
    joints = gan.poses.joints  # the real poses may have 25: BODY_25 begins with the GAN's 15
    real, told = real[drawn, :joints], told[drawn]
    known, style, _ = pose_folder.pool(folder, learned, np.random.default_rng([seed, 7]))
    made, alike = [], []
    for s in range(seed, seed + SEEDS):
        made.append(
            pose_training.score_poses(pose_training.generate_poses(gan.networks["pose_generator"], told, s), real)
        )
        rng = np.random.default_rng([s, 8])
        same = [rng.choice(np.flatnonzero(style == t) if (style == t).any() else len(style)) for t in told]
        alike.append(pose_training.score_poses(known[same, :joints], real))
    reader = dataset.DanceReader(folder, gan.config.fps)

    def pieces(names: list[str], hop: int = 0) -> dict:
        danced = {name: pose_folder.read(folder, name) for name in names}
        motion = {name: kinematics.low_pass(poses[:, :joints], fps) for name, (poses, fps) in danced.items()}
        return completion_benchmark.segments(gan, [(motion[name], reader(name)) for name in names], hop)

    filled = completion_benchmark.compare(gan, pieces(clips), pieces(learned, APART)["poses"], seed)
    mean = {"pose GAN": made, "train poses": alike}
    return {n: {key: float(np.mean([m[key] for m in all_of])) for key in all_of[0]} for n, all_of in mean.items()} | {
        "filled": filled
    }


def table(card: dict) -> str:
    """Format the result of `make` as text for the terminal."""
    lines = ["", ""]
    for name in ("pose GAN", "train poses"):
        lines.append(f"{name:14} " + "  ".join(f"{key} {value:.2f}" for key, value in card[name].items()))
    for task, rivals_ in card["filled"].items():
        lines += ["", f"a second filled in, {task}:"]
        for name, measures in rivals_.items():
            lines.append(f"{name:14} " + "  ".join(f"{key} {value:.3f}" for key, value in measures.items()))
    return "\n".join(lines)
