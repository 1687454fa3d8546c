"""Inspect music features: a table of songs, a figure of one song, and its sound with clicks on the beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import energy, form

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEAT, DOWNBEAT = "#e07b39", "#7b1e3c"  # colours of the lines on beats and downbeats


def summary_table(root: DataRoot, clips: list[str]) -> str:
    """Return a table with one line a clip: style, length, tempo, metre, number of beats and first downbeat."""
    lines = [f"{'song':16} {'style':10} {'length':>8} {'tempo':>7} {'metre':>6} {'beats':>6}  first downbeat"]
    for clip in clips:
        music = npz.load(root.file("music", clip), "music")
        lines.append(
            f"{clip:16} {root.styles.get(clip, ''):10} {music['duration']:7.1f}s {music['tempo']:7.1f} "
            f"{music['beats_per_bar']:>4}/4 {len(music['beats']):6}  {music['beats'][music['downbeat']]:.2f} s"
        )
    return "\n".join(lines)


def plot(root: DataRoot, clip: str, start: float = 0.0, length: float = 15.0) -> Figure:
    """Plot the waveform, features and beats of a clip from ``start`` for ``length`` seconds, on one time axis.

    Beats are thin lines and downbeats thick lines through all rows.
    """
    import matplotlib.pyplot as plt

    music, y = npz.load(root.file("music", clip), "music"), audio.load(root.audio[clip])
    shown = slice(int(start * music["fps"]), int((start + length) * music["fps"]))
    edges = (start, start + len(music["rms"][shown]) / music["fps"])
    heights = (1.3, 1, 2, 1.3, 2)
    figure, rows = plt.subplots(5, 1, figsize=(12, 9), sharex=True, layout="constrained", height_ratios=heights)
    piece = y[int(edges[0] * SR) : int(edges[1] * SR)]
    rows[0].plot(np.arange(len(piece)) / SR + edges[0], piece, color="#4c6a92", lw=0.3)
    rows[0].set(ylabel="waveform", yticks=[])
    times = np.arange(*shown.indices(len(music["rms"]))) / music["fps"]
    rows[1].fill_between(times, music["onset"][shown], color="#4c6a92", lw=0)
    rows[1].set(ylabel="onset\nstrength", yticks=[], ylim=(0, None))
    images = (
        (rows[2], "mel", (0, 128), "mel band", "magma"),
        (rows[3], "chroma", (0, 12), "chroma", "Greys"),
        (rows[4], "tempogram", (0, 384 / music["fps"]), "tempogram:\nlag (s)", "magma"),
    )
    for row, key, (low, high), name, colours in images:
        image = music[key][shown].T
        top = np.percentile(image, 99.5) or 1.0  # few points saturate
        row.imshow(image, origin="lower", aspect="auto", extent=(*edges, low, high), cmap=colours, vmax=top)
        row.set_ylabel(name)
    rows[3].set_yticks(np.arange(12)[::2] + 0.5, "C D E F♯ G♯ A♯".split())
    rows[4].set(ylim=(0, 4), xlabel="seconds", xlim=edges)
    beats, bar = music["beats"], music["beats_per_bar"]
    for row, colour in zip(rows, (BEAT, BEAT, "white", BEAT, "white"), strict=True):
        for index in np.flatnonzero((beats >= edges[0]) & (beats <= edges[1])):
            opens = index % bar == music["downbeat"] % bar
            row.axvline(beats[index], color=DOWNBEAT if opens and colour == BEAT else colour, lw=2 if opens else 0.7)
    rows[0].set_title(f"{clip}: {music['tempo']:.1f} beats a minute, {bar}/4", loc="left")
    return figure


def plot_form(root: DataRoot, clip: str) -> Figure:
    """Plot the energy of a clip's music over its beats, where its phrases begin, and the letters of their sections."""
    import matplotlib.pyplot as plt

    music = npz.load(root.file("music", clip), "music")
    figure, axes = plt.subplots(figsize=(12, 3), layout="constrained")
    draw_form(axes, music, np.arange(len(music["beats"])))
    axes.set(xlabel="beat", title=clip)
    return figure


def draw_form(axes: Axes, music: dict, places: np.ndarray) -> None:
    """Draw the energy (B,) of music on axes at these places (B,) of the beats, with silences, phrases and sections."""
    found, beats = form.find(music), np.arange(len(music["beats"]))
    axes.plot(places, energy.beat_energy(music), color=BEAT)
    axes.fill_between(places, -3, 3, where=energy.silent_beats(music), color="0.9", label="silent")
    starts = np.interp(found.phrases, beats, places)  # a phrase that began before the song begins with it
    axes.vlines(starts, -3, 3, color="0.7", lw=1, label="phrases")
    for start, section in zip(starts, found.sections, strict=True):
        axes.text(start, 3.1, "ABCDEFGHIJ"[section % 10])
    axes.set(ylabel="energy", ylim=(-3, 3.8))
    axes.legend(loc="lower right")


def with_clicks(root: DataRoot, clip: str, length: float = 20.0) -> np.ndarray:
    """Return the first seconds of a song with a click on each beat, higher on downbeats: float32 (n,) at 22050 Hz."""
    music, y = npz.load(root.file("music", clip), "music"), audio.load(root.audio[clip])[: int(length * SR)]
    beats = music["beats"][music["beats"] < len(y) / SR]
    time = np.arange(int(0.03 * SR)) / SR
    clicks = np.zeros(len(y) + len(time))
    for index, beat in enumerate(beats):
        opens = (index - music["downbeat"]) % music["beats_per_bar"] == 0
        start = int(beat * SR)
        clicks[start : start + len(time)] += np.exp(-time / 0.004) * np.sin(2 * np.pi * (1760 if opens else 880) * time)
    return (0.6 * y / (np.abs(y).max() + 1e-9) + 0.4 * clicks[: len(y)]).astype(np.float32)
