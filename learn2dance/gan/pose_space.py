"""The latent space of poses: the principal components of real poses.

Encoding and decoding are linear, so that what is generated in this space has all the detail of real poses. Which codes
are poses that a dancer takes is what the pose GAN learns.
"""

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.motion import skeleton

LEAST = 1e-12  # lower bound of a component's variance, for data of one pose
MOST = 250_000  # poses that the space is fitted to; of more, every n-th is used
RESIDUAL = 1e-4  # fraction of the variance that the components may leave out; the joints are then 0.2% of a torso off


class PoseSpace(nn.Module):
    """Maps poses (…, J, 2) to codes (…, latent) and back; codes have a mean of 0 and a mean variance of 1.

    Components are scaled by the square root of their deviation: large ones stay larger than small ones, but less so.
    """

    def __init__(self, joints: int, latent: int):
        super().__init__()
        self.latent = latent
        self.register_buffer("mean", torch.zeros(2 * joints))
        self.register_buffer("components", torch.zeros(latent, 2 * joints))  # orthonormal rows
        self.register_buffer("scale", torch.ones(latent))

    def encode(self, poses: Tensor) -> Tensor:
        """Return the codes (…, latent) of poses (…, J, 2)."""
        return (poses.flatten(-2) - self.mean) @ self.components.T / self.scale

    def decode(self, codes: Tensor) -> Tensor:
        """Return the poses (…, J, 2) of codes (…, latent)."""
        return ((codes * self.scale) @ self.components + self.mean).unflatten(-1, (-1, 2))

    def complete(self, poses: np.ndarray) -> np.ndarray:
        """Return poses float32 (N, J, 2) with missing joints (NaN) where they are on average, given the known ones.

        It is the conditional mean of a normal distribution with the mean and covariance of real poses.
        """
        mean, components, scale = (part.double().cpu().numpy() for part in (self.mean, self.components, self.scale))
        variance = scale**4 / (scale**2).mean()  # of the components (`fit`)
        covariance = components.T * variance @ components
        covariance += RESIDUAL * variance.sum() / len(mean) * np.eye(len(mean))
        flat = poses.reshape(len(poses), len(mean)).astype(np.float64)
        patterns, which = np.unique(np.isfinite(flat), axis=0, return_inverse=True)
        for number, known in enumerate(patterns):
            if not known.all():
                chosen = np.flatnonzero(which.ravel() == number)[:, None]
                weights = np.linalg.solve(covariance[np.ix_(known, known)], covariance[np.ix_(known, ~known)])
                flat[chosen, ~known] = mean[~known] + (flat[chosen, known] - mean[known]) @ weights
        return flat.reshape(poses.shape).astype(np.float32)


def fit(poses: np.ndarray, mirrored: bool) -> PoseSpace:
    """Fit the space to real poses (N, J, 2), and to their mirror images if ``mirrored``: as many components as needed.

    They leave out at most `RESIDUAL` of the variance. Of more than `MOST` poses, every n-th is used.
    """
    poses = poses[:: -(-len(poses) // MOST)]
    flat = poses.reshape(len(poses), -1).astype(np.float64)
    mean, covariance = _moments(flat)
    if mirrored:
        other_mean, other = _moments(skeleton.mirror(poses).reshape(len(poses), -1).astype(np.float64))
        between = np.outer(mean - other_mean, mean - other_mean) / 4
        mean, covariance = (mean + other_mean) / 2, (covariance + other) / 2 + between
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    left_out = values.sum() - np.cumsum(values)
    latent = int((left_out > RESIDUAL * values.sum()).sum()) + 1
    variance = np.maximum(values[:latent], LEAST)
    scale = variance**0.25
    scale *= np.sqrt((variance / scale**2).mean())
    space = PoseSpace(poses.shape[1], latent)
    found = {"mean": mean, "components": vectors[:, :latent].T, "scale": scale}
    space.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in found.items()})
    return space


def error(space: PoseSpace, poses: np.ndarray) -> float:
    """Return the mean distance of joints of poses (N, J, 2) from the same after encoding and decoding."""
    real = torch.from_numpy(poses)
    return float((space.decode(space.encode(real.to(space.mean.device))).cpu() - real).norm(dim=-1).mean())


def _moments(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return flat.mean(0), np.cov(flat, rowvar=False, bias=True)
