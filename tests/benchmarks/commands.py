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

from learn2dance.media import audio

STAGES = ("parse.py", "train.py", "eval.py", "train_pose.py", "train_seq.py", "animate.py", "-m learn2dance.notebook")
CELLS = ((["parameters"], 'DATA = ""'), ([], 'print("done")'))  # tags and source


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of dancing to a song of 60 s, of --help, of make with nothing to do, and of a notebook."""
    root, song, notebook = inputs.data_root(work, data).path, work / "song.wav", work / "trivial.ipynb"
    wavfile.write(song, audio.SR, inputs.minute(work, data))
    nbformat.write(trivial(), notebook)
    make_music(root)
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


def trivial() -> nbformat.NotebookNode:
    """Return a notebook of one cell, after one for its parameters."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for tags, source in CELLS]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
