import numpy as np
import pytest
import torch
from test_gan_generate import centred, random_poses, taught, untaught

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
    given[0, 40:70], given[1, 20:, 2:7] = np.nan, np.nan
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


def test_known_joints_are_followed_and_what_is_generated_beside_them_continues_them():
    """The prediction is still, two torso lengths from what is given: it is moved there, and leaves slowly."""
    gan = untaught()
    still = taught(gan, lambda codes, *_: 0 * codes)
    mean = gan.networks["space"].decode(torch.zeros(gan.poses.latent)).numpy()
    given = np.full((1, 260, 9, 2), np.nan, np.float32)
    given[0, 20:50], given[0, 80:110] = mean + [2, 0], mean + [4, 0]
    found, fade = complete_poses(still, given)[0, :, 3, 0] - mean[3, 0], completion.FADE * FPS
    np.testing.assert_allclose(found[50:80], np.interp(np.arange(50, 80), [49, 80], [2, 4]), atol=1e-4)
    np.testing.assert_allclose(found[110:], np.interp(np.arange(110, 260), [109, 109 + fade], [4, 0]), atol=1e-4)
    np.testing.assert_allclose(found[:20], np.interp(np.arange(20), [20 - fade, 20], [0, 2]), atol=1e-4)


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
        count = noisy.shape[1]  # the steps of the passage that is compared, which is the beginning
        return torch.where(right[style - 1][:, :count, None], codes[:count], codes[:count] + 1)

    model = taught(gan, predict)
    assert completion.likeliest_style(model, given, FPS, line) == 3
    longer = np.concatenate([given, np.full((500, 9, 2), np.nan, np.float32)])
    assert completion.likeliest_style(model, longer, FPS, conditioning.uniform(600 / FPS)) == 3
    lost = given.copy()
    lost[:, 3:] = np.nan  # a third of the joints
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
    count = len(completion.STYLE_TIMES) * completion.STYLE_DRAWS
    assert [style for _, style in shown] == [[1] * count, [2] * count]
    assert torch.equal(shown[0][0], shown[1][0]) and shown[0][0].std().item() == pytest.approx(NOISE, rel=0.1)


def test_a_completed_dance_has_the_root_of_its_skeleton():
    for joints in (9, 15):
        gan = untaught(joints)
        given = motion(gan, 60)[None]
        given[:, 20:] = np.nan
        found = complete_poses(gan, given)[0]
        centre = found[:, 8] if joints == 15 else found - centred(found)
        assert np.abs(centre).max() < 1e-3


def test_the_longest_run_of_several():
    for text, expected in (("0110111100", (4, 8)), ("1", (0, 1)), ("1101", (0, 2)), ("0011", (2, 4))):
        assert completion.longest_run(np.array([letter == "1" for letter in text])) == expected


@pytest.mark.parametrize("lost", [[1], [2, 3, 4, 5]])
def test_motion_goes_on_from_poses_that_lack_joints(lost):
    """The prediction is another pose; one joint or four of nine are not given."""
    gan = untaught()
    given = motion(gan, 90)[None]
    given[0, 40:] = np.nan
    given[0, :, lost] = np.nan
    found = complete_poses(taught(gan, lambda codes, *_: 0 * codes + 1), given)[0]
    steps = np.linalg.norm(np.diff(found, axis=0), axis=-1)
    assert steps[39].max() < 2 * steps[:39].max() and steps[42:].max() > 0.01
