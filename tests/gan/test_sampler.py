import numpy as np
import pytest
import torch

from learn2dance.errors import UserError
from learn2dance.gan.dataset import Dance
from learn2dance.gan.sampler import RolloutState, SequenceSampler
from learn2dance.gan.sequence_networks import SequenceConfig

CONFIG = SequenceConfig(music=2, steps=20, lookahead=3, noise=2, width=4)
LENGTHS, LOST = (100, 63, 20), {1: 30}  # of three dances; in one of them a step is missing


def numbered(number):
    """Return a dance whose poses and music hold its number and the step; x of each joint is the joint's number."""
    count = LENGTHS[number]
    poses = np.zeros((count, 15, 2), np.float32)
    poses[..., 0], poses[..., 1] = 1 + np.arange(15), 1000 * (1 + number) + np.arange(count)[:, None]
    if number in LOST:
        poses[LOST[number], 4] = np.nan
    music = np.stack([np.full(count, 1 + number), np.arange(count)], 1).astype(np.float32)
    return Dance(str(number), poses, np.zeros((len(poses), 3), np.float32), music, number)


@pytest.fixture
def sequences():
    return SequenceSampler([numbered(number) for number in range(3)], CONFIG, mirrored=7)


def place(poses):
    """Return the number of each sequence's dance, and its first step in it."""
    where = poses[:, :, 0, 1].numpy()
    assert (np.diff(where, axis=1) == 1).all() and (poses[..., 1] == poses[:, :, :1, 1]).all()
    return (where[:, 0] // 1000 - 1).astype(int), (where[:, 0] % 1000).astype(int)


def known(number, start):
    steps = range(start, start + CONFIG.steps)
    return steps[-1] < LENGTHS[number] and LOST.get(number) not in steps


def test_rollouts_continue_until_their_dance_ends_or_is_missing(sequences):
    paths, rng = RolloutState(200, 3, 4), np.random.default_rng(0)
    first = sequences.advance(paths, rng)
    assert first.begun.all() and first.poses.shape == (200, 20, 15, 2)
    went_on, ended = 0, 0
    for _ in range(6):
        before, begun_before = place(first.poses), first
        following = sequences.advance(paths, rng)
        now = place(following.poses)
        for path in range(200):
            number, start = before[0][path], before[1][path]
            if not following.begun[path]:
                went_on += 1
                assert (now[0][path], now[1][path]) == (number, start + CONFIG.steps)
                assert following.style[path] == begun_before.style[path]  # and the side stays
            elif not known(number, start + CONFIG.steps):
                ended += 1
        assert all(known(*at) for at in zip(*now, strict=True))
        can = [known(number, start + CONFIG.steps) for number, start in zip(*before, strict=True)]
        assert not any(begun.item() is False and not able for begun, able in zip(following.begun, can, strict=True))
        first = following
    assert went_on > 100 and ended > 100 and following.begun.any() and not following.begun.all()


def test_all_starts_are_equally_likely(sequences):
    drawn = [sequences.draw(np.random.default_rng(seed)) for seed in range(4000)]
    counts = np.bincount([number for number, _ in drawn], minlength=3)
    # 81 sequences begin in the first dance, 11 + 13 around the lost step of the second, 1 in the third.
    np.testing.assert_allclose(counts / 4000, np.array([81, 24, 1]) / 106, atol=0.03)
    assert {start for number, start in drawn if number == 1} == {*range(11), *range(31, 44)}


def test_mirrored_poses_have_a_mirrored_style(sequences):
    found = sequences.advance(RolloutState(400, 3, 4), np.random.default_rng(0))
    number, _ = place(found.poses)
    turned = (found.poses[:, 0, 0, 0] < 0).numpy()
    assert 0.4 < turned.mean() < 0.6
    np.testing.assert_array_equal(found.style.numpy(), number + 7 * turned)
    across = found.poses[:, 0, :, 0].numpy()
    assert (across[~turned] == 1 + np.arange(15)).all()
    # Nose, Neck; the right arm from the left one and the left from the right; MidHip; the legs likewise
    from_side = -np.array([1, 2, 6, 7, 8, 3, 4, 5, 9, 13, 14, 15, 10, 11, 12])
    assert (across[turned] == from_side).all()
    plain = SequenceSampler([numbered(0)], CONFIG, mirrored=0).advance(
        RolloutState(100, 3, 4), np.random.default_rng(0)
    )
    assert (plain.poses[..., 0] > 0).all() and (plain.style == 0).all()


def test_own_and_mismatched_music(sequences):
    found = sequences.advance(RolloutState(600, 3, 4), np.random.default_rng(0))
    number, start = place(found.poses)
    music, other = found.music.numpy(), found.other.numpy()
    silent = (music == 0).all((1, 2))
    assert 0 < silent.mean() < 0.3 and (other[silent] == 0).all()
    music, other, number, start = (part[~silent] for part in (music, other, number, start))
    last = np.array(LENGTHS)[number] - 1
    clock = np.clip(start[:, None] + np.arange(-3, 23), 0, last[:, None])  # held at the ends
    np.testing.assert_array_equal(music[..., 0], np.repeat(number[:, None] + 1, 26, 1))
    np.testing.assert_array_equal(music[..., 1], clock)
    theirs = other[:, 3:-3]
    assert (theirs[..., 0] == theirs[:, :1, 0]).all() and (np.diff(theirs[..., 1], axis=1) == 1).all()
    same = other[:, 0, 0] == number + 1
    assert 0.5 < same.mean() < 1  # 80% are drawn from the same dance, some more by chance
    elsewhere = np.abs(theirs[:, 0, 1] - start)[same & (number == 0)]
    assert np.mean(elsewhere > 5) > 0.8


def test_all_rollouts_restart_with_other_dances(sequences):
    paths, rng = RolloutState(50, 3, 4), np.random.default_rng(0)
    sequences.advance(paths, rng)
    paths.restart()
    assert SequenceSampler([numbered(0)], CONFIG, 7).advance(paths, rng).begun.all()


def test_the_state_of_rollouts_is_saved(sequences):
    paths, loaded = RolloutState(50, 3, 4), RolloutState(50, 3, 4)
    sequences.advance(paths, np.random.default_rng(0))
    loaded.load_state_dict(paths.state_dict())
    one, other = (sequences.advance(p, np.random.default_rng(1)) for p in (paths, loaded))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True)) and not one.begun.all()


def test_dances_shorter_than_a_sequence_are_refused():
    with pytest.raises(UserError, match=r"no dance has 1\.3 s of poses in a row with all joints; lower --sequence"):
        parts = (np.zeros((19, *shape), np.float32) for shape in ((15, 2), (3,), (2,)))
        SequenceSampler([Dance("a", *parts, 0)], CONFIG, 0)
