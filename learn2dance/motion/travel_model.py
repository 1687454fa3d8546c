"""A model of how dancers travel, fitted to real dances: the path over the floor of root-centred poses.

The supporting foot stays where it is, so most of the path follows from the poses (`travel.from_feet`). The remainder is
what a 2D skeleton does not show, such as steps in depth and gliding. Its speed is autoregressive: each second, it
depends on the speed in the second before, on the distance from the middle of the stage, on how far the feet take the
dancer in this second, and on noise. Dancers turn back towards the middle; how soon is fitted, within bounds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import lsq_linear

from learn2dance.motion import travel
from learn2dance.motion.skeleton import gaussian_mean
from learn2dance.motion.travel import ACROSS, NEARER, STAGE

LEAK = 8.0  # seconds: time constant with which the travel by the feet decays, as generated feet may drift to one side
SMOOTH = 0.25  # seconds: deviation of the Gaussian mean of a path before it is sampled each second
# Bounds of memory, pull and gain. Within those of memory and pull the process is stationary, whatever the data.
LOWER, UPPER = (0.0, -0.5, -1.0), (0.95, -0.005, 2.0)


@dataclass(frozen=True)
class TravelModel:
    """Coefficients of the speed that the feet do not show, for the directions (across, nearer).

    ``speed = memory * speed before + pull * position + gain * step + deviation * noise``, each second. The position is
    relative to the middle of the stage, the step is that of the feet, and the noise is standard normal. Units are torso
    lengths across, and log size nearer. All are 0 if no path was known.
    """

    memory: tuple[float, float]
    pull: tuple[float, float]
    gain: tuple[float, float]
    deviation: tuple[float, float]


def fit(dances: Iterable[tuple[np.ndarray, np.ndarray, float]]) -> TravelModel:
    """Fit the model by bounded least squares to root-centred poses (T, J, 2), paths (T, 3), and fps; NaN is ignored."""
    features, targets = [], []
    for poses, path, fps in dances:
        feet, position = (_each_second(part, fps) for part in (_from_feet(poses, fps), path))
        speed, step = np.diff(position - feet, axis=0), np.diff(feet, axis=0)
        features.append(np.stack([speed[:-1], position[1:-1], step[1:]], axis=-1))  # (seconds, 3, features)
        targets.append(speed[1:])
    rows, found = np.concatenate(features), np.concatenate(targets)
    known = np.isfinite(rows).all((1, 2)) & np.isfinite(found).all(1)
    coefficients, deviation = np.zeros((2, 3)), np.zeros(2)
    for i, direction in enumerate((ACROSS, NEARER)) if known.any() else ():
        x, y = rows[known, direction], found[known, direction]
        coefficients[i] = lsq_linear(x, y, (LOWER, UPPER), method="bvls").x
        deviation[i] = (y - x @ coefficients[i]).std()
    return TravelModel(*(tuple(map(float, values)) for values in (*coefficients.T, deviation)))


def path_of(model: TravelModel, poses: np.ndarray, fps: float, stage: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a path (T, 3) for complete, root-centred poses (T, J, 2), y up: float32, from the middle of the stage, 0.

    It varies about the middle as the fitted dances' paths do if ``stage`` is `STAGE` torso lengths, less on a narrower
    stage, and more on a wider one. `travel.stay` keeps it within the edges. Poses other than of 15 or 25 joints have no
    known feet: their path is the model's alone, and ``up`` is 0.
    """
    path = _from_feet(poses, fps)
    feet = _each_second(path, fps)[:, [ACROSS, NEARER]]
    memory, pull, gain, deviation = map(np.array, (model.memory, model.pull, model.gain, model.deviation))
    pull[0] = np.maximum(pull[0] * (STAGE / stage) ** 2, LOWER[1])  # the deviation grows as 1 / sqrt(pull)
    position, speed = np.zeros_like(feet), np.zeros(2)
    for t, step in enumerate(np.diff(feet, axis=0)):
        noise = deviation * rng.standard_normal(2)
        speed = memory * speed + pull * (position[t] + feet[t]) + gain * step + noise
        position[t + 1] = position[t] + speed
    unseen = PchipInterpolator(np.arange(len(position)), position)(np.arange(len(poses)) / fps)
    path[:, [ACROSS, NEARER]] += unseen
    return path.astype(np.float32)


def _from_feet(poses: np.ndarray, fps: float) -> np.ndarray:
    """Return the path (T, 3) by the feet, from 0."""
    path = travel.from_feet(poses, fps, LEAK).astype(np.float64)
    return path - path[0]


def _each_second(path: np.ndarray, fps: float) -> np.ndarray:
    """Sample a smoothed path (T, 3) at each second, the last of which is at or beyond its end; NaN where not known."""
    count = max(int(np.ceil((len(path) - 1) / fps)), 1) + 1
    frames = np.minimum(np.round(np.arange(count) * fps).astype(int), len(path) - 1)
    return np.stack([gaussian_mean(column, SMOOTH * fps)[frames] for column in path.T], axis=1)
