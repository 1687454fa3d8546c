import numpy as np
import pytest
import torch

from learn2dance.gan import pose_space
from learn2dance.motion import skeleton


def family(count, joints, directions, seed=0):
    """Return root-centred poses (N, J, 2) that vary in so few directions, each less than the one before."""
    rng = np.random.default_rng(seed)
    base, moves = rng.normal(size=(joints, 2)), rng.normal(size=(directions, joints, 2))
    size = rng.normal(size=(count, directions)) * 0.7 ** np.arange(directions)
    poses = base + np.einsum("nd,djx->njx", size, moves)
    root = poses[:, 8:9] if joints in (15, 25) else poses.mean(1, keepdims=True)
    return (poses - root).astype(np.float32)


def encoded(space, poses):
    return space.encode(torch.from_numpy(poses)).numpy().astype(np.float64)


@pytest.mark.parametrize("joints", [7, 15])
def test_poses_that_vary_in_a_few_directions_are_reproduced(joints):
    poses = family(500, joints, 4)
    space = pose_space.fit(poses, mirrored=False)
    codes = space.encode(torch.from_numpy(poses))
    assert space.latent == 4 and codes.shape == (500, 4) and codes.dtype == torch.float32
    np.testing.assert_allclose(space.decode(codes).numpy(), poses, atol=1e-5)
    assert pose_space.error(space, poses) < 1e-5
    nested = space.decode(codes.reshape(5, 100, 4))
    assert nested.shape == (5, 100, joints, 2) and torch.equal(nested.reshape(poses.shape), space.decode(codes))


def test_what_is_left_out_is_small_and_no_component_too_many():
    """One direction has nearly all of the variance; of the others, some are needed."""
    rng = np.random.default_rng(0)
    size = np.array([1, 0.1, 0.03, 1e-3, 1e-4])  # shares of the variance: 1, 1e-2, 9e-4, 1e-6, 1e-8
    poses = (rng.normal(size=(4000, 5)) * size).astype(np.float32)
    poses = np.pad(poses, ((0, 0), (0, 1))).reshape(-1, 3, 2)
    space = pose_space.fit(poses, mirrored=False)
    left = poses - space.decode(space.encode(torch.from_numpy(poses))).numpy()
    assert (left**2).mean() <= pose_space.RESIDUAL * poses.var(0).mean() and space.latent == 3
    expected = np.linalg.norm(left.astype(np.float64), axis=-1).mean()
    assert pose_space.error(space, poses) == pytest.approx(expected, rel=1e-3)


def test_of_too_many_poses_every_nth_is_used(monkeypatch):
    poses = np.concatenate([family(500, 9, 4), family(500, 9, 6, seed=1)])[np.arange(1000).reshape(2, 500).T.ravel()]
    monkeypatch.setattr(pose_space, "MOST", 500)
    assert pose_space.fit(poses, mirrored=False).latent == 4
    monkeypatch.setattr(pose_space, "MOST", 1000)
    assert pose_space.fit(poses, mirrored=False).latent > 4


def test_codes_have_a_mean_of_zero_and_a_mean_variance_of_one():
    codes = encoded(pose_space.fit(family(3000, 9, 6), mirrored=False), family(3000, 9, 6))
    np.testing.assert_allclose(codes.mean(0), 0, atol=1e-4)
    covariance = np.cov(codes, rowvar=False, bias=True)
    assert np.trace(covariance) / 6 == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-4)
    variance = np.diag(covariance)
    assert (np.diff(variance) < 0).all()  # larger components stay larger, but less so:
    flat = family(3000, 9, 6).reshape(3000, -1).astype(np.float64)
    original = np.linalg.eigvalsh(np.cov(flat, rowvar=False))[::-1][:6]
    np.testing.assert_allclose(variance / variance[0], np.sqrt(original / original[0]), rtol=1e-2)


@pytest.mark.parametrize("joints", [9, 15, 25])
def test_whatever_is_decoded_is_centred_as_the_data_are(joints):
    space = pose_space.fit(family(300, joints, 12), mirrored=joints != 9)
    poses = space.decode(10 * torch.randn(50, space.latent, generator=torch.Generator().manual_seed(0)))
    centre = poses[:, 8] if joints in (15, 25) else poses.mean(1)
    assert centre.abs().max() < 1e-4 * poses.abs().max()


def test_the_mirror_images_of_poses_have_the_same_space():
    poses = family(400, 15, 5)
    both = np.concatenate([poses, skeleton.mirror(poses)])
    space, expected = pose_space.fit(poses, mirrored=True), pose_space.fit(both, mirrored=False)
    torch.testing.assert_close(space.mean, expected.mean, atol=1e-5, rtol=0)
    assert space.latent == expected.latent > 5
    torch.testing.assert_close(space.scale, expected.scale, atol=1e-4, rtol=1e-3)
    assert pose_space.error(space, skeleton.mirror(poses)) == pytest.approx(pose_space.error(space, poses), rel=0.05)
    assert pose_space.error(space, both) < 0.01 < pose_space.error(pose_space.fit(poses, False), both)


def test_one_pose_alone_is_reproduced():
    poses = np.repeat(family(1, 9, 3), 20, 0)
    space = pose_space.fit(poses, mirrored=False)
    codes = space.encode(torch.from_numpy(poses))
    assert codes.isfinite().all() and codes.abs().max() < 10
    np.testing.assert_allclose(space.decode(codes).numpy(), poses, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_missing_joints_are_placed_by_linear_regression_on_the_known_ones(mirrored):
    """Least squares on the same poses is the conditional mean of a normal distribution."""
    poses = family(3000, 15, 6)
    both = np.concatenate([poses, skeleton.mirror(poses)]) if mirrored else poses
    space, lost = pose_space.fit(poses, mirrored), [3, 4, 11]
    given = poses[:50].copy()
    given[:, lost], given[7, :9] = np.nan, np.nan
    found = space.complete(given)
    known = np.delete(np.arange(15), lost)
    inputs, outputs = (both[:, part].reshape(len(both), -1).astype(float) for part in (known, lost))
    weights, *_ = np.linalg.lstsq(np.insert(inputs, 0, 1, 1), outputs, rcond=None)
    rows = np.delete(np.arange(50), 7)
    expected = np.insert(given[rows][:, known].reshape(49, -1), 0, 1, 1) @ weights
    np.testing.assert_allclose(found[rows][:, lost].reshape(49, -1), expected, atol=0.02)
    np.testing.assert_array_equal(found[np.isfinite(given)], given[np.isfinite(given)])
    assert np.isfinite(found).all() and poses[:, lost].std(0).mean() > 0.3 and len(space.complete(given[:0])) == 0
    nothing = space.complete(np.full((1, 15, 2), np.nan, np.float32))
    np.testing.assert_allclose(nothing.ravel(), space.mean.numpy(), atol=1e-5)
