import numpy as np
import pytest
from format_samples import TRUTH
from test_gan_generate import untaught

from learn2dance.errors import UserError
from learn2dance.gan import completion


def complete(gan, path, frames, joints=None, **more):
    return completion.complete(gan, path, None, known=frames, known_joints=joints, **({"seed": 0} | more))


def pixels(count=100, joints=9, seed=0):
    rng, clock = np.random.default_rng(seed), np.arange(count)[:, None, None] / 25
    turns = clock * rng.uniform(0.2, 1, (1, joints, 2)) + rng.random((1, joints, 2))
    if joints in (15, 25):  # a body; the other joints of BODY_25 are at the nose and the ankles
        places = np.concatenate([TRUTH[:1, :, :2], TRUTH[:1, [0] * 4 + [14] * 3 + [11] * 3, :2]], axis=1)
        return places[:, :joints] + 8 * np.sin(2 * np.pi * turns)
    return 300 + 80 * np.sin(2 * np.pi * turns) + rng.uniform(-60, 60, (1, joints, 2))


@pytest.mark.parametrize("joints", [9, 15])
@pytest.mark.parametrize("styles", [(), ("a", "b")])
def test_frames_that_are_not_given_have_no_effect(tmp_path, joints, styles):
    poses, gan = pixels(joints=joints), untaught(joints, styles)
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


def test_joints_that_are_not_given_have_no_effect(tmp_path):
    poses, gan = pixels(joints=15), untaught(15)
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0)
    poses[:, 9:] = 0
    np.savez(tmp_path / "b.npz", poses=poses, fps=25.0)
    one, other = (complete(gan, tmp_path / f"{name}.npz", ["0:"], list(range(9))) for name in "ab")
    np.testing.assert_array_equal(one["poses"], other["poses"])


def test_given_joints_are_those_of_the_file(tmp_path):
    """In torso lengths, y up, relative to the MidHip."""
    poses, gan = pixels(joints=15), untaught(15)
    poses[:, [1, 8]] = TRUTH[0, [1, 8], :2]  # a torso that does not turn or change
    np.savez(tmp_path / "a.npz", poses=poses, fps=25.0)
    torso = np.linalg.norm(poses[0, 1] - poses[0, 8])
    expected = (poses - poses[:, 8:9]) / torso * [1, -1]
    found = complete(gan, tmp_path / "a.npz", ["0:40", "60:100"], [1, 2, 3, 8])["poses"]
    given = [*range(40), *range(60, 100)]
    relative = found - found[:, 8:9]
    np.testing.assert_allclose(relative[given][:, [1, 2, 3]], expected[given][:, [1, 2, 3]], atol=1e-3)
    assert np.abs(relative[given][:, 4:8] - expected[given][:, 4:8]).mean() > 0.05 and np.isfinite(found).all()


def test_length_and_frame_rate_are_those_of_the_file_unless_seconds_are_given(tmp_path):
    np.savez(tmp_path / "a.npz", poses=pixels(), fps=25.0)
    gan = untaught()
    found = complete(gan, tmp_path / "a.npz", ["0:10", "60:70"])
    assert len(found["poses"]) == 100 and found["fps"] == 25
    assert len(complete(gan, tmp_path / "a.npz", ["0:25"], seconds=6.0)["poses"]) == 150
    assert len(complete(gan, tmp_path / "a.npz", ["0:25"], seconds=2.0)["poses"]) == 50
    for count in (1, 2):
        np.savez(tmp_path / "b.npz", poses=pixels(count))
        found = complete(gan, tmp_path / "b.npz", ["0:"])
        assert len(found["poses"]) == count and found["fps"] == 30
        assert len(complete(gan, tmp_path / "b.npz", ["0:"], seconds=2.0)["poses"]) == 60


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
def test_the_given_path_is_kept_unless_the_camera_moved(tmp_path, camera_moved):
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


def test_poses_of_25_joints_are_given_to_a_gan_of_15(tmp_path):
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
    with pytest.raises(UserError, match="known frames 200:210 begin after its end; there are 100 frames"):
        complete(untaught(), tmp_path / "a.npz", ["0:", "200:210"])
    with pytest.raises(UserError, match=r"no observed joint in what is given; .*there are 50 frames"):
        complete(untaught(), tmp_path / "a.npz", ["60:"], seconds=2.0)
    with pytest.raises(UserError, match="no joint 40; there are 9, counted from 0"):
        complete(untaught(), tmp_path / "a.npz", ["0:"], [40])
    with pytest.raises(UserError, match="1000.0 s to complete, expected 300 at most"):
        complete(untaught(), tmp_path / "a.npz", ["0:"], seconds=1000.0)


def test_the_style_of_given_poses_is_used_without_music(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", poses=pixels(), fps=25.0)
    gan, asked = untaught(styles=("a", "b")), []
    monkeypatch.setattr(completion, "likeliest_style", lambda *given: asked.append(1) or 2)
    guessed, told, other = (complete(gan, tmp_path / "a.npz", ["0:30"], style=style) for style in (None, "b", "a"))
    assert len(asked) == 1  # not if a style is asked for
    np.testing.assert_array_equal(guessed["poses"], told["poses"])
    assert (guessed["poses"] != other["poses"]).any()
