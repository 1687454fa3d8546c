"""Selection on small sets of units, whose probabilities can be enumerated."""

from itertools import product

import numpy as np
import pytest
from scipy.special import softmax
from toy_graph import BEAT, BOOK, graph, held, make_plan, recordings, swaying

from learn2dance.music2pose import selection
from learn2dance.music2pose.selection import Selection

MIDDLE = np.zeros(2)


def select(known, plan, seed=0, temperature=1.0, top_k=0, stage=1000.0):
    """Return the units of a dance to a plan; the dancer stays in the middle of the stage."""
    chosen, rng = Selection(known, plan, temperature, top_k, stage), np.random.default_rng(seed)
    for _ in plan.bar:
        chosen.draw(MIDDLE, rng)
    return np.array(chosen.units)


def in_turn(count, positions=4, **columns):
    """Return a graph whose positions in the bar, from 3 on, have ``count`` units each, which join more or less well."""
    bar = np.tile(np.arange(positions) + 3, count)
    tokens = np.random.default_rng(1).integers(5, size=(len(bar), BOOK.columns))
    return graph(0.2 * swaying(len(bar)), tokens, scale=5.0, bar=bar, **columns)


def test_units_before_a_repeated_one_are_drawn_with_their_conditional_probability():
    """Beats 1 and 2, given the units of beats 0 and 3: by Bayes' rule, from all ways between."""
    known = in_turn(4)
    plan, first = make_plan(known, [3, 4, 5, 3], repeats=[(3, 0)]), known.candidates(3, 1)[1]
    steps = [softmax(known.transitions(*bars, 1), axis=1) for bars in ((3, 4), (4, 5), (5, 3))]
    forward = steps[0][1][:, None] * steps[1]
    expected = np.array([[forward[i, j] * steps[2][j, 1] for j in range(4)] for i in range(4)])
    expected /= expected.sum()
    assert np.abs(expected - forward).sum() > 0.5  # what comes later makes a difference
    chosen, rng, counts, draws = (
        Selection(known, plan, 1.0, 0, 1000.0),
        np.random.default_rng(0),
        np.zeros((4, 4)),
        4000,
    )
    for _ in range(draws):
        chosen.units, chosen.run, chosen.messages = [int(first)], 1, {}
        found = [chosen.draw(MIDDLE, rng) for _ in range(3)]
        assert found[2] == first
        counts[known.candidates(4, 1).tolist().index(found[0]), known.candidates(5, 1).tolist().index(found[1])] += 1
    assert (np.abs(counts - draws * expected) < 4 * np.sqrt(draws * expected) + 1).all()  # four standard deviations


@pytest.mark.parametrize("begins", [[], [3]])
def test_messages_are_the_probabilities_of_later_repeats(begins):
    """Enumerated: all ways from each unit of beat 2 to the unit given at beat 4."""
    count, known = 4, in_turn(4, clip=np.arange(16) // 4, beat=np.arange(16) % 4)  # each bar was recorded as a whole
    plan = make_plan(known, [3, 4, 5, 6, 3, 4, 5, 6], begins, repeats=[(4, 0), (6, 1), (7, 0)])
    chosen = Selection(known, plan, 1.0, 0, 1000.0)
    chosen.units = [int(known.candidates(3, 1)[2]), int(known.candidates(4, 1)[1])]
    chosen._look_ahead(2)
    scores = {b: known.transitions(*plan.bar[b - 1 : b + 1], 1).copy() for b in range(3, 8)}
    for b in begins:
        np.fill_diagonal(scores[b], -np.inf)  # the continuations
    steps = {b: softmax(part, axis=1) for b, part in scores.items()}
    given = {4: 2}  # beat 6 would repeat a unit of another position in the bar, and so does beat 7
    expected = np.zeros(count)
    for path in product(range(count), repeat=6):  # indices at beats 2 … 7
        if path[4 - 2] == given[4]:
            expected[path[0]] += np.prod([steps[b][path[b - 3], path[b - 2]] for b in range(3, 8)])
    np.testing.assert_allclose(chosen.messages[2], np.log(expected), atol=1e-9)


def test_a_dance_leads_to_what_it_repeats():
    """Only one unit of position 5 joins well to what is repeated, and only one of position 4 to that, but not to 0."""
    poses = np.zeros((24, 30))
    poses[:, 0] = np.concatenate([[0], np.full(7, 12.0), np.full(7, 3), [-3.6], np.full(5, 9), [-3.6], np.full(2, 9)])
    known = graph(held(poses), bar=np.repeat([3, 4, 5], 8))
    for repeats, expected in (([(3, 0)], [15, 21]), ([], [])):
        chosen = Selection(known, make_plan(known, [3, 4, 5, 3], repeats=repeats), 1.0, 0, 1000.0)
        for seed in range(20):
            chosen.units, chosen.messages, rng = [0], {}, np.random.default_rng(seed)
            found = [chosen.draw(MIDDLE, rng) for _ in range(3)]
            assert [unit for unit in found[:2] if unit in (15, 21)] == expected and (found[2] == 0 or not repeats)


def figures(seed=0, count=8, beats=16):
    """Return recordings that are far from each other, so that units are continued wherever they may."""
    motion, columns = recordings(count, beats, seed, scale=3.0)
    return graph(motion, **columns)


def test_no_more_successive_units_of_one_recording_than_allowed():
    known = figures()
    units = select(known, make_plan(known, np.full(60, 3)))
    follows = known.next[units[:-1]] == units[1:]
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ~follows, [True]])))
    assert runs.max() == selection.CONTINUED and np.mean(runs == selection.CONTINUED) > 0.5


@pytest.mark.parametrize("repeated", [False, True])
def test_no_figure_continues_over_the_beginning_of_a_phrase(repeated):
    """Even if the phrase is danced again, and the dance could lead to it by what preceded it where it was recorded."""
    known, begins = figures(), [2, 10, 18, 26]
    repeats = [(beat, beat - 16) for beat in range(18, 26)] if repeated else []
    crossed, free = [], []
    for seed in range(10):
        units = select(known, make_plan(known, np.full(34, 3), begins, repeats), seed)
        follows = known.next[units[:-1]] == units[1:]
        crossed.append(follows[np.array(begins) - 1])
        free.append(np.delete(follows, np.array(begins) - 1))
        assert not repeated or (units[18:26] == units[2:10]).all()
    assert not np.any(crossed) and np.mean(free) > 0.5


@pytest.mark.parametrize(("count", "temperature"), [(60, 0), (60, 1.0), (6, 0), (7, 1.0)])
def test_the_most_recent_half_of_the_units_is_excluded(count, temperature):
    known = graph(0.01 * swaying(count))
    plan = make_plan(known, np.full(4 * count, 3))
    for scores in plan.scores:
        scores[:2] = 1000.0  # these two are wanted
    units = select(known, plan, temperature=temperature).tolist()
    assert sorted(units[:2]) == [0, 1]
    # The unit before cannot follow itself in any case, and half of the others were used recently.
    for at, unit in enumerate(units):
        assert unit not in units[max(at - (count - 1) // 2, 0) : at]
    assert 2 * units.count(0) > 4 * count / (count // 2 + 2)  # and it is repeated soon after


def test_with_few_units_repeats_are_better_than_nothing():
    known = graph(swaying(1))
    assert select(known, make_plan(known, np.full(5, 3))).tolist() == [0] * 5
    motion, columns = recordings(1, 2)
    known = graph(motion, **columns)
    assert select(known, make_plan(known, np.full(6, 3)), temperature=0).tolist()[-4:] in ([0, 1] * 2, [1, 0] * 2)


def test_samples_follow_the_probabilities():
    known = graph(held(np.zeros((3, 30))))
    plan = make_plan(known, [3])
    plan.scores[0][:] = np.log([0.1, 0.6, 0.3]) + 5
    squared, two = np.array([1, 36, 9]) / 46, [0, 2 / 3, 1 / 3]
    for temperature, top_k, expected in (
        (1.0, 0, [0.1, 0.6, 0.3]),
        (0.5, 0, squared),
        (1.0, 2, two),
        (0, 0, [0, 1, 0]),
    ):
        drawn = [select(known, plan, seed, temperature, top_k)[0] for seed in range(2000)]
        np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 2000, expected, atol=0.04)


def test_scores_of_the_plan_and_of_the_transitions_are_added():
    known = in_turn(5)
    plan = make_plan(known, [3, 4])
    plan.scores[0][1:] = -np.inf
    plan.scores[1][:] = [0, 2, -1, 1, 3]
    expected = softmax(known.transitions(3, 4, 1)[0] + plan.scores[1])
    drawn = [select(known, plan, seed)[1] for seed in range(3000)]
    found = np.array([drawn.count(unit) for unit in known.candidates(4, 1)]) / 3000
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 3000))
    assert np.abs(expected - softmax(plan.scores[1])).max() > 0.1


def test_given_scores_replace_those_of_the_last_unit():
    known = in_turn(5)
    plan = make_plan(known, [3, 4])
    chosen = Selection(known, plan, 0, 0, 1000.0)
    chosen.draw(MIDDLE, np.random.default_rng(0))
    wanted = np.array([0, 0, 0, 900.0, 0])
    assert chosen.draw(MIDDLE, np.random.default_rng(0), wanted) == known.candidates(4, 1)[3]
    assert wanted.tolist() == [0, 0, 0, 900, 0]  # the caller's array stays as it is


def test_units_that_lead_off_the_stage_are_avoided():
    motion = np.zeros((60, 2 * BEAT, 33))
    motion[:, :, 30] = np.repeat([-0.5, 0.5], 30)[:, None]
    motion[:, :, 32] = np.tile([-0.05, 0.05], 30)[:, None]
    known = graph(motion)
    edge = np.log(1.6) / 2

    def share(position, stage, column):
        """Return the share of units with a positive speed."""
        rng, plan = np.random.default_rng(0), make_plan(known, [3])
        drawn = [Selection(known, plan, 1.0, 0, stage).draw(np.array(position), rng) for _ in range(200)]
        return np.mean(motion[drawn, 0, column] > 0)

    middle = share([0, 0], 12.0, 30)
    assert middle == pytest.approx(0.5, abs=0.15)
    assert share([2.0, 0], 12.0, 30) == pytest.approx(middle, abs=0.15)  # far from the edges of a wide stage
    assert share([1.9, 0], 4.0, 30) < 0.05 and share([-1.9, 0], 4.0, 30) > 0.95
    assert share([0, edge], 4.0, 32) < 0.1 and share([0, -edge], 4.0, 32) > 0.9


def test_the_seed_determines_the_units():
    known = in_turn(10)
    plan = make_plan(known, np.arange(40) % 4 + 3)
    first, same, other = (select(known, plan, seed) for seed in (1, 1, 2))
    assert (first == same).all() and (first != other).any()
    assert (select(known, plan, 1, temperature=0) == select(known, plan, 2, temperature=0)).all()
