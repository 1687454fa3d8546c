"""Principal components of music features or of motion."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

MOST = 100_000  # rows from which principal components are found; of more, as many drawn evenly


@dataclass(frozen=True)
class Projection:
    """What is heard or seen, in a few numbers of about one: the principal components of the train split's."""

    mean: Tensor  # (D,)
    components: Tensor  # (D, S)

    def __call__(self, rows: np.ndarray) -> Tensor:
        """Project rows (…, D) to (…, S)."""
        return (torch.from_numpy(rows) - self.mean) @ self.components


def fit_projection(rows: np.ndarray, size: int, alike: bool = False) -> Projection:
    """Fit on the rows (N, D) of the train split; there are ``size`` components, or as many as rows or columns.

    All components vary by one, so that the small ones, which tell what comes next, are seen as well as the large. With
    ``alike``, all D columns count the same beforehand.
    """
    rows = rows[:: -(-len(rows) // MOST)]
    spread = np.maximum(rows.std(0), 1e-3) if alike else np.ones(rows.shape[1])  # what is never heard must not blow up
    found = PCA(min(size, *rows.shape), svd_solver="randomized", random_state=0).fit(rows / spread)
    scale = np.sqrt(np.maximum(found.explained_variance_, 1e-9))
    scale = np.maximum(scale, scale[0] / 100)  # less is rounding
    components = found.components_.T / scale / spread[:, None]
    return Projection(torch.from_numpy(found.mean_ * spread).float(), torch.from_numpy(components).float())
