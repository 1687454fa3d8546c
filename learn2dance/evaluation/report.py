"""Compute the report, write it, and format its table."""

import json
import math
import re
from pathlib import Path

import numpy as np

from learn2dance import generation
from learn2dance.cli import log
from learn2dance.data import npz, splits
from learn2dance.data.clip_names import aist_song
from learn2dance.data.data_root import DataRoot
from learn2dance.data.temporary import atomic
from learn2dance.evaluation import baselines, gan_report, plots, scoring
from learn2dance.gan.generate import GanModel
from learn2dance.generation import Model
from learn2dance.motion import windows
from learn2dance.music import energy, form
from learn2dance.tokens.codebook import Codebook

DIGITS = 5  # significant digits in scores.json
COMPARED = 7200.0  # seconds of training dances that are described, which takes 0.3 GB per hour
COLUMNS = {  # columns of the table: heading -> key of the measure, and number format (its first digit is the width)
    "songs": ("songs", "5d"),
    "seeds": ("seeds", "5d"),
    "dances": ("dances", "6d"),
    "windows": ("windows", "7d"),
    "FID_k": ("FID_k", "7.1f"),
    "FID_g": ("FID_g", "6.1f"),
    "bar": ("bar_locking", "5.2f"),
    "bar ch.": ("bar_locking_chance", "7.2f"),
    "half": ("half_bar_locking", "5.2f"),
    "half ch.": ("half_bar_locking_chance", "8.2f"),
    "specific": ("song_specificity", "8.3f"),
    "own-mism.": ("own_minus_mismatched", "9.3f"),
    "p": ("own_minus_mismatched_p", "6.4f"),
    "BAS": ("music_to_motion", "5.2f"),
    "chance": ("music_to_motion_chance", "6.2f"),
    "beat F": ("beat_f_measure", "6.2f"),
    "F ch.": ("beat_f_measure_chance", "5.2f"),
    "energy": ("energy_speed", "6.2f"),
    "form": ("form_ratio", "5.2f"),
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
    "copy 8": ("copy_8", "6.2f"),
}


def baseline(root: DataRoot, model: Model, path: Path) -> dict[str, Model]:
    """Load the root's music2pose model, which the report of a GAN puts beside it: name of its row -> model.

    If it does not exist, a warning says so, and the result is empty, as it is for music2pose. Raises a UserError, which
    names the model's ``path``, if a GAN's joints are not those of the poses.
    """
    if not isinstance(model, GanModel):
        return {}
    gan_report.check_joints(root, path, model)
    file = root.path / "models" / "music2pose.pt"
    if file.exists():
        return {"music2pose": generation.load(file, "cpu", root)}
    log.warning("%s: no such model, so the report has no row music2pose; train.py writes it", file)
    return {}


def make(
    root: DataRoot,
    codebook: Codebook,
    model: Model,
    dances: list,
    others: dict,
    seed: int,
    out: Path,
    parents: dict,
    patterns: list[str] | None = None,
    by_song: bool = False,
) -> str:
    """Score a model and its baselines, and write ``scores.json`` and ``report.png`` into the folder ``out``.

    For ``codebook`` (of the data root), ``dances``, ``others`` and ``seed`` see `baselines.rows`. ``parents`` are
    digests of the scored files, written with the scores. The real dances of the val and test splits that are the
    reference are those that match ``patterns``. Of more than `COMPARED` seconds of training dances, a part serves for
    splicing, for the style classifier, and as what may have been copied. A GAN's single poses and motion completion are
    scored too (`gan_report`). Returns the table for the terminal, with ``by_song`` also those of each song and style.
    """
    clips = root.have("poses", "music")
    held_out = splits.matching(baselines.not_trained_on(root, clips), patterns, "val and test")
    music = {clip: _music(root, clip, clip in dances[0], clip in held_out) for clip in clips}

    def describe(clip: str, dance: tuple[np.ndarray, float], **more) -> dict:
        return scoring.describe(*dance, music[clip]["beats"], codebook, **more)

    def real(clip: str, **more) -> dict:
        return describe(clip, baselines.real(root, clip, music[clip]["duration"]), **more)

    names, train = compared(root.split("train", clips), music, seed), []
    pieces = baselines.unit_pieces(root, names)
    groups = splits.by_song(clips, root.path / "music")
    songs = {}  # of clips: their names, or the song's first clip that is scored
    for group in groups:
        first = next((clip for clip in group if clip in dances[0]), group[0])
        songs |= {clip: aist_song(clip) or first for clip in group}
    rows = baselines.rows(root, codebook, model, dances, others, seed, music, pieces, held_out, songs)
    described = {n: [{c: describe(c, dance) for c, dance in part.items()} for part in row] for n, row in rows.items()}
    for clip, units in zip(names, pieces, strict=True):
        description = real(clip, hop=1)
        # Windows on the music's beats, and windows as cut for the units: copies of either are detected.
        joints = windows.without_travel(units["windows"][units["known"]])
        on_beats = np.concatenate([description["on_beats"], joints])
        train.append(description | {"style": root.styles.get(clip, ""), "on_beats": on_beats})
    reference = {clip: real(clip) for clip in held_out}
    scores = scoring.score(described, reference, train, music, root.styles, songs, seed)
    card = {
        "clips": {clip: songs[clip] for clip in dances[0]},
        "seeds": list(range(seed, seed + len(dances))),
        "reference": {"songs": list(reference), "windows": sum(len(s["kinetic"]) for s in reference.values())},
        "parents": parents,
        "rows": scores,
    }
    text = table(scores) + (details(scores) if by_song else "")
    if isinstance(model, GanModel):
        more = gan_report.make(root, model, list(dances[0]), seed)
        card, text = card | more, text + gan_report.table(more)
    with atomic(out / "scores.json") as path:
        path.write_text(to_json(card), encoding="utf-8")
    with atomic(out / "report.png") as path:
        plots.draw(scores, described, music, path)
    return text


def _music(root: DataRoot, clip: str, danced: bool, whole: bool) -> dict:
    """Load a song's music: if it is not the ``whole``, only what all songs are needed for, since all are in memory.

    For a song that is ``danced``, it has ``energy`` and ``form`` too.
    """
    song = npz.load(root.file("music", clip), "music")
    if danced:
        return song | {"energy": energy.beat_energy(song), "form": vars(form.find(song))}
    return song if whole else {key: song[key] for key in ("beats", "beats_per_bar", "duration")}


def compared(names: list[str], music: dict[str, dict], seed: int) -> list[str]:
    """Return the training clips that dances are compared with: of more than `COMPARED` seconds, some drawn at random.

    ``music`` has the ``duration`` of each of the clips ``names``. The result is sorted; that it is a part is logged.
    """
    order = np.random.default_rng([seed, 9]).permutation(len(names))
    within = np.cumsum([music[names[i]]["duration"] for i in order]) <= COMPARED
    if not within.all():
        log.info("dances are compared with %d of %d training dances, drawn at random", max(within.sum(), 1), len(names))
    return sorted(names[i] for i in order[: max(within.sum(), 1)])


def to_json(card: dict) -> str:
    """Format scores as JSON: a line for each measure, `DIGITS` significant digits, null for what is not finite."""
    text = json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda values: " ".join(values[0].split()), text) + "\n"


def _plain(value):
    """Round numbers; replace NaN and infinity, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def table(rows: dict) -> str:
    """Format the main measures of rows (`scoring.score`) as a table: a line of values, and two of the 95% interval."""
    width = max(map(len, rows))
    lines = [" ".join([" " * width, *(f"{name:>{form[0]}}" for name, (_, form) in COLUMNS.items())])]
    for name, row in rows.items():
        values = [row.get(key, math.nan) for key, _ in COLUMNS.values()]
        values = [value if isinstance(value, list) else [value, math.nan, math.nan] for value in values]
        for label, part, blank in zip((name, "  from", "  to"), zip(*values, strict=True), ("-", "", ""), strict=True):
            if not blank and all(map(math.isnan, part)):
                continue  # one dance has no interval
            forms = [form for _, form in COLUMNS.values()]
            pairs = zip(part, forms, strict=True)
            cells = (format(blank, f">{form[0]}") if math.isnan(v) else format(v, form) for v, form in pairs)
            lines.append(" ".join([f"{label:{width}}", *cells]).rstrip())
    return "\n".join(lines)


def details(rows: dict) -> str:
    """Format the measures of each song and each style: of the real dances and, below them, of the model's."""
    text = ""
    for group in ("by_song", "by_style"):
        parts = rows["real"][group]
        both = {f"{part}, {name}": rows[name][group][part] for part in parts for name in ("real", "model")}
        text += f"\n\n{group.replace('_', ' ')}:\n{table(both)}" if both else ""
    return text
