"""Statistics of the clips of a data root: style, length, tempo, missing joints, and drift from the music."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from learn2dance import cli
from learn2dance.data import data_root, npz, splits
from learn2dance.data.data_root import DataRoot
from learn2dance.motion import sync
from learn2dance.tokens import tokenize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = {"train": "#9aa3af", "val": "#2b87c8", "test": "#dd7415", "none": "#3a3f47"}  # colours
HEADINGS = "style|train|val|test|minutes|beats a minute|beats a bar|missing|interpolated|camera still|drift".split("|")


class Clip(NamedTuple):
    """Statistics of a clip; NaN and 0 where there is no music, or no synchronisation."""

    name: str
    style: str
    splits: tuple[str, ...]  # of `SPLITS`; several, if all splits are the same
    seconds: float
    missing: float  # share of the joints that are not known, over all frames
    interpolated: float  # share of the joints that are
    still: bool  # the camera stood still
    tempo: float  # beats per minute
    beats_per_bar: int
    drift: float  # seconds of music per second of dance, minus one


def collect(root: DataRoot) -> list[Clip]:
    """Collect the statistics of all clips that have poses; raise a UserError if there is none."""
    path, found = root.path / "clusters.npz", []
    timing = tokenize.saved_timing(npz.load(path, "clusters")) if path.exists() else sync.Timing()
    folder = root.path / "splits"
    listed = {name: set(splits.read(folder / f"{name}.txt")) for name in SPLITS if (folder / f"{name}.txt").exists()}
    for clip in cli.progress(root.have("poses"), "statistics"):
        poses, tempo, bar, drift = npz.load(root.file("poses", clip), "poses"), np.nan, 0, np.nan
        if root.file("music", clip).exists():
            music = npz.load(root.file("music", clip), "music")
            tempo, bar = music["tempo"], music["beats_per_bar"]
            if poses["poses"].shape[1] in (15, 25):
                rhythm = sync.dance_rhythm(*data_root.normalised(root, clip), music)
                drift = np.nan if rhythm is None else sync.best_rate(*rhythm, timing.rate).rate - 1
        missing, filled = (float(part.mean()) for part in (np.isnan(poses["poses"]).any(-1), poses["filled"]))
        found.append(
            Clip(
                clip,
                root.styles.get(clip) or "no style",
                tuple(name for name, clips in listed.items() if clip in clips) or ("none",),
                len(poses["poses"]) / poses["fps"],
                missing,
                filled,
                bool(poses["travel"]),
                tempo,
                bar,
                drift,
            )
        )
    return found


def table(clips: list[Clip]) -> list[list[str]]:
    """Return the cells of a table with one line a style and one for all, its heading first."""
    styles = sorted({clip.style for clip in clips})
    parts = {style: [clip for clip in clips if clip.style == style] for style in styles}
    return [HEADINGS, *(_line(label, part) for label, part in (parts | {"all": clips}).items())]


def _line(label: str, clips: list[Clip]) -> list[str]:
    """Return the cells of a line about these clips; ``missing`` and ``interpolated`` are means over time."""
    seconds = np.array([clip.seconds for clip in clips])
    tempi = np.array([clip.tempo for clip in clips if np.isfinite(clip.tempo)])
    bars = sorted({clip.beats_per_bar for clip in clips} - {0})
    drifts = np.array([clip.drift for clip in clips if np.isfinite(clip.drift)])
    shares = [
        np.average([getattr(clip, key) for clip in clips], weights=seconds) for key in ("missing", "interpolated")
    ]
    return [
        label,
        *(str(sum(split in clip.splits for clip in clips)) for split in ("train", "val", "test")),
        f"{seconds.sum() / 60:.1f}",
        f"{tempi.min():.0f}-{tempi.max():.0f}" if len(tempi) else "-",
        " or ".join(map(str, bars)) or "-",
        *(f"{share:.1%}" for share in shares),
        f"{sum(clip.still for clip in clips)} of {len(clips)}",
        f"{np.median(drifts):+.1%} ({drifts.min():+.1%} to {drifts.max():+.1%})" if len(drifts) else "-",
    ]


def plot(clips: list[Clip]) -> Figure:
    """Plot tempo, joints that are missing or interpolated, and drift: a dot a clip, a row a style."""
    import matplotlib.pyplot as plt

    styles = sorted({clip.style for clip in clips}, reverse=True)
    size = (11, 1.2 + 0.3 * len(styles))
    figure, axes = plt.subplots(1, 3, figsize=size, layout="constrained", sharey=True)
    values = {
        "beats a minute": [clip.tempo for clip in clips],
        "joints missing or interpolated (%)": [100 * (clip.missing + clip.interpolated) for clip in clips],
        "drift: music time / dance time - 1 (%)": [100 * clip.drift for clip in clips],
    }
    rows = np.array([styles.index(clip.style) for clip in clips])
    for axis, (name, part) in zip(axes, values.items(), strict=True):
        for n, (split, colour) in enumerate(SPLITS.items()):
            here = np.array([split in clip.splits for clip in clips])
            if here.any():
                height = rows[here] + 0.15 * (1.5 - n)  # so that the splits do not hide each other
                axis.plot(np.array(part)[here], height, "o", color=colour, ms=4, alpha=0.8, label=split)
        axis.set(xlabel=name, yticks=range(len(styles)), yticklabels=styles)
        axis.grid(axis="y", color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8)
    axes[2].set_xlim(min(axes[2].get_xlim()[0], -1), max(axes[2].get_xlim()[1], 1))
    return figure


def worst(clips: list[Clip], count: int = 5) -> str:
    """Name the clips in which most joints are missing, with their shares; empty if none lacks 0.1%."""
    ranked = sorted((clip for clip in clips if clip.missing >= 0.001), key=lambda clip: (-clip.missing, clip.name))
    return ", ".join(f"{clip.name} ({clip.missing:.1%})" for clip in ranked[:count])
