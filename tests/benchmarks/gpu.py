"""Training on a GPU: steps of train.py and of both GANs, and the time until train.py reaches a validation loss.

A step's floor is as many floating-point operations in products of large matrices: its time, divided by that of the
step, is the share of the device's peak that the step reaches. torch.compile compiles the network or the generator; with
its mode reduce-overhead it uses CUDA graphs. A critic is not compiled, since its penalty needs second derivatives. The
time to a validation loss includes compilation.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarks import inputs
from benchmarks.row import Row
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import train
import train_pose
import train_seq
from learn2dance.gan import adversarial, conditioning, pose_networks, sequence_networks
from learn2dance.music2pose import dataset, training

MODES = {"eager": None, "torch.compile": "default", "torch.compile with CUDA graphs": "reduce-overhead"}
SHARE = 0.6  # of the loss from token frequencies alone: the validation loss that train.py is timed to
POSES = pose_networks.PoseConfig(joints=15, styles=("one", "two", "three", "four"), latent=27)
SIZE = 2048  # of the floor's matrices


def rows(work: Path, data: Path | None, device: str = "cuda", steps: int = 50) -> list[Row]:
    """Return the rows of so many training steps, and of reaching a loss, on a device; none if it is a missing GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        print("gpu: skipped: no GPU")
        return []
    read, result = training.read_data(inputs.tokenized(work, data)), []
    kinds = {"train.py": partial(MusicToPose, read), "train_pose.py": pose_gan, "train_seq.py": sequence_gan}
    for name, new in kinds.items():
        stage = f"{name}, {steps} steps on {device}"
        for what, mode in MODES.items():
            result.append(Row(stage, what, "ours", partial(repeat, new(device, mode), steps, device), steps, "steps"))
        with Operations() as counter:
            new(device, None)()
        floor = partial(multiply, steps * counter.total, device)
        result.append(Row(stage, "as many operations in large products", "floor", floor, steps, "steps"))
    for what, mode in MODES.items():
        model = MusicToPose(read, device, mode)
        stage = f"train.py on {device}, to a validation loss"
        result.append(Row(stage, what, "ours", model.train, note=lambda model=model: model.reached))
    return result


def repeat(step: Callable[[], object], times: int, device: str) -> None:
    """Take so many steps, and wait until the device has finished them."""
    for _ in range(times):
        step()
    torch.zeros(1, device=device).item()


class Operations(TorchDispatchMode):
    """Counts the floating-point operations of products and convolutions: torch's counter refuses second derivatives."""

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run an operation, and count it."""
        out = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function.overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def multiply(operations: int, device: str) -> None:
    """Multiply matrices, float32, until so many floating-point operations are done."""
    matrix = torch.ones(SIZE, SIZE, device=device)
    repeat(lambda: matrix @ matrix, operations // (2 * SIZE**3), device)
    rest = operations % (2 * SIZE**3) // (2 * SIZE**2)
    repeat(lambda: matrix[:rest] @ matrix, 1, device)


class MusicToPose:
    """Training of train.py with its default options; a call takes a step."""

    def __init__(self, read: training.Data, device: str, mode: str | None):
        self.read, self.device, self.mode, self.args = read, device, mode, train.arguments(["DATA"])
        self.reached = ""
        self.begin()

    def begin(self) -> None:
        """Start anew."""
        torch.manual_seed(0)
        model = training.new_model(self.read, self.args.width, self.args.dropout)
        self.network, self.rng = model.network.to(self.device), np.random.default_rng(0)
        if self.mode:
            self.network.compile(mode=self.mode)
        self.examples, self.val = (
            training.examples(self.read.train, model, True),
            training.examples(self.read.val, model),
        )
        self.optimiser = training.optimiser(self.network, self.args.lr, self.args.weight_decay)

    def __call__(self, rate: float = 1e-3) -> None:
        """Take a step."""
        batch = dataset.batch(self.examples, self.args.batch, self.rng)
        training.step(self.network, self.optimiser, [part.to(self.device) for part in batch], rate)

    def train(self) -> None:
        """Train from the start until the validation loss is low enough, or train.py's steps are over."""
        self.begin()
        codes = self.network.config.codes
        target = SHARE * training.unigram_loss(self.examples, self.val, codes).mean()
        for step in range(self.args.steps):
            self(self.args.lr * train.schedule(step, self.args.warmup, self.args.steps))
            if (step + 1) % self.args.every == 0:
                loss = training.validation_loss(self.network, self.val).mean()
                self.reached = f"{loss:.3f} after {step + 1} steps (wanted: {target:.3f})"
                if loss <= target:
                    break


def pose_gan(device: str, mode: str | None) -> Callable[[], object]:
    """Return a step of train_pose.py, with the critic, on random codes."""
    args = train_pose.arguments(["DATADIR", "--threads", "1"])
    networks = pose_networks.PoseGenerator(POSES), pose_networks.PoseCritic(POSES)
    return _gan_step(adversarial.DenoisingGan(*networks, args.decay), args, (args.batch,), (), device, mode)


def sequence_gan(device: str, mode: str | None) -> Callable[[], object]:
    """Return a step of train_seq.py, with the critic, on random codes and features."""
    args = train_seq.arguments(["DATADIR", "--threads", "1"])
    config = sequence_networks.SequenceConfig(True, args.beats, args.width, args.channels)
    networks = sequence_networks.SequenceGenerator(config, POSES), sequence_networks.SequenceCritic(config, POSES)
    gan = adversarial.DenoisingGan(*networks, args.decay, sequence_networks.NOISE)
    shape, features = (args.batch, conditioning.STEPS * args.beats), (args.batch, args.beats, conditioning.FEATURES)
    return _gan_step(gan, args, shape, (torch.zeros(shape, dtype=torch.bool), torch.randn(features)), device, mode)


def _gan_step(gan, args, shape: tuple[int, ...], conditions: tuple, device: str, mode: str | None):
    """Return a function that takes the first step with the critic."""
    gan.to(device)
    if mode:
        gan.generator.compile(mode=mode)
    given, style = torch.zeros(shape, dtype=torch.bool), torch.zeros(args.batch, dtype=torch.int64)
    parts = torch.randn(*shape, POSES.latent), (~given).float(), given
    batch = adversarial.Batch(*(part.to(device) for part in parts), tuple(c.to(device) for c in (*conditions, style)))
    return partial(adversarial.Training(gan, args).step, args.pretrain_steps, lambda: batch)
