"""Principal components of music features or of motion."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST = 100_000  # maximum number of rows for the PCA; of more rows, every n-th is used


@dataclass(frozen=True)
class Projection:
    """A projection of rows to principal components, fitted on the train split and scaled to about unit variance."""

    mean: Tensor  # (D,)
    components: Tensor  # (D, S)

    def __call__(self, rows: np.ndarray) -> Tensor:
        """Project rows (…, D) to (…, S)."""
        return (torch.from_numpy(rows) - self.mean) @ self.components


def fit_projection(rows: np.ndarray, size: int, alike: bool = False) -> Projection:
    """Fit a PCA on rows (N, D) of the train split, with ``size`` components, or fewer if N or D is less.

    All components are scaled to about unit variance, so that small ones, which help to predict the next step, count as
    much as large ones. With ``alike``, the D columns are first scaled to unit variance too.
    """
    from sklearn.decomposition import PCA  # takes 1 s

    rows = rows[:: -(-len(rows) // MOST)]
    spread = np.maximum(rows.std(0), 1e-3) if alike else np.ones(rows.shape[1])  # limits the gain of constant columns
    pca = PCA(min(size, *rows.shape), svd_solver="randomized", random_state=0).fit(rows / spread)
    scale = np.sqrt(np.maximum(pca.explained_variance_, 1e-9))
    scale = np.maximum(scale, scale[0] / 100)  # smaller ones are rounding errors
    components = pca.components_.T / scale / spread[:, None]
    return Projection(torch.from_numpy(pca.mean_ * spread).float(), torch.from_numpy(components).float())
