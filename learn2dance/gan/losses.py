"""Losses of both GANs: the gradient penalty and the KL divergence from a standard normal distribution."""

import torch
from torch import Tensor

PENALTY = 10.0  # weight of the gradient penalty, as in Gulrajani et al.


def gradient_penalty(critic, real: Tensor, fake: Tensor, rng: torch.Generator, *labels: Tensor) -> Tensor:
    """Return the gradient penalty, the mean of (|gradient| - 1)² (Gulrajani et al., NeurIPS 2017, eq. 3).

    The gradient of ``critic(examples, *labels)`` (N,) is taken at points drawn uniformly, on the CPU, on the lines from
    real to fake examples, both (N, …); the norm is over all values of one example.
    """
    share = torch.rand((len(real), *[1] * (real.ndim - 1)), generator=rng).to(real.device)
    between = (real + share * (fake - real)).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, *labels).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def kl_divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the KL divergence (N,), in nats, of normal distributions (N, D) from the standard normal distribution."""
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).sum(-1)
