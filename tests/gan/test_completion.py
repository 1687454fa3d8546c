import numpy as np
import pytest
import torch
from format_samples import TRUTH
from test_gan_generate import centred, random_poses, taught, untaught

from learn2dance.errors import UserError
from learn2dance.gan import completion, conditioning, denoising
from learn2dance.gan.conditioning import FEATURES, Timeline
from learn2dance.gan.sequence_networks import NOISE

FPS = 30.0


def motion(gan, count, seed=0, fps=FPS):
    """Return slow motion (T, J, 2) between poses of the GAN's latent space."""
    rng, clock = np.random.default_rng(seed), np.arange(count)[:, None] / fps
    size = gan.poses.latent
    codes = np.sin(2 * np.pi * (clock * rng.uniform(0.1, 0.5, size) + rng.random(size))).astype(np.float32)
    return gan.networks["space"].decode(torch.from_numpy(codes)).numpy()


def complete_poses(gan, given, seed=0, fps=FPS, style=None, lines=None):
    lines = lines or [conditioning.uniform(given.shape[1] / fps)] * len(given)
    style = np.zeros(len(given), np.int64) if style is None else style
    return completion.complete_poses(gan, given, fps, lines, style, seed)


@pytest.mark.parametrize("joints", [9, 15])
def test_known_joints_are_returned_exactly_and_the_others_are_generated(joints):
    gan = untaught(joints)
    given = motion(gan, 100)[None].repeat(2, 0)
    given[0, 40:70], given[1, 20:, 2:5] = np.nan, np.nan
    before = given.copy()
    found = complete_poses(gan, given)
    known = np.isfinite(given)
    assert found.shape == given.shape and found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_array_equal(found[known], given[known])
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(complete_poses(gan, given), found)
    other = complete_poses(gan, given, seed=1)
    assert (other[~known] != found[~known]).mean() > 0.99


@pytest.mark.parametrize("lost", [slice(40, 70), slice(70, None), slice(None, 30)])
def test_a_generator_that_knows_the_dance_completes_it(lost):
    gan = untaught()
    real, line = motion(gan, 130), conditioning.uniform(100 / FPS)
    codes = gan.networks["space"].encode(torch.from_numpy(line.to_steps(real, FPS)[0]))
    given = real[None, :100].copy()
    given[0, lost] = np.nan
    found = complete_poses(taught(gan, lambda noisy, *_: codes.expand_as(noisy)), given, lines=[line])[0]
    np.testing.assert_allclose(found, real[:100], atol=0.02)
    assert real[lost].std(0).mean() > 0.05


def test_a_joint_that_is_known_throughout_is_followed_and_its_error_fades_into_gaps():
    """The prediction lacks the joint's motion; where it is known, it is moved there, and between in even steps."""
    gan = untaught()
    still = taught(gan, lambda codes, *_: 0 * codes)
    mean = gan.networks["space"].decode(torch.zeros(gan.poses.latent)).numpy()
    given = np.full((1, 90, 9, 2), np.nan, np.float32)
    given[0, :, 3] = mean[3] + [2, 0]
    given[0, 30:61, 3] = np.nan
    given[0, 61:, 3] = mean[3] + [4, 0]
    found = complete_poses(still, given)[0]
    known = np.isfinite(given[0])
    np.testing.assert_array_equal(found[known], given[0][known])
    inside = found[36:55, 3, 0]  # the generated joint alone, without what is known, and the error that fades
    expected = np.interp(np.arange(36, 55), [29, 61], [found[29, 3, 0], found[61, 3, 0]])
    np.testing.assert_allclose(np.diff(inside), np.diff(expected), atol=0.1)
    assert (np.diff(inside) > -0.02).all()


@pytest.mark.parametrize("part", ["gap", "beyond", "joints"])
def test_what_is_not_given_depends_on_what_is(part):
    gan = untaught()
    given = motion(gan, 120)[None].repeat(2, 0)
    if part == "joints":
        given[:, :, 5:] = np.nan
        given[1, :, :5] = motion(gan, 120, seed=1)[:, :5]
    else:
        given[:, 60 : None if part == "beyond" else 90] = np.nan
        given[1, :60] = motion(gan, 120, seed=1)[:60]
    one, other = complete_poses(gan, given)
    alike = complete_poses(gan, given[:1].repeat(2, 0))
    missing = np.isnan(given[0])
    # Noise differs between the dances of a batch, and is the same for the first of both batches.
    np.testing.assert_allclose(one, alike[0], atol=1e-4)
    assert np.abs(other - alike[1])[missing].mean() > 0.01


def test_dances_of_a_batch_have_their_own_timeline_and_style():
    gan = untaught(styles=("a", "b"))
    given = motion(gan, 90)[None].repeat(2, 0)
    given[:, 30:60] = np.nan
    beats = np.arange(8) * 0.45
    features = np.random.default_rng(0).normal(size=(2, 7, FEATURES)).astype(np.float32)
    lines = [Timeline(beats, features[0]), Timeline(beats - 0.05, features[1])]
    found = complete_poses(gan, given, style=np.array([1, 2]), lines=lines)
    other = complete_poses(gan, given, style=np.array([1, 1]), lines=lines)
    shifted = complete_poses(gan, given, style=np.array([1, 2]), lines=[lines[0], lines[0]])
    for changed in (other, shifted):
        np.testing.assert_allclose(changed[0], found[0], atol=1e-4)
        assert np.abs(changed[1] - found[1])[30:60].max() > 1e-3


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
    with pytest.raises(UserError, match=r"no observed joint in what is given; .*there are 100 frames"):
        complete(untaught(), tmp_path / "a.npz", ["200:"])
    with pytest.raises(UserError, match="no joint 40; there are 9, counted from 0"):
        complete(untaught(), tmp_path / "a.npz", ["0:"], [40])
    with pytest.raises(UserError, match="1000 s to complete, expected 300 at most"):
        complete(untaught(), tmp_path / "a.npz", ["0:"], seconds=1000.0)


def removing_noise(gan, real, line, fps, skilled):
    """Return the GAN with a generator that knows the dance's codes in style ``skilled``, and else is a little off."""
    codes = gan.networks["space"].encode(torch.from_numpy(line.to_steps(real, fps)[0]))

    def predict(noisy, time, given, features, style):
        assert torch.equal(features, torch.from_numpy(line.features).expand(len(features), -1, -1)) and not given.any()
        return codes + 0.1 * (style != skilled)[:, None, None]

    return taught(gan, predict)


@pytest.mark.parametrize("skilled", [1, 2, 3])
def test_the_likeliest_style_is_the_one_whose_noise_is_removed_best(skilled):
    gan, fps = untaught(styles=("a", "b", "c")), 25.0
    real, line = motion(gan, 100, fps=fps), conditioning.uniform(3.9)
    real = np.concatenate([real, real[-1:].repeat(25, 0)])  # so that all steps are known
    line.features[:] = np.random.default_rng(0).normal(size=line.features.shape)
    assert completion.likeliest_style(removing_noise(gan, real, line, fps, skilled), real, fps, line) == skilled


def test_the_style_is_judged_by_what_is_known_alone():
    """In the second style only the gap is right, in the third all but the gap."""
    gan = untaught(styles=("a", "b", "c"))
    real, line = motion(gan, 100), conditioning.uniform(100 / FPS)
    given = real.copy()
    given[20:85] = np.nan  # most of the dance
    known = line.to_steps(given, FPS)[1]
    codes = torch.from_numpy(np.nan_to_num(line.to_steps(real, FPS)[0]))
    codes = gan.networks["space"].encode(codes)
    right = torch.from_numpy(np.stack([0 * known, ~known, known]).astype(bool))

    def predict(noisy, time, given, features, style):
        return torch.where(right[style - 1][..., None], codes, codes + 1)

    model = taught(gan, predict)
    assert completion.likeliest_style(model, given, FPS, line) == 3
    lost = given.copy()
    lost[:, 2] = np.nan  # no pose is complete
    assert completion.likeliest_style(model, lost, FPS, line) == 0
    assert completion.likeliest_style(untaught(), real, FPS, line) == 0  # there are no styles


def test_the_noise_of_the_likeliest_style_is_that_of_its_times():
    """The generator is shown the codes with the stated share of noise."""
    gan, shown = untaught(styles=("a", "b")), []
    real, line = random_poses(1, 9).repeat(60, 0), conditioning.uniform(1.5)
    codes = gan.networks["space"].encode(torch.from_numpy(real[:1]))

    def predict(noisy, time, given, features, style):
        shown.append(((noisy - (1 - time[:, None, None]) * codes) / time[:, None, None], style.tolist()))
        return denoising.mix(codes.expand_as(noisy), 0 * noisy, 0 * time)

    completion.likeliest_style(taught(gan, predict), real, FPS, line)
    assert [style for _, style in shown] == [[1] * len(completion.STYLE_TIMES), [2] * len(completion.STYLE_TIMES)]
    assert torch.equal(shown[0][0], shown[1][0]) and shown[0][0].std().item() == pytest.approx(NOISE, rel=0.1)


def test_the_style_of_given_poses_is_used_without_music(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", poses=pixels(), fps=25.0)
    gan, asked = untaught(styles=("a", "b")), []
    monkeypatch.setattr(completion, "likeliest_style", lambda *given: asked.append(1) or 2)
    guessed, told, other = (complete(gan, tmp_path / "a.npz", ["0:30"], style=style) for style in (None, "b", "a"))
    assert len(asked) == 1  # not if a style is asked for
    np.testing.assert_array_equal(guessed["poses"], told["poses"])
    assert (guessed["poses"] != other["poses"]).any()


def test_a_completed_dance_has_the_root_of_its_skeleton():
    for joints in (9, 15):
        gan = untaught(joints)
        given = motion(gan, 60)[None]
        given[:, 20:] = np.nan
        found = complete_poses(gan, given)[0]
        centre = found[:, 8] if joints == 15 else found - centred(found)
        assert np.abs(centre).max() < 1e-3
