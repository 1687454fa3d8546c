"""Compute the report, write it, and format its table."""

import json
import math
from pathlib import Path

import numpy as np

from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.data.temporary import atomic
from learn2dance.evaluation import baselines, gan_report, plots, scoring
from learn2dance.gan.generate import GanModel
from learn2dance.generation import Model
from learn2dance.motion import windows
from learn2dance.tokens.codebook import Codebook

COLUMNS = {  # columns of the table: heading -> key of the measure, and number format (its first digit is the width)
    "FID_k": ("FID_k", "7.1f"),
    "FID_g": ("FID_g", "6.1f"),
    "bar": ("bar_locking", "5.2f"),
    "bar ch.": ("bar_locking_chance", "7.2f"),
    "half": ("half_bar_locking", "5.2f"),
    "half ch.": ("half_bar_locking_chance", "8.2f"),
    "specific": ("song_specificity", "8.3f"),
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
    "travel": ("travel_speed", "6.2f"),
    "range": ("travel_range", "5.1f"),
    "slide": ("foot_slide", "5.2f"),
    "limbs": ("limb_ratio", "5.2f"),
    "nearest": ("nearest_training_distance", "7.3f"),
}


def make(
    root: DataRoot, codebook: Codebook, model: Model, dances: list, others: dict, seed: int, out: Path, parents: dict
) -> str:
    """Score a model and its baselines, and write ``scores.json`` and ``report.png`` into the folder ``out``.

    For ``codebook`` (of the data root), ``dances``, ``others`` and ``seed`` see `baselines.rows`. ``parents`` are
    digests of the scored files, written with the scores. A GAN's single poses and motion completion are scored too
    (`gan_report`). Returns the table for the terminal.
    """
    clips = root.have("poses", "music")
    music = {clip: npz.load(root.file("music", clip), "music") for clip in clips}

    def describe(clip: str, dance: tuple[np.ndarray, float]) -> dict:
        return scoring.describe(*dance, music[clip]["beats"], codebook)

    def real(clip: str) -> dict:
        return describe(clip, baselines.real(root, clip, music[clip]["duration"]))

    names, train = root.split("train", clips), []
    pieces = baselines.unit_pieces(root, names, music)
    rows = baselines.rows(root, codebook, model, dances, others, seed, music, pieces)
    described = {n: [{c: describe(c, dance) for c, dance in part.items()} for part in row] for n, row in rows.items()}
    for clip, units in zip(names, pieces, strict=True):
        description = real(clip)
        # Windows on the music's beats, and windows as cut for the units: copies of either are detected.
        joints = windows.without_travel(units["windows"][units["known"]])
        on_beats = np.concatenate([description["on_beats"], joints])
        train.append(description | {"style": root.styles.get(clip, ""), "on_beats": on_beats})
    reference = {clip: real(clip) for clip in baselines.not_trained_on(root, clips)}
    scores = scoring.score(described, reference, train, music, root.styles, seed)
    card = {
        "songs": list(dances[0]),
        "seeds": list(range(seed, seed + len(dances))),
        "reference": {"songs": list(reference), "windows": sum(len(s["kinetic"]) for s in reference.values())},
        "parents": parents,
        "rows": scores,
    }
    text = table(scores)
    if isinstance(model, GanModel):
        more = gan_report.make(root, model, list(dances[0]), seed)
        card, text = card | more, text + gan_report.table(more)
    with atomic(out / "scores.json") as path:
        path.write_text(json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    with atomic(out / "report.png") as path:
        plots.draw(scores, described, music, path)
    return text


def _plain(value):
    """Replace NaN by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def table(scores: dict) -> str:
    """Format the main measures of all rows as a table."""
    lines = [" ".join([f"{'':16}", *(f"{name:>{form[0]}}" for name, (_, form) in COLUMNS.items())])]
    for name, row in scores.items():
        cells = []
        for key, form in COLUMNS.values():
            value = row.get(key, math.nan)
            value = value[0] if isinstance(value, list) else value
            cells.append(f"{'-':>{form[0]}}" if math.isnan(value) else format(value, form))
        lines.append(" ".join([f"{name:16}", *cells]))
    return "\n".join(lines)
