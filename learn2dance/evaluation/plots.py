"""The page of plots of the report."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.signal import welch

from learn2dance.motion import kinematics
from learn2dance.motion.kinematics import METRIC_FPS
from learn2dance.motion.skeleton import MOVING


def draw(scores: dict, described: dict, music: dict, path: Path) -> None:
    """Draw the page of plots of ``scores`` (`scoring.score`) and its ``rows`` (``described``); music: song -> music.

    Error bars are the 95% intervals.
    """
    figure = Figure(figsize=(15, 11), layout="constrained")
    axes = figure.subplots(3, 3)
    names = list(scores)
    colours = {name: "#9aa3af" for name in names} | {"real": "#2b87c8", "model": "#dd7415"}

    def bars(ax, key: str, title: str, chance: str = "", scale: str = "linear") -> None:
        middle, low, high = np.array([scores[name][key] for name in names]).T
        ax.barh(names, middle, color=[colours[name] for name in names])
        spread = np.maximum([middle - low, high - middle], 0)  # an interval of percentiles may lie on one side
        ax.errorbar(middle, names, xerr=spread, fmt="none", ecolor="#333333", lw=1, capsize=2)
        ax.set_xscale(scale)
        if chance:
            ax.plot([scores[name][chance][0] for name in names], names, "k|", ms=14, label="chance")
            ax.legend(frameon=False)
        ax.axvline(middle[0], color=colours["real"], lw=0.8, ls=":")
        ax.invert_yaxis()
        ax.set_title(title, loc="left", fontsize=10)

    bars(axes[0, 0], "FID_k", "FID_k: kinetic Fréchet distance, lower is better", scale="log")
    bars(axes[0, 1], "FID_g", "FID_g: geometric Fréchet distance, lower is better", scale="log")
    bars(axes[0, 2], "music_to_motion", "beat alignment, music to motion", chance="music_to_motion_chance")
    bars(axes[1, 0], "bar_locking", "bar locking: how much speed varies with the bar", chance="bar_locking_chance")
    bars(axes[1, 1], "song_specificity", "song specificity: bar locking, own song minus others")
    bars(axes[1, 2], "nearest_training_distance", "distance to the training set (torso lengths)")
    _scatter(axes[2, 0], scores, colours)
    _power(axes[2, 1], described, colours)
    _speed_over_bar(axes[2, 2], described, music, colours)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _scatter(ax, scores: dict, colours: dict) -> None:
    """Plot precision against recall of single poses."""
    for (name, row), marker in zip(scores.items(), "osx+^vd*P<>", strict=False):
        shade = colours[name] if name in ("real", "model") else "#5b6470"
        ax.plot(row["recall_poses"][0], row["precision_poses"][0], marker, color=shade, ls="none", label=name)
    ax.set(xlabel="recall", ylabel="precision", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)
    ax.set_title("precision and recall of poses", loc="left", fontsize=10)


def _power(ax, described: dict, colours: dict) -> None:
    """Plot the power spectral density of the joints' velocity."""
    for name in (n for n in ("real", "reconstruction", "music2pose", "model") if n in described):
        power = []
        for dance in described[name][0].values():
            motion = dance["motion"][:, MOVING]
            velocity = np.nan_to_num(np.diff(motion, axis=0) * METRIC_FPS)
            frequency, density = welch(velocity, METRIC_FPS, nperseg=min(100, len(velocity)), nfft=128, axis=0)
            power.append(density.mean((1, 2)))
        line = {"reconstruction": "--", "music2pose": ":"}.get(name, "-")
        ax.semilogy(frequency, np.mean(power, axis=0), line, color=colours[name], label=name)
    ax.set(xlim=(0, 7), ylim=(1e-4, None), xlabel="Hz", ylabel="(torso lengths / s)² / Hz")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("power of the joints' velocity", loc="left", fontsize=10)


def _speed_over_bar(ax, described: dict, music: dict, colours: dict) -> None:
    """Plot the mean detrended speed of the body over the bar, for songs of the most common metre."""
    metres = [music[clip]["beats_per_bar"] for clip in described["real"][0]]
    metre = max(set(metres), key=metres.count)
    for name in (n for n in ("real", "spliced", "mismatched song", "model") if n in described):
        total, count = np.zeros(12 * metre), np.zeros(12 * metre)
        for clip, dance in described[name][0].items():
            song = music[clip]
            if song["beats_per_bar"] != metre:
                continue
            speed = kinematics.detrended_speed(kinematics.body_speed(dance["motion"]))
            beat = np.interp(kinematics.speed_times(len(speed)), song["beats"], np.arange(len(song["beats"])))
            place = ((beat - song["downbeat"]) % metre * 12).astype(int)
            known = np.isfinite(speed) & (beat > 0) & (beat < len(song["beats"]) - 1)
            np.add.at(total, place[known], speed[known])
            np.add.at(count, place[known], 1)
        line = "--" if name in ("spliced", "mismatched song") else "-"
        shade = "#333333" if name == "mismatched song" else colours[name]
        ax.plot(np.arange(len(total)) / 12 + 1, total / np.maximum(count, 1), line, color=shade, label=name)
    ax.set(xlabel=f"beat of the bar ({metre}/4)", ylabel="torso lengths / s, about the mean")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title("speed over the bar, all songs of this metre", loc="left", fontsize=10)
