"""Training of a denoising GAN, of poses or of sequences: losses, optimisers, and the steps of critic and generator.

The generator predicts codes from codes with noise (`denoising`). By the squared error alone it predicts the mean of
what the noise leaves open, so that poses and motion vary too little. The critic compares predicted with real codes, as
in denoising diffusion GANs (Xiao, Kreis and Vahdat, ICLR 2022). Its loss is relativistic, with gradient penalties on
real and generated codes, with which training converges without further tricks (Huang et al., "The GAN is dead; long
live the GAN! A modern GAN baseline", NeurIPS 2024).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from learn2dance import distributed, threads
from learn2dance.cli import log
from learn2dance.data import checkpoint
from learn2dance.distributed import Processes
from learn2dance.gan import denoising
from learn2dance.gan.pose_networks import draw_noise

DIVERGED = 1e3  # a larger mean gap between the scores of real and generated codes means divergence
DIVERGED_ERROR = 1e5  # so does a larger denoising loss; predicting the mean of all codes costs 40 at most on average
MAX_GRADIENT_NORM = 1.0  # the generator's gradient is clipped to this norm
WARM_UP = 200  # steps in which the learning rate rises
ADVERSARIAL_RATE = 0.2  # factor of the learning rate once the critic takes part


class Batch(NamedTuple):
    """Real codes and their conditions.

    Those where ``known`` is 0 count in no loss. ``given`` codes are shown to the generator without noise; it has to
    return them, so that what it generates beside them continues them.
    """

    codes: Tensor  # (N, …, latent)
    known: Tensor  # float (N, …)
    given: Tensor  # bool (N, …)
    condition: tuple[Tensor, ...]  # further arguments of generator and critic, each (N, …)

    def with_noise(self, noise: Tensor, time: Tensor) -> Tensor:
        """Return the codes with noise (N, …, latent) of times (N,), but for those that are given."""
        return torch.where(self.given[..., None], self.codes, denoising.mix(self.codes, noise, time))

    def completed(self, predicted: Tensor) -> Tensor:
        """Return the codes with the known ones replaced by predicted ones."""
        return torch.where(self.known[..., None] > 0, predicted, self.codes)

    def part(self, chosen: slice) -> "Batch":
        """Return some of the examples."""
        parts = (part[chosen] for part in self[:3])
        return Batch(*parts, tuple(part[chosen] for part in self.condition))


class DenoisingGan(nn.Module):
    """Generator, critic, and the generator's moving average, which is the result of training.

    ``noise`` is the deviation of the noise that the generator removes.
    """

    def __init__(self, generator: nn.Module, critic: nn.Module, decay: float, noise: float = 1.0):
        super().__init__()
        self.generator, self.critic, self.noise = generator, critic, noise
        self.average = AveragedModel(generator, multi_avg_fn=_moving_average(decay))


def _moving_average(decay: float) -> Callable:
    """Return the update of an exponential moving average; at first it averages over a ninth of the steps so far."""

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, share)

    return update


class Optimisers:
    """Adam for generator and critic, with one state."""

    def __init__(self, gan: DenoisingGan):
        parts = {"generator": gan.generator, "critic": gan.critic}
        self.both = {name: torch.optim.Adam(part.parameters(), fused=True) for name, part in parts.items()}

    @property
    def generator(self) -> torch.optim.Adam:
        """The generator's optimiser."""
        return self.both["generator"]

    @property
    def critic(self) -> torch.optim.Adam:
        """The critic's optimiser."""
        return self.both["critic"]

    def begin_step(self, rate: float, adversarial: bool) -> None:
        """Set the learning rate; without momentum if ``adversarial`` (Huang et al.)."""
        for optimiser in self.both.values():
            for group in optimiser.param_groups:
                group["lr"], group["betas"] = rate, (0.0 if adversarial else 0.9, 0.99)

    def state_dict(self) -> dict:
        """Return both states."""
        return {name: optimiser.state_dict() for name, optimiser in self.both.items()}

    def load_state_dict(self, state: dict) -> None:
        """Load both states; raise a UserError if they are not those of such optimisers."""
        for name, optimiser in self.both.items():
            checkpoint.load_optimiser(optimiser, state.get(name))


def learning_rate(step: int, steps: int, pretraining: int, highest: float) -> float:
    """Return the learning rate at a step, counted from 0, of so many ``steps``, the first of them ``pretraining``.

    In the second half of pretraining it falls to `ADVERSARIAL_RATE` of the highest, and at the end to 0.
    """
    if step < pretraining:
        after_half = max(2 * step / pretraining - 1, 0)
        return highest * min(1, (step + 1) / WARM_UP) * (1 - (1 - ADVERSARIAL_RATE) * after_half)
    return highest * ADVERSARIAL_RATE * min(1, 2 * (steps - step) / max(steps - pretraining, 1))


def critic_step(
    gan: DenoisingGan,
    optimiser,
    batch: Batch,
    penalty: float,
    rng: torch.Generator,
    processes: Processes = distributed.SINGLE,
) -> Tensor:
    """Take one step of the critic; return the mean gap of real and generated scores, and the gradient norm² (2,)."""
    time = torch.rand(len(batch.codes), generator=rng)
    noise, time = gan.noise * draw_noise(batch.codes.shape, rng, batch.codes.device), time.to(batch.codes.device)
    optimiser.zero_grad()
    measured = torch.zeros(2, device=batch.codes.device)
    for part, share in processes.parts(len(batch.codes)):
        with processes.autocast():
            gap, norm = critic_scores(gan, batch.part(part), noise[part], time[part])
            loss = functional.softplus(-gap).mean() + penalty / 2 * norm
        (share * loss).backward()
        measured += share * torch.stack([gap.mean(), norm]).detach()
    measured = processes.sum_gradients(gan.critic.parameters(), measured)
    optimiser.step()
    return measured


def critic_scores(gan: DenoisingGan, batch: Batch, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Return by how much each real code's score is above that of the one generated from it, and the gradient norm².

    The norm² is the mean over the batch of that of the scores' gradients, added up for real and generated codes.
    """
    with torch.no_grad():
        fake = batch.completed(gan.generator(batch.with_noise(noise, time), time, *batch.condition))
    both, scores, norms = [batch.codes.detach().clone(), fake], [], []
    for codes in both:
        codes.requires_grad_()
        score = gan.critic(codes, time, *batch.condition).float()
        (slope,) = torch.autograd.grad(score.sum(), codes, create_graph=True)
        scores.append(score)
        norms.append((slope**2).flatten(1).sum(1).mean())
    return scores[0] - scores[1], sum(norms)


def generator_step(
    gan: DenoisingGan,
    optimiser,
    batch: Batch,
    weight: float,
    rng: torch.Generator,
    processes: Processes = distributed.SINGLE,
) -> Tensor:
    """Take one step of the generator and update its average; return the denoising loss.

    ``weight`` is that of the critic's loss, 0 in pretraining.
    """
    count, device = len(batch.codes), batch.codes.device
    time = torch.rand(count, generator=rng) if weight else denoising.draw_times(count, rng)
    noise, time = gan.noise * draw_noise(batch.codes.shape, rng, device), time.to(device)
    optimiser.zero_grad()
    error = torch.zeros(1, device=device)
    for part, share in processes.parts(count):
        with processes.autocast():
            part_error, loss = generator_loss(gan, batch.part(part), noise[part], time[part], weight)
        (share * loss).backward()
        error += share * part_error.detach()
    error = processes.sum_gradients(gan.generator.parameters(), error)
    nn.utils.clip_grad_norm_(gan.generator.parameters(), MAX_GRADIENT_NORM)
    optimiser.step()
    gan.average.update_parameters(gan.generator)
    return error[0]


def generator_loss(gan: DenoisingGan, batch: Batch, noise: Tensor, time: Tensor, weight: float) -> tuple:
    """Return the denoising loss, and its sum with the critic's loss by this ``weight``."""
    predicted = gan.generator(batch.with_noise(noise, time), time, *batch.condition).float()
    error = denoising.loss(predicted, batch.codes, batch.known, time) / gan.noise**2
    if not weight:
        return error, error
    gan.critic.requires_grad_(False)
    with torch.no_grad():
        real = gan.critic(batch.codes, time, *batch.condition).float()
    fake = gan.critic(batch.completed(predicted), time, *batch.condition).float()
    gan.critic.requires_grad_(True)
    return error, error + weight * functional.softplus(real - fake).mean()


class Training:
    """Trains a GAN by the options of `options.add_training`."""

    def __init__(self, gan: DenoisingGan, args, processes: Processes = distributed.SINGLE):
        self.gan, self.args, self.optimisers, self.processes = gan, args, Optimisers(gan), processes
        self.gap = self.norm = torch.zeros(())
        if args.steps <= args.pretrain_steps:
            log.warning("--pretrain-steps %d of --steps %d: the critic takes no part", args.pretrain_steps, args.steps)

    def step(self, step: int, draw: Callable[[], Batch]) -> dict[str, Tensor]:
        """Take a step, counted from 0, on a batch that is drawn; return the losses of critic and generator."""
        args, optimisers = self.args, self.optimisers
        if args.threads == 0 and step % 50 == 0:
            threads.limit(0)  # the number of idle cores changes
        weight = args.critic_weight if step >= args.pretrain_steps else 0.0
        optimisers.begin_step(learning_rate(step, args.steps, args.pretrain_steps, args.lr), bool(weight))
        rng, batch = torch.Generator().manual_seed(args.seed * 2**32 + step), draw()  # for noise and times
        if weight:
            measured = critic_step(self.gan, optimisers.critic, batch, args.penalty, rng, self.processes)
            self.gap, self.norm = measured
        error = generator_step(self.gan, optimisers.generator, batch, weight, rng, self.processes)
        return {"denoising loss": error, "critic score gap": self.gap, "gradient norm²": self.norm}


def divergence(losses: dict[str, Tensor]) -> str:
    """Return what is wrong, as text, if the critic's or the generator's loss is too large or not finite; else ""."""
    gap, error = losses["critic score gap"], losses["denoising loss"]
    fine = abs(gap) <= DIVERGED and error <= DIVERGED_ERROR
    return "" if fine else f"critic score gap {gap:.3g}, denoising loss {error:.3g}"
