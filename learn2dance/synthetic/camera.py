"""The toy camera and the toy detector: a perspective view of joints in space, and the faults of finding them in it."""

from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 1280, 720  # pixels

# What goes wrong, in the measure of real detections.
JITTER = 0.005  # mean error of a joint that is seen, in heights of the dancer
LOST = 0.01  # share of the joints that are not found, for `LOST_FOR` frames on end
LOST_FOR = 3.0  # frames, on average
EMPTY = 0.006  # share of the frames in which nobody is found, for `EMPTY_FOR` frames on end
EMPTY_FOR = 1.5
SPIKES = 0.001  # share of the joints that are found somewhere else altogether, for one frame
PASSING = 0.85  # share of the frames in which the bystander is found, for `PASSING_FOR` frames on end
PASSING_FOR = 60.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at a height of `height` and `distance` metres from the dance floor's middle."""

    distance: float
    azimuth: float  # radians to the audience's right
    height: float
    focal: float  # pixels


def place(dancer_height: float, rng: np.random.Generator) -> Camera:
    """Put up a camera that sees a dancer of so many metres half as high as the picture."""
    distance, azimuth, height = rng.uniform((5.5, -0.2, 1.0), (7.5, 0.2, 1.7))
    focal = rng.uniform(0.47, 0.55) * HEIGHT * distance / dancer_height
    return Camera(distance, azimuth, height, focal)


def view(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """Project joints (T, J, 3) in metres (axes as in synthetic_body) to pixels (T, J, 2), x right, y down."""
    sin, cos = np.sin(camera.azimuth), np.cos(camera.azimuth)
    x, z = joints[..., 0] * cos - joints[..., 2] * sin, joints[..., 0] * sin + joints[..., 2] * cos
    tilt = np.arctan2(camera.height - 0.95, camera.distance)  # it looks at hips in the middle of the floor
    ahead, up = camera.distance - z, joints[..., 1] - camera.height
    depth = ahead * np.cos(tilt) - up * np.sin(tilt)
    up = up * np.cos(tilt) + ahead * np.sin(tilt)
    return np.stack([WIDTH / 2 + camera.focal * x / depth, HEIGHT / 2 - camera.focal * up / depth], axis=-1)


def detect(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Find a person's joints as a detector would: shaken, sometimes not at all, rarely somewhere else.

    Parameters
    ----------
    pixels : np.ndarray [shape=(T, J, 2)]
        Where the joints are.
    rng : np.random.Generator

    Returns
    -------
    np.ndarray [shape=(T, J, 3)]
        x, y, confidence; all zero for a joint that is not found, as OpenPose has it.
    """
    frames, count, _ = pixels.shape
    height = np.median(np.ptp(pixels[..., 1], axis=1))
    unsure = np.exp(0.45 * rng.standard_normal((frames, count)))  # an unsure joint shakes more and has less confidence
    deviation = JITTER / (np.sqrt(np.pi / 2) * np.exp(0.45**2 / 2))  # Rayleigh's and the log-normal's means
    found = pixels + rng.standard_normal(pixels.shape) * (deviation * height * unsure)[..., None]
    confidence = np.clip(0.95 - 0.12 * unsure + 0.02 * rng.standard_normal((frames, count)), 0.3, 0.98)

    wild = rng.random((frames, count)) < SPIKES
    angle, far = rng.uniform(0, 2 * np.pi, wild.sum()), rng.uniform(0.1, 0.5, wild.sum()) * height
    found[wild] += np.stack([far * np.cos(angle), far * np.sin(angle)], -1)
    confidence[wild] = rng.uniform(0.1, 0.6, wild.sum())

    result = np.concatenate([found, confidence[..., None]], axis=-1)
    result[(found < 0).any(-1) | (found >= (WIDTH, HEIGHT)).any(-1)] = 0
    for joint in range(count):
        result[spells(frames, LOST, LOST_FOR, rng), joint] = 0
    return result


def spells(frames: int, share: float, last: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a mask (T,) that is true for this share of the frames, in runs of this mean length (a Markov chain)."""
    on = rng.random() < share
    start, stop = rng.random(frames) < share / (last * (1 - share)), rng.random(frames) < 1 / last
    mask = np.empty(frames, bool)
    for frame in range(frames):
        mask[frame] = on
        on = not stop[frame] if on else start[frame]
    return mask


def film(dancer: np.ndarray, bystander: np.ndarray | None, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Detect everybody in every frame.

    Parameters
    ----------
    dancer, bystander : np.ndarray [shape=(T, 25, 2)]
        Pixels; there need be no bystander.
    rng : np.random.Generator

    Returns
    -------
    list of list of np.ndarray [shape=(25, 3)]
        For each frame the people found in it, in no order: x, y in pixels, and confidence.
    """
    frames = len(dancer)
    nobody = spells(frames, EMPTY, EMPTY_FOR, rng)
    cast = [(detect(dancer, rng), ~nobody)]
    if bystander is not None:
        cast.append((detect(bystander, rng), spells(frames, PASSING, PASSING_FOR, rng) & ~nobody))
    people = [[found[t] for found, seen in cast if seen[t]] for t in range(frames)]
    return [crowd[::-1] if rng.random() < 0.5 else crowd for crowd in people]
