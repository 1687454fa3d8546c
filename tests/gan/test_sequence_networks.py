import pytest
import torch
from torch import nn

from learn2dance.gan.pose_networks import PoseConfig
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator

POSES = PoseConfig(7, ("a", "b"), latent=3)
CONFIG = SequenceConfig(music=5, steps=20, noise=2, hold=4, width=8, channels=4, lookahead=2)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    network = SequenceGenerator(CONFIG, POSES)
    with torch.no_grad():
        network.shift[-1].weight.mul_(20)  # as large as what is trained
    return network


def draw(generator, steps, count=3):
    rng = torch.Generator().manual_seed(1)
    c = generator.config
    music = torch.randn(count, steps + 2 * c.lookahead, c.music, generator=rng)
    encoded = generator.encode_music(music, torch.arange(count))
    noise = torch.randn(count, -(-steps // c.hold), c.noise, generator=rng)
    return encoded, noise, torch.randn(count, 3, generator=rng)


def posterior(mean):
    """Return a network whose output is always this mean (N, noise) and a deviation of one."""
    one = torch.tensor(0.999).expm1().log()  # softplus(one) + 0.001 is one

    class Constant(nn.Module):
        def forward(self, x):
            return torch.cat([mean.expand(len(x), -1), one.expand(len(x), mean.shape[-1])], -1)

    return Constant()


def test_a_path_is_the_running_sum_of_its_shifts(generator):
    encoded, noise, first = draw(generator, 11)
    shifts = []
    generator.shift.register_forward_hook(lambda module, given, out: shifts.append(out))
    path, end, _ = generator(encoded, noise, first, generator.start(encoded, first))
    shifts = torch.stack(shifts, 1)
    assert path.shape == (3, 11, 3) and shifts.shape == path.shape
    torch.testing.assert_close(path, first[:, None] + shifts.cumsum(1) - shifts)
    torch.testing.assert_close(end, first + shifts.sum(1))
    assert shifts.abs().mean() > 0.01


def test_a_path_in_two_parts_is_the_path_in_one(generator):
    encoded, noise, first = draw(generator, 22)
    memory = generator.start(encoded, first)
    complete = generator(encoded, noise, first, memory)
    early, *there = generator(encoded[:, :12], noise[:, :3], first, memory)
    late, *end = generator(encoded[:, 12:], noise[:, 3:], *there)
    for found, expected in zip((torch.cat([early, late], 1), *end), complete, strict=True):
        torch.testing.assert_close(found, expected)


def test_a_step_depends_on_nearby_music_and_the_style(generator):
    music = torch.randn(1, 20 + 2 * CONFIG.lookahead, 5, generator=torch.Generator().manual_seed(0))
    changed_music = music.clone()
    changed_music[0, 10 + CONFIG.lookahead] += 1  # at step 10
    label = torch.zeros(1, dtype=torch.int64)
    before, after = generator.encode_music(music, label), generator.encode_music(changed_music, label)
    other = generator.encode_music(music, 1 + label)
    changed = (before != after).any(-1)[0]
    assert before.shape[1] == 20 and changed.nonzero().ravel().tolist() == list(range(8, 13))
    assert (before != other).any(-1).all()


def test_networks_without_music():
    generator = SequenceGenerator(SequenceConfig(music=0, noise=2, width=8, channels=4), POSES)
    encoded = generator.encode_music(torch.zeros(2, 30, 0), torch.tensor([0, 1]))
    assert encoded.shape[1] == 30 - 2 * generator.config.lookahead and encoded.isfinite().all()
    critic = SequenceCritic(generator.config, POSES)
    assert critic(torch.randn(2, 50, 7, 2), torch.zeros(2, 50, 0), torch.tensor([0, 1])).shape == (2,)


def test_reconstruction_with_the_same_noise_is_the_same_path(generator):
    """A posterior that equals the prior has no divergence."""
    encoded, noise, first = draw(generator, 13)
    expected, *_ = generator(encoded, noise, first, generator.start(encoded, first))
    generator.posterior = posterior(torch.zeros(2))
    found, divergence, memory = generator.reconstruct(encoded, expected, noise)
    torch.testing.assert_close(found, expected[:, 1:], atol=1e-3, rtol=1e-3)
    assert divergence.shape == (3, 3) and divergence.abs().max() < 1e-4
    # 12 steps are reconstructed; the path continues from there
    more, *_ = generator(encoded[:, 12:], noise[:, 3:], found[:, -1], memory)
    torch.testing.assert_close(more, expected[:, 12:], atol=1e-3, rtol=1e-3)


def test_the_divergence_of_a_normal_distribution_is_half_its_squared_mean(generator):
    encoded, noise, first = draw(generator, 13)
    generator.posterior = posterior(torch.tensor([3.0, -1.0]))
    _, divergence, _ = generator.reconstruct(encoded, torch.zeros(3, 13, 3), noise)
    torch.testing.assert_close(divergence, torch.full((3, 3), (9 + 1) / 2), atol=1e-3, rtol=0)


def test_a_rollout_without_observed_steps_is_a_generated_path(generator):
    encoded, noise, first = draw(generator, 13)
    expected, *_ = generator(encoded, noise, first, generator.start(encoded, first))
    known = torch.zeros(3, 13, dtype=torch.bool)
    known[:, 0] = True
    nowhere = torch.full((3, 13, 3), 9.0)
    nowhere[:, 0] = first
    torch.testing.assert_close(generator.rollout(encoded, nowhere, known, noise), expected)


def test_a_rollout_continues_from_each_observed_step(generator):
    """The path is generated with this noise, so a posterior with the same mean predicts it."""
    encoded, noise, first = draw(generator, 13)
    noise = torch.full_like(noise, 0.7)
    expected, *_ = generator(encoded, noise, first, generator.start(encoded, first))
    generator.posterior, known = posterior(torch.full((2,), 0.7)), torch.ones(3, 13, dtype=torch.bool)
    torch.testing.assert_close(generator.rollout(encoded, expected, known, 0 * noise), expected)
    shifted = expected.clone()  # the prediction after a shifted step starts there
    shifted[:, 6] += 1
    found = generator.rollout(encoded, shifted, known, 0 * noise)
    torch.testing.assert_close(found[:, :7], expected[:, :7])
    assert (found[:, 7] - expected[:, 7]).mean() > 0.5


def test_all_parts_have_gradients(generator):
    encoded, noise, first = draw(generator, 13)
    path, *_ = generator(encoded, noise, first, generator.start(encoded, first))
    path[:, -1].square().sum().backward(retain_graph=True)
    parts = ("style", "music_conv", "begin", "cell", "shift")
    assert all(p.grad.abs().max() > 0 for part in parts for p in getattr(generator, part).parameters())
    found, divergence, _ = generator.reconstruct(encoded, path.detach(), noise)
    (found.square().sum() + divergence.sum()).backward()
    assert all(p.grad.abs().max() > 0 for p in generator.posterior.parameters())


@pytest.mark.parametrize("steps", [2, 20, 50])
def test_the_critic_depends_on_poses_music_style_and_their_order(steps):
    torch.manual_seed(0)
    critic = SequenceCritic(SequenceConfig(music=5, steps=steps, channels=4), POSES)
    poses, music, style = torch.randn(3, steps, 7, 2), torch.randn(3, steps, 5), torch.tensor([0, 1, 5])
    score = critic(poses, music, style)
    assert score.shape == (3,)
    for other in ((poses.flip(1), music, style), (poses, music.flip(1), style), (poses, music, style.flip(0))):
        assert (critic(*other) - score)[0].abs() > 1e-6


def test_the_critic_standardises_its_input():
    torch.manual_seed(0)
    critic = SequenceCritic(CONFIG, POSES)
    poses, music, style = torch.randn(3, 20, 7, 2), torch.randn(3, 20, 5), torch.tensor([0, 1, 2])
    score = critic(poses, music, style)
    critic.mean.fill_(4.0)
    critic.deviation.fill_(10.0)
    critic.speed.fill_(10.0)
    torch.testing.assert_close(critic(10 * poses + 4, music, style), score, atol=1e-4, rtol=1e-4)
