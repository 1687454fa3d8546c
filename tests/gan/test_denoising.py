import math

import pytest
import torch

from learn2dance.gan import denoising

MEAN, DEVIATION = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 2.0])


def ideal(noisy, time):
    """Return the mean of normal codes, given codes with noise: the best prediction that there is."""
    t = time[:, None]
    variance = ((1 - t) * DEVIATION) ** 2 + t**2  # of (1 - t) code + t noise
    return MEAN + (1 - t) * DEVIATION**2 / variance * (noisy - (1 - t) * MEAN)


def noise(count, *shape, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def test_codes_with_noise_lead_from_the_code_to_the_noise():
    codes, other, time = torch.tensor([[[2.0, 4.0]]] * 3), torch.tensor([[[10.0, 0.0]]] * 3), torch.tensor([0, 0.25, 1])
    torch.testing.assert_close(
        denoising.mix(codes, other, time), torch.tensor([[[2.0, 4.0]], [[4.0, 3.0]], [[10.0, 0.0]]])
    )


def test_the_flow_of_normal_codes_ends_at_the_known_place():
    """The direction is linear in the code, which keeps its quantile: noise z ends at mean + deviation z."""
    start = noise(2000, 2)
    found = denoising.sample(ideal, start, 64)
    torch.testing.assert_close(found, MEAN + DEVIATION * start, atol=0.02, rtol=0.01)
    few = denoising.sample(ideal, start, 16)
    torch.testing.assert_close(few.mean(0), MEAN, atol=0.2, rtol=0)
    torch.testing.assert_close(few.std(0), DEVIATION, atol=0, rtol=0.1)


def test_the_steps_are_of_second_order():
    """Half of the step leaves a quarter of the error, here half of the way."""

    def error(steps):
        reached = {}

        def predict(noisy, time):
            reached[float(time[0])] = noisy  # last as it is after the step that leads there
            return ideal(noisy, time)

        denoising.sample(predict, noise(500, 2), steps)
        scale = torch.sqrt((0.5 * DEVIATION) ** 2 + 0.5**2)
        return (reached[0.5] - (0.5 * MEAN + scale * noise(500, 2))).abs().mean()

    assert 0.2 < error(32) / error(16) < 0.3 and error(16) < 0.01


def test_a_known_code_is_reached_in_any_number_of_steps():
    codes = noise(5, 7, 3, seed=1)
    for steps in (1, 2, 9):
        torch.testing.assert_close(denoising.sample(lambda noisy, time: codes, noise(5, 7, 3), steps), codes)


def test_the_prediction_is_asked_at_falling_times_from_noise_alone():
    asked = []

    def predict(noisy, time):
        asked.append((len(time), float(time[0])))
        return torch.zeros_like(noisy)

    denoising.sample(predict, noise(4, 2), 4)
    assert {count for count, _ in asked} == {4}
    assert [time for _, time in asked] == pytest.approx([1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25])


def test_the_loss_is_the_error_of_the_direction():
    codes, other, time = noise(6, 5, 3), noise(6, 5, 3, seed=1), torch.tensor([0.06, 0.1, 0.3, 0.5, 0.9, 1.0])
    predicted, weight = noise(6, 5, 3, seed=2), torch.ones(6, 5)
    mixed, t = denoising.mix(codes, other, time), time[:, None, None]
    direction, wanted = (mixed - predicted) / t, other - codes
    assert denoising.loss(predicted, codes, weight, time).item() == pytest.approx(
        ((direction - wanted) ** 2).mean().item(), rel=1e-3
    )
    assert denoising.loss(codes, codes, weight, time) == 0


def test_codes_without_weight_count_in_no_loss():
    codes, time = torch.zeros(2, 4, 3), torch.ones(2)
    predicted, weight = torch.zeros(2, 4, 3), torch.ones(2, 4)
    predicted[0, 1] = 2.0
    assert denoising.loss(predicted, codes, weight, time).item() == pytest.approx(4 / 8)
    weight[0, 1] = 0
    assert denoising.loss(predicted, codes, weight, time) == 0


def test_the_loss_is_bounded_where_there_is_no_noise():
    one = torch.ones(1, 3)
    found = [denoising.loss(0 * one, one, torch.ones(1), torch.tensor([time])).item() for time in (0, 1e-6, 0.5, 1)]
    assert math.isfinite(found[0]) and found[0] == found[1] > found[2] == pytest.approx(4) and found[3] == 1


def test_times_in_training_are_mostly_medium():
    time = denoising.draw_times(20_000, torch.Generator().manual_seed(0))
    assert time.min() > 0 and time.max() < 1
    # A standard normal variable is within ±log(3) in 72.8% of all cases.
    assert ((time > 0.25) & (time < 0.75)).float().mean().item() == pytest.approx(0.728, abs=0.02)
    assert torch.equal(time, denoising.draw_times(20_000, torch.Generator().manual_seed(0)))
