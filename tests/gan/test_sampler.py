import numpy as np
import pytest
import torch

from learn2dance.errors import UserError
from learn2dance.gan import sampler
from learn2dance.gan.conditioning import FEATURES, STEPS, Timeline
from learn2dance.gan.dataset import Dance
from learn2dance.gan.sampler import SequenceSampler, draw_given

BEATS = 8  # of a sequence
LENGTHS, LOST = (24, 12, 9), {1: (30, 34)}  # beats of three dances; in one of them a few steps are not known


class Space:
    """A latent space whose codes are the coordinates."""

    def encode(self, poses):
        """Return the codes (…, 2 J)."""
        return poses.flatten(-2)


def numbered(number, beats=None):
    """Return a dance whose steps and features hold its number and the step; x of each joint is the joint's number."""
    beats = beats or LENGTHS[number]
    count = STEPS * beats
    steps = np.zeros((count, 15, 2), np.float32)
    steps[..., 0], steps[..., 1] = 1 + np.arange(15), 1000 * (1 + number) + np.arange(count)[:, None]
    known = np.ones(count, bool)
    known[slice(*LOST.get(number, (0, 0)))] = False
    features = np.zeros((beats, FEATURES), np.float32)
    features[:, 0], features[:, 1] = 1 + number, np.arange(beats)
    line = Timeline(np.arange(beats + 1) / 2, features)
    poses, path = np.zeros((15 * beats, 15, 2), np.float32), np.zeros((15 * beats, 3), np.float32)
    return Dance(str(number), poses, path, 30.0, line, steps, known, number, 4)


@pytest.fixture
def sequences():
    return SequenceSampler([numbered(number) for number in range(3)], BEATS, mirrored=7)


def draw(sequences, count, seed=0):
    """Return poses (N, S, 15, 2), known, given, features and style as arrays; and each sequence's dance and steps."""
    batch = sequences.draw(count, Space(), np.random.default_rng(seed), "cpu")
    given, features, style = (part.numpy() for part in batch.condition)
    np.testing.assert_array_equal(given, batch.given.numpy())
    poses = batch.codes.unflatten(-1, (15, 2)).numpy()
    where = poses[..., 1]
    assert (where == where[..., :1]).all()  # all joints of a pose are of one step
    number = (where[:, 0, 0] // 1000 - 1).astype(int)
    return poses, batch.known.numpy(), given, features, style, number, (where[..., 0] % 1000).astype(int)


def first_step(steps):
    """Return where a sequence begins in its dance, below 0 if before it: ends of the dance are held."""
    inside = np.flatnonzero(np.diff(steps) == 1)
    return steps[inside[0]] - inside[0]


def test_a_sequence_is_a_passage_of_beats_that_may_exceed_the_dance(sequences):
    *_, number, steps = draw(sequences, 3000)
    assert steps.shape == (3000, STEPS * BEATS)
    found = {0: set(), 1: set(), 2: set()}
    for dance, own in zip(number, steps, strict=True):
        length, first = STEPS * LENGTHS[dance], first_step(own)
        np.testing.assert_array_equal(own, np.clip(first + np.arange(STEPS * BEATS), 0, length - 1))
        found[dance].add(first / STEPS)
    beyond = sampler.BEYOND
    for dance, length in enumerate(LENGTHS):  # each begins on a beat, and all beats occur
        assert found[dance] == set(range(-beyond, length - BEATS + beyond))


def test_only_what_is_known_counts_and_can_be_given(sequences):
    _, counted, given, _, _, number, steps = draw(sequences, 2000)
    for i in range(2000):
        first, length = first_step(steps[i]), STEPS * LENGTHS[number[i]]
        at = first + np.arange(STEPS * BEATS)
        known = (at >= 0) & (at < length)
        lost = LOST.get(number[i], (0, 0))
        known &= (at < lost[0]) | (at >= lost[1])
        np.testing.assert_array_equal(counted[i], known)
    assert not (given & (counted == 0)).any() and 0.1 < given.any(1).mean() < 0.5 and given[counted > 0].mean() < 0.5


def test_dances_are_drawn_by_how_much_of_them_is_known(sequences):
    *_, number, _ = draw(sequences, 4000)
    known = STEPS * np.array(LENGTHS) - [0, 4, 0]
    np.testing.assert_allclose(np.bincount(number, minlength=3) / 4000, known / known.sum(), atol=0.03)


def test_beats_have_the_features_of_their_music_or_none(sequences):
    *_, features, _, number, steps = draw(sequences, 3000)
    silent = (features == 0).all((1, 2))
    assert silent.mean() == pytest.approx(sampler.NO_MUSIC_SHARE, abs=0.03) and silent.any()
    for i in np.flatnonzero(~silent):
        beat = first_step(steps[i]) // STEPS + np.arange(BEATS)
        np.testing.assert_array_equal(features[i, :, 0], number[i] + 1)
        np.testing.assert_array_equal(features[i, :, 1], beat.clip(0, LENGTHS[number[i]] - 1))  # held at the ends


def test_mirrored_poses_have_a_mirrored_style(sequences):
    poses, _, _, _, style, number, _ = draw(sequences, 2000)
    turned = poses[:, 0, 0, 0] < 0
    assert 0.45 < turned.mean() < 0.55
    unknown = style == 7 * turned  # the label for unknown, or its mirror image; the first dance has it always
    assert unknown[number > 0].mean() == pytest.approx(sampler.NO_STYLE_SHARE, abs=0.03) and unknown[number == 0].all()
    np.testing.assert_array_equal(style[~unknown], (number + 7 * turned)[~unknown])
    across = poses[..., 0]
    assert (across[~turned] == 1 + np.arange(15)).all()
    # Nose, Neck; the right arm from the left one and the left from the right; MidHip; the legs likewise
    from_side = -np.array([1, 2, 6, 7, 8, 3, 4, 5, 9, 13, 14, 15, 10, 11, 12])
    assert (across[turned] == from_side).all()
    plain = draw(SequenceSampler([numbered(0)], BEATS, mirrored=0), 100)
    assert (plain[0][..., 0] > 0).all() and (plain[4] == 0).all()


def test_the_dances_stay_as_they_are_and_a_seed_gives_the_same_batch(sequences):
    before = [dance.steps.copy() for dance in sequences.dances]
    one, same, other = (draw(sequences, 50, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    for dance, steps in zip(sequences.dances, before, strict=True):
        np.testing.assert_array_equal(dance.steps, steps)


@pytest.mark.parametrize("beats", [4, 8, 16])
def test_given_are_none_all_but_a_gap_or_those_on_one_side(beats):
    size, kinds, gaps = STEPS * beats, {"none": 0, "gap": 0, "before": 0, "after": 0}, []
    rng = np.random.default_rng(0)
    for _ in range(3000):
        given = draw_given(size, rng)
        assert given.shape == (size,) and given.dtype == bool and not given.all()
        changes = np.flatnonzero(np.diff(given.astype(int)))
        if not given.any():
            kinds["none"] += 1
        elif len(changes) == 2:
            assert given[0] and given[-1]
            kinds["gap"] += 1
            gaps.append(changes[1] - changes[0])
        else:
            kinds["before" if given[0] else "after"] += 1
            assert len(changes) == 1
    assert min(kinds.values()) > 60
    assert kinds["none"] / 3000 == pytest.approx(1 - sampler.GIVEN_SHARE, abs=0.05)
    assert min(gaps) >= STEPS // 2 and max(gaps) <= sampler.LONGEST_GAP * STEPS


def test_dances_that_are_too_short_are_not_drawn():
    """Half of a sequence must be known."""
    short, enough = numbered(2, beats=4), numbered(0, beats=5)
    assert SequenceSampler([short, enough], BEATS, 0).dances == [enough]
    with pytest.raises(UserError, match=r"no dance has 4 beats of poses with all joints; lower --beats"):
        SequenceSampler([short], BEATS, 0)
    torn = numbered(0, beats=8)
    torn.known[: 4 * STEPS] = False
    with pytest.raises(UserError, match="no dance has 4 beats"):
        SequenceSampler([torn], BEATS, 0)
    *_, number, steps = draw(SequenceSampler([enough], BEATS, 0), 50)
    assert (number == 0).all() and steps.max() == STEPS * 5 - 1


def test_a_batch_is_drawn_on_the_device_of_the_space(sequences):
    batch = sequences.draw(3, Space(), np.random.default_rng(0), torch.device("meta"))
    assert {part.device.type for part in (*batch[:3], *batch.condition)} == {"meta"}
