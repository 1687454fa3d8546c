"""Compute the report, write it, and format its table and plots."""

import json
import math
from pathlib import Path

import numpy as np

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.data.temporary import atomic
from learn2dance.evaluation import baselines, gan_report, scoring
from learn2dance.gan.generate import GanModel
from learn2dance.motion import kinematics
from learn2dance.music2pose.model import Music2Pose
from learn2dance.tokens import tokenize

COLUMNS = {  # columns of the table: heading -> key of the measure, and number format
    "FID_k": ("FID_k", "7.1f"),
    "FID_g": ("FID_g", "6.1f"),
    "lock": ("lock", "5.2f"),
    "match": ("match", "6.3f"),
    "BAS": ("music_to_motion", "5.2f"),
    "chance": ("music_to_motion_chance", "6.2f"),
    "style": ("style", "5.2f"),
    "prec": ("precision_poses", "5.2f"),
    "recall": ("recall_poses", "6.2f"),
    "wprec": ("precision_windows", "5.2f"),
    "wrec": ("recall_windows", "5.2f"),
    "jerk": ("jerk_ratio", "6.2f"),
    "speed": ("top_speed_ratio", "5.2f"),
    "frozen": ("frozen", "6.1%"),
    "div_k": ("diversity_k", "6.1f"),
    "multi_k": ("multimodality_k", "7.1f"),
    "limbs": ("limb_ratio", "5.2f"),
    "copying": ("copying", "7.3f"),
}


def make(
    root: DataRoot,
    dancer: Music2Pose,
    model: list[dict],
    seed: int,
    out: Path,
    parents: dict,
    lstm: Music2Pose | None = None,
    gan: GanModel | None = None,
) -> str:
    """Score a model and its baselines, and write ``scores.json`` and ``report.png`` into the folder ``out``.

    Parameters
    ----------
    model : list of dict
        The model's own dances, one dict per seed: song -> (poses, fps).
    seed : int
        The model's first seed.
    parents : dict of str to str
        Digests of the scored files, written with the scores.
    lstm : Music2Pose, optional
        The BiLSTM baseline; without it, its row is left out.
    gan : GanModel, optional
        The model, if it is a GAN: then ``dancer``, music2pose, is a baseline, and the GAN's single poses and motion
        completion are scored too (`gan_report`).

    Returns
    -------
    str
        The table for the terminal.
    """
    whole = root.have("poses", "music")
    music = {clip: npz.load(root.file("music", clip), "music") for clip in whole}

    def look(clip: str, poses: np.ndarray, fps: float) -> dict:
        return scoring.describe(poses, fps, music[clip]["beats"], dancer.codebook)

    def real(clip: str) -> dict:
        return look(clip, *baselines.real(root, clip, music[clip]["duration"]))

    made = baselines.rows(root, dancer, model, music, seed, lstm, gan)
    seen = {name: [{c: look(c, *d) for c, d in dances.items()} for dances in row] for name, row in made.items()}
    train, cut = [], tokenize.clip_cutter(root)
    for clip in root.split("train", whole):
        learned, look_at = cut(clip), real(clip)
        # Windows on the music's beats, and windows as cut for the units: copies of either are detected.
        beaten = np.concatenate([look_at["beaten"], learned["windows"][learned["known"]]])
        train.append(look_at | {"style": root.styles.get(clip, ""), "beaten": beaten})
    reference = {clip: real(clip) for clip in baselines.not_trained_on(root, whole)}
    judged = scoring.score(seen, reference, train, music, root.styles, seed)
    card = {
        "songs": list(model[0]),
        "seeds": list(range(seed, seed + len(model))),
        "reference": {"songs": list(reference), "windows": sum(len(s["kinetic"]) for s in reference.values())},
        "parents": parents,
        "rows": judged,
    }
    if gan:
        card |= gan_report.make(root, gan, list(model[0]), seed)
    with atomic(out / "scores.json") as path:
        path.write_text(json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    with atomic(out / "report.png") as path:
        draw(judged, seen, music, path)
    return table(judged) + (gan_report.table(card) if gan else "")


def _plain(value):
    """Replace NaN by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def table(judged: dict) -> str:
    """Format the main measures of all rows as a table."""
    lines = [" ".join([f"{'':14}", *(f"{name:>{int(f.split('.')[0])}}" for name, (_, f) in COLUMNS.items())])]
    for name, row in judged.items():
        cells = []
        for key, form in COLUMNS.values():
            value = row.get(key, math.nan)
            value = value[0] if isinstance(value, list) else value
            width = int(form.split(".")[0])
            cells.append(f"{'-':>{width}}" if math.isnan(value) else format(value, form))
        lines.append(" ".join([f"{name:14}", *cells]))
    return "\n".join(lines)


def draw(judged: dict, seen: dict, music: dict, path: Path) -> None:
    """Draw the page of plots, and save it to ``path``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 11), layout="constrained")
    axes = figure.subplots(3, 3)
    names = list(judged)
    colours = {name: "#9aa3af" for name in names} | {"real": "#2b87c8", "model": "#dd7415"}
    shades = [colours[name] for name in names]

    def bars(ax, key: str, title: str, floor: bool = False, chance: str = "") -> None:
        values = [judged[name].get(key, math.nan) for name in names]
        middle = [v[0] if isinstance(v, list) else v for v in values]
        ax.barh(names, middle, color=shades)
        if isinstance(values[0], list):
            spread = np.abs([[v[0] - v[1], v[2] - v[0]] for v in values]).T
            ax.errorbar(middle, names, xerr=spread, fmt="none", ecolor="#333333", lw=1, capsize=2)
            ax.set_xscale("log")
        if chance:
            ax.plot([judged[name][chance] for name in names], names, "k|", ms=14, label="chance")
            ax.legend(frameon=False)
        ax.axvline(middle[0], color=colours["real"], lw=0.8, ls=":")
        ax.invert_yaxis()
        ax.set_title(title, loc="left", fontsize=10)

    bars(axes[0, 0], "FID_k", "FID_k: kinetic Fréchet distance (95%), less is better")
    bars(axes[0, 1], "FID_g", "FID_g: geometric Fréchet distance (95%), less is better")
    bars(axes[0, 2], "music_to_motion", "beat alignment, music to motion", chance="music_to_motion_chance")
    bars(axes[1, 0], "lock", "lock: how much speed swings with the bar")
    bars(axes[1, 1], "match", "match: lock on its own song, less on others")
    bars(axes[1, 2], "copying", "distance to the nearest training window (torso lengths)")
    _scatter(axes[2, 0], judged, colours)
    _spectra(axes[2, 1], seen, colours)
    _bars_danced(axes[2, 2], seen, music, colours)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _scatter(ax, judged: dict, colours: dict) -> None:
    """Plot precision against recall of single poses."""
    for (name, row), marker in zip(judged.items(), "osx+^vd*P<>", strict=False):
        shade = colours[name] if name in ("real", "model") else "#5b6470"
        ax.plot(row["recall_poses"], row["precision_poses"], marker, color=shade, ls="none", label=name)
    ax.set(xlabel="recall", ylabel="precision", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    ax.set_title("precision and recall of poses", loc="left", fontsize=10)


def _spectra(ax, seen: dict, colours: dict) -> None:
    """Plot the power spectral density of the joints' velocity."""
    from scipy.signal import welch

    from learn2dance.motion.kinematics import METRIC_FPS
    from learn2dance.motion.skeleton import MOVING

    for name in (n for n in ("real", "tokens alone", "BiLSTM", "music2pose", "model") if n in seen):
        power = []
        for clip in seen[name][0]:
            motion = seen[name][0][clip]["motion"][:, MOVING]
            velocity = np.nan_to_num(np.diff(motion, axis=0) * METRIC_FPS)
            frequency, density = welch(velocity, METRIC_FPS, nperseg=min(100, len(velocity)), nfft=128, axis=0)
            power.append(density.mean((1, 2)))
        line = {"real": "-", "model": "-", "tokens alone": "--", "BiLSTM": ":", "music2pose": ":"}[name]
        ax.semilogy(frequency, np.mean(power, axis=0), line, color=colours[name], label=name)
    ax.set(xlim=(0, 7), ylim=(1e-4, None), xlabel="Hz", ylabel="(torso lengths / s)² / Hz")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("power of the joints' velocity", loc="left", fontsize=10)


def _bars_danced(ax, seen: dict, music: dict, colours: dict) -> None:
    """Plot the mean detrended speed of the body over the bar, for songs of the most common metre."""
    metres = [music[clip]["beats_per_bar"] for clip in seen["real"][0]]
    metre = max(set(metres), key=metres.count)
    for name in (n for n in ("real", "real, spliced", "wrong song", "model") if n in seen):
        total, count = np.zeros(12 * metre), np.zeros(12 * metre)
        for clip, look in seen[name][0].items():
            heard = music[clip]
            if heard["beats_per_bar"] != metre:
                continue
            moved = kinematics.detrended_speed(kinematics.body_speed(look["motion"]))
            beat = np.interp(kinematics.speed_times(len(moved)), heard["beats"], np.arange(len(heard["beats"])))
            place = ((beat - heard["downbeat"]) % metre * 12).astype(int)
            known = np.isfinite(moved) & (beat > 0) & (beat < len(heard["beats"]) - 1)
            np.add.at(total, place[known], moved[known])
            np.add.at(count, place[known], 1)
        line = "--" if name in ("real, spliced", "wrong song") else "-"
        shade = "#333333" if name == "wrong song" else colours[name]
        ax.plot(np.arange(len(total)) / 12 + 1, total / np.maximum(count, 1), line, color=shade, label=name)
    ax.set(xlabel=f"beat of the bar ({metre}/4)", ylabel="torso lengths / s, about the mean")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("speed over the bar, all songs of this metre", loc="left", fontsize=10)
