import numpy as np
import pytest
import torch
from torch import nn

from learn2dance.errors import UserError
from learn2dance.gan import losses, pose_training
from learn2dance.gan.pose_networks import PoseConfig


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0, 2.5])
def test_the_penalty_of_a_linear_critic_depends_on_its_slope(slope):
    direction = torch.randn(6, generator=torch.Generator().manual_seed(0))
    direction = slope * direction / direction.norm()
    real, fake = torch.randn(20, 3, 2), torch.randn(20, 3, 2)
    penalty = losses.gradient_penalty(lambda x: x.flatten(1) @ direction, real, fake, torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx((slope - 1) ** 2, abs=1e-5)


def test_the_penalty_is_taken_between_real_and_fake():
    """A critic of x² has the slope 2x: between 0 and 1 that is even in 0 … 2, and the mean of (slope - 1)² is 1/3."""
    real, fake = torch.zeros(200_000, 1), torch.ones(200_000, 1)
    penalty = losses.gradient_penalty(lambda x: (x**2).sum(1), real, fake, torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(1 / 3, abs=5e-3)


def test_the_critic_learns_from_its_penalty():
    critic = nn.Linear(4, 1, bias=False)
    nn.init.constant_(critic.weight, 2.0)
    losses.gradient_penalty(
        lambda x: critic(x).squeeze(1), torch.zeros(3, 4), torch.ones(3, 4), torch.Generator()
    ).backward()
    # d/dw (|w| - 1)² = 2 (|w| - 1) w / |w|, w = (2, 2, 2, 2)
    torch.testing.assert_close(critic.weight.grad, torch.full((1, 4), 2 * (4 - 1) * 2 / 4))


@pytest.mark.parametrize("joints", [15, 25, 8])
def test_generated_poses_are_centred_as_the_data_are(joints):
    gan = pose_training.PoseGan(PoseConfig(joints, ("a",), width=16), decay=0.5)
    fake = pose_training.generate_poses(gan.generator, np.array([0, 1, 1]), seed=0)
    centre = fake[:, 8] if joints in (15, 25) else fake.mean(1)
    assert fake.shape == (3, joints, 2) and np.abs(centre).max() < 1e-6
    np.testing.assert_array_equal(fake, pose_training.generate_poses(gan.generator, np.array([0, 1, 1]), seed=0))


def test_it_learns_two_poses():
    """The data are two poses, one of each style."""
    real = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    real -= real.mean(1, keepdims=True)
    torch.manual_seed(0)
    gan = pose_training.PoseGan(PoseConfig(5, ("a", "b"), latent=4, width=32, layers=2), decay=0.9)
    gan.fit(real)
    optimisers, rng = pose_training.Optimisers(gan, 2e-3), np.random.default_rng(0)
    before = np.abs(pose_training.generate_poses(gan.average.module, np.array([1, 2]), 0) - real).mean()
    for step in range(250):
        noise = torch.Generator().manual_seed(step)
        for _ in range(3):
            batch = pose_training.batch(real, np.array([1, 2]), 32, 0, rng)
            pose_training.critic_step(gan, optimisers.critic, *batch, noise)
        pose_training.generator_step(gan, optimisers.generator, *batch, noise)
    fake = pose_training.generate_poses(gan.average.module, np.repeat([1, 2], 50), 0).reshape(2, 50, 5, 2)
    assert np.abs(fake - real[:, None]).mean() < 0.2 * before


def test_the_encoder_learns_to_reconstruct_poses():
    """The poses are on a circle, so that one latent dimension suffices."""
    rng, turns = np.random.default_rng(0), np.linspace(0, 2 * np.pi, 64, endpoint=False)
    across, along = rng.normal(size=(2, 1, 5, 2))
    real = (np.cos(turns)[:, None, None] * across + np.sin(turns)[:, None, None] * along).astype(np.float32)
    real -= real.mean(1, keepdims=True)
    torch.manual_seed(0)
    gan = pose_training.PoseGan(PoseConfig(5, (), latent=4, width=32, layers=2), decay=0.9)
    gan.fit(real)
    style, optimisers = torch.zeros(64, dtype=torch.int64), pose_training.Optimisers(gan, 3e-3)

    def error() -> float:
        with torch.no_grad():
            reconstruction = gan.generator(gan.encoder(torch.from_numpy(real), style)[0], style)
        return float(np.abs(reconstruction.numpy() - real).mean() / np.abs(real).mean())

    before = error()
    for step in range(300):
        batch = pose_training.batch(real, style.numpy(), 32, 0, rng)
        pose_training.generator_step(gan, optimisers.generator, *batch, torch.Generator().manual_seed(step))
    assert before > 0.8 and error() < 0.15


def test_the_learning_rate_falls_in_the_second_half():
    assert [pose_training.learning_rate_decay(step, 100) for step in (0, 50, 75, 100)] == [1, 1, 0.5, 0]
    gan = pose_training.PoseGan(PoseConfig(5, (), latent=4, width=8), decay=0.9)
    optimisers = pose_training.Optimisers(gan, 1.0)
    optimisers.set_rate(0.25)
    loaded = pose_training.Optimisers(gan, 1.0)
    loaded.load_state_dict(optimisers.state_dict())
    assert [o.param_groups[0]["lr"] for o in (loaded.critic, loaded.generator)] == [0.25, 0.25]
    trained = {id(p) for group in optimisers.generator.param_groups for p in group["params"]}
    assert trained == {id(p) for part in (gan.generator, gan.encoder) for p in part.parameters()}


def test_half_of_a_batch_is_mirrored():
    poses = np.arange(30, dtype=np.float32).reshape(1, 15, 2)
    real, style = pose_training.batch(poses, np.array([3]), 400, 5, np.random.default_rng(0))
    mirrored = (real[:, 0, 0] != poses[0, 0, 0]).numpy() | (real[:, 1, 0] < 0).numpy()
    assert 0.4 < mirrored.mean() < 0.6
    np.testing.assert_array_equal(style, np.where(mirrored, 8, 3))
    np.testing.assert_array_equal(
        real[mirrored][0, 2], [-poses[0, 5, 0], poses[0, 5, 1]]
    )  # right shoulder from the left
    np.testing.assert_array_equal(real[~mirrored][0], poses[0])


def test_scores_separate_real_poses_from_others():
    rng = np.random.default_rng(0)
    real, others = rng.normal(size=(2, 1500, 15, 2))
    alike, noise, frozen = (
        pose_training.score_poses(fake, real) for fake in (others, 3 * others, real[:1].repeat(1500, 0))
    )
    assert alike["FID"] < 1 < 20 < noise["FID"] and frozen["FID"] > 20
    assert alike["precision"] > 0.5 and alike["recall"] > 0.5 and frozen["recall"] < 0.01
    assert alike["FID_g"] < 0.5 and frozen["FID_g"] > 5
    assert "FID_g" not in pose_training.score_poses(others[:, :9], real[:, :9])


def test_loaded_networks_generate_the_same_poses(tmp_path):
    gan = pose_training.PoseGan(PoseConfig(15, ("a", "b"), width=16), decay=0.9)
    gan.fit(np.random.default_rng(0).normal(size=(50, 15, 2)).astype(np.float32))
    pose_training.save_poses(tmp_path / "p.pt", gan, step=3)
    style = np.array([0, 1, 2])
    generator, encoder = pose_training.load_poses(tmp_path / "p.pt")
    np.testing.assert_array_equal(
        pose_training.generate_poses(generator, style, 1), pose_training.generate_poses(gan.average.module, style, 1)
    )
    poses = torch.randn(3, 15, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, expected in zip(encoder(poses, torch.arange(3)), gan.encoder(poses, torch.arange(3)), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.save(torch.load(tmp_path / "p.pt", weights_only=True) | {"config": {"joints": 3}}, tmp_path / "q.pt")
    with pytest.raises(UserError, match="not the parts of a 'pose_gan' model"):
        pose_training.load_poses(tmp_path / "q.pt")
