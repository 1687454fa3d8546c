"""Readers of trained models and of states of training, and the changes of these files."""

import functools
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from fuzzing import mutate
from fuzzing.reader import HostilePickle, Reader

import train
import train_pose
from learn2dance import generation
from learn2dance.data import data_root
from learn2dance.data.training_run import TrainingRun
from learn2dance.gan import adversarial, pose_training
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseGenerator
from learn2dance.gan.pose_space import PoseSpace
from learn2dance.music2pose import dataset, training
from learn2dance.music2pose.model import save_model

Begin = Callable[[Path], tuple[TrainingRun, Callable, Callable]]  # of a run in a folder: the run, its step, its saving


def changed(rng: np.random.Generator, good: bytes, parts: bool) -> bytes:
    """Return a checkpoint of which parts, or bytes, are changed."""
    if not parts:
        return mutate.data(rng, good)
    if rng.random() < 0.02:
        return pickle.dumps(HostilePickle())
    found = mutate.tree(rng, torch.load(io.BytesIO(good), weights_only=True))
    if rng.random() < 0.02:
        found = {"kind": HostilePickle()}
    file = io.BytesIO()
    torch.save(found, file)
    return file.getvalue()


def readers(trained: Path, gan: Path, music: dict, room: Path) -> dict[str, Reader]:
    """Return the readers by name; ``trained`` and ``gan`` are those of conftest, ``room`` is for samples."""
    uses = {
        "music2pose": lambda path: generation.dance(generation.load(path), music, 0),
        "seq_gan": lambda path: generation.dance(generation.load(path), music, 0),
        "pose_gan": lambda path: pose_training.generate_poses(
            *pose_training.load_poses(path), np.zeros(4, np.int64), 0
        ),
    }
    files = {"music2pose": trained / "models" / "music2pose.pt", "seq_gan": gan, "pose_gan": gan.parent / "pose_gan.pt"}
    found = {}
    for kind, path in files.items():
        for parts in (False, True):
            change = functools.partial(changed, good=path.read_bytes(), parts=parts)
            found[f"{kind}.pt, {'parts' if parts else 'bytes'}"] = Reader(
                lambda rng, change=change: {"m.pt": change(rng)}, lambda box, use=uses[kind]: use(box / "m.pt")
            )
    for kind, begin in (("music2pose", _music2pose(trained)), ("pose_gan", _pose_gan())):
        run, step, save = begin(room / kind)
        next(run.steps())
        step()
        run.validated(1.0, save, {}, {})
        for parts in (False, True):
            good = run.out.read_bytes(), run.last.read_bytes()
            found[f"{kind}.last.pt, {'parts' if parts else 'bytes'}"] = _resuming(begin, *good, parts)
    return found


def _resuming(begin: Begin, model: bytes, state: bytes, parts: bool) -> Reader:
    """Return a reader that resumes, takes a step and saves."""

    def read(box: Path) -> None:
        run, step, save = begin(box)
        if not run.is_up_to_date() and next(run.steps(), None) is not None:
            step()
            run.validated(2.0, save, {}, {})

    return Reader(lambda rng: {"m.pt": model, "m.last.pt": changed(rng, state, parts)}, read, removed=("runs",))


def _music2pose(trained: Path) -> Begin:
    """Return how train.py begins a run."""
    data = training.read_data(data_root.open_root(trained))

    def begin(folder: Path) -> tuple:
        args = train.arguments([str(trained), "--resume", "--width", "8", "--steps", "9"])
        torch.manual_seed(0)
        model = training.new_model(data, args.width, args.dropout)
        run = TrainingRun("music2pose", folder / "m.pt", args, data.parents)
        optimiser = training.optimiser(model.network, args.lr, args.weight_decay)
        run.begin(model.network, optimiser)

        def step() -> None:
            batch = dataset.batch(training.examples(data.train, model), 16, run.rng)
            training.step(model.network, optimiser, batch, 1e-3)

        return run, step, functools.partial(save_model, model=model)

    return begin


def _pose_gan() -> Begin:
    """Return how train_pose.py begins a run."""

    def begin(folder: Path) -> tuple:
        args = train_pose.arguments(["x", "--resume", "--steps", "9", "--pretrain-steps", "0", "--threads", "1"])
        torch.manual_seed(0)
        config = PoseConfig(15, ("waltz",), 5, 8, 1)
        parts = PoseGenerator(config), PoseCritic(config)
        gan = adversarial.DenoisingGan(*parts, args.decay)
        trainer = adversarial.Training(gan, args)
        run = TrainingRun("pose_gan", folder / "m.pt", args, {})
        run.begin(gan, trainer.optimisers)

        def draw() -> adversarial.Batch:
            codes = torch.from_numpy(run.rng.standard_normal((16, 5), np.float32))
            return adversarial.Batch(codes, torch.ones(16), torch.zeros(16, dtype=torch.bool), (torch.ones(16).long(),))

        save = functools.partial(pose_training.save_poses, space=PoseSpace(15, 5), generator=parts[0])
        return run, lambda: trainer.step(1, draw), save

    return begin
