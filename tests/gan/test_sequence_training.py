import copy

import numpy as np
import pytest
import torch

from learn2dance.gan import pose_training, sampler, sequence_networks, sequence_training
from learn2dance.gan.dataset import Dance
from learn2dance.gan.pose_networks import PoseConfig
from learn2dance.gan.sequence_networks import SequenceConfig

JOINTS = 7
CONFIG = SequenceConfig(music=2, steps=20, noise=3, hold=4, width=16, channels=8, lookahead=2)


def dances(count, fps=15.0, seconds=20.0, joints=JOINTS, seed=0):
    """Return dances in which every joint swings on a frequency of its own, below 2 Hz."""
    rng, clock = np.random.default_rng(seed), np.arange(round(seconds * fps)) / fps
    made = []
    for _ in range(count):
        turns = clock[:, None, None] * rng.uniform(0.3, 2.0, (1, joints, 2)) + rng.random((1, joints, 2))
        made.append((rng.uniform(0.2, 1.0, (1, joints, 2)) * np.sin(2 * np.pi * turns)).astype(np.float32))
    return made


@pytest.fixture
def pair():
    """Return a small GAN whose poses are as the dances' are."""
    torch.manual_seed(0)
    poses = pose_training.PoseGan(PoseConfig(JOINTS, ("a",), latent=3, width=16, layers=1), 0.9)
    poses.fit(np.concatenate(dances(4)))
    return sequence_training.SequenceGan(CONFIG, poses.generator, poses.encoder, decay=0.5, batch=6)


@pytest.fixture
def takes():
    rng = np.random.default_rng(1)
    return [Dance(str(i), d, rng.normal(size=(len(d), 2)).astype(np.float32), i % 2) for i, d in enumerate(dances(4))]


def changed(network, before):
    return any((value != before[key]).any() for key, value in network.state_dict().items())


@pytest.mark.parametrize("joints", [7, 15, 25])
def test_judging_knows_the_real_from_the_rest(joints):
    real = dances(6, joints=joints)
    itself = sequence_training.score_dances(real, real, 15.0)
    assert itself["FID"] == pytest.approx(0, abs=1e-3) and itself["jerk"] == pytest.approx(1)
    assert itself["precision"] == itself["recall"] == 1
    assert set(itself) == {"FID", "FID_k", "jerk", "precision", "recall"} | ({"FID_g"} if joints > 7 else set())
    rng = np.random.default_rng(1)
    shaken = [
        sequence_training.score_dances([dance + size * rng.normal(size=dance.shape) for dance in real], real, 15.0)
        for size in (0.03, 0.1, 0.3)
    ]
    for less, more in zip([itself, *shaken], shaken, strict=False):
        assert more["FID_k"] > less["FID_k"] and more["jerk"] > less["jerk"]
    assert sequence_training.score_dances([dance + 3 for dance in real], real, 15.0)["precision"] == 0
    frozen = sequence_training.score_dances([np.repeat(dance[:1], len(dance), 0) for dance in real], real, 15.0)
    assert frozen["jerk"] < 1e-3 and frozen["FID_k"] > 1 and frozen["recall"] < 0.2


def test_what_is_not_known_of_real_dances_is_not_judged():
    real = dances(6)
    for dance in real:
        dance[140:145, 2] = np.nan
    found = sequence_training.score_dances(dances(6), real, 15.0)
    assert all(np.isfinite(value) for value in found.values()) and found["precision"] > 0.9


def test_noise_is_held_for_a_few_steps():
    rng = torch.Generator().manual_seed(0)
    assert sequence_networks.draw_noise(CONFIG, 5, 20, rng, "cpu").shape == (5, 5, 3)
    assert sequence_networks.draw_noise(CONFIG, 5, 21, rng, "cpu").shape == (5, 6, 3)


def test_steps_are_seen_by_the_critic_as_large_as_poses(pair, takes):
    pair.fit(takes)
    way = np.concatenate([np.diff(take.poses, axis=0) for take in takes])
    assert pair.critic["sequence"].speed == pytest.approx(2 * np.sqrt((way**2).mean()), rel=1e-4)
    for critic in pair.critic.values():
        torch.testing.assert_close(critic.mean, pair.pose_generator.mean)
        assert critic.deviation == pair.pose_generator.deviation


def test_paths_that_go_on_begin_where_they_were(pair, takes):
    drawer, rng = sampler.SequenceSampler(takes, CONFIG, 0), np.random.default_rng(0)
    sequence_training.rollout(pair, drawer.advance(pair.paths, rng), torch.Generator().manual_seed(0))
    there, where = pair.paths.latent.clone(), drawer.advance(pair.paths, rng)
    made = sequence_training.rollout(pair, where, torch.Generator().manual_seed(1))
    first = pair.pose_generator(there, where.style)
    same = (made[:, 0] - first).abs().amax((1, 2)) < 1e-6
    assert made.shape == (6, 20, JOINTS, 2) and (same == ~where.begun).all() and same.any()


def test_each_step_moves_its_own_networks_alone(pair, takes):
    pair.fit(takes)
    drawer, rng = sampler.SequenceSampler(takes, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(pair, 1e-2)
    parts = {
        "pose_generator": pair.pose_generator,
        "encoder": pair.encoder,
        "generator": pair.generator,
        "critic": pair.critic,
    }

    def moved(step, *more):
        before = copy.deepcopy({name: part.state_dict() for name, part in parts.items()})
        step(pair, optimisers.__dict__[more[0]], drawer.advance(pair.paths, rng), torch.Generator(), *more[1:])
        return {name for name, part in parts.items() if changed(part, before[name])}

    assert moved(sequence_training.critic_step, "critic") == {"critic"}
    assert moved(sequence_training.generator_step, "generator", True) == {"generator"}
    heard = []
    pair.critic["sequence"].register_forward_hook(lambda *_: heard.append(1))
    assert moved(sequence_training.generator_step, "generator", False) == {"generator"} and not heard


def test_the_average_moves_half_of_the_way(pair, takes):
    pair.fit(takes)
    drawer, rng = sampler.SequenceSampler(takes, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(pair, 1e-2)
    weights = []
    for step in range(2):
        where = drawer.advance(pair.paths, rng)
        sequence_training.generator_step(pair, optimisers.generator, where, torch.Generator().manual_seed(step), False)
        weights.append(pair.generator.cell.weight_hh.detach().clone())
    assert (weights[0] != weights[1]).any()
    torch.testing.assert_close(pair.average.module.cell.weight_hh, (weights[0] + weights[1]) / 2)


def test_the_generator_learns_to_follow_and_the_critic_to_tell(pair, takes):
    pair.fit(takes)
    drawer, rng = sampler.SequenceSampler(takes, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(pair, 3e-3)

    def lost():
        with torch.no_grad():
            where = sampler.SequenceSampler(takes, CONFIG, 0).advance(
                sampler.RolloutState(64, 3, 16), np.random.default_rng(5)
            )
            return float(sequence_training.reconstruction_loss(pair, where, torch.Generator().manual_seed(0)))

    before = lost()
    for step in range(60):
        where = drawer.advance(pair.paths, rng)
        sequence_training.generator_step(pair, optimisers.generator, where, torch.Generator().manual_seed(step), False)
    assert lost() < 0.7 * before
    apart = []
    for step in range(30):
        where = drawer.advance(pair.paths, rng)
        apart.append(
            sequence_training.critic_step(pair, optimisers.critic, where, torch.Generator().manual_seed(step))[0]
        )
    assert np.mean(apart[-5:]) > np.mean(apart[:5]) + 0.05


def test_the_critic_is_told_real_dances_to_other_music(pair, takes):
    """Two dances to the right, two to the left, each side to a music of its own."""
    for take, side in zip(takes, (1, 1, -1, -1), strict=True):
        take.poses[..., 0] += 0.7 * side
        take.music[:] = side
    pair.fit(takes)
    drawer, rng = sampler.SequenceSampler(takes, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(pair, 5e-3)
    paths = sampler.RolloutState(48, 3, 16)
    pair.paths = paths
    for step in range(120):
        sequence_training.critic_step(
            pair, optimisers.critic, drawer.advance(paths, rng), torch.Generator().manual_seed(step)
        )
    where = drawer.advance(sampler.RolloutState(600, 3, 16), np.random.default_rng(5))
    music, other = (pair.crop_context(heard) for heard in (where.music, where.other))
    swapped = (music != other).all(2).all(1)
    with torch.no_grad():
        right, wrong = (pair.critic["music"](where.poses, heard, where.style)[swapped] for heard in (music, other))
    assert swapped.sum() > 20 and (right > wrong).float().mean() > 0.8
