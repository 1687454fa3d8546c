import numpy as np
import pytest
import torch

from learn2dance.gan import adversarial, denoising
from learn2dance.gan.adversarial import Batch
from learn2dance.gan.conditioning import FEATURES, STEPS
from learn2dance.gan.pose_networks import PoseConfig
from learn2dance.gan.sequence_networks import SequenceConfig, SequenceCritic, SequenceGenerator

POSES = PoseConfig(7, ("a", "b"), latent=3)
CONFIG = SequenceConfig(music=True, beats=8, width=32, channels=8)


def shaken(network):
    """Return the network with random parameters: those that start at 0 would hide what depends on what."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
    return network


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return shaken(SequenceGenerator(CONFIG, POSES))


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return shaken(SequenceCritic(CONFIG, POSES))


def inputs(beats, count=3):
    """Return codes, time, given, features and style."""
    rng = torch.Generator().manual_seed(1)
    codes = torch.randn(count, STEPS * beats, 3, generator=rng)
    given = torch.rand(count, STEPS * beats, generator=rng) < 0.5
    features = torch.randn(count, beats, FEATURES, generator=rng)
    return codes, torch.linspace(0.2, 0.9, count), given, features, torch.arange(count)


@pytest.mark.parametrize("beats", [1, 2, 3, 7, 8, 40])
def test_a_dance_can_have_any_number_of_beats(generator, critic, beats):
    codes, *condition = inputs(beats)
    predicted = generator(codes, *condition)
    assert predicted.shape == codes.shape and predicted.isfinite().all()
    assert predicted.std(1).min() > 0  # not one code for all steps
    if beats >= 4:
        assert critic(codes, *condition).shape == (3, 3)


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("beats", [7, 8])
def test_predictions_and_scores_depend_on_all_that_is_shown(generator, critic, which, beats):
    """But for which codes are given: that is the generator's business."""
    before, after = list(inputs(beats)), list(inputs(beats))
    others = (before[0].flip(1), 0.8 * before[1], ~before[2], before[3].flip(1), (before[4] + 1) % 6)
    after[which] = others[which]
    assert (generator(*before) - generator(*after)).abs().amax((1, 2)).min() > 1e-5
    change = (critic(*before) - critic(*after)).abs()
    assert change.max() == 0 if which == 2 else change.min() > 1e-6


def test_dances_of_a_batch_do_not_affect_each_other(generator, critic):
    arguments = inputs(8)
    for network in (generator, critic):
        together = network(*arguments)
        for i in range(3):
            torch.testing.assert_close(network(*(part[i : i + 1] for part in arguments))[0], together[i])


def test_an_untrained_generator_predicts_the_mean():
    """The mean of all codes is 0, and the best that can be known of noise alone."""
    codes, *condition = inputs(8)
    assert (SequenceGenerator(CONFIG, POSES)(codes, *condition) == 0).all()


def test_half_beats_on_and_after_the_beat_are_told_apart(generator):
    """Two beats later the same codes and features give the same prediction, but half a beat later not."""
    codes, time, given, features, style = inputs(96, count=1)
    codes, features = 0 * codes, 0 * features
    given = torch.zeros_like(given)
    found = generator(codes, time, given, features, style)[0].unflatten(0, (192, STEPS // 2))
    middle = found[92:100]  # half beats, far from the ends
    torch.testing.assert_close(middle[:4], middle[4:], atol=1e-3, rtol=1e-3)  # two beats later
    assert (middle[0] - middle[1]).abs().max() > 0.01


def test_the_critic_scores_motion_on_each_scale(critic):
    """Codes that jump to and fro from step to step have another score than codes that stay."""
    codes, *condition = inputs(8)
    still, jumping = torch.ones_like(codes), torch.ones_like(codes)
    jumping[:, ::2] = -1
    change = critic(still, *condition) - critic(jumping, *condition)
    assert change.shape == (3, 3) and (change.abs() > 1e-4).all()


def test_all_parameters_have_gradients(generator, critic):
    for network in (generator, critic):
        codes, *condition = inputs(8)
        network(codes, *condition).square().sum().backward()
        assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


def test_it_learns_to_complete_a_dance_on_the_beat():
    """A code swings with the bar of four beats, on the side that the style tells; nothing else varies."""
    torch.manual_seed(0)
    networks = SequenceGenerator(CONFIG, POSES), SequenceCritic(CONFIG, POSES)
    gan = adversarial.DenoisingGan(*networks, decay=0.9)
    optimisers, rng = adversarial.Optimisers(gan), np.random.default_rng(0)

    def drawn(count):
        start, style = rng.integers(4, size=count), rng.integers(1, 3, size=count)
        beat = (start[:, None] + np.arange(8)) % 4
        features = np.eye(FEATURES)[beat]
        phase = start[:, None] + np.arange(8 * STEPS) / STEPS
        codes = np.stack([np.sin(np.pi / 2 * phase), np.cos(np.pi / 2 * phase), 0 * phase + 2 * style[:, None] - 3], 2)
        codes, features = (torch.from_numpy(part.astype(np.float32)) for part in (codes, features))
        given = torch.zeros(codes.shape[:2], dtype=torch.bool)
        given[: count // 2, : 2 * STEPS] = True
        return Batch(codes, torch.ones(codes.shape[:2]), given, (given, features, torch.from_numpy(style)))

    for step in range(150):
        optimisers.begin_step(3e-3, adversarial=False)
        adversarial.generator_step(gan, optimisers.generator, drawn(16), 0.0, torch.Generator().manual_seed(step))
    batch = drawn(8)
    noise = torch.randn(batch.codes.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = denoising.sample(
            lambda noisy, time: gan.average.module(
                torch.where(batch.given[..., None], batch.codes, noisy), time, *batch.condition
            ),
            noise,
            8,
        )
    error = (found - batch.codes).abs()
    assert error[~batch.given].mean() < 0.15 and error[batch.given].mean() < 0.15 and batch.codes.abs().mean() > 0.5
