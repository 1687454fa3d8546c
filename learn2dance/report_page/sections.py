"""The sections of the report page, each from the files of one stage. A section without files says what writes them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from learn2dance.cli import log
from learn2dance.data import npz, splits
from learn2dance.data.clip_names import ignored
from learn2dance.data.curves import history
from learn2dance.data.data_root import DataRoot
from learn2dance.data.temporary import temporary_folder
from learn2dance.errors import UserError
from learn2dance.evaluation import result_tables
from learn2dance.render import inputs, player
from learn2dance.report_page import statistics
from learn2dance.tokens import plots, tokenize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = 4  # in a row
SELECTED = ("val/loss", "val/FID")  # the measures by which the trainers select a model


@dataclass
class Block:
    """A part of a section: a paragraph, and below it what the page draws of the fields that are set."""

    text: str = ""
    heading: str = ""
    table: list[list[str]] = field(default_factory=list)  # the heading is the first line
    image: str = ""  # base64 of a PNG
    film: str = ""  # base64 of an MP4
    page: str = ""  # HTML of a page within the page


@dataclass
class Section:
    """A section of the page."""

    title: str
    blocks: list[Block]


def build(root: DataRoot, songs: int) -> list[Section]:
    """Build all sections; ``songs`` is the number of songs with players."""
    parts = {
        "Data": data(root),
        "Codebook": codebook(root),
        "Training": training(root),
        "Report": report(root),
        "Dances": dances(root, songs),
    }
    return [Section(title, list(blocks)) for title, blocks in parts.items()]


def data(root: DataRoot) -> Iterator[Block]:
    """Describe the clips."""
    clips = statistics.collect(root)
    text = """Clips of each split, and means over time. Missing: joints that are not known. Drift: how much faster the
        music is than the dance, as median (and range) of the clips with a rhythm."""
    yield Block(" ".join(text.split()), table=statistics.table(clips))
    worst = statistics.worst(clips)
    yield Block(f"Most joints are missing in {worst}." if worst else "", image=_png(statistics.plot(clips)))


def codebook(root: DataRoot) -> Iterator[Block]:
    """Show the codebook's reconstruction error and its most frequent tokens in the train split."""
    path, split = root.path / "clusters.npz", root.path / "splits" / "train.txt"
    train = [clip for clip in splits.read(split) if root.file("tokens", clip).exists()] if split.exists() else []
    if not path.exists() or not train:
        yield Block("There is none yet: make clusters.")
        return
    book, saved = tokenize.load_codebook(path), npz.load(path, "clusters")
    levels, codes = book.centroids.shape[:2]
    counts = tokenize.token_counts(root, train, book)
    text = f"{levels} levels of {codes} centroids; error on train {saved['error'][-1, 0]:.3f}, on val"
    figure = plots.reconstruction(book, saved["error"], counts)
    yield Block(f"{text} {saved['error'][-1, 1]:.3f} of the variance.", image=_png(figure))
    yield Block("The most frequent tokens of the first level.", image=_png(plots.frequent(book, counts)))


def training(root: DataRoot) -> Iterator[Block]:
    """Show the curves of each run, and its latest picture and film."""
    folders = sorted(path for path in (root.path / "models" / "runs").glob("*") if path.is_dir())
    found = {folder: history(folder) for folder in folders}
    if not any(found.values()):
        yield Block("There is none yet: make train, make gan.")
    for folder, scalars in found.items():
        if not scalars:
            continue
        steps = int(max(curve[-1, 0] for curve in scalars.values()))
        key = next((key for key in SELECTED if key in scalars), None)
        text = f"{steps} steps"
        if key and np.isfinite(scalars[key][:, 1]).any():
            step, best = scalars[key][np.nanargmin(scalars[key][:, 1])]
            text += f"; least {key.replace('/', ' ')} {best:.4g} at step {step:.0f}"
        yield Block(f"{text}.", folder.name, image=_png(_curves(scalars)))
        for kind in ("png", "mp4"):
            if files := sorted(folder.glob(f"step_{'[0-9]' * 6}.{kind}")):
                step = int(files[-1].stem.removeprefix("step_"))
                content = {"image" if kind == "png" else "film": _base64(files[-1].read_bytes())}
                yield Block(f"Real and generated, step {step}.", **content)


def report(root: DataRoot) -> Iterator[Block]:
    """Show the scores of each model's report."""
    cards = sorted((root.path / "dances").glob("*/scores.json"))
    if not cards:
        yield Block("There is none yet: make report.")
        return
    yield Block("Means over songs, with 95% intervals. docs/results.md defines the measures.")
    columns = result_tables.PAGE
    for path in cards:
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
            lines = [[name, *(result_tables.cell(row, c) for c in columns.values())] for name, row in rows.items()]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise UserError(f"{path}: not the scores of a report; eval.py --report writes it") from None
        picture = path.with_name("report.png")
        image = _base64(picture.read_bytes()) if picture.exists() else ""
        yield Block("", path.parent.name, [["", *columns], *lines], image)


def dances(root: DataRoot, count: int) -> Iterator[Block]:
    """Play the dance of each model beside the real one, for one song of each style first, ``count`` in all."""
    folders = [path for path in sorted((root.path / "dances").glob("*")) if path.is_dir()]
    songs = {*root.audio, *(file.stem for kind in ("poses", "music") for file in (root.path / kind).glob("*.npz"))}
    found: dict[str, dict[str, Path]] = {}  # song -> name of the model -> its dance
    for folder in folders:
        for file in sorted(file for file in folder.glob("*.npz") if not ignored(file.name)):
            song, _, seed = file.stem.rpartition("_")
            song = song if file.stem not in songs and seed.isdigit() and song in songs else file.stem
            found.setdefault(song, {}).setdefault(folder.name, file)
    if not found:
        yield Block("There is none yet: make dances.")
    for song in _spread(sorted(found), root.styles)[:count]:
        files = {"real dance": root.file("poses", song)} if root.file("poses", song).exists() else {}
        files |= found[song]
        files = dict(list(files.items())[: player.MOST])
        log.info("player of %s: %s", song, ", ".join(files))
        loaded = inputs.read(list(files.values()), None, 0.0, None)
        poses, marks = loaded.poses(list(files.values())), [player.marks(dance) for dance in loaded.dances]
        if "real dance" in files:
            marks[0] = marks[-1]  # the song is the same
        with temporary_folder() as folder:
            page = folder / "dance.html"
            player.write(page, poses, loaded.fps, list(files), root.audio.get(song), marks, y_up=True)
            yield Block("", f"{song}, {root.styles.get(song) or 'no style'}", page=page.read_text(encoding="utf-8"))


def _spread(songs: list[str], styles: dict[str, str]) -> list[str]:
    """Order songs so that each style comes once before any comes again."""
    earlier = [sum(styles.get(other) == styles.get(song) for other in songs[:i]) for i, song in enumerate(songs)]
    return [songs[i] for i in np.argsort(earlier, kind="stable")]


def _curves(scalars: dict[str, np.ndarray]) -> Figure:
    """Plot the scalars of a run, those of val and train of one name together; a dot marks the selected model's step."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(key.split("/", 1)[-1] for key in scalars))
    rows = -(-len(names) // CURVES)
    figure, axes = plt.subplots(rows, CURVES, figsize=(11, 2.2 * rows), layout="constrained", squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for part, colour in (("train", "#9aa3af"), ("val", "#2b87c8")):
            if (curve := scalars.get(f"{part}/{name}")) is not None:
                axis.plot(*curve.T, "o-"[len(curve) > 1 :], color=colour, label=part, ms=3)
                if f"{part}/{name}" in SELECTED and np.isfinite(curve[:, 1]).any():
                    axis.plot(*curve[np.nanargmin(curve[:, 1])], "o", color="#dd7415")
        axis.set_title(name, loc="left", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.legend(frameon=False, fontsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    return figure


def _png(figure: Figure) -> str:
    """Return a figure as base64 of a PNG, and close it; the same figure gives the same bytes."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
    return _base64(buffer.getvalue())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
