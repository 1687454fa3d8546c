import dataclasses

import numpy as np
import pytest
import torch
from test_gan_generate import untaught
from test_pose_folder import folder

from learn2dance.errors import UserError
from learn2dance.gan import (
    adversarial,
    conditioning,
    denoising,
    generate,
    pose_folder,
    pose_space,
    pose_training,
    sampler,
    sequence_training,
)
from learn2dance.gan.conditioning import Timeline
from learn2dance.gan.dataset import Dance
from learn2dance.gan.pose_networks import PoseConfig, PoseGenerator
from learn2dance.gan.sequence_networks import NOISE, SequenceConfig, SequenceCritic, SequenceGenerator
from learn2dance.motion import travel_model
from learn2dance.music import styles as music_styles
from learn2dance.music.features import FPS

JOINTS = 7


def as_dance(poses, fps, number=0, style=0, beats_per_bar=0, line=None):
    """Return poses (T, J, 2) as a dance, without music unless a timeline is given."""
    line = line or conditioning.uniform(len(poses) / fps)
    steps, known = line.to_steps(poses, fps)
    path = np.zeros((len(poses), 3), np.float32)
    return Dance(str(number), poses, path, fps, line, np.nan_to_num(steps), known, style, beats_per_bar)


def dances(count, fps=15.0, seconds=20.0, joints=JOINTS, seed=0):
    """Return dances in which every joint swings on a frequency of its own, below 2 Hz."""
    rng, clock = np.random.default_rng(seed), np.arange(round(seconds * fps)) / fps
    found = []
    for number in range(count):
        turns = clock[:, None, None] * rng.uniform(0.3, 2.0, (1, joints, 2)) + rng.random((1, joints, 2))
        poses = (rng.uniform(0.2, 1.0, (1, joints, 2)) * np.sin(2 * np.pi * turns)).astype(np.float32)
        found.append(as_dance(poses, fps, number))
    return found


def poses_of(real, change=lambda poses: poses):
    """Return dances as `score_dances` takes generated ones, changed."""
    return [(change(dance.poses), dance.fps) for dance in real]


@pytest.mark.parametrize("joints", [7, 15, 25])
def test_scores_separate_real_dances_from_others(joints):
    real = dances(6, joints=joints)
    itself = sequence_training.score_dances(poses_of(real), real)
    assert itself["FID"] == pytest.approx(0, abs=1e-3) and itself["jerk"] == pytest.approx(1)
    assert itself["precision"] == itself["recall"] == 1
    assert set(itself) == {"FID", "FID_k", "jerk", "precision", "recall"} | ({"FID_g"} if joints > 7 else set())
    rng = np.random.default_rng(1)
    shaken = [
        sequence_training.score_dances(poses_of(real, lambda p, s=size: p + s * rng.normal(size=p.shape)), real)
        for size in (0.03, 0.1, 0.3)
    ]
    for less, more in zip([itself, *shaken], shaken, strict=False):
        assert more["FID_k"] > less["FID_k"] and more["jerk"] > less["jerk"]
    assert sequence_training.score_dances(poses_of(real, lambda p: p + 3), real)["precision"] == 0
    frozen = sequence_training.score_dances(poses_of(real, lambda p: np.repeat(p[:1], len(p), 0)), real)
    assert frozen["jerk"] < 1e-3 and frozen["FID_k"] > 1 and frozen["recall"] < 0.2


def test_the_frame_rate_makes_no_difference_to_scores():
    real, alike = dances(6, fps=30.0), dances(6, fps=25.0)
    found = sequence_training.score_dances(poses_of(alike), real)
    assert found["FID_k"] < 0.05 and found["jerk"] == pytest.approx(1, abs=0.05) and found["precision"] > 0.9
    slow = dances(6, fps=10.0)  # too few frames for the filter
    assert all(np.isfinite(value) for value in sequence_training.score_dances(poses_of(slow), slow).values())


def test_missing_poses_of_real_dances_are_not_scored():
    real = dances(6)
    for dance in real:
        dance.poses[140:145, 2] = np.nan
    found = sequence_training.score_dances(poses_of(dances(6)), real)
    assert all(np.isfinite(value) for value in found.values()) and found["precision"] > 0.9


def test_training_dances_are_scored_against_real_ones():
    said = sequence_training.score_training_dances(dances(12), dances(3))
    assert said.startswith("FID ") and "FID_k" in said and "\n" not in said
    assert "FID 0.00" in sequence_training.score_training_dances(dances(3), dances(3))


def test_a_dance_is_generated_on_the_timeline_of_each_real_one():
    """Their lengths, frame rates, tempi and styles differ."""
    gan, rng = untaught(styles=("a", "b"), joints=7), np.random.default_rng(0)
    real = []
    for fps, seconds, beat, style in ((25.0, 8.0, 0.4, 1), (60.0, 5.5, 0.6, 2)):
        beats = np.arange(0, seconds + beat, beat)
        line = Timeline(beats, rng.normal(size=(len(beats) - 1, conditioning.FEATURES)).astype(np.float32))
        real.append(as_dance(dances(1, fps, seconds)[0].poses, fps, style=style, line=line))
    found = sequence_training.generate_dances(gan, real, 3)
    assert [part.shape for part in found] == [(240, 7, 2), (165, 7, 2)] and all(p.dtype == np.float32 for p in found)
    steps = generate.generate_steps(gan, real[1].timeline.features[None], np.array([2]), 4)[0]
    np.testing.assert_array_equal(found[1], real[1].timeline.to_frames(steps, 165, FPS))
    again = sequence_training.generate_dances(gan, real, 3)
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    assert not np.array_equal(found[0], sequence_training.generate_dances(gan, real, 4)[0])


def test_bar_locking_is_one_number_for_the_dances_with_music():
    """One dance is faster once a bar, the other moves evenly."""
    beats = np.arange(41) * 0.5
    line = Timeline(beats, np.ones((40, conditioning.FEATURES), np.float32))
    clock = np.arange(round(20 * FPS)) / FPS

    def moving(phase):
        poses = np.zeros((len(clock), 15, 2), np.float32)
        poses[:, 1:, 0] = phase[:, None]
        return poses

    locked = moving(clock + 0.3 * np.sin(np.pi * clock))  # speed 1 + 0.3 π cos(2π clock / 2 s)
    real = as_dance(locked, FPS, beats_per_bar=4, line=line)
    silent = as_dance(locked, FPS)
    score = sequence_training.bar_locking([real, silent], [locked, locked])["bar_locking"]
    even = sequence_training.bar_locking([real], [moving(np.cumsum(1 + np.sin(np.pi * 1.37 * clock)) / FPS)])
    assert score > 0.5 > 0.2 > even["bar_locking"]
    assert sequence_training.bar_locking([silent], [locked]) == {}


@pytest.fixture
def networks():
    """Return the latent space and pose generator of the dances' poses."""
    space = pose_space.fit(np.concatenate([dance.poses for dance in dances(4)]), mirrored=False)
    torch.manual_seed(0)
    return space, PoseGenerator(PoseConfig(JOINTS, ("a",), space.latent, 16, 1))


def test_the_model_has_the_top_speed_and_travel_of_the_training_data(networks):
    train = dances(3) + dances(2, fps=60.0, seed=1)
    train[0].poses[50:60, 2] = np.nan
    config = SequenceConfig(False, 8, 32, 8)
    generator = SequenceGenerator(config, networks[1].config)
    found = sequence_training.ModelBuilder(*networks, music_styles.collect(("a",), []), train)(config, generator)
    speeds = [np.linalg.norm(np.diff(dance.poses, axis=0), axis=-1).max(1) * dance.fps for dance in train]
    speeds = np.concatenate(speeds)
    slower = (speeds[np.isfinite(speeds)] <= found.top_speed).mean()
    assert slower == pytest.approx(0.999, abs=1 / np.isfinite(speeds).sum())
    assert found.networks["generator"] is generator and found.networks["space"] is networks[0]
    assert generate.dance(found, None, 0, seconds=2)["poses"].shape == (60, JOINTS, 2)
    assert found.travel == travel_model.fit((dance.poses, dance.path, dance.fps) for dance in train)


@pytest.mark.parametrize(("joints", "styles"), [(9, ()), (7, ("waltz",))])
def test_a_pose_gan_of_other_joints_or_styles_is_refused(tmp_path, joints, styles):
    opened = pose_folder.open_folder(folder(tmp_path / "x"))
    for kind in (PoseConfig(7, (), 4, 16, 1), PoseConfig(joints, styles, 4, 16, 1)):
        space = pose_space.PoseSpace(kind.joints, 4)
        pose_training.save_poses(tmp_path / f"{kind.joints}{len(kind.styles)}.pt", space, PoseGenerator(kind))
    found, generator = sequence_training.load_pose_gan(tmp_path / "70.pt", opened, "cpu")
    assert found.latent == 4 and generator.config.joints == 7
    with pytest.raises(UserError, match=f"trained on {joints} joints, styles .*; run train_pose.py on it") as fault:
        sequence_training.load_pose_gan(tmp_path / f"{joints}{len(styles)}.pt", opened, "cpu")
    assert "\n" not in str(fault.value)


def test_generator_and_critic_learn_from_dances(networks):
    space, poses = networks
    train = [dataclasses.replace(dance, style=i % 2) for i, dance in enumerate(dances(4))]
    sequences, rng = sampler.SequenceSampler(train, 8, 0), np.random.default_rng(0)
    torch.manual_seed(0)
    config = SequenceConfig(False, 8, 32, 8)
    gan = adversarial.DenoisingGan(
        SequenceGenerator(config, poses.config), SequenceCritic(config, poses.config), 0.9, NOISE
    )
    optimisers, gaps = adversarial.Optimisers(gan), []
    unseen, time = sequences.draw(32, space, rng, "cpu"), torch.full((32,), 0.2)
    noisy = unseen.with_noise(NOISE * torch.randn(unseen.codes.shape, generator=torch.Generator().manual_seed(0)), time)

    @torch.no_grad()
    def error():
        return float(denoising.loss(gan.generator(noisy, time, *unseen.condition), unseen.codes, unseen.known, time))

    before = error()
    for step in range(150):
        optimisers.begin_step(3e-3, adversarial=False)
        batch = sequences.draw(8, space, rng, "cpu")
        noise = torch.Generator().manual_seed(step)
        adversarial.generator_step(gan, optimisers.generator, batch, 0.0, noise)
    assert error() < 0.7 * before
    for step in range(100):
        optimisers.begin_step(3e-3, adversarial=True)
        batch = sequences.draw(8, space, rng, "cpu")
        noise = torch.Generator().manual_seed(step)
        gaps.append(float(adversarial.critic_step(gan, optimisers.critic, batch, 0.1, noise)[0]))
    assert np.mean(gaps[-10:]) > np.mean(gaps[:10]) + 0.02
