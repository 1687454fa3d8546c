"""Plots of windows and of the codebook, for Clustering.ipynb and the report page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learn2dance.data import data_root, npz
from learn2dance.data.data_root import DataRoot
from learn2dance.motion import sync, windows
from learn2dance.render import animation
from learn2dance.render.artists import ON_PAPER
from learn2dance.tokens import tokenize
from learn2dance.tokens.codebook import Codebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 11  # inches of a figure
MOMENTS = 12  # poses in a row
SHOWN = 8  # beats
FREQUENT = 6  # tokens; a codebook has at least 2


def example(root: DataRoot, clips: list[str]) -> str:
    """Return the first of these clips that has a complete window, which the plots of a clip need."""
    return next(clip for clip in clips if npz.load(root.file("tokens", clip), "tokens")["known"].any())


def _middle(tokens: dict) -> int:
    """Return the index of the complete window in the middle of a clip's (a ``tokens`` file)."""
    known = np.flatnonzero(tokens["known"])
    return int(known[len(known) // 2])


def cut(root: DataRoot, clip: str) -> Figure:
    """Plot some beats of a dance: its poses on the beats and half beats, and below them the windows; see `example`."""
    import matplotlib.pyplot as plt

    saved, (poses, fps) = npz.load(root.file("tokens", clip), "tokens"), data_root.normalised(root, clip)
    size = npz.load(root.path / "clusters.npz", "clusters")["window_beats"]
    first = saved["start"] + max(_middle(saved) - SHOWN // 2, 0)
    beats = saved["beats"][first : first + SHOWN + 1]
    times = np.interp(np.arange(2 * len(beats) - 1) / 2, np.arange(len(beats)), beats)
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 3), layout="constrained", height_ratios=(2, 1))
    frames = np.clip(np.round(times * fps).astype(int), 0, len(poses) - 1)
    animation.strip(above, poses[frames], count=len(frames), y_up=True)
    starts = np.arange(len(beats) - size)
    below.barh(-(starts % size), size, left=starts, height=0.8, color=ON_PAPER["right"], edgecolor="white")
    below.set(xlim=(-0.25, len(beats) - 0.75), xticks=range(len(beats)), xlabel=f"beats of {clip}", yticks=[])
    below.set_ylabel("windows")
    return figure


def levels(root: DataRoot, clip: str, codebook: Codebook) -> Figure:
    """Plot a complete window of a dance, above, and how its tokens add up to it level by level; see `example`."""
    import matplotlib.pyplot as plt

    saved = npz.load(root.file("tokens", clip), "tokens")
    place = _middle(saved)
    tokens = saved["tokens"][place : place + 1]
    rows = {"as measured": windows.from_dct(saved["motion"][place : place + 1], codebook.frames)}
    for level in sorted({1, codebook.whole, (codebook.whole + len(codebook.centroids)) // 2, len(codebook.centroids)}):
        rows[f"{level} level{'s' if level > 1 else ''}"] = codebook.decode(tokens[:, : codebook.columns_of(level)])
    figure, axes = plt.subplots(len(rows), 1, figsize=(WIDTH, 1.5 * len(rows)), layout="constrained")
    for axis, (title, motion) in zip(axes, rows.items(), strict=True):
        animation.strip(axis, windows.without_travel(motion).reshape(-1, 15, 2), count=MOMENTS, y_up=True)
        axis.set_title(title, fontsize=9, loc="left")
    return figure


def reconstruction(codebook: Codebook, error: np.ndarray, counts: np.ndarray) -> Figure:
    """Plot the reconstruction error (L, 2) on train and val after each level, and how evenly tokens are used.

    ``counts`` are those of `tokenize.token_counts`.
    """
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.5), layout="constrained")
    levels = np.arange(1, len(error) + 1)
    left.plot(levels, error, "o-", label=["train", "val"])
    left.set(xlabel="levels", ylabel="reconstruction error (fraction of variance)", ylim=(0, None), xticks=levels)
    left.legend()
    right.bar(np.arange(1, codebook.columns + 1), tokenize.perplexity(counts))
    right.axhline(codebook.centroids.shape[1], color="gray", ls=":")
    right.set_xlabel(f"token: {codebook.whole} whole-body, then 5 body parts and travel per level")
    right.set_ylabel(f"perplexity (of {codebook.centroids.shape[1]} centroids)")
    return figure


def drift(root: DataRoot, clips: list[str]) -> Figure:
    """Plot for each clip how strong its rhythm is, for ratios of music time to dance time around 1."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(WIDTH, 3.5), layout="constrained")
    for clip in clips:
        found = sync.dance_rhythm(*data_root.normalised(root, clip), npz.load(root.file("music", clip), "music"))
        if found is not None:
            axes.plot(sync.RATES, np.abs(found[0]).max(axis=0), lw=1, label=clip)
    axes.set(xlabel="music time / dance time", ylabel="bar or half-bar locking", ylim=(0, None))
    if len(clips) <= 40:
        axes.legend(ncols=3, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def frequent(codebook: Codebook, counts: np.ndarray) -> Figure:
    """Plot the most frequent tokens of the first level, each a motion from left to right; see `reconstruction`."""
    import matplotlib.pyplot as plt

    uses = counts[0]
    most = np.argsort(-uses, kind="stable")[:FREQUENT]
    motions = windows.without_travel(codebook.decode(most[:, None])).reshape(len(most), -1, 15, 2)
    figure, axes = plt.subplots(len(most), 1, figsize=(WIDTH, 1.9 * len(most)), layout="constrained")
    for axis, code, motion in zip(axes, most, motions, strict=True):
        animation.strip(axis, motion, count=MOMENTS, y_up=True)
        axis.set_title(f"token {code}, used {uses[code]} times", fontsize=9, loc="left")
    return figure


def reconstructed(root: DataRoot, clip: str, codebook: Codebook) -> Figure:
    """Plot 120 frames of a dance as measured, above, and as reconstructed from its tokens, below; see `example`."""
    import matplotlib.pyplot as plt

    real, decoded = tokenize.reconstruct(root, clip, codebook)
    known = np.flatnonzero(np.isfinite(real).all((1, 2)))
    first = max(known[len(known) // 2] - 60, 0)
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 4), layout="constrained")
    for axis, poses, title in zip(axes, (real, decoded), ("as measured", "from tokens"), strict=True):
        animation.strip(axis, poses[first : first + 120], count=MOMENTS, y_up=True)
        axis.set_title(f"{clip}, {title}", fontsize=9, loc="left")
    return figure
