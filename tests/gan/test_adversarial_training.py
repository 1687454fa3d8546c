import argparse
import copy
import math

import pytest
import torch
from test_adversarial import batch, network, rng

from learn2dance.gan import adversarial
from learn2dance.gan.adversarial import Optimisers


def test_the_learning_rate_rises_falls_to_a_fraction_and_ends_near_zero():
    rate = [adversarial.learning_rate(step, 5000, 4000, 0.1) for step in range(5001)]
    low = 0.1 * adversarial.ADVERSARIAL_RATE
    warm = adversarial.WARM_UP
    assert rate[0] == pytest.approx(0.1 / warm) and rate[warm // 2 - 1] == pytest.approx(0.05)
    assert rate[warm - 1 : 2001] == pytest.approx([0.1] * (2002 - warm))  # the first half of pretraining
    assert rate[3000] == pytest.approx((0.1 + low) / 2) and rate[3999] == pytest.approx(low, rel=0.01)
    assert rate[4000:4501] == pytest.approx([low] * 501)  # the first half of what follows
    assert rate[4750] == pytest.approx(low / 2) and rate[4999] == pytest.approx(low / 500) and rate[5000] == 0
    assert all(a >= b for a, b in zip(rate[warm:], rate[warm + 1 :], strict=False))


def test_training_can_consist_of_one_part_alone():
    only = [adversarial.learning_rate(step, 100, 0, 1.0) for step in (0, 50, 75, 99)]
    low = adversarial.ADVERSARIAL_RATE
    assert only == pytest.approx([low, low, low / 2, low / 50])
    for steps, pretraining in ((100, 100), (100, 400), (1, 0), (1, 1)):
        assert all(0 < adversarial.learning_rate(step, steps, pretraining, 1.0) <= 1 for step in range(steps))


def test_optimisers_have_one_rate_and_no_momentum_against_the_critic():
    gan = network()
    optimisers, loaded = Optimisers(gan), Optimisers(gan)
    for adversarial_step, momentum in ((False, 0.9), (True, 0.0)):
        optimisers.begin_step(0.25, adversarial_step)
        groups = [optimiser.param_groups[0] for optimiser in (optimisers.generator, optimisers.critic)]
        assert [group["lr"] for group in groups] == [0.25, 0.25] and {g["betas"][0] for g in groups} == {momentum}
    trained = [
        {id(p) for p in optimiser.param_groups[0]["params"]} for optimiser in (optimisers.generator, optimisers.critic)
    ]
    assert trained == [{id(p) for p in part.parameters()} for part in (gan.generator, gan.critic)]
    adversarial.generator_step(gan, optimisers.generator, batch(), 1.0, rng())
    loaded.load_state_dict(copy.deepcopy(optimisers.state_dict()))
    moments = [next(iter(o.generator.state.values()))["exp_avg_sq"] for o in (optimisers, loaded)]
    torch.testing.assert_close(*moments)
    assert moments[0].abs().max() > 0 and loaded.critic.param_groups[0]["lr"] == 0.25


def problem(gap, error):
    return adversarial.divergence({"critic score gap": gap, "denoising loss": error})


def test_divergence_is_a_gap_or_an_error_that_is_large_or_not_finite():
    fine, far = torch.tensor(1.0), torch.tensor(2 * adversarial.DIVERGED)
    huge = torch.tensor(2 * adversarial.DIVERGED_ERROR)
    assert not problem(fine, fine) and not problem(-fine, fine)
    for gap, error in (
        (far, fine),
        (-far, fine),
        (fine, huge),
        (fine, torch.tensor(math.inf)),
        (fine, torch.tensor(math.nan)),
    ):
        assert problem(gap, error)
    assert problem(torch.tensor(math.nan), fine) == "critic score gap nan, denoising loss 1"


def test_the_critic_takes_part_after_pretraining_and_each_step_has_its_own_noise(caplog):
    gan, shown = network(value=(0.3, 0.3)), []
    args = argparse.Namespace(threads=1, steps=4, pretrain_steps=2, lr=0.1, critic_weight=1.0, penalty=1.0, seed=5)
    training = adversarial.Training(gan, args)
    for step in range(4):
        losses = training.step(step, batch)
        assert set(losses) == {"denoising loss", "critic score gap", "gradient norm²"}
        assert (losses["critic score gap"] == 0) == (step < 2) and losses["denoising loss"] > 0
        shown.append(gan.generator.shown[1])
        assert training.optimisers.generator.param_groups[0]["lr"] == adversarial.learning_rate(step, 4, 2, 0.1)
    assert all((shown[0] != other).all() for other in shown[1:])
    assert not caplog.records
    adversarial.Training(gan, argparse.Namespace(**vars(args) | {"pretrain_steps": 4}))
    assert [record.message for record in caplog.records] == [
        "--pretrain-steps 4 of --steps 4: the critic takes no part"
    ]
    again = adversarial.Training(network(value=(0.3, 0.3)), args)
    again.step(2, batch)
    torch.testing.assert_close(again.gan.generator.shown[1], shown[2])
