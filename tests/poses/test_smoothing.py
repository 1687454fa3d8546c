import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from learn2dance.motion import skeleton
from learn2dance.poses import cleaning, smoothing

FPS = 25.0
SIZE = (0.1, 0.02)  # body sizes: deviation of the motion of the toy body, and of its noise


def body(frames=3000, seed=0):
    """Six joints (T, 6, 2) that move below about 2 Hz: two groups of three, each nearly rigid, one twice as fast."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(2, frames + 200, 6, 2))
    common = np.repeat(common[:, ::3], 3, axis=1)
    walk = gaussian_filter1d(common + 0.05 * own, 4.0, axis=0)[100:-100]
    walk[:, :3] += gaussian_filter1d(common[:, :3], 2.0, axis=0)[100:-100]
    return SIZE[0] * walk / walk.std()


def noise(kind, frames=3000, joints=6, seed=1):
    """Noise (T, J, 2) of deviation `SIZE[1]`: white, autoregressive, or blurred."""
    white = np.random.default_rng(seed).normal(size=(frames + 200, joints, 2))
    if kind == "blurred":
        white = gaussian_filter1d(white, 1.5, axis=0)
    elif kind != "white":
        white = lfilter([1], [1, -kind], white, axis=0)
    white = white[100:-100]
    return SIZE[1] * white / white.std()


def error(path, truth):
    return np.sqrt(((path - truth) ** 2).mean())


def all_seen(path):
    return np.full(path.shape[:2], 0.8)


def fitted(monkeypatch):
    """Return a list to which each model is added that `smoothing.smooth` fits."""
    models, fit = [], smoothing.fit
    monkeypatch.setattr(smoothing, "fit", lambda *arguments: models.append(fit(*arguments)) or models[-1])
    return models


# The share of the noise that may be left, and the spectra that may be found. Noise as slow as motion is hard to tell.
KINDS = [("white", 0.5, {0}), (0.7, 0.8, {1, 2, 3}), (0.8, 0.9, {2, 3, 4})]


@pytest.mark.parametrize(("kind", "left", "spectra"), KINDS)
def test_level_and_spectrum_of_the_noise_are_found_in_the_clip(kind, left, spectra, monkeypatch):
    models, truth = fitted(monkeypatch), body()
    path = truth + noise(kind)
    smooth = smoothing.smooth(path, all_seen(path), FPS)
    assert error(smooth, truth) < left * SIZE[1]
    assert models[0].spectrum in spectra
    assert np.sqrt(models[0].noise) == pytest.approx(SIZE[1], rel=0.3)


@pytest.mark.parametrize("level", [0.1, 0.3, 1])
def test_the_error_is_near_that_of_the_best_linear_filter(level):
    # One joint, a random walk of order 3 in white noise: the Wiener filter's error is the integral of S N / (S + N).
    rng, frames = np.random.default_rng(0), 20_000
    frequency = np.pi * (np.arange(frames) + 0.5) / frames
    step = 1e-2
    spectrum = step**2 * (4 * np.sin(frequency / 2) ** 2 + 1e-3) ** -3  # stationary: without the walk's drift
    waves = np.fft.irfft(np.sqrt(spectrum / 2) * (rng.normal(size=(2, 1, 2, frames)) * [[[[1]]], [[[1j]]]]).sum(0))
    truth = waves.transpose(2, 0, 1) * np.sqrt(waves.shape[-1])
    deviation = 0.05 * level
    path = truth + rng.normal(0, deviation, truth.shape)
    best = np.sqrt((spectrum * deviation**2 / (spectrum + deviation**2)).mean())
    assert error(smoothing.smooth(path, all_seen(path), FPS), truth) < 1.03 * best


def test_spectra_are_those_of_the_noise():
    frequency = np.pi * (np.arange(1000) + 0.5) / 1000
    spectra = smoothing.noise_spectra(frequency)
    for kind, index in (("white", 0), (0.8, 3), ("blurred", 6)):
        transform = np.fft.rfft(noise(kind, 2000, joints=100), axis=0)[:1000] / SIZE[1]
        power = (np.abs(transform) ** 2).mean((1, 2)) / 2000
        expected = spectra[index].reshape(-1, 50).mean(1)
        np.testing.assert_allclose(power.reshape(-1, 50).mean(1), expected, rtol=0.1, atol=0.03)
    assert spectra.mean(1) == pytest.approx(1, abs=0.01)


def test_clean_motion_stays_as_it_is():
    truth = body()
    assert error(smoothing.smooth(truth, all_seen(truth), FPS), truth) < 0.01 * SIZE[0]


def test_what_moves_as_one_helps_to_see_each_joint():
    # Three joints that move as one are three measurements of it: alone, each has more error.
    path = (truth := body()) + noise("white")
    alone = np.concatenate([smoothing.smooth(path[:, [j]], all_seen(path[:, [j]]), FPS) for j in range(6)], axis=1)
    assert error(smoothing.smooth(path, all_seen(path), FPS), truth) < 0.8 * error(alone, truth)


def test_trembling_of_the_whole_picture_is_noise():
    truth = body()
    path = truth + noise("white", joints=1)
    assert error(smoothing.smooth(path, all_seen(path), FPS), truth) < 0.6 * SIZE[1]


def test_a_hidden_joint_follows_those_it_moves_with():
    truth = body()
    hidden = np.zeros(3000, bool)
    hidden[np.arange(50, 2950, 30)[:, None] + np.arange(3)] = True
    path = truth + 0.1 * noise("white")
    frames = np.arange(3000)
    for axis in (0, 1):
        path[hidden, 0, axis] = np.interp(frames[hidden], frames[~hidden], path[~hidden, 0, axis])
    confidence = all_seen(path)
    confidence[hidden, 0] = 0
    smooth = smoothing.smooth(path, confidence, FPS)
    assert error(smooth[hidden, 0], truth[hidden, 0]) < 0.7 * error(path[hidden, 0], truth[hidden, 0])


def test_unsure_observations_weigh_less_if_they_are_worse():
    rng, truth = np.random.default_rng(2), body()
    confidence = rng.uniform(0.3, 0.9, truth.shape[:2])
    path = truth + noise("white") * (0.5 / confidence[..., None]) ** 2
    assert error(smoothing.smooth(path, confidence, FPS), truth) < 0.95 * error(
        smoothing.smooth(path, all_seen(path), FPS), truth
    )
    noises = np.full(6, SIZE[1] ** 2)
    residual = (path - truth).transpose(2, 1, 0)
    weights = smoothing.weights(residual, confidence.T, noises)
    typical = np.median(confidence, axis=0)
    expected = np.clip((confidence / typical) ** 4, smoothing.LEAST_WEIGHT, 1)  # the inverse of the noise's variance
    assert np.abs(weights - expected.T).mean() < 0.03
    assert (smoothing.weights(residual, all_seen(path).T, noises) == 1).all()
    assert (smoothing.weights(residual[:, :, ::-1], confidence.T, noises) > 0.9).mean() > 0.9  # unrelated confidence


def test_a_burst_that_is_faster_than_the_rest_is_kept():
    truth = body()
    time = np.arange(3000) / FPS
    burst = 0.15 * np.sin(2 * np.pi * 5 * time) * ((time > 50) & (time < 52))
    path = truth + noise("white")
    before = smoothing.smooth(path, all_seen(path), FPS)[:, 0, 0]
    path[:, 0, 0] += burst
    kept = smoothing.smooth(path, all_seen(path), FPS)[:, 0, 0] - before
    assert kept @ burst / (burst @ burst) > 0.75


def test_a_straight_path_is_a_straight_path():
    path = np.linspace([[0.0, 1]] * 15, [[5.0, -1]] * 15, 97)
    np.testing.assert_allclose(smoothing.smooth(path, all_seen(path), FPS), path, atol=1e-9)


def test_street_dances_are_hardly_changed(shared):
    for clip in sorted((shared / "street" / "keypoints").glob("AM_*.npz"))[:3]:
        with np.load(clip) as file:
            truth, fps = file["poses"].astype(float), float(file["fps"])
        keypoints = np.concatenate([truth, np.full((*truth.shape[:2], 1), 0.9)], axis=-1)
        change = np.linalg.norm(cleaning.clean(keypoints, fps)[0] - truth, axis=-1)
        assert np.nanmean(change) < 0.03 * np.median(skeleton.torso_length(truth, fps))
