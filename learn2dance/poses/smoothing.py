"""Smooth the path of a skeleton: a Wiener smoother whose model of motion and noise is fitted to the clip itself.

The model: detected positions are motion plus noise. The noise of a joint has a variance of its own, plus one that all
joints have in common, since a detector's crop trembles as a whole. Its power spectrum is one of `noise_spectra`, the
same for all joints: noise may be correlated over several frames. The motion is a random walk of order `ORDER` whose
steps are correlated between joints: the hips move together, and a wrist moves with its elbow. The covariance of the
steps, the variances of the noise and its spectrum are those of maximum likelihood, found by expectation maximisation
(EM: Shumway and Stoffer, "An approach to time series smoothing and forecasting using the EM algorithm", Journal of Time
Series Analysis 1982), here with Whittle's likelihood, in which frequencies are independent. No cutoff is set: a clip
without noise stays as it is, and joints that move little are smoothed more than joints that move fast.

In the generalised eigenvectors of the two covariances, motion and noise are uncorrelated, and the best linear estimate
is one gain for each of these components and each frequency (Wiener). For a single joint with white noise this is the
discrete smoothing spline of Garcia, "Robust smoothing of gridded data in one and higher dimensions with missing values"
(Computational Statistics and Data Analysis 2010), whose treatment of missing values and of weights is used.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dst, next_fast_len
from scipy.ndimage import gaussian_filter1d

ORDER = 3  # of the random walk: the power of motion falls with frequency f as f^-6
LOWEST = 1.0  # Hz: the model is fitted above it; dancers stay on the floor, so slower motion is weaker than f^-6
LEAST_CUTOFF = 1.75  # times `LOWEST`
BANDS = 16  # frequency bands, equally wide in log frequency, in each of which the covariance of joints is measured
CORRELATION = (0, 0.5, 0.7, 0.8, 0.9)  # of noise in neighbouring frames: autoregressive noise of order 1; 0 is white
BLUR = (1, 1.5, 2)  # frames: deviation of the Gaussian by which noise may be blurred
TRIALS, STEPS = 5, 10  # EM steps with each spectrum of noise, and with the likeliest
PRIOR = 30  # frames: weight of a prior of independent joints, for clips too short to show how joints move together
LEAST_NOISE = 1e-4  # body sizes: a lower bound of the noise's deviation, as files hold rounded numbers
MOST_NOISE = 3.0  # times the median joint's deviation of noise: an upper bound
LEAST_WEIGHT = 0.1  # of an observation with low confidence
SHORTEST = 8  # frames: shorter paths are not smoothed
PASSES = 3  # in each, joints that were not detected are replaced by the estimate of the pass before
FASTER = (16.0, 256.0, 4096.0)  # times the variance of the clip's motion; each raises the cutoff 1.6 times
WINDOW = 0.12  # seconds: deviation of the Gaussian window in which the power of fast moves is measured
EXCESS = 3.0  # times the mean power of noise above which more than noise is assumed, as the window holds few samples


def smooth(positions: np.ndarray, confidence: np.ndarray, fps: float) -> np.ndarray:
    """Smooth positions (T, J, 2) in body sizes, without NaN; ``confidence`` (T, J) is 0 where they are interpolated.

    If the clip's noise grows with falling confidence, less confident observations weigh less. Returns float64
    (T, J, 2). A path of constant velocity stays as it is; the first and the last frame keep their positions.
    """
    frames = len(positions)
    if frames < SHORTEST:
        return positions
    # Transforms of some lengths are slow, so frames are added at the end. Time becomes the last axis, for speed.
    more = (0, next_fast_len(frames - 1, real=True) + 1 - frames)
    positions = np.ascontiguousarray(positions.transpose(2, 1, 0))
    positions = np.pad(positions, ((0, 0), (0, 0), more), "reflect", reflect_type="odd")  # (2, J, T)
    confidence = np.pad(np.ascontiguousarray(confidence.T), ((0, 0), more), "reflect")
    lines = np.linspace(positions[..., 0], positions[..., -1], positions.shape[-1], axis=-1)
    frequency = np.pi * np.arange(1, positions.shape[-1] - 1) / (positions.shape[-1] - 1)  # (K,) radians per frame

    model = fit(_sine_transform((positions - lines)[..., 1:-1]), frequency, fps)
    noise_spectrum = noise_spectra(frequency)[model.spectrum]
    observed = confidence > 0
    weight, sure = observed.astype(float), 1.0
    estimate = positions.copy()  # of the first and the last frame, which are on the lines, these are also the results
    for step in range(PASSES):
        # What was not observed, and a part of what is uncertain, is replaced by the last estimate (Garcia 2010).
        path = estimate + weight * (positions - estimate) - lines
        components = model.to_components @ _sine_transform(path[..., 1:-1])
        gain = wiener_gain(sure * model.motion, noise_spectrum, frequency)
        estimate[..., 1:-1] = lines[..., 1:-1] + _sine_transform(model.to_joints @ (gain * components))
        if step == 0:
            weight = weights(positions - estimate, confidence, model.noise)
            sure = (1 / weight[observed]).mean()  # the fitted variance over that of an observation with weight 1

    # A move that is much faster than the rest of the clip needs a higher cutoff. Between the cutoffs for larger and
    # larger motion, what is more than noise is restored, by a Wiener filter for the power near a frame (Lee, "Digital
    # image enhancement and noise filtering by use of local statistics", IEEE PAMI 1980).
    for faster in FASTER:
        higher = wiener_gain(faster * sure * model.motion, noise_spectrum, frequency)
        removed = _sine_transform(model.to_joints @ ((higher - gain) * components))
        noise = model.to_joints**2 @ ((higher - gain) ** 2 * noise_spectrum).mean(-1) / sure  # (J,)
        power = gaussian_filter1d((removed**2).mean(0), WINDOW * fps, mode="nearest")  # (J, T - 2)
        estimate[..., 1:-1] += np.maximum(0, 1 - EXCESS * noise[:, None] / np.maximum(power, LEAST_NOISE**4)) * removed
        gain = higher
    return estimate[..., :frames].transpose(2, 1, 0)


def weights(residual: np.ndarray, confidence: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Weigh observations (J, T) by the inverse of their noise's variance, `LEAST_WEIGHT` to 1; 0 if not observed.

    The variance is taken for a power of the confidence relative to the joint's median, if it falls with it. The power
    is a regression of the ``residual`` (2, J, T), squared and over the joint's variance ``noise`` (J,), in logarithms.
    """
    observed = confidence > 0
    typical = np.array([np.median(joint[joint > 0]) for joint in confidence])
    level = np.log((confidence / typical[:, None])[observed])
    power = np.log(np.maximum((residual**2).mean(0) / noise[:, None], 1e-12)[observed])
    centred = level - level.mean()
    slope = min(centred @ power / max(centred @ centred, 1e-9), 0)  # 0 if all are equally confident
    result = np.zeros(confidence.shape)
    result[observed] = np.clip(np.exp(-slope * level), LEAST_WEIGHT, 1)
    return result


@dataclass(frozen=True)
class Model:
    """Motion and noise of a clip. Its C = J components have noise of variance 1 and are uncorrelated."""

    motion: np.ndarray  # (C,): variance of the steps of each component's random walk
    noise: np.ndarray  # (J,): variance of each joint's noise, with the common one, in squared body sizes
    spectrum: int  # which of `noise_spectra`
    to_components: np.ndarray  # (C, J): the matrix that turns joints (…, J, T) into components (…, C, T)
    to_joints: np.ndarray  # (J, C): its inverse


def wiener_gain(motion: np.ndarray, noise_spectrum: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Return the gain (C, K) at frequencies (K,) for components with steps of variance ``motion`` (C,).

    ``noise_spectrum`` (K,) is the power of the noise of every component.
    """
    power = motion[:, None] * motion_spectrum(frequency)
    return power / (power + noise_spectrum)


def motion_spectrum(frequency: np.ndarray) -> np.ndarray:
    """Return the power spectrum (K,) of a random walk of order `ORDER` with steps of variance 1."""
    return (4 * np.sin(frequency / 2) ** 2) ** -ORDER


def noise_spectra(frequency: np.ndarray) -> np.ndarray:
    """Return power spectra (N, K) of noise with variance 1: autoregressive (`CORRELATION`), then blurred (`BLUR`)."""
    rho, blur = np.array(CORRELATION)[:, None], np.array(BLUR)[:, None]
    autoregressive = (1 - rho**2) / (1 + rho**2 - 2 * rho * np.cos(frequency))
    blurred = 2 * np.sqrt(np.pi) * blur * np.exp(-((blur * frequency) ** 2))
    return np.concatenate([autoregressive, 0.99 * blurred + 0.01])


def fit(transform: np.ndarray, frequency: np.ndarray, fps: float) -> Model:
    """Fit the model to the sine transform (2, J, K) of a clip at frequencies (K,), in radians per frame.

    x and y are taken as two samples of the same model.
    """
    hertz = frequency * fps / (2 * np.pi)
    bounds = np.geomspace(min(LOWEST, fps / 8), fps / 2, BANDS + 1)
    edges = np.unique(np.searchsorted(hertz, bounds, side="right"))
    inside = [slice(*pair) for pair in zip(edges, edges[1:], strict=False)]  # bands without a frequency are left out
    samples = [np.concatenate(transform[..., band], axis=-1) for band in inside]  # (J, n) each
    count = np.array([band.shape[1] for band in samples])
    covariance = np.stack([band @ band.T / band.shape[1] for band in samples])  # (B, J, J)
    motion = np.array([np.exp(np.log(motion_spectrum(frequency[band])).mean()) for band in inside])
    noise = np.stack([noise_spectra(frequency[band]).mean(1) for band in inside], axis=1)  # (N, B)

    fits = []
    for spectrum in noise:
        # The highest band is taken for noise, and the correlated rest of the lower ones for motion.
        errors = _plausible(covariance[-1] / spectrum[-1])
        low = slice(0, max(1, 2 * len(count) // 5))
        rest = covariance[low] - spectrum[low, None, None] * errors
        steps = np.tensordot(count[low] / motion[low] / count[low].sum(), rest, 1)
        values, _, to_joints = _components(steps, errors)
        steps = to_joints * np.maximum(values, 1e-3 * values[-1]) @ to_joints.T
        fits.append(_maximise(covariance, count, motion, spectrum, steps, errors, TRIALS))
    best = int(np.argmax([likelihood for likelihood, _, _ in fits]))
    _, steps, errors = _maximise(covariance, count, motion, noise[best], *fits[best][1:], STEPS)
    values, to_components, to_joints = _components(steps, errors)
    # Slower motion than the fitted range may be stronger than the model says, so no cutoff is close to it or below.
    cutoff = np.array([LEAST_CUTOFF * bounds[0] * 2 * np.pi / fps])
    least = noise_spectra(cutoff)[best] / motion_spectrum(cutoff)
    return Model(np.maximum(values, least), np.diag(errors), best, to_components, to_joints)


def _maximise(covariance, count, motion, noise, steps, errors, iterations) -> tuple[float, np.ndarray, np.ndarray]:
    """Run EM from covariances of steps and of noise, ``errors``, (J, J) each; return the log likelihood and both.

    The data are the covariances (B, J, J) of the joints in bands of ``count`` (B,) samples, in which the spectra of
    motion and noise are ``motion`` and ``noise`` (B,). The likelihood is that before the last iteration.
    """
    total = count.sum()
    share = count / total
    for _ in range(iterations):
        values, to_components, to_joints = _components(steps, errors)
        measured = to_components @ covariance @ to_components.T  # (B, C, C)
        expected = values * motion[:, None] + noise[:, None]  # (B, C): variances, the model's
        gain = values * motion[:, None] / expected
        fit_error = np.diagonal(measured, axis1=1, axis2=2) / expected + np.log(expected)
        likelihood = -0.5 * total * (share @ fit_error.sum(1) + np.linalg.slogdet(errors)[1])

        # Second moments (C, C) of motion and noise: of their estimates, and of what stays uncertain in them.
        moment, rest = "b,bc,bcd,bd->cd", 1 - gain
        of_motion = np.einsum(moment, share / motion, gain, measured, gain) + np.diag(values * (share @ rest))
        of_noise = np.einsum(moment, share / noise, rest, measured, rest) + np.diag(share @ gain)
        steps = to_joints @ of_motion @ to_joints.T
        steps = (total * steps + PRIOR * np.diag(np.diag(steps))) / (total + PRIOR)
        errors = _plausible(to_joints @ of_noise @ to_joints.T)
    return likelihood, steps, errors


def _plausible(moment: np.ndarray) -> np.ndarray:
    """Return the covariance (J, J) of noise next to a second moment (J, J): a variance for each joint and a common one.

    Limits keep noise to the possible. Without them, a steady wave of one hand, say, would pass for noise.
    """
    count = len(moment)
    own, common = np.diag(moment), 0.0
    if count > 1:
        common = max((moment.sum() - own.sum()) / (count * (count - 1)), 0.0)
    own = np.minimum(own - common, MOST_NOISE**2 * np.median(own - common))
    return np.diag(np.maximum(own, LEAST_NOISE**2)) + common


def _components(steps: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return generalised eigenvalues (C,), at least 1e-9, of two covariances, and `Model`'s matrices for them."""
    factor = np.linalg.cholesky(errors)
    inverse = np.linalg.inv(factor)
    values, vectors = np.linalg.eigh(inverse @ steps @ inverse.T)
    return np.maximum(values, 1e-9), vectors.T @ inverse, factor @ vectors


def _sine_transform(path: np.ndarray) -> np.ndarray:
    """Return the sine transform of paths (…, K) that are 0 before and after; it is its own inverse."""
    return dst(path, type=1, norm="ortho")
