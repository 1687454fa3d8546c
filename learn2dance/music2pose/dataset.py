"""Network inputs: the windows of real dances, each with the window before it, its position in the bar and its style."""

import numpy as np
import torch
from torch import Tensor

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot, style_index
from learn2dance.errors import UserError
from learn2dance.motion.projection import Projection
from learn2dance.music import styles
from learn2dance.tokens.codebook import Codebook
from learn2dance.tokens.tokenize import load_tokens

STYLE_DROPOUT = 0.15  # fraction of style labels that are replaced by "unknown" in training


def load(root: DataRoot, clip: str, clusters: str, book: Codebook) -> dict:
    """Load what is trained on of a clip: its tokens, its ``style`` and what `styles.describe` returns of its music.

    Of the ``tokens`` file it keeps ``tokens`` and ``mirrored``, as int32, ``known`` and ``bar``: 300 bytes a window.

    Raises a UserError if the tokens were computed from other music or poses than the present files, or with another
    codebook than ``book``, whose file clusters.npz has the digest ``clusters``.
    """
    tokens = load_tokens(root.file("tokens", clip), book)
    files = [(kind, root.file(kind, clip)) for kind in ("music", "poses")]
    parents = {"clusters": clusters} | {kind: npz.digest(file) for kind, file in files if file.exists()}
    for kind, digest in parents.items():
        if tokens["meta"].get("parents", parents).get(kind) != digest:
            raise UserError(f"{root.file('tokens', clip)}: computed from other {kind} than now; run Clustering.ipynb")
    music = npz.load(root.file("music", clip), "music")
    kept = {key: tokens[key].astype(np.int32) for key in ("tokens", "mirrored")}
    kept |= {key: tokens[key] for key in ("known", "bar")}
    return kept | {"style": root.styles.get(clip)} | styles.describe(music)


def load_motion(root: DataRoot, clip: str) -> np.ndarray:
    """Load the DCT coefficients of a clip's windows: float32 (W, D)."""
    return npz.load(root.file("tokens", clip), "tokens")["motion"]


def examples(
    clips: list[dict], labels: tuple[str, ...], levels: int, motion_pca: Projection, book: Codebook, mirror: bool
) -> list[Tensor]:
    """Return the valid windows of clips, as `load` returns them: ``tokens, before, known, bar, style``.

    These are the N examples that `TokenPredictor.forward` takes; with ``mirror``, mirror images too. ``labels`` are all
    styles.
    """
    rows = []
    for clip in clips:
        valid = clip["known"]
        style = np.full(len(valid), style_index(clip["style"], labels))
        follows = np.concatenate([[False], valid[:-1]])
        for tokens in (clip["tokens"], clip["mirrored"])[: 1 + mirror]:
            motion = motion_pca(book.spectra(tokens))
            before = torch.cat([torch.zeros_like(motion[:1]), motion[:-1]])
            parts = [tokens[:, :levels].astype(np.int64), before, follows, clip["bar"], style]
            rows.append([torch.as_tensor(part)[torch.from_numpy(valid)] for part in parts])
    return [torch.cat(column) for column in zip(*rows, strict=True)]


def batch(found: list[Tensor], size: int, rng: np.random.Generator) -> list[Tensor]:
    """Draw ``size`` of the `examples`, with replacement; some of their styles become unknown (`STYLE_DROPOUT`)."""
    index = torch.from_numpy(rng.integers(len(found[0]), size=size))
    *rest, style = (part[index] for part in found)
    kept = torch.from_numpy(rng.random(size) >= STYLE_DROPOUT)
    return [*rest, style * kept]
