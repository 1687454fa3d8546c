"""Generation by denoising: noise becomes a pose or a dance in steps.

A code with the noise of time t is ``(1 - t) code + t noise``, from the code itself (t = 0) to noise alone (t = 1). A
generator predicts the code; the way from noise to a code is then the solution of a differential equation (rectified
flow: Liu, Gong and Liu, "Flow straight and fast", ICLR 2023). The networks predict codes rather than noise, since codes
of poses vary in few directions (Li and He, "Back to basics: let denoising generative models denoise", 2025).
"""

from collections.abc import Callable

import torch
from torch import Tensor

LEAST = 0.05  # the loss weighs errors of smaller times as those of this one


def mix(codes: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Return codes (N, …) with the noise (N, …) of times (N,)."""
    time = time.view(-1, *[1] * (codes.ndim - 1))
    return (1 - time) * codes + time * noise


def draw_times(count: int, rng: torch.Generator) -> Tensor:
    """Draw times (N,) in training: mostly medium ones (logit-normal: Esser et al., ICML 2024)."""
    return torch.sigmoid(torch.randn(count, generator=rng))


def loss(predicted: Tensor, codes: Tensor, weight: Tensor, time: Tensor) -> Tensor:
    """Return the mean squared error of predicted codes (N, …, D) where the weight (N, …) is 1, relative to time².

    Divided by time², the error of a code is that of the direction from noise to it.
    """
    error = ((predicted - codes) ** 2).mean(-1)
    weight = weight / time.clamp(min=LEAST).view(-1, *[1] * (error.ndim - 1)) ** 2
    return (error * weight).mean()


def sample(predict: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Return the codes to which noise (N, …) leads in ``steps`` steps of Heun's method (Karras et al., NeurIPS 2022).

    ``predict(codes, time)`` returns the predicted codes for codes with noise (N, …) and their times (N,). The last step
    is the prediction itself.
    """
    times, codes = torch.linspace(1, 0, steps + 1).tolist(), noise

    def direction(codes: Tensor, time: float) -> Tensor:
        return (codes - predict(codes, codes.new_full((len(codes),), time))) / time

    for time, after in zip(times[:-1], times[1:], strict=True):
        first = direction(codes, time)
        moved = codes + (after - time) * first
        codes = codes + (after - time) * (first + direction(moved, after)) / 2 if after else moved
    return codes
