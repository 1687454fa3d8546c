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
    found = []
    for _ in range(count):
        turns = clock[:, None, None] * rng.uniform(0.3, 2.0, (1, joints, 2)) + rng.random((1, joints, 2))
        found.append((rng.uniform(0.2, 1.0, (1, joints, 2)) * np.sin(2 * np.pi * turns)).astype(np.float32))
    return found


@pytest.fixture
def gan():
    """Return a small GAN whose poses are as the dances' are."""
    torch.manual_seed(0)
    poses = pose_training.PoseGan(PoseConfig(JOINTS, ("a",), latent=3, width=16, layers=1), 0.9)
    poses.fit(np.concatenate(dances(4)))
    return sequence_training.SequenceGan(CONFIG, poses.generator, poses.encoder, decay=0.5, batch=6)


@pytest.fixture
def train():
    rng = np.random.default_rng(1)
    music = [rng.normal(size=(len(poses), 2)).astype(np.float32) for poses in dances(4)]
    path = np.zeros((len(music[0]), 3), np.float32)
    return [Dance(str(i), poses, path, music[i], i % 2) for i, poses in enumerate(dances(4))]


def changed(network, before):
    return any((value != before[key]).any() for key, value in network.state_dict().items())


@pytest.mark.parametrize("joints", [7, 15, 25])
def test_scores_separate_real_dances_from_others(joints):
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


def test_missing_poses_of_real_dances_are_not_scored():
    real = dances(6)
    for dance in real:
        dance[140:145, 2] = np.nan
    found = sequence_training.score_dances(dances(6), real, 15.0)
    assert all(np.isfinite(value) for value in found.values()) and found["precision"] > 0.9


def test_noise_is_held_for_a_few_steps():
    rng = torch.Generator().manual_seed(0)
    assert sequence_networks.draw_noise(CONFIG, 5, 20, rng, "cpu").shape == (5, 5, 3)
    assert sequence_networks.draw_noise(CONFIG, 5, 21, rng, "cpu").shape == (5, 6, 3)


def test_critics_standardise_poses_and_velocity(gan, train):
    gan.fit(train)
    steps = np.concatenate([np.diff(dance.poses, axis=0) for dance in train])
    assert gan.critic["sequence"].speed == pytest.approx(2 * np.sqrt((steps**2).mean()), rel=1e-4)
    for critic in gan.critic.values():
        torch.testing.assert_close(critic.mean, gan.pose_generator.mean)
        assert critic.deviation == gan.pose_generator.deviation


def test_rollouts_continue_from_their_last_latent(gan, train):
    sequences, rng = sampler.SequenceSampler(train, CONFIG, 0), np.random.default_rng(0)
    sequence_training.rollout(gan, sequences.advance(gan.paths, rng), torch.Generator().manual_seed(0))
    latent, current = gan.paths.latent.clone(), sequences.advance(gan.paths, rng)
    fake = sequence_training.rollout(gan, current, torch.Generator().manual_seed(1))
    first = gan.pose_generator(latent, current.style)
    same = (fake[:, 0] - first).abs().amax((1, 2)) < 1e-6
    assert fake.shape == (6, 20, JOINTS, 2) and (same == ~current.begun).all() and same.any()


def test_each_step_changes_only_its_own_networks(gan, train):
    gan.fit(train)
    sequences, rng = sampler.SequenceSampler(train, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(gan, 1e-2)
    parts = {
        "pose_generator": gan.pose_generator,
        "encoder": gan.encoder,
        "generator": gan.generator,
        "critic": gan.critic,
    }

    def trained(step, *more):
        before = copy.deepcopy({name: part.state_dict() for name, part in parts.items()})
        step(gan, optimisers.__dict__[more[0]], sequences.advance(gan.paths, rng), torch.Generator(), *more[1:])
        return {name for name, part in parts.items() if changed(part, before[name])}

    assert trained(sequence_training.critic_step, "critic") == {"critic"}
    assert trained(sequence_training.generator_step, "generator", True) == {"generator"}
    calls = []
    gan.critic["sequence"].register_forward_hook(lambda *_: calls.append(1))
    assert trained(sequence_training.generator_step, "generator", False) == {"generator"} and not calls


def test_the_average_moves_half_of_the_way(gan, train):
    gan.fit(train)
    sequences, rng = sampler.SequenceSampler(train, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(gan, 1e-2)
    weights = []
    for step in range(2):
        current = sequences.advance(gan.paths, rng)
        sequence_training.generator_step(gan, optimisers.generator, current, torch.Generator().manual_seed(step), False)
        weights.append(gan.generator.cell.weight_hh.detach().clone())
    assert (weights[0] != weights[1]).any()
    torch.testing.assert_close(gan.average.module.cell.weight_hh, (weights[0] + weights[1]) / 2)


def test_generator_and_critic_learn(gan, train):
    gan.fit(train)
    sequences, rng = sampler.SequenceSampler(train, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(gan, 3e-3)

    def loss():
        with torch.no_grad():
            current = sampler.SequenceSampler(train, CONFIG, 0).advance(
                sampler.RolloutState(64, 3, 16), np.random.default_rng(5)
            )
            return float(sequence_training.reconstruction_loss(gan, current, torch.Generator().manual_seed(0)))

    before = loss()
    for step in range(60):
        current = sequences.advance(gan.paths, rng)
        sequence_training.generator_step(gan, optimisers.generator, current, torch.Generator().manual_seed(step), False)
    assert loss() < 0.7 * before
    gaps = []
    for step in range(30):
        current = sequences.advance(gan.paths, rng)
        gaps.append(
            sequence_training.critic_step(gan, optimisers.critic, current, torch.Generator().manual_seed(step))[0]
        )
    assert np.mean(gaps[-5:]) > np.mean(gaps[:5]) + 0.05


def test_the_music_critic_learns_to_recognise_mismatched_music(gan, train):
    """Two dances are on the right, two on the left, each side with other music."""
    for dance, side in zip(train, (1, 1, -1, -1), strict=True):
        dance.poses[..., 0] += 0.7 * side
        dance.music[:] = side
    gan.fit(train)
    sequences, rng = sampler.SequenceSampler(train, CONFIG, 0), np.random.default_rng(0)
    optimisers = pose_training.Optimisers(gan, 5e-3)
    paths = sampler.RolloutState(48, 3, 16)
    gan.paths = paths
    for step in range(120):
        sequence_training.critic_step(
            gan, optimisers.critic, sequences.advance(paths, rng), torch.Generator().manual_seed(step)
        )
    current = sequences.advance(sampler.RolloutState(600, 3, 16), np.random.default_rng(5))
    music, other = (gan.crop_context(features) for features in (current.music, current.other))
    swapped = (music != other).all(2).all(1)
    with torch.no_grad():
        right, wrong = (
            gan.critic["music"](current.poses, features, current.style)[swapped] for features in (music, other)
        )
    assert swapped.sum() > 20 and (right > wrong).float().mean() > 0.8
