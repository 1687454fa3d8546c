import copy

import pytest
import torch
from torch import nn

from learn2dance.gan import adversarial, denoising
from learn2dance.gan.adversarial import Batch, DenoisingGan, Optimisers


class Constant(nn.Module):
    """Predicts the same code whatever it is shown, and remembers what it was shown."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, noisy, time, *condition):
        """Return the code, for each place."""
        self.shown = noisy.detach().clone(), time.clone(), condition
        return self.value.expand_as(noisy)


class Linear(nn.Module):
    """Scores codes (N, …, latent) by the product with a vector, summed over all places."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, codes, time, *condition):
        """Return the scores (N,)."""
        self.shown = codes.detach().clone(), time.clone(), condition
        return (codes @ self.slope).flatten(1).sum(1)


def batch(count=6, places=5, known=None, given=None):
    """Return codes (N, places, 2) with a condition."""
    codes = torch.randn(count, places, 2, generator=torch.Generator().manual_seed(0))
    given = torch.zeros(count, places, dtype=torch.bool) if given is None else given
    known = torch.ones(count, places) if known is None else known
    return Batch(codes, known, given, (torch.arange(count),))


def network(value=(0.0, 0.0), slope=(0.3, -0.4), decay=0.5):
    return DenoisingGan(Constant(value), Linear(slope), decay)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def without_steps(gan):
    """Return an optimiser that leaves gradients as they are."""
    return torch.optim.SGD(gan.parameters(), lr=0.0)


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_the_critic_s_loss_is_relativistic_with_penalties_on_both_gradients(penalty):
    """The scores of real and fake differ by w · (real - fake), and the gradient is w at each of five places."""
    gan, real = network(value=(0.5, 1.0)), batch()
    gap, norm = adversarial.critic_step(gan, without_steps(gan), real, penalty, rng())
    w = torch.tensor([0.3, -0.4], requires_grad=True)
    gaps = ((real.codes - torch.tensor([0.5, 1.0])) @ w).sum(1)
    assert gap.item() == pytest.approx(gaps.mean().item(), abs=1e-5)
    assert norm.item() == pytest.approx(2 * 5 * 0.25, rel=1e-5)  # |w|² is 0.25
    (torch.log1p(torch.exp(-gaps)).mean() + penalty / 2 * 2 * 5 * (w**2).sum()).backward()
    torch.testing.assert_close(gan.critic.slope.grad, w.grad)
    assert gan.generator.value.grad is None and not gap.requires_grad and not norm.requires_grad


def test_the_gradient_penalty_is_taken_at_real_and_at_fake_codes():
    """A critic of x² has the squared slope 4 x²."""
    gan, real = network(value=(0.5, 1.0)), batch()

    class Squared(Linear):
        def forward(self, codes, time, *condition):
            return ((codes * self.slope) ** 2).flatten(1).sum(1)

    gan.critic = Squared((1.0, 1.0))
    _, norm = adversarial.critic_step(gan, without_steps(gan), real, 1.0, rng())
    expected = 4 * (real.codes**2).sum((1, 2)).mean() + 4 * 5 * (0.5**2 + 1.0**2)
    assert norm.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_the_generator_s_loss_is_the_error_and_its_weighted_score(weight, monkeypatch):
    gan, real = network(value=(0.1, 0.2)), batch()
    monkeypatch.setattr(adversarial, "MAX_GRADIENT_NORM", 1e9)
    error = adversarial.generator_step(gan, without_steps(gan), real, weight, rng())
    value, time = torch.tensor([0.1, 0.2], requires_grad=True), gan.generator.shown[1]
    expected = (((value - real.codes) ** 2).mean((1, 2)) / time.clamp(min=0.05) ** 2).mean()
    assert error.item() == pytest.approx(expected.item(), rel=1e-5)
    gaps = ((real.codes - value) @ torch.tensor([0.3, -0.4])).sum(1)
    (expected + weight * torch.log1p(torch.exp(gaps)).mean()).backward()
    torch.testing.assert_close(gan.generator.value.grad, value.grad, rtol=1e-4, atol=1e-5)
    assert gan.critic.slope.grad is None and gan.critic.slope.requires_grad


def test_a_large_gradient_is_clipped():
    gan, real = network(value=(100.0, -100.0)), batch()
    adversarial.generator_step(gan, without_steps(gan), real, 0.0, rng())
    assert gan.generator.value.grad.norm().item() == pytest.approx(adversarial.MAX_GRADIENT_NORM, rel=1e-4)


def test_given_codes_are_shown_without_noise_and_the_others_with_it():
    given = torch.zeros(6, 5, dtype=torch.bool)
    given[:, :2] = True
    real = batch(given=given)
    noise, time = torch.randn(6, 5, 2, generator=rng(1)), torch.linspace(0.1, 1, 6)
    shown = real.with_noise(noise, time)
    assert torch.equal(shown[:, :2], real.codes[:, :2])
    t = time[:, None, None]
    torch.testing.assert_close(shown[:, 2:], ((1 - t) * real.codes + t * noise)[:, 2:])
    gan = network()
    adversarial.critic_step(gan, without_steps(gan), real, 1.0, rng())
    adversarial.generator_step(gan, without_steps(gan), real, 1.0, rng())
    noisy, seen, condition = gan.generator.shown
    assert torch.equal(noisy[:, :2], real.codes[:, :2]) and (noisy[:, 2:] != real.codes[:, 2:]).all()
    assert seen.shape == (6,) and seen.min() > 0 and seen.max() < 1 and torch.equal(condition[0], torch.arange(6))


def test_the_generator_has_to_return_given_codes():
    given = torch.ones(6, 5, dtype=torch.bool)
    gan, real = network(value=(7.0, 7.0)), batch(given=given)
    error = adversarial.generator_step(gan, without_steps(gan), real, 0.0, rng())
    assert error > 7**2 / 2
    adversarial.generator_step(gan, without_steps(gan), real, 1.0, rng())
    assert (gan.critic.shown[0] == 7).all()


def test_codes_that_are_not_known_are_the_same_for_the_critic_and_count_in_no_loss():
    known = torch.ones(6, 5)
    known[:, 3:] = 0
    real, gan = batch(known=known), network(value=(7.0, 7.0))
    fake = real.completed(torch.full_like(real.codes, 7.0))
    assert (fake[:, :3] == 7).all() and torch.equal(fake[:, 3:], real.codes[:, 3:])
    gap, _ = adversarial.critic_step(gan, without_steps(gan), real, 1.0, rng())
    expected = ((real.codes[:, :3] - 7) @ torch.tensor([0.3, -0.4])).sum(1).mean()
    assert gap.item() == pytest.approx(expected.item(), rel=1e-4)
    error = adversarial.generator_step(gan, without_steps(gan), real, 1.0, rng())
    torch.testing.assert_close(gan.critic.shown[0][:, 3:], real.codes[:, 3:])
    changed = real._replace(codes=torch.where(known[..., None] > 0, real.codes, 99.0))
    assert adversarial.generator_step(gan, without_steps(gan), changed, 1.0, rng()) == error


def test_each_step_changes_only_its_own_network_and_needs_no_critic_in_pretraining():
    gan, real = network(value=(0.3, 0.3)), batch()
    optimisers = Optimisers(gan)
    optimisers.begin_step(0.01, adversarial=True)

    def changed(step, *given):
        before = copy.deepcopy(gan.state_dict())
        step(gan, *given)
        return {key.split(".")[0] for key, value in gan.state_dict().items() if not torch.equal(value, before[key])}

    assert changed(adversarial.critic_step, optimisers.critic, real, 1.0, rng()) == {"critic"}
    assert changed(adversarial.generator_step, optimisers.generator, real, 1.0, rng()) == {"generator", "average"}
    calls = []
    gan.critic.register_forward_hook(lambda *_: calls.append(1))
    assert changed(adversarial.generator_step, optimisers.generator, real, 0.0, rng()) == {"generator", "average"}
    assert not calls


@pytest.mark.parametrize(("decay", "shares"), [(0.1, [0.9] * 4), (0.99, [9 / 11, 9 / 12, 9 / 13, 9 / 14])])
def test_the_average_moves_by_a_share_of_the_way_which_is_large_at_first(decay, shares):
    gan = network(value=(5.0, -5.0), decay=decay)
    optimiser = torch.optim.SGD(gan.generator.parameters(), lr=1.0)
    adversarial.generator_step(gan, optimiser, batch(), 0.0, rng(0))
    expected = gan.generator.value.detach().clone()
    torch.testing.assert_close(gan.average.module.value.detach(), expected)  # it begins at the first values
    for step, share in enumerate(shares, 1):
        adversarial.generator_step(gan, optimiser, batch(), 0.0, rng(step))
        expected = expected + share * (gan.generator.value.detach() - expected)
        torch.testing.assert_close(gan.average.module.value.detach(), expected)


def test_steps_depend_on_the_random_numbers_alone():
    def trained(seed):
        torch.manual_seed(5)
        gan = DenoisingGan(Moves(), Scores(), 0.9)
        optimisers = Optimisers(gan)
        optimisers.begin_step(0.01, adversarial=True)
        torch.manual_seed(seed)  # of no effect
        for step in range(3):
            noise = rng(step + (seed == 7))
            gap, norm = adversarial.critic_step(gan, optimisers.critic, codes(step), 0.5, noise)
            error = adversarial.generator_step(gan, optimisers.generator, codes(step), 1.0, noise)
        return torch.stack([gap, norm, error])

    assert torch.equal(trained(0), trained(1)) and not torch.equal(trained(0), trained(7))


class Moves(nn.Module):
    """A small perceptron for two-dimensional codes with noise and their time."""

    def __init__(self, out=2):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, out))

    def forward(self, noisy, time):
        """Return the output (N, out)."""
        return self.layers(torch.cat([noisy, time[:, None]], 1))


class Scores(Moves):
    """The same with a score (N, 1)."""

    def __init__(self):
        super().__init__(1)


def codes(step, count=128):
    """Return codes at (1, 1) and at (-1, -1)."""
    sides = torch.randint(2, (count, 1), generator=rng(step)) * 2.0 - 1
    return Batch(sides.expand(-1, 2).clone(), torch.ones(count), torch.zeros(count, dtype=torch.bool), ())


def test_the_generator_learns_two_points_and_the_critic_tells_it_from_the_real_ones_at_first():
    torch.manual_seed(0)
    gan = DenoisingGan(Moves(), Scores(), 0.9)
    optimisers, gaps = Optimisers(gan), []

    def distance():
        with torch.no_grad():
            found = denoising.sample(gan.average.module, torch.randn(500, 2, generator=rng()), 10)
        right = (found[:, 0] > 0).float().mean()
        return (found.abs() - 1).norm(dim=1).mean().item(), right.item()

    untrained, _ = distance()
    for step in range(100):
        optimisers.begin_step(1e-2, adversarial=True)
        gaps.append(adversarial.critic_step(gan, optimisers.critic, codes(step), 0.05, rng(step))[0].item())
    assert sum(gaps[-10:]) / 10 > sum(gaps[:10]) / 10 + 0.5
    for step in range(300):
        optimisers.begin_step(5e-3, adversarial=False)
        adversarial.generator_step(gan, optimisers.generator, codes(step), 0.0, rng(step))
    found, right = distance()
    assert found < 0.3 * untrained and 0.35 < right < 0.65  # both points, equally often
    for step in range(150):
        optimisers.begin_step(1e-3, adversarial=True)
        gap, _ = adversarial.critic_step(gan, optimisers.critic, codes(step), 0.05, rng(step))
        adversarial.generator_step(gan, optimisers.generator, codes(step), 0.5, rng(1000 + step))
    found, right = distance()
    assert found < 0.3 * untrained and 0.35 < right < 0.65 and abs(gap) < sum(gaps[-10:]) / 10
