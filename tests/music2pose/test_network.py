import math

import pytest
import torch
from toy_graph import network as untrained

from learn2dance.music2pose import network
from learn2dance.music2pose.network import Config, TokenPredictor


def inputs(count=12, seed=0):
    """Return arguments of `TokenPredictor.forward` for `toy_graph.network`."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(5, (count, 2), generator=generator)
    before = torch.randn(count, 6, generator=generator)
    bar = torch.randint(7, (count,), generator=generator)
    return [tokens, before, torch.ones(count, dtype=torch.bool), bar, torch.arange(count) % 3]


def changed(change):
    """Return which logits (N, L) differ after `change` was made to a copy of the inputs."""
    predictor, before, after = untrained(), inputs(), inputs()
    change(*after)
    return (predictor(*before) - predictor(*after)).abs().amax(-1) > 1e-6


def only(example, levels):
    """Return (N, L), true for these levels of one example."""
    expected = torch.zeros(12, 2, dtype=torch.bool)
    expected[example, levels] = True
    return expected


def test_window_bar_and_style_have_effects_on_their_example_alone():
    both = slice(0, 2)
    assert torch.equal(changed(lambda t, before, *_: before[5].add_(1)), only(5, both))
    assert torch.equal(changed(lambda t, b, k, bar, s: bar[4].add_(1).remainder_(7)), only(4, both))
    assert torch.equal(changed(lambda t, b, k, bar, style: style[7].fill_(0)), only(7, both))
    assert torch.equal(changed(lambda t, b, known, *_: known[2].fill_(False)), only(2, both))


def test_a_window_that_is_not_known_has_no_effect():
    def change(tokens, before, known, bar, style):
        before[5] += 1

    predictor, (one, other) = untrained(), (inputs(), inputs())
    change(*other)
    for given in (one, other):
        given[2][5] = False
    torch.testing.assert_close(predictor(*one), predictor(*other))


def test_tokens_affect_later_levels_only():
    def change(level):
        return changed(lambda tokens, *_: tokens[5, level].add_(1).remainder_(5))

    assert torch.equal(change(0), only(5, slice(1, 2))) and not change(1).any()


def test_level_by_level_is_the_same_as_all_at_once():
    predictor, given = untrained(), inputs()
    expected, states = predictor(*given), predictor.states(*given[1:])
    assert expected.shape == (12, 2, 5)
    for level in (0, 1):
        torch.testing.assert_close(predictor.level_logits(states, given[0][:, :level]), expected[:, level])


def test_the_loss_of_uniform_predictions():
    torch.testing.assert_close(network.loss(untrained(scale=0.0), *inputs()), torch.full((2,), math.log(5)))


def test_the_loss_is_the_mean_of_negative_log_probabilities():
    predictor, given = untrained(), inputs()
    chances = predictor(*given).softmax(-1)
    expected = [-sum(chances[n, level, given[0][n, level]].log() for n in range(12)) / 12 for level in (0, 1)]
    torch.testing.assert_close(network.loss(predictor, *given), torch.stack(expected))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_dropout_keeps_the_rest_and_scales_it_up(share):
    dropout, values = network.Dropout(share), torch.full((100, 1000), 3.0, requires_grad=True)
    assert torch.equal(dropout.eval()(values), values)
    dropped = dropout.train()(values)
    kept = dropped != 0
    assert abs(float((~kept).float().mean()) - share) < 0.01  # six standard deviations
    torch.testing.assert_close(dropped[kept], torch.full((int(kept.sum()),), 3 / (1 - share) if share < 1 else 0.0))
    dropped.sum().backward()
    torch.testing.assert_close(3 * values.grad, dropped.detach())


def test_it_learns_a_rule():
    """The tokens are determined by the bar and the window before; the second level by the first too."""
    torch.manual_seed(0)
    predictor = TokenPredictor(Config(2, 7, 2, ("tango",), width=32, dropout=0.0))
    predictor.code_vectors.normal_()
    optimiser = torch.optim.AdamW(predictor.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(1)

    def batch():
        before, bar = torch.randn(256, 2, generator=generator), torch.randint(7, (256,), generator=generator)
        before += 0.5 * before.sign()  # away from where the rule changes
        first = (bar + 3 * (before[:, 0] > 0)) % 7
        second = (first + (before[:, 1] > 0)) % 7
        return torch.stack([first, second], 1), before, torch.ones(256) > 0, bar, torch.ones(256, dtype=torch.int64)

    for _ in range(300):
        loss = network.loss(predictor, *batch()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert network.loss(predictor.eval(), *batch()).max() < 0.02  # nats, of log(7) = 1.95
