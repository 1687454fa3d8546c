from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import softmax

from learn2dance.motion import windows
from learn2dance.music import beat_grid
from learn2dance.music2pose import networks, units
from learn2dance.music2pose.units import UnitInventory, Units
from learn2dance.tokens.codebook import Codebook

BEAT = 8  # frames; a window has two beats
BOOK = Codebook(np.zeros((3, 5, BEAT * 33), np.float32), 2, np.zeros(BEAT * 33, np.float32), frames_per_beat=BEAT)


def inventory(motion, tokens=None, **columns):
    """Return units of windows (N, 16, 30), or 33 with travel, by default of one style and bar position.

    Each is of its own clip; without travel, the windows stay where they are.
    """
    count = len(motion)
    motion = np.pad(motion, [(0, 0), (0, 0), (0, 33 - motion.shape[2])])
    columns = {"bar": 3, "style": 1, "tempo": 120.0, "clip": np.arange(count), "beat": 0} | columns
    columns = {key: np.broadcast_to(np.asarray(value), count) for key, value in columns.items()}
    codes = np.zeros((count, BOOK.columns), np.int64) if tokens is None else tokens
    return UnitInventory(Units(windows.dct_coefficients(motion.reshape(count, -1), 2 * BEAT), codes, **columns), BOOK)


def swaying(count, seed=0, beats=2):
    """Return different dances (count, beats x 8, 30), so slow that DCT coefficients preserve them."""
    rng = np.random.default_rng(seed)
    time = np.arange(beats * BEAT)[:, None] / BEAT
    pace, phase, size = rng.uniform(0.5, 1.5, (count, 1, 30)), rng.uniform(0, 6, (count, 1, 30)), rng.normal(size=30)
    return size * np.sin(pace * time + phase)


def held(poses):
    """Hold each of the poses (N, 30) for a window."""
    return np.repeat(np.asarray(poses, float)[:, None], 2 * BEAT, axis=1)


def choices(known, last, draws=1, seed=0, temperature=1.0, **options):
    """Draw the unit after unit ``last`` several times; all units have the same target cost."""
    rng = np.random.default_rng(seed)
    how = {"target": np.zeros(len(known.hubness)), "before": [last], "bar": 3, "style": 0} | options
    after = known.closings[last]
    return [known.choose(last=after, rng=rng, temperature=temperature, **how) for _ in range(draws)]


def test_join_features_measure_the_distance_of_joints():
    poses = np.zeros((2, 15, 2))
    poses[1] = [0.18, -0.24]  # 0.3 torso lengths, each joint
    poses[1, :, 0] *= np.tile([1, -1, 1], 5)
    known = inventory(held(poses.reshape(2, 30)))
    for ends in (known.openings, known.closings):
        assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(0.3, rel=1e-5)


def test_units_that_travel_alike_join_better():
    motion = np.zeros((3, 2 * BEAT, 33))
    motion[:, :, 30:] = np.array([0.3, 0.0, 0.4])[:, None, None] * [1, 0, 0]
    known = inventory(motion)
    far = np.linalg.norm(known.openings[1:] - known.closings[0], axis=1)
    np.testing.assert_allclose(far, np.array([0.3, 0.1]) / np.sqrt(15), rtol=1e-5)  # an rms over 15 joints


def test_a_window_takes_the_dancer_as_far_as_in_a_dance():
    """A cross-fade gives each window half of two beats: so it moves the dancer by its speed times one beat."""
    motion = np.zeros((2, 2 * BEAT, 33))
    motion[:, :, 30], motion[:, :, 32] = [[0.7], [-0.2]], [[0.1], [0.3]]
    np.testing.assert_allclose(inventory(motion).displacement, [[0.7, 0.1], [-0.2, 0.3]], atol=1e-6)


def test_units_that_lead_off_the_stage_are_avoided():
    motion = np.zeros((60, 2 * BEAT, 33))
    motion[:, :, 30] = np.repeat([-0.5, 0.5], 30)[:, None]
    motion[:, :, 32] = np.tile([-0.05, 0.05], 30)[:, None]
    known = inventory(motion)
    edge = np.log(1.6) / 2

    def share(last, position, stage, column):
        """Return the share of units with a positive speed; the last one joins as well to those as to others."""
        drawn = choices(known, last, 200, position=np.array(position), stage=stage)
        return np.mean(motion[drawn, 0, column] > 0)

    for last in (0, 30):
        middle = share(last, [0, 0], 12.0, 30)
        assert share(last, [2.0, 0], 12.0, 30) == pytest.approx(middle, abs=0.15)  # far from the edges of a wide stage
        assert share(last, [1.9, 0], 4.0, 30) < 0.05 and share(last, [-1.9, 0], 4.0, 30) > 0.95
    assert share(0, [0, edge], 4.0, 32) < 0.1 and share(0, [0, -edge], 4.0, 32) > 0.9


def test_the_unit_that_continues_the_last_one_is_chosen():
    motion, long = swaying(60), swaying(10, seed=1, beats=3)
    motion[:10], motion[40:50] = long[:, : 2 * BEAT], long[:, BEAT:]  # 40 continues 0, and so on
    known = inventory(motion)
    for first in range(10):
        assert choices(known, first, temperature=0) == [40 + first]
        assert np.mean(np.array(choices(known, first, 50)) == 40 + first) > 0.95


def test_join_scale_is_the_distance_at_which_a_unit_is_e_times_less_likely(monkeypatch):
    monkeypatch.setattr(units, "HUBNESS_CORRECTION", 0)
    away = np.zeros((40, 30))
    away[:, 0] = 100.0 * np.arange(40)
    away[2, 0], away[2] = 0.0, units.JOIN_SCALE / np.sqrt(2)  # the distance of every joint is JOIN_SCALE
    away[0, 0] = away[1, 0] = 0.0
    drawn = np.bincount(choices(inventory(held(away)), 0, 4000), minlength=40) / 4000
    assert drawn[1] == pytest.approx(np.e / (np.e + 1), abs=0.03) and drawn[2] == pytest.approx(1 - drawn[1])


def test_units_near_the_last_one_in_its_clip_are_excluded():
    dance = swaying(1, beats=51)[0]
    motion = np.concatenate([[dance[beat * BEAT :][: 2 * BEAT] for beat in range(50)], swaying(30, seed=1)])
    clip, place = np.append(np.zeros(50, int), np.arange(1, 31)), np.append(np.arange(50), np.zeros(30, int))
    known = inventory(motion, clip=clip, beat=place)
    for last in (0, 10, 48):
        error = np.linalg.norm(known.openings - known.closings[last], axis=1)
        assert error.argmin() == last + 1 and error.min() < 0.02  # it would join best
        for chosen in choices(known, last, 200) + choices(known, last, temperature=0):
            assert chosen >= 50 or abs(chosen - last) > units.MIN_DISTANCE
    # The next beat of another clip is not excluded.
    assert choices(inventory(motion, beat=place), 10, temperature=0) == [11]


@pytest.mark.parametrize(("count", "temperature"), [(60, 0), (60, 1.0), (6, 0), (7, 1.0)])
def test_the_most_recent_half_of_the_units_is_excluded(count, temperature):
    known = inventory(swaying(count))
    rng, before = np.random.default_rng(0), []
    expected = np.where(np.arange(count) < 2, 1000.0, 0.0)  # the network prefers these two
    for _ in range(4 * count):
        last = known.closings[before[-1]] if before else None
        before.append(known.choose(expected, last, before, 3, 0, rng, temperature))
    assert sorted(before[:2]) == [0, 1]
    for at, unit in enumerate(before):
        assert unit not in before[max(at - (count - 1) // 2, 0) : at]
    assert 2 * before.count(0) > 4 * count / (count // 2 + 2)  # and it is repeated soon after


def test_with_few_units_repeats_are_preferred_to_replays():
    count = units.MIN_DISTANCE + 3  # of one dance; only the first two are far enough from the last, and both were used
    dance = swaying(1, beats=count + 1)[0]
    motion = np.array([dance[beat * BEAT :][: 2 * BEAT] for beat in range(count)])
    known = inventory(motion, clip=0, beat=np.arange(count))
    assert set(choices(known, count - 1, 50, before=[0, 1, count - 1])) == {0}  # 1 was used later
    assert choices(inventory(motion[:1]), 0) == [0]  # there is no other


def test_bar_position_and_style_are_conditions():
    count = 400
    bar, style = np.arange(count) % 5, np.arange(count) // 200 + 1
    known = inventory(0.01 * swaying(count), bar=bar, style=style)  # all join well
    wanted = np.where((bar == 1) & (style == 1), 1000.0, 0.0)  # by the network, which has neither condition
    for condition in ((4, 2), (0, 1)):
        for chosen in choices(known, 0, 100, target=wanted, bar=condition[0], style=condition[1]):
            assert (bar[chosen], style[chosen]) == condition
    assert {style[chosen] for chosen in choices(known, 0, 300, bar=2)} == {1, 2}  # any style
    chosen = choices(known, 0, 100, bar=6, style=2)  # no unit has it
    assert {style[c] for c in chosen} == {2} and len({bar[c] for c in chosen}) > 1


def shares(known, before, draws=40):
    """Return how often each unit at bar position 4 is drawn after the units at position 3."""
    drawn = [choice for last in before for choice in choices(known, last, draws, seed=last, bar=4)]
    return np.bincount(drawn, minlength=len(known.hubness))[known.units.bar == 4] / len(drawn)


@pytest.mark.parametrize("followed", [False, True])
def test_the_hubness_correction_makes_units_equally_likely(monkeypatch, followed):
    # Random poses around a mean. The last unit is the mean itself: a hub, nearer to each of position 3 than the others
    # of position 4 are.
    poses = np.random.default_rng(0).normal(size=(121, 30)) * units.JOIN_SCALE * np.sqrt(2)
    poses[-1] = 0
    columns = {"bar": np.repeat([3, 4], [60, 61])}
    if followed:  # each of position 3 by one of its own clip, which joins best and is excluded
        poses[60:120] = poses[:60]
        columns |= {"clip": np.append(np.tile(np.arange(60), 2), 60), "beat": columns["bar"]}
    monkeypatch.setattr(units, "HUBNESS_CORRECTION", 1)
    corrected = shares(inventory(held(poses), **columns), range(60))
    monkeypatch.setattr(units, "HUBNESS_CORRECTION", 0)
    plain = shares(inventory(held(poses), **columns), range(60))
    assert plain[-1] > 5 / 61 and plain.min() < 0.2 / 61
    assert corrected[-1] < 1.4 / 61 and corrected.max() < 1.8 / 61 and corrected.min() > 0.5 / 61  # of 2400 draws


class Table(torch.nn.Module):
    """Replaces a network: logits of the second level depend on the first level's token and on the state."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = torch.randn(5, generator=generator), torch.randn(5, 5, generator=generator)

    def level_logits(self, state, chosen):
        """Return logits (N, 5)."""
        return (self.second[chosen[:, 0]] if chosen.shape[1] else self.first) * state[:, :1]


def test_equal_units_share_the_product_of_the_levels_probabilities():
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=(40, BOOK.columns))
    codes[:4, :2] = [2, 3]  # equal whole-body tokens
    codes[4, :2], codes[5:, :2] = [3, 2], np.where(codes[5:, :2] == 3, 4, codes[5:, :2])
    net = Table()
    for state in (1.0, -0.5):
        found = inventory(swaying(40), codes).log_probabilities(net, torch.tensor([state, 7.0]))
        for unit, (first, second) in enumerate(codes[:, :2]):
            probability = softmax(state * net.first.numpy())[first] * softmax(state * net.second[first].numpy())[second]
            equal = (codes[:, :2] == [first, second]).all(1).sum()
            assert found[unit] == pytest.approx(np.log(probability / equal), abs=1e-5)
            assert unit > 3 or equal == 4


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_probabilities_of_all_tokens_sum_to_one(model):
    torch.manual_seed(0)
    shape = {"levels": 2, "codes": 5, "motion_size": 6, "music_size": 7, "styles": ("tango",)}
    net = networks.build(networks.Config(model, **shape, width=16, heads=2, layers=1)).eval()
    if model == "transformer":
        net.code_vectors.copy_(torch.randn(2, 5, 6))
    figures = np.array([*product(range(5), range(5)), (4, 4), (0, 1)])  # all, and two of them twice
    codes = np.concatenate([figures, np.zeros((27, 6), np.int64)], axis=1)
    with torch.inference_mode():
        found = inventory(swaying(27), codes).log_probabilities(net, torch.randn(16 if model == "transformer" else 48))
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    assert found[0] != pytest.approx(found[7], abs=1e-3)


def test_the_style_is_chosen_by_metre_then_tempo():
    def chosen(beats_per_bar, tempo, known):
        song = {"beats_per_bar": beats_per_bar, "tempo": tempo, "beats": np.arange(9.0), "downbeat": 0}
        return beat_grid.choose_style(song, 0, known.tempi)[1]

    styles, tempo = np.repeat([1, 2, 3, 4], 10), np.repeat([90.0, 128.0, 100.0, 180.0], 10)
    tempo[:3] = 400  # no effect on the median
    known = inventory(swaying(40), style=styles, tempo=tempo, bar=np.where((styles == 1) | (styles == 4), 1, 5))
    # Between 100 and 128 half-way is 113.1, their geometric mean.
    songs = {(3, 100): 1, (3, 170): 4, (4, 90): 3, (4, 178): 2, (4, 112.5): 3, (4, 113.7): 2, (3, 127): 1, (3, 128): 4}
    for (beats_per_bar, tempo), style in songs.items():
        assert chosen(beats_per_bar, tempo, known) == style
    assert {style: tempo for style, tempo, _ in known.tempi} == {1: 90, 2: 128, 3: 100, 4: 180}
    fours = inventory(swaying(20), style=np.repeat([1, 2], 10), tempo=np.repeat([90.0, 160.0], 10))
    assert chosen(3, 150, fours) == 2  # no units in bars of three: by tempo alone


def clip(number, count, style):
    """Return a clip as `dataset.load` does; tokens and motion of a window depend on the clip and the beat."""
    tokens = np.arange(count)[:, None] + 100 * number + np.zeros(8, np.int64)
    motion = windows.dct_coefficients(held(tokens[:, :1] + np.zeros(33)).reshape(count, -1), 2 * BEAT)
    bar = beat_grid.bar_positions(count + 9, 2, 4)
    return {"known": np.ones(count, bool), "start": number, "tokens": tokens, "motion": motion, "bar": bar,
            "tempo": 100.0 + number, "style": style}  # fmt: skip


def test_units_are_the_valid_windows_of_all_clips(monkeypatch):
    clips = {"a": clip(0, 5, "waltz"), "b": clip(1, 7, "tango"), "c": clip(2, 6, None)}
    clips["b"]["known"][[0, 3]] = False
    found = units.collect(clips, ("tango", "waltz"))
    assert found.clip.tolist() == [0] * 5 + [1] * 5 + [2] * 6
    assert found.beat.tolist() == [0, 1, 2, 3, 4, 1, 2, 4, 5, 6, 0, 1, 2, 3, 4, 5]
    assert (found.tokens == (found.beat + 100 * found.clip)[:, None]).all()
    assert found.style.tolist() == [2] * 5 + [1] * 5 + [0] * 6 and (found.tempo == 100 + found.clip).all()
    assert (found.bar == (found.clip + found.beat - 2) % 4 + 3).all()  # beat 2 of the song is a downbeat
    # Of a held pose only the first DCT coefficient is not 0: the pose times the root of the number of frames.
    np.testing.assert_allclose(found.motion[:, :33], np.outer(found.beat + 100 * found.clip, np.full(33, 4)), rtol=1e-5)
    np.testing.assert_allclose(found.motion[:, 33:], 0, atol=1e-3)
    monkeypatch.setattr(units, "MOST", 8)  # every other one of 16
    fewer = units.collect(clips, ("tango", "waltz"))
    assert fewer.beat.tolist() == [0, 2, 4, 1, 4, 6, 0, 2, 4] and fewer.clip.tolist() == [0] * 3 + [1] * 3 + [2] * 3


@pytest.mark.parametrize(("beats_per_bar", "downbeat"), [(3, 0), (3, 2), (4, 1)])
def test_the_bar_position_one_beat_earlier(beats_per_bar, downbeat):
    bar = beat_grid.bar_positions(20, downbeat, beats_per_bar).tolist()
    assert [units._position_before(b) for b in bar[1:]] == bar[:-1]


def test_samples_follow_the_probabilities():
    scores = np.log([0.1, 0.6, 0.3]) + 5
    rng = np.random.default_rng(0)
    squared, two = np.array([1, 36, 9]) / 46, [0, 2 / 3, 1 / 3]
    for temperature, top_k, expected in ((1.0, 0, [0.1, 0.6, 0.3]), (0.5, 0, squared), (1.0, 2, two)):
        draws = np.bincount([units.sample(scores, rng, temperature, top_k) for _ in range(4000)], minlength=3) / 4000
        np.testing.assert_allclose(draws, expected, atol=0.03)
    assert units.sample(scores, rng, 0, 0) == 1
    assert units.sample(np.array([-np.inf, -9e3, -np.inf]), rng, 1.0, 0) == 1
