"""Whole commands, as a user starts them, from their start to their end."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import nbformat
from benchmarks import inputs
from benchmarks.row import Row
from scipy.io import wavfile

from learn2dance.data import data_root
from learn2dance.media import audio
from learn2dance.music import features

STAGES = ("parse.py", "train.py", "eval.py", "train_pose.py", "train_seq.py", "animate.py", "-m learn2dance.notebook")
CELLS = ((["parameters"], 'DATA = ""'), ([], 'print("done")'))  # tags and source


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of a dance to 60 s, --help, make with nothing to do, a notebook, and one process or two."""
    root, song, notebook = inputs.data_root(work, data).path, work / "song.wav", work / "trivial.ipynb"
    wavfile.write(song, audio.SR, inputs.minute(work, data))
    nbformat.write(trivial(), notebook)
    make_music(root)
    (work / "parallel").mkdir()
    other = inputs.data_root(work / "parallel", data).path
    dance, helps, cell, run = "eval.py --audio, 60 s", "--help", "a notebook of one cell", inputs.command
    ours = partial(run, "-m", "learn2dance.notebook", notebook, root, "--quiet")
    papermill = partial(run, "-m", "papermill", notebook, work / "executed.ipynb", "--no-progress-bar")
    return [
        Row(dance, "--no-video", "ours", partial(dance_to, song, "--no-video")),
        Row(dance, "with the film", "ours", partial(dance_to, song)),
        *(Row(helps, stage, "ours", partial(run, *stage.split(), "--help")) for stage in STAGES),
        Row(helps, "python -c pass", "floor", partial(run, "-c", "pass")),
        Row("make music, nothing to do", "make music", "ours", partial(make_music, root)),
        Row(cell, "learn2dance.notebook", "ours", ours),
        Row(cell, "papermill", "usual", papermill),
        Row(cell, "python -c, the cell", "floor", partial(run, "-c", CELLS[1][1])),
        *(Row("parse.py --jobs", str(jobs), "ours", partial(parse, other, jobs)) for jobs in (1, 2)),
        *(Row("music features, by processes", str(jobs), "ours", partial(extract, other, jobs)) for jobs in (1, 2)),
    ]


def dance_to(song: Path, *options: str) -> None:
    """Dance to a song by eval.py."""
    out = song.parent / "dances"
    shutil.rmtree(out, ignore_errors=True)
    inputs.command("eval.py", "--audio", song, "--out", out, "--quiet", *options)


def make_music(root: Path) -> None:
    """Run make music, with this interpreter."""
    command = ["make", "-s", "-o", "venv", f"PY={sys.executable}", f"DATA={root}", "music"]
    subprocess.run(command, check=True, cwd=inputs.ROOT, stdout=subprocess.DEVNULL)


def parse(root: Path, jobs: int) -> None:
    """Parse all clips of a data root anew."""
    shutil.rmtree(root / "poses", ignore_errors=True)
    inputs.command("parse.py", root, "--quiet", "--jobs", jobs)


def extract(root: Path, jobs: int) -> None:
    """Compute the features of all songs of a data root anew."""
    shutil.rmtree(root / "music", ignore_errors=True)
    features.process(data_root.open_root(root), jobs)


def trivial() -> nbformat.NotebookNode:
    """Return a notebook of one cell, after one for its parameters."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for tags, source in CELLS]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
