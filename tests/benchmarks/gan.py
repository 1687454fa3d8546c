"""Steps of the GAN's trainers, beside those of the GAN that Cai et al. describe (arXiv 1711.08682), at the same batch.

Theirs is written as one writes it first in PyTorch, with the sizes of the original project. Its pose GAN has fully
connected layers and is a Wasserstein GAN with gradient penalty (Gulrajani et al., NeurIPS 2017). In its sequence GAN an
LSTM turns noise into the path of a latent vector, which the pose generator turns into poses, and the critic is an LSTM
too; the original project trained it by cross-entropy, without a penalty. Data are random numbers, and drawing them is
not timed. All sequences have as many poses as ours.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from benchmarks.row import Row
from torch import Tensor, nn
from torch.nn import functional

import train_pose
import train_seq
from learn2dance.gan import adversarial
from learn2dance.gan.adversarial import Batch, DenoisingGan
from learn2dance.gan.conditioning import FEATURES, STEPS
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseGenerator
from learn2dance.gan.sequence_networks import NOISE, SequenceConfig, SequenceCritic, SequenceGenerator

STYLES = tuple("abcdefghij")
CODE = 20  # values of one of our codes
POSE = 30  # coordinates of a pose: 15 joints
LATENT, WIDTH, HIDDEN = 100, 500, 100  # of the original project: latent vectors, layers, LSTMs
PENALTY = 10.0


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of both trainers."""
    torch.manual_seed(0)
    return pose_rows(train_pose.arguments(["DATADIR"])) + sequence_rows(train_seq.arguments(["DATADIR"]))


def pose_rows(args) -> list[Row]:
    """Return the rows of train_pose.py."""
    config = PoseConfig(POSE // 2, STYLES, CODE, args.width, args.layers)
    gan, given = DenoisingGan(PoseGenerator(config), PoseCritic(config), args.decay), torch.zeros(args.batch) > 0
    batch = Batch(torch.randn(args.batch, CODE), (~given).float(), given, (torch.randint(len(STYLES), given.shape),))
    original = plain_step(perceptron(LATENT, POSE), perceptron(POSE, 1), torch.randn(args.batch, POSE), (LATENT,))
    steps = [*our_steps(gan, args, batch), ("WGAN-GP", "original", original)]
    return [Row("train_pose.py, a step", *step, args.batch, "poses") for step in steps]


def sequence_rows(args) -> list[Row]:
    """Return the rows of train_seq.py."""
    configs = SequenceConfig(True, args.beats, args.width, args.channels), PoseConfig(POSE // 2, STYLES, CODE)
    gan = DenoisingGan(SequenceGenerator(*configs), SequenceCritic(*configs), args.decay, NOISE)
    given = torch.rand(args.batch, STEPS * args.beats) < 0.2
    condition = given, torch.randn(args.batch, args.beats, FEATURES), torch.randint(len(STYLES), given.shape[:1])
    batch = Batch(torch.randn(*given.shape, CODE), torch.ones(given.shape), given, condition)
    steps = our_steps(gan, args, batch)
    for what, penalty in {"LSTM, cross-entropy": 0.0, "LSTM, WGAN-GP": PENALTY}.items():
        networks = LatentPath(), Recurrent(POSE, 1, both_ways=True)
        original = plain_step(*networks, torch.randn(*given.shape, POSE), (given.shape[1], LATENT), penalty)
        steps.append((what, "original", original))
    return [Row("train_seq.py, a step", *step, given.numel(), "poses") for step in steps]


def our_steps(gan: DenoisingGan, args, batch: Batch) -> list[tuple[str, str, Callable]]:
    """Return functions that take one step with the critic, and one of pretraining, after what they are."""
    args.threads = 1
    training = adversarial.Training(gan, args)
    steps = {"with the critic": args.pretrain_steps, "pretraining, without it": args.pretrain_steps - 1}
    return [(what, "ours", partial(training.step, step, lambda: batch)) for what, step in steps.items()]


def perceptron(before: int, after: int) -> nn.Module:
    """Return a network of fully connected layers: (…, before) to (…, after)."""
    layers = nn.Linear(before, WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(0.2)
    return nn.Sequential(*layers, nn.Linear(WIDTH, after))


class Recurrent(nn.Module):
    """An LSTM of two layers, and a linear layer: (N, T, before) to (N, T, after)."""

    def __init__(self, before: int, after: int, both_ways: bool = False):
        super().__init__()
        self.lstm = nn.LSTM(before, HIDDEN, num_layers=2, batch_first=True, bidirectional=both_ways)
        self.linear = nn.Linear((1 + both_ways) * HIDDEN, after)

    def forward(self, values: Tensor) -> Tensor:
        """Return the output."""
        return self.linear(self.lstm(values)[0])


class LatentPath(nn.Module):
    """Turns noise (N, T, LATENT) into dances (N, T, POSE): an LSTM predicts by how much the latent vector changes."""

    def __init__(self):
        super().__init__()
        self.changes, self.poses = Recurrent(LATENT, LATENT), perceptron(LATENT, POSE).requires_grad_(False)

    def forward(self, noise: Tensor) -> Tensor:
        """Return the dances."""
        return self.poses(noise[:, :1] + self.changes(noise).cumsum(1))


def plain_step(
    generator: nn.Module, critic: nn.Module, real: Tensor, noise: tuple[int, ...], penalty: float = PENALTY
) -> Callable[[], None]:
    """Return a function that takes one step of the critic and one of the generator.

    With a ``penalty`` it is the one of WGAN-GP, and without one both are trained by cross-entropy. ``noise`` is the
    shape of the generator's input for each example of ``real`` (N, …).
    """
    trained = [[p for p in network.parameters() if p.requires_grad] for network in (critic, generator)]
    optimisers = [torch.optim.Adam(parameters, 1e-3, (0.5, 0.999)) for parameters in trained]

    def loss(scores: Tensor, sign: float) -> Tensor:
        return (sign * scores).mean() if penalty else functional.softplus(sign * scores).mean()

    def step() -> None:
        fake = generator(torch.randn(len(real), *noise)).detach()
        total = loss(critic(real), -1) + loss(critic(fake), 1)
        if penalty:
            share = torch.rand(len(real), *[1] * (real.ndim - 1))
            mixed = torch.lerp(real, fake, share).requires_grad_()
            (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
            total = total + penalty * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        optimisers[0].zero_grad()
        total.backward()
        optimisers[0].step()
        optimisers[1].zero_grad()
        loss(critic(generator(torch.randn(len(real), *noise))), -1).backward()
        optimisers[1].step()

    return step
