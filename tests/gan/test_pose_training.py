import numpy as np
import pytest
import torch

from learn2dance.data import checkpoint
from learn2dance.errors import UserError
from learn2dance.gan import adversarial, pose_space, pose_training
from learn2dance.gan.pose_networks import PoseConfig, PoseCritic, PoseGenerator


def rooted(poses):
    """Return poses (N, J, 2) whose root is the origin."""
    root = poses[:, 8:9] if poses.shape[1] in (15, 25) else poses.mean(1, keepdims=True)
    return (poses - root).astype(np.float32)


def random_poses(count, joints, seed=0):
    return rooted(np.random.default_rng(seed).normal(size=(count, joints, 2)))


def untrained(poses, styles=(), mirrored=False, **more):
    """Return the space of these poses, and a generator in it whose codes are not zero."""
    space = pose_space.fit(poses, mirrored)
    torch.manual_seed(0)
    return space, PoseGenerator(PoseConfig(poses.shape[1], styles, space.latent, **({"width": 16, "layers": 1} | more)))


@pytest.mark.parametrize("joints", [15, 25, 8])
def test_generated_poses_are_centred_as_the_data_are(joints):
    space, generator = untrained(random_poses(200, joints), ("a",))
    style = np.array([0, 1, 1])
    fake = pose_training.generate_poses(space, generator, style, seed=0)
    centre = fake[:, 8] if joints in (15, 25) else fake.mean(1)
    assert fake.shape == (3, joints, 2) and fake.dtype == np.float32
    assert np.abs(centre).max() < 1e-5 * np.abs(fake).max()
    np.testing.assert_array_equal(fake, pose_training.generate_poses(space, generator, style, seed=0))
    assert (fake != pose_training.generate_poses(space, generator, style, seed=1)).any()
    assert (fake[1] != pose_training.generate_poses(space, generator, 0 * style, seed=0)[1]).any()


def test_networks_depend_on_all_that_they_are_shown():
    config = PoseConfig(5, ("a", "b"), latent=4, width=16)
    torch.manual_seed(0)
    codes, time, style = torch.randn(3, 4), torch.tensor([0.1, 0.5, 1.0]), torch.tensor([0, 2, 5])  # 5: mirrored b
    for network, shape in ((PoseGenerator(config), (3, 4)), (PoseCritic(config), (3, 1))):
        found = network(codes, time, style)
        assert found.shape == shape
        for other in ((codes + 1, time, style), (codes, 0.9 * time, style), (codes, time, (style + 1) % 6)):
            assert (network(*other) - found).abs().amax(1).min() > 1e-6


def test_it_learns_two_poses():
    """The data are two poses, one of each style."""
    real = random_poses(2, 5)
    space, generator = untrained(real, ("a", "b"), width=32, layers=2)
    gan = adversarial.DenoisingGan(generator, PoseCritic(generator.config), decay=0.9)
    optimisers, rng = adversarial.Optimisers(gan), np.random.default_rng(0)
    labels = np.repeat([1, 2], 50)

    def error():
        fake = pose_training.generate_poses(space, gan.average.module, labels, 0).reshape(2, 50, 5, 2)
        return np.abs(fake - real[:, None]).mean()

    before = error()
    for step in range(200):
        weight = 0.3 * (step >= 150)
        optimisers.begin_step(1e-3 if weight else 5e-3, bool(weight))
        batch = pose_training.draw(space, real, np.array([1, 2]), 32, 0, rng, "cpu")
        noise = torch.Generator().manual_seed(step)
        if weight:
            adversarial.critic_step(gan, optimisers.critic, batch, 0.1, noise)
        adversarial.generator_step(gan, optimisers.generator, batch, weight, noise)
    assert error() < 0.2 * before


def test_half_of_a_batch_is_mirrored():
    poses = rooted(np.concatenate([np.arange(30).reshape(1, 15, 2), random_poses(40, 15)]))
    space = pose_space.fit(poses, mirrored=True)
    batch = pose_training.draw(space, poses[:1], np.array([3]), 400, 5, np.random.default_rng(0), "cpu")
    real, style = space.decode(batch.codes).numpy(), batch.condition[0].numpy()
    mirrored = style == 8
    assert 0.4 < mirrored.mean() < 0.6 and (style[~mirrored] == 3).all()
    np.testing.assert_allclose(real[~mirrored][0], poses[0], atol=0.1)
    x, y = poses[0, 5]
    np.testing.assert_allclose(real[mirrored][0, 2], [-x, y], atol=0.1)  # right shoulder from the left
    assert batch.codes.shape == (400, space.latent) and (batch.known == 1).all() and not batch.given.any()


def test_poses_are_drawn_with_their_styles_and_stay_as_they_are():
    poses, style = random_poses(30, 15), np.arange(30)
    before, labels = poses.copy(), style.copy()
    space = pose_space.fit(poses, mirrored=True)
    for mirrored in (0, 100):
        batch = pose_training.draw(space, poses, style, 600, mirrored, np.random.default_rng(0), "cpu")
        found = batch.condition[0].numpy()
        plain = found < 100
        assert set(found[plain]) == set(range(30)) and plain.all() == (mirrored == 0)
        np.testing.assert_allclose(space.decode(batch.codes).numpy()[plain], poses[found[plain]], atol=0.1)
    np.testing.assert_array_equal(poses, before)
    np.testing.assert_array_equal(style, labels)


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


def test_validation_poses_are_real_and_few_enough():
    train, val = random_poses(300, 9), random_poses(pose_training.SCORED + 100, 9, seed=1)
    style = np.arange(len(val))
    real, labels, floor = pose_training.validation_poses(train, val, style, 0)
    assert len(real) == pose_training.SCORED == len(set(labels)) and 0 < floor < 5
    np.testing.assert_array_equal(real, val[labels])
    few, _, _ = pose_training.validation_poses(train, val[:50], style[:50], 0)
    assert len(few) == 50


def test_loaded_networks_generate_the_same_poses(tmp_path):
    poses = random_poses(200, 15)
    space, generator = untrained(poses, ("a", "b"), mirrored=True)
    pose_training.save_poses(tmp_path / "p.pt", space, generator, step=3)
    loaded, network = pose_training.load_poses(tmp_path / "p.pt")
    assert network.config == generator.config and not network.training
    np.testing.assert_array_equal(loaded.encode(torch.from_numpy(poses)), space.encode(torch.from_numpy(poses)))
    for style in (np.array([0, 1, 2]), np.array([3, 4, 5])):
        np.testing.assert_array_equal(
            pose_training.generate_poses(loaded, network, style, 1),
            pose_training.generate_poses(space, generator, style, 1),
        )
    parts = checkpoint.load(tmp_path / "p.pt", "pose_gan")
    assert parts["step"] == 3
    for changed in ({"config": {"joints": 3}}, {"space": {}}, {"config": parts["config"] | {"latent": 3}}):
        torch.save(parts | changed, tmp_path / "q.pt")
        with pytest.raises(UserError, match="not the parts of a 'pose_gan' model") as fault:
            pose_training.load_poses(tmp_path / "q.pt")
        assert "\n" not in str(fault.value)
