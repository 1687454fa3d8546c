"""The toy camera and pose detector: a perspective projection of 3D joints, and the errors of detecting them."""

from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 1280, 720  # pixels

# Detection errors, about as large as those of real detectors. Runs are in frames, on average.
JITTER = 0.005  # mean position error of a detected joint, as a fraction of the dancer's height
SPIKES = 0.001  # fraction of joints detected far from their true position, for one frame
LOST, LOST_RUN = 0.01, 3.0  # fraction of joints not detected
EMPTY, EMPTY_RUN = 0.006, 1.5  # fraction of frames in which nobody is detected
PASSING, PASSING_RUN = 0.85, 60.0  # fraction of frames in which the bystander is detected


@dataclass(frozen=True)
class Camera:
    """A pinhole camera `height` metres above the floor, `distance` metres from the middle of the dance floor."""

    distance: float
    azimuth: float  # radians to the audience's right
    height: float
    focal: float  # focal length, pixels

    def project(self, joints: np.ndarray) -> np.ndarray:
        """Project joints (T, J, 3) in metres (axes as in `body`) to pixels (T, J, 2), x right, y down."""
        sin, cos = np.sin(self.azimuth), np.cos(self.azimuth)
        x, z = joints[..., 0] * cos - joints[..., 2] * sin, joints[..., 0] * sin + joints[..., 2] * cos
        tilt = np.arctan2(self.height - 0.95, self.distance)  # aimed at hips (0.95 m) in the middle of the floor
        ahead, up = self.distance - z, joints[..., 1] - self.height
        depth = ahead * np.cos(tilt) - up * np.sin(tilt)
        up = up * np.cos(tilt) + ahead * np.sin(tilt)
        return np.stack([WIDTH / 2 + self.focal * x / depth, HEIGHT / 2 - self.focal * up / depth], axis=-1)


def random_camera(dancer_height: float, rng: np.random.Generator) -> Camera:
    """Draw a camera in whose picture a dancer of this height in metres is about half as high as the picture."""
    distance, azimuth, height = rng.uniform((5.5, -0.2, 1.0), (7.5, 0.2, 1.7))
    focal = rng.uniform(0.47, 0.55) * HEIGHT * distance / dancer_height
    return Camera(distance, azimuth, height, focal)


def detect(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Simulate a pose detector on true joints (T, J, 2) in pixels: jitter, missing joints and rare outliers.

    Returns x, y, confidence (T, J, 3); all zero for a joint that is not detected, as in OpenPose.
    """
    frames, count, _ = pixels.shape
    height = np.median(np.ptp(pixels[..., 1], axis=1))
    unsure = np.exp(0.45 * rng.standard_normal((frames, count)))  # an uncertain joint has more jitter, less confidence
    deviation = JITTER / (np.sqrt(np.pi / 2) * np.exp(0.45**2 / 2))  # means of Rayleigh and log-normal
    found = pixels + rng.standard_normal(pixels.shape) * (deviation * height * unsure)[..., None]
    confidence = np.clip(0.95 - 0.12 * unsure + 0.02 * rng.standard_normal((frames, count)), 0.3, 0.98)

    wild = rng.random((frames, count)) < SPIKES
    angle, far = rng.uniform(0, 2 * np.pi, wild.sum()), rng.uniform(0.1, 0.5, wild.sum()) * height
    found[wild] += np.stack([far * np.cos(angle), far * np.sin(angle)], -1)
    confidence[wild] = rng.uniform(0.1, 0.6, wild.sum())

    result = np.concatenate([found, confidence[..., None]], axis=-1)
    result[(found < 0).any(-1) | (found >= (WIDTH, HEIGHT)).any(-1)] = 0
    for joint in range(count):
        result[random_runs(frames, LOST, LOST_RUN, rng), joint] = 0
    return result


def random_runs(frames: int, share: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a mask (T,) that is true for this fraction of frames, in runs of this mean length (a Markov chain)."""
    on = rng.random() < share
    start, stop = rng.random(frames) < share / (length * (1 - share)), rng.random(frames) < 1 / length
    mask = np.empty(frames, bool)
    for frame in range(frames):
        mask[frame] = on
        on = not stop[frame] if on else start[frame]
    return mask


def detect_people(dancer: np.ndarray, bystander: np.ndarray | None, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Return the people detected in each frame, in random order: x, y in pixels, and confidence (25, 3).

    The dancer's and the bystander's true joints are (T, 25, 2) in pixels.
    """
    frames = len(dancer)
    nobody = random_runs(frames, EMPTY, EMPTY_RUN, rng)
    detections = [(detect(dancer, rng), ~nobody)]
    if bystander is not None:
        detections.append((detect(bystander, rng), random_runs(frames, PASSING, PASSING_RUN, rng) & ~nobody))
    people = [[found[t] for found, seen in detections if seen[t]] for t in range(frames)]
    return [crowd[::-1] if rng.random() < 0.5 else crowd for crowd in people]
