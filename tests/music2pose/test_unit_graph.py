import numpy as np
import pytest
import torch
from scipy.special import softmax
from toy_graph import BEAT, MOTION_PCA, graph, held, recordings, swaying

from learn2dance.music2pose import unit_graph


def test_join_features_measure_the_distance_of_joints():
    poses = np.zeros((2, 15, 2))
    poses[1] = [0.18, -0.24]  # 0.3 torso lengths, each joint
    poses[1, :, 0] *= np.tile([1, -1, 1], 5)
    known = graph(held(poses.reshape(2, 30)))
    for ends in (known.openings, known.closings):
        assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(0.3, rel=1e-5)


def test_units_that_travel_alike_join_better():
    motion = np.zeros((3, 2 * BEAT, 33))
    motion[:, :, 30:] = np.array([0.3, 0.0, 0.4])[:, None, None] * [1, 0, 0]
    known = graph(motion)
    far = np.linalg.norm(known.openings[1:] - known.closings[0], axis=1)
    np.testing.assert_allclose(far, np.array([0.3, 0.1]) / np.sqrt(15), rtol=1e-5)  # an rms over 15 joints


def test_a_window_takes_the_dancer_as_far_as_in_a_dance():
    """A cross-fade gives each window half of two beats: so it moves the dancer by its speed times one beat."""
    motion = np.zeros((2, 2 * BEAT, 33))
    motion[:, :, 30], motion[:, :, 32] = [[0.7], [-0.2]], [[0.1], [0.3]]
    np.testing.assert_allclose(graph(motion).displacement, [[0.7, 0.1], [-0.2, 0.3]], atol=1e-6)


def test_bar_position_and_style_are_conditions():
    count = 60
    bar, style = np.arange(count) % 5, np.arange(count) // 30 + 1
    known = graph(swaying(count), bar=bar, style=style)
    for position, one in ((4, 2), (0, 1)):
        np.testing.assert_array_equal(
            known.candidates(position, one), np.flatnonzero((bar == position) & (style == one))
        )
    np.testing.assert_array_equal(known.candidates(2, 0), np.flatnonzero(bar == 2))  # any style
    np.testing.assert_array_equal(known.candidates(6, 2), np.flatnonzero(style == 2))  # no unit has it


def test_the_continuation_is_the_unit_one_beat_later_in_the_same_recording():
    clip, beat = np.array([5, 5, 7, 5, 7, 7]), np.array([1, 2, 2, 4, 3, 1])
    assert graph(swaying(6), clip=clip, beat=beat).next.tolist() == [1, -1, 4, -1, -1, 2]


def test_the_continuation_has_no_join_cost():
    motion, columns = recordings(4, 12)
    known = graph(motion, **columns)
    cost = -known.joins(known.closings, np.arange(48))
    followed = np.flatnonzero(known.next >= 0)
    assert len(followed) == 44 and cost[followed, known.next[followed]].max() < 0.1
    assert (cost.argmin(1)[followed] == known.next[followed]).all() and np.median(cost) > 10


def test_at_the_join_scale_a_unit_is_e_times_less_likely():
    away = np.zeros((3, 30))
    away[1] = unit_graph.JOIN_SCALE / np.sqrt(2)  # every joint is that far away
    away[2] = -3 * away[1]
    known = graph(held(away))
    np.testing.assert_allclose(known.joins(known.closings, np.arange(3))[0], [0, -1, -9], atol=1e-4)
    np.testing.assert_allclose(np.diff(known.transitions(3, 3, 1)[1:, 0]), -8, atol=1e-4)  # too few for hubs


def test_units_near_the_last_one_in_its_recording_would_replay_it():
    motion, columns = recordings(3, 12)
    known = graph(motion, **columns)
    clip, beat = columns["clip"], columns["beat"]
    apart = np.abs(beat[:, None] - beat)
    replay = (clip[:, None] == clip) & (apart <= unit_graph.MIN_DISTANCE) & (beat[:, None] + 1 != beat)
    np.testing.assert_array_equal(np.isneginf(known.transitions(3, 3, 1)), replay)


def test_with_few_units_replays_are_better_than_nothing():
    motion, columns = recordings(1, 3)
    found = graph(motion, **columns).transitions(3, 3, 1)
    assert np.isneginf(found).tolist() == [[True, False, True], [True, True, False], [False, False, False]]


@pytest.mark.parametrize("followed", [False, True])
def test_the_hubness_correction_makes_units_equally_likely(monkeypatch, followed):
    # Random poses around a mean. The last unit is the mean itself: a hub, nearer to each of position 3 than the others
    # of position 4 are.
    poses = np.random.default_rng(0).normal(size=(121, 30)) * unit_graph.JOIN_SCALE * np.sqrt(2)
    poses[-1] = 0
    columns = {"bar": np.repeat([3, 4], [60, 61])}
    if followed:  # each of position 3 by one that joins as well as its continuation, but is a replay
        poses[60:120] = poses[:60]
        columns |= {"clip": np.append(np.tile(np.arange(60), 2), 60), "beat": np.repeat([2, 0], [60, 61])}

    def shares():
        """Return how likely each unit of position 4 is after those of position 3, on average."""
        return softmax(graph(held(poses), **columns).transitions(3, 4, 1), axis=1).mean(0)

    monkeypatch.setattr(unit_graph, "HUBNESS_CORRECTION", 0)
    plain = shares()
    monkeypatch.setattr(unit_graph, "HUBNESS_CORRECTION", 1)
    corrected = shares()
    assert plain[-1] > 5 / 61 and plain.min() < 0.2 / 61
    assert corrected.max() < 1.1 / 61 and corrected.min() > 0.9 / 61


@pytest.mark.parametrize(("bar", "style"), [(3, 1), (4, 2), (4, 0)])
def test_the_target_is_the_networks_log_probability_shared_by_units_with_equal_tokens(bar, style):
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, size=(60, 8))
    tokens[:6, :2] = [2, 3]
    known = graph(swaying(60), tokens, scale=5.0, bar=np.arange(60) % 2 + 3, style=np.arange(60) // 30 + 1)
    here, before = known.candidates(bar, style), known.units.motion[[7, 20, 33]]
    found = known.target(before, bar, style)
    whole = torch.from_numpy(tokens[here, :2])
    for row, window in zip(found, before, strict=True):
        given = (MOTION_PCA(window).expand(len(here), -1), torch.ones(len(here)) > 0)
        given += (torch.full((len(here),), bar), torch.full((len(here),), style))
        with torch.no_grad():
            chances = known.network(whole, *given).log_softmax(-1).numpy()
        equal = (tokens[here, None, :2] == tokens[here, :2]).all(-1).sum(1)
        expected = np.log(1 / equal) + sum(chances[np.arange(len(here)), level, whole[:, level]] for level in (0, 1))
        np.testing.assert_allclose(row, expected, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.1 and np.ptp(found, axis=1).max() > 1  # it depends on both


def test_probabilities_of_all_tokens_sum_to_one():
    pairs = np.array([*np.ndindex(5, 5), (4, 4), (0, 1)])  # all, and two of them twice
    tokens = np.concatenate([pairs, np.zeros((27, 6), np.int64)], axis=1)
    found = graph(swaying(27), tokens, scale=5.0).target(graph(swaying(4, seed=1)).units.motion, 3, 1)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-5)
    assert np.abs(found[:, 0] - found[:, 7]).min() > 1e-3


def test_scores_are_target_and_join_cost_and_hubness():
    """So a window scores as the unit that it is; what comes after it is not corrected for hubs."""
    tokens = np.random.default_rng(1).integers(5, size=(40, 8))
    known = graph(0.1 * swaying(40), tokens, scale=5.0, bar=np.arange(40) % 2 + 3)
    found = known.transitions(3, 4, 1)
    last = known.candidates(3, 1)
    rows = np.stack([known.transitions_from(known.motion[unit], 4, 1) for unit in last])
    np.testing.assert_allclose(found - rows, np.tile(known.hubness(3, 4, 1), (20, 1)), atol=1e-3)
    expected = unit_graph.TARGET_WEIGHT * known.target(known.units.motion[last], 4, 1)
    expected += known.joins(known.closings[last], known.candidates(4, 1))
    np.testing.assert_allclose(rows, expected, atol=1e-3)


def test_energy_is_that_within_the_style():
    """The second style moves ten times as much, but in both there are calm units and energetic ones."""
    motion = np.concatenate([0.1 * swaying(20), swaying(20)]) * np.tile(np.linspace(0.5, 2, 20), 2)[:, None, None]
    known = graph(motion, style=np.repeat([1, 2], 20))
    energy = known.energy(1)
    np.testing.assert_allclose(energy[:20], known.energy(2)[20:], atol=1e-6)
    assert energy[15:20].mean() > 0.5 > -0.5 > energy[:5].mean()
