"""Process_Waves.ipynb run whole, by the runner, as `make music` runs it; and how the runner ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from learn2dance import notebook as runner
from learn2dance.data import npz

ROOT = Path(__file__).parents[1]
RUN = ("-m", "learn2dance.notebook")
READS_AND_WRITES = {"reads": ["audio"], "writes": ["out.txt"]}


def strokes(bpm, bar, seconds=12, rate=22050):
    """Make a chord on each bar and a click on each beat."""
    k = np.arange(seconds * rate) / rate
    beat = k * bpm / 60
    chord = sum(np.sin(2 * np.pi * f * 2 ** (beat // bar % 2 / 6) * k) for f in (220, 277, 330))
    click = np.sin(2 * np.pi * 1000 * k) * np.exp(-(beat % 1) * 60 / bpm / 0.01)
    return (0.1 * chord * np.exp(-(beat % bar) / 2) + 0.3 * click).astype(np.float32)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    data = tmp_path_factory.mktemp("songs")
    (data / "audio").mkdir()
    wavfile.write(data / "audio" / "three.wav", 22050, strokes(90, 3))
    wavfile.write(data / "audio" / "four.wav", 22050, strokes(120, 4))
    return data


def state(folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads((ROOT / "Process_Waves.ipynb").read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


def test_it_runs_whole_then_rewrites_nothing_then_names_what_is_no_song(songs, run_stage):
    done = run_stage(*RUN, "Process_Waves.ipynb", songs, "-p", "JOBS", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 written" in done.stdout
    assert "three" in done.stdout and "90.0" in done.stdout
    heard = npz.load(songs / "music" / "three.npz", "music")
    assert heard["tempo"] == pytest.approx(90, abs=1)
    assert heard["beats_per_bar"] == 3
    executed = json.loads((songs / "notebooks" / "Process_Waves.ipynb").read_text())
    shown = {
        kind for cell in executed["cells"] for output in cell.get("outputs", []) for kind in output.get("data", {})
    }
    assert "image/png" in shown
    assert (songs / "notebooks" / "Process_Waves.ipynb").stat().st_size < 3e6

    before = state(songs / "music")
    wavfile.write(songs / "audio" / "new.wav", 22050, strokes(100, 4))
    (songs / "audio" / "text.mp3").write_text("no song\n" * 50)
    done = run_stage(*RUN, "Process_Waves.ipynb", songs, "--quiet")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "text.mp3" in done.stderr
    assert "Traceback" not in done.stderr
    after = state(songs / "music")
    assert sorted(after) == ["four.npz", "new.npz", "three.npz"]  # the good one beside the bad one is there
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Process_Waves.ipynb", "{empty}"), "expected keypoints/ and audio/"),
        (("Process_Waves.ipynb", "{missing}"), "no such data root"),
        (("Process_Wave.ipynb", "{songs}"), "did you mean Process_Waves.ipynb"),
        (("pyproject.toml", "{songs}"), "not a notebook"),
        (("Process_Waves.ipynb", "{songs}", "-p", "JOSB", "2"), "no parameter JOSB, expected one of DATA, JOBS"),
        (("Process_Waves.ipynb", "{songs}", "-p", "JOBS", "two"), "JOBS is 'two', expected int"),
    ],
)
def test_faults_end_in_one_line(songs, run_stage, tmp_path, arguments, says):
    places = {"songs": songs, "empty": tmp_path, "missing": tmp_path / "missing"}
    done = run_stage(*RUN, *(argument.format(**places) for argument in arguments))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def notebook(folder, source):
    """Write a notebook of one cell beside a parameter cell."""
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": 'DATA = ""'},
        {"cell_type": "code", "metadata": {}, "source": source},
    ]
    cells = [cell | {"id": str(i), "execution_count": None, "outputs": []} for i, cell in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "cell.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )
    (folder / "audio").mkdir(exist_ok=True)
    return path


def test_it_is_executed_again_only_if_something_has_changed(tmp_path, run_stage):
    path = notebook(tmp_path, "from pathlib import Path\nPath(DATA, 'out.txt').open('a').write('once ')")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"metadata": content["metadata"] | {"learn2dance": READS_AND_WRITES}}))
    song, result, executed = tmp_path / "audio" / "a.wav", tmp_path / "out.txt", tmp_path / "notebooks" / "cell.ipynb"
    song.write_bytes(b"sound")

    def run(expected):
        done = run_stage(*RUN, path, tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("nothing has changed" in done.stdout, result.read_text()) == expected

    run((False, "once "))
    run((True, "once "))
    parameters = {"DATA": str(tmp_path.resolve())}
    assert runner._is_up_to_date(path, executed, parameters)
    assert not runner._is_up_to_date(path, executed, parameters | {"JOBS": "2"})
    for changed in (song, result, executed, path):
        before, times = changed.read_bytes(), (changed.stat().st_atime_ns, changed.stat().st_mtime_ns)
        changed.unlink()
        assert not runner._is_up_to_date(path, executed, parameters), changed
        changed.write_bytes(before.replace(b"once", b"twice"))
        assert not runner._is_up_to_date(path, executed, parameters) or changed == executed, changed
        changed.write_bytes(before)
        os.utime(changed, ns=times)
        assert runner._is_up_to_date(path, executed, parameters), changed
    (tmp_path / "audio" / "b.wav").write_bytes(b"more")
    run((False, "once once "))


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("raise OSError(28, 'No space left on device')", 2, "error: No space left on device"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("1 / 0", 1, "ZeroDivisionError"),
        (f"import learn2dance, sys; assert sys.prefix == {sys.prefix!r}", 0, ""),
    ],
)
def test_a_cell_ends_the_stage_as_it_would_a_script(tmp_path, run_stage, source, code, says):
    done = run_stage(*RUN, notebook(tmp_path, source), tmp_path)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "\x1b" not in done.stderr
    if code:  # nothing half-written
        assert not list(tmp_path.glob("notebooks/*")) and not list(tmp_path.glob("notebooks/.*"))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process group")
def test_ctrl_c_ends_it_and_its_kernel(tmp_path):
    source = "import os, pathlib, time; pathlib.Path(DATA, 'pid').write_text(str(os.getpid())); time.sleep(60)"
    command = [sys.executable, *RUN, str(notebook(tmp_path, source)), str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    pid = tmp_path / "pid"
    for _ in range(600):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.startswith("interrupted") and len(said.splitlines()) == 1
    assert not list(tmp_path.glob("notebooks/.*"))
    assert not Path(f"/proc/{pid.read_text()}").exists()
