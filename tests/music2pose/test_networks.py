import math

import pytest
import torch

from learn2dance.music import beat_grid
from learn2dance.music2pose import networks
from learn2dance.music2pose.networks import Config

SHAPE = {"levels": 3, "codes": 5, "motion_size": 6, "music_size": 7, "styles": ("tango", "waltz")}
BEATS = 12


def network(model="transformer", **changed):
    torch.manual_seed(0)
    config = Config(model, **SHAPE, width=16, heads=2, **{"layers": 2, "context": 4, "dropout": 0.0, **changed})
    built = networks.build(config).eval()
    if model == "transformer":
        built.code_vectors.copy_(torch.randn(3, 5, 6))
        for block in built.blocks:
            torch.nn.init.normal_(block.distance)
    return built


def inputs(seed=0, n=2, config=None):
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(5, (n, BEATS, 3), generator=g)
    motion = torch.randn(n, BEATS, 6, generator=g)
    music = torch.randn(n, BEATS + 5, 4, 7, generator=g)
    bar = torch.randint(7, (n, BEATS), generator=g)
    return tokens, motion, torch.ones(n, BEATS, dtype=torch.bool), music, bar, torch.tensor([1, 2])[:n]


def changed_beats(net, change):
    """Return the beats whose logits differ after `change` was made to a copy of the inputs."""
    before, after = inputs(), inputs()
    change(*after)
    return ((net(*before) - net(*after)).abs().amax((0, 2, 3)) > 1e-6).nonzero().flatten().tolist()


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_a_beat_depends_on_earlier_motion_only(model):
    def change(tokens, motion, *_):
        motion[:, 5] += 1

    changed = changed_beats(network(model), change)
    assert changed == ([6, 7, 8, 9, 10, 11] if model == "transformer" else [6])  # the LSTM's input is one window


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_tokens_affect_later_levels_of_their_beat_only(model):
    for level in range(3):
        net, before, after = network(model), inputs(), inputs()
        after[0][:, 5, level] = (after[0][:, 5, level] + 1) % 5
        difference = (net(*before) - net(*after)).abs().amax((0, 3)) > 1e-6
        expected = torch.zeros(BEATS, 3, dtype=torch.bool)
        expected[5, level + 1 :] = model == "transformer"
        assert torch.equal(difference, expected)


def test_the_context_is_limited():
    def change(tokens, motion, *_):
        motion[:, 0] += 1

    # The first of two blocks attends to 4 beats, its own included; the second to as many states: 1 … 1 + 3 + 3.
    assert set(changed_beats(network(), change)) - {0} <= set(range(1, 8))
    assert 3 in changed_beats(network(), change)


def test_a_beat_depends_on_music_around_it():
    def change(tokens, motion, known, music, *_):
        music[:, 2 + 6] += 1  # of beat 6: two beats come before the first

    # From the window at beat 3, whose music ends with beat 6, to that at beat 8, whose music starts there.
    assert changed_beats(network(layers=1), change) == [3, 4, 5, 6, 7, 8]


def test_bar_style_and_invalid_windows_have_effects():
    net = network()
    assert changed_beats(net, lambda t, w, k, m, bar, s: bar[:, 5].add_(1).remainder_(7))[0] == 5
    assert changed_beats(net, lambda t, w, k, m, b, style: style.zero_())[0] == 0
    for net in (network(), network("lstm")):
        assert changed_beats(net, lambda t, w, known, m, b, s: known[:, 4].fill_(False))[0] == 5


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_beat_by_beat_is_the_same_as_all_at_once(model):
    net = network(model)
    tokens, motion, known, music, bar, style = inputs()
    known[0, 4] = False
    expected = net(tokens, motion, known, music, bar, style)
    encoded, past = net.encode_music(music, bar, style), []
    for beat in range(BEATS):
        state = net.states(
            tuple(part[:, beat : beat + 1] for part in encoded),
            networks.shift(motion)[:, beat : beat + 1],
            networks.shift(known)[:, beat : beat + 1],
            past,
        )
        for level in range(3):
            logits = net.level_logits(state, tokens[:, beat : beat + 1, :level])[:, 0]
            torch.testing.assert_close(logits, expected[:, beat, level], atol=1e-5, rtol=1e-4)


def test_the_loss_of_uniform_predictions():
    tokens, _, known, *_ = inputs()
    torch.testing.assert_close(networks.loss(torch.zeros(2, BEATS, 3, 5), tokens, known), torch.full((3,), math.log(5)))


def test_invalid_windows_do_not_enter_the_loss():
    tokens, _, known, *_ = inputs()
    logits = torch.zeros(2, BEATS, 3, 5)
    logits[1] = torch.randn(BEATS, 3, 5)
    known[1] = False
    torch.testing.assert_close(networks.loss(logits, tokens, known), torch.full((3,), math.log(5)))
    assert networks.loss(logits, tokens, known & False).tolist() == [0, 0, 0]


def test_bar_positions():
    assert beat_grid.bar_positions(7, 1, 3).tolist() == [2, 0, 1, 2, 0, 1, 2]
    assert beat_grid.bar_positions(6, 2, 4).tolist() == [5, 6, 3, 4, 5, 6]
