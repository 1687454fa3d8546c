import numpy as np
import pytest
import torch
from format_samples import TRUTH
from test_gan_generate import centred, untaught

from learn2dance.errors import UserError
from learn2dance.gan import completion, generate


def test_gaps_are_interpolated_linearly():
    given = np.full((2, 9, 1, 2), np.nan, np.float32)
    given[0, 2, 0], given[0, 6, 0] = (1, 10), (3, 2)
    found = completion.interpolate(given)
    np.testing.assert_allclose(found[0, :, 0, 0], [1, 1, 1, 1.5, 2, 2.5, 3, 3, 3])
    np.testing.assert_allclose(found[0, :, 0, 1], [10, 10, 10, 8, 6, 4, 2, 2, 2])
    assert np.isnan(found[1]).all() and np.isnan(given[0, 3]).all()  # never observed; the input is not changed
    part = np.zeros((1, 3, 2, 2), np.float32)
    part[0, 1, 1] = np.nan
    part[0, :, 1, 0][[0, 2]] = 4
    np.testing.assert_allclose(completion.interpolate(part)[0, :, 1], [[4, 0]] * 3)


def test_steps_cover_all_frames_and_a_sequence():
    gan = untaught()  # 15 steps a second, 50 for the critic
    assert completion.steps_for(gan, 151, 25.0) == 91  # 6 s
    assert completion.steps_for(gan, 152, 25.0) == 92
    assert completion.steps_for(gan, 3, 25.0) == 50


def test_the_spline_is_exact_for_a_cubic():
    clock, frames = np.arange(20) / 15, np.arange(30) / 25
    matrix = completion.spline(20, 15.0, 30, 25.0).numpy()
    np.testing.assert_allclose(matrix @ (clock**3 - clock), frames**3 - frames, atol=1e-4)


def test_which_steps_are_known():
    given = np.full((1, 50, 9, 2), np.nan, np.float32)
    given[0, 10:21, 3] = 0  # one joint, 0.4 … 0.8 s
    known = completion.observed_steps(untaught(), given, 25.0, 60)[0]
    assert known.nonzero().ravel().tolist() == list(range(6, 13))  # 15 steps a second
    given[0, :, 3] = 0
    assert (
        completion.observed_steps(untaught(), given, 25.0, 60)[0].sum() == 30
    )  # none beyond the last frame, at 1.96 s


def test_a_rollout_joins_the_observed_steps_on_both_sides():
    gan, rng = untaught(), torch.Generator().manual_seed(0)
    path = 3 * torch.randn(2, 60, 4, generator=rng)
    known = torch.zeros(2, 60, dtype=torch.bool)
    known[:, :10] = known[:, 40:] = True
    known[1, 40:] = False
    style = torch.zeros(2, dtype=torch.int64)
    found = completion.rollout_unobserved(gan, path, known, torch.zeros(2, 60, 0), style, 0)
    torch.testing.assert_close(found[known], path[known])
    hidden = torch.where(known[..., None], path, torch.full_like(path, 77.0))
    torch.testing.assert_close(
        completion.rollout_unobserved(gan, hidden, known, torch.zeros(2, 60, 0), style, 0), found
    )
    # It reaches the next observed step in even steps; if no observed step follows, it does not go there.
    usual, arrival = (found[:, 11:30].diff(dim=1).norm(dim=-1).max(), (found[0, 40] - found[0, 39]).norm())
    assert arrival < 1.5 * usual
    assert (found[0, 38] - path[0, 40]).norm() < (found[1, 38] - path[0, 40]).norm()


@pytest.fixture(scope="module")
def generated():
    """Return a GAN and a dance that it generated, which it can therefore fit."""
    gan = untaught()
    return gan, centred(generate.dance(gan, None, 3, seconds=4.0)["poses"])


def fill(gan, given, fps=30.0, seed=0, steps=150):
    music = np.zeros((len(given), completion.steps_for(gan, given.shape[1], fps), 0), np.float32)
    return completion.optimise(gan, given, fps, music, np.zeros(len(given), np.int64), seed, steps)


def test_given_frames_are_fitted_and_the_others_generated(generated):
    gan, real = generated
    given = real[None].copy()
    given[:, 40:70] = np.nan
    poses, error = fill(gan, given)
    size = np.linalg.norm(real - real.mean(0), axis=-1).mean()
    assert poses.shape == given.shape and poses.dtype == np.float32 and np.isfinite(poses).all()
    known = np.isfinite(given)
    expected = np.linalg.norm(poses - real, axis=-1)[0, known[0].all((1, 2))].mean()
    assert error[0] == pytest.approx(expected, rel=1e-3) and error[0] < 0.3 * size
    assert fill(gan, given, steps=1)[1][0] > 1.5 * error[0]  # optimisation reduces it
    step = np.linalg.norm(np.diff(poses[0], axis=0), axis=-1).max(1)
    usual = np.linalg.norm(np.diff(real, axis=0), axis=-1).max()
    assert step[38:72].max() < 3 * usual  # no jump into or out of the gap


def test_only_given_joints_are_fitted(generated):
    gan, real = generated
    given = np.full_like(real[None], np.nan)
    given[:, :, 2:5] = real[:, 2:5]
    poses, error = fill(gan, given)
    distance = np.linalg.norm(poses[0] - real, axis=-1)
    assert np.isfinite(poses).all() and error[0] == pytest.approx(distance[:, 2:5].mean(), rel=1e-3)
    assert distance[:, 2:5].mean() < 0.5 * distance[:, [0, 1, *range(5, 9)]].mean() + 0.05


def test_a_dance_is_completed_alike_alone_and_in_a_batch(generated):
    gan, real = generated
    given = np.stack([real[:90], real[30:]])
    given[0, 40:70], given[1, :, :4] = np.nan, np.nan
    together = fill(gan, given, steps=20)[1]
    alone = [fill(gan, one[None], steps=20)[1][0] for one in given]
    assert together[0] == pytest.approx(alone[0], rel=0.05)
    assert together.shape == (2,)


def complete(gan, path, frames, joints=None, **more):
    dance, error = completion.complete(gan, path, None, known=frames, known_joints=joints, **({"seed": 0} | more))
    return dance | {"error": error}


@pytest.fixture
def quickly(monkeypatch):
    """Optimise in fewer steps, where the error does not matter."""
    optimise = completion.optimise
    monkeypatch.setattr(completion, "optimise", lambda *given: optimise(*given, steps=4))


def pixels(count=100, joints=9, seed=0):
    rng, clock = np.random.default_rng(seed), np.arange(count)[:, None, None] / 25
    turns = clock * rng.uniform(0.2, 1, (1, joints, 2)) + rng.random((1, joints, 2))
    if joints in (15, 25):  # a body; the other joints of BODY_25 are at the nose and the ankles
        places = np.concatenate([TRUTH[:1, :, :2], TRUTH[:1, [0] * 4 + [14] * 3 + [11] * 3, :2]], axis=1)
        return places[:, :joints] + 8 * np.sin(2 * np.pi * turns)
    return 300 + 80 * np.sin(2 * np.pi * turns) + rng.uniform(-60, 60, (1, joints, 2))


@pytest.mark.parametrize("joints", [9, 15])
def test_frames_that_are_not_given_have_no_effect(quickly, tmp_path, joints):
    poses, gan = pixels(joints=joints), untaught(joints)
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0)
    poses[30:] = np.nan
    np.savez(tmp_path / "lost.npz", poses=poses, fps=25.0)
    poses[30:] = 999 + 30 * pixels(joints=joints)[:70]
    np.savez(tmp_path / "wild.npz", poses=poses, fps=25.0)
    complete_file, lost, wild = (complete(gan, tmp_path / f"{name}.npz", ["0:30"]) for name in ("a", "lost", "wild"))
    np.testing.assert_array_equal(complete_file["poses"], wild["poses"])
    np.testing.assert_array_equal(complete_file["poses"], lost["poses"])
    assert (complete(gan, tmp_path / "a.npz", ["0:40"])["poses"] != complete_file["poses"]).any()
    assert (complete(gan, tmp_path / "a.npz", ["0:30"], seed=1)["poses"] != complete_file["poses"]).any()


def test_joints_that_are_not_given_have_no_effect(quickly, tmp_path):
    poses, gan = pixels(joints=15), untaught(15)
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0)
    poses[:, 9:] = 0
    np.savez(tmp_path / "b.npz", poses=poses, fps=25.0)
    one, other = (complete(gan, tmp_path / f"{name}.npz", ["0:"], list(range(9))) for name in "ab")
    np.testing.assert_array_equal(one["poses"], other["poses"])


def test_length_and_frame_rate_are_those_of_the_file_unless_seconds_are_given(quickly, tmp_path):
    np.savez(tmp_path / "a.npz", poses=pixels(), fps=25.0)
    gan = untaught()
    found = complete(gan, tmp_path / "a.npz", ["0:10", "60:70"])
    assert len(found["poses"]) == 100 and found["fps"] == 25
    assert len(complete(gan, tmp_path / "a.npz", ["0:25"], seconds=6.0)["poses"]) == 150
    np.savez(tmp_path / "b.npz", poses=pixels(2))
    found = complete(gan, tmp_path / "b.npz", ["0:"])
    assert len(found["poses"]) == 2 and found["fps"] == 30


def test_a_path_continues_through_gaps_and_beyond_the_end():
    frames = np.arange(12.0)
    free = np.stack([0.5 * frames, np.sin(frames), 0 * frames], axis=1)
    given = np.full((12, 3), np.nan)
    given[2:4], given[7:9] = [[5, 0, 0], [6, 1, 0]], [[20, 0, 0.1], [21, 0, 0.2]]
    found = completion.continue_path(given, free)
    known = np.isfinite(given)
    np.testing.assert_allclose(found[known], given[known])
    np.testing.assert_allclose(np.diff(found[:3], axis=0), np.diff(free[:3], axis=0))  # before the first given frame
    np.testing.assert_allclose(np.diff(found[8:], axis=0), np.diff(free[8:], axis=0))  # after the last
    extra = np.diff(found[3:8] - free[3:8], axis=0)  # the same for each step of the gap
    np.testing.assert_allclose(extra, np.tile(extra[0], (4, 1)), atol=1e-9)
    assert extra[0, 0] == pytest.approx((20 - 6 - 0.5 * 4) / 4)
    np.testing.assert_array_equal(completion.continue_path(np.full((12, 3), np.nan), free), free)


@pytest.mark.parametrize("camera_moved", [False, True])
def test_the_given_path_is_kept_unless_the_camera_moved(quickly, tmp_path, camera_moved):
    """The MidHip moves 3 torso lengths a second to the right in the picture."""
    poses = pixels(joints=15)
    poses[:, [1, 8]] = TRUTH[0, [1, 8], :2]  # a torso that does not turn or change
    torso = np.linalg.norm(np.diff(poses[0, [1, 8]], axis=0))
    poses[..., 0] += 3 * torso * np.arange(100)[:, None] / 25
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0, travel=not camera_moved)
    found = complete(untaught(15), tmp_path / "a.npz", ["0:40", "60:100"])
    root, filmed = found["poses"][:, 8], 3 * np.arange(100) / 25
    known = [*range(40), *range(60, 100)]
    assert (np.abs(root[known, 0] - filmed[known]).max() < 0.01) == (not camera_moved)
    assert np.abs(root[0]).max() == 0 and np.abs(np.diff(root[:, 0])).max() < 0.5  # no jump at the gap
    assert found["nearer"].shape == (100,) and found["nearer"] == pytest.approx(0, abs=1e-3)


def test_poses_of_25_joints_are_given_to_a_gan_of_15(quickly, tmp_path):
    poses = pixels(joints=25)
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0)
    np.savez(tmp_path / "b.npz", poses=poses[:, :15], fps=25.0)
    gan = untaught(15)
    one, other = (complete(gan, tmp_path / f"{name}.npz", ["0:30"]) for name in "ab")
    np.testing.assert_array_equal(one["poses"], other["poses"])


def test_unusable_given_poses_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", poses=pixels(), fps=25.0)
    with pytest.raises(UserError, match="9 joints, expected 15"):
        complete(untaught(15), tmp_path / "a.npz", ["0:"])
    with pytest.raises(UserError, match=r"no observed joint in what is given; .*there are 100 frames"):
        complete(untaught(), tmp_path / "a.npz", ["200:"])
    with pytest.raises(UserError, match="no joint 40; there are 9, counted from 0"):
        complete(untaught(), tmp_path / "a.npz", ["0:"], [40])


def test_the_likeliest_style_reconstructs_the_poses_best():
    """The encoder and generator reconstruct poses in the second style, and give zeros in the others."""
    gan = untaught(styles=("a", "b", "c"))
    real = centred(generate.dance(gan, None, 0, seconds=2.0)["poses"])

    class Encoder(torch.nn.Module):
        def forward(self, poses, style):
            return poses * (style == 2)[:, None, None], None

    class Generator(torch.nn.Module):
        def forward(self, latent, style):
            return latent

    networks = {"pose_encoder": Encoder(), "pose_generator": Generator(), "generator": gan.networks["generator"]}
    model = type(gan)(gan.config, gan.poses, torch.nn.ModuleDict(networks), None, (), 1.0, gan.travel)
    assert completion.likeliest_style(model, real) == 2 and completion.likeliest_style(untaught(), real) == 0
