import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from test_train import full_disk

from learn2dance.data import npz

NOTEBOOKS = ("Process_Waves.ipynb", "Clustering.ipynb", "Model.ipynb")


def written(root):
    """Return content and time of everything that the stages wrote, but for the executed notebooks and the curves."""
    files = [p for p in root.rglob("*") if p.is_file() and not {"notebooks", "runs"} & set(p.parts)]
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def outputs(path):
    cells = json.loads(path.read_text())["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_stored_without_outputs_with_a_parameter_cell(name):
    cells = json.loads((ROOT / name).read_text())["cells"]
    assert not outputs(ROOT / name) and not any(cell.get("execution_count") for cell in cells)
    assert ["parameters" in cell["metadata"].get("tags", []) for cell in cells].count(True) == 1


def test_each_notebook_links_to_the_next():
    names = sorted(NOTEBOOKS, key=lambda name: json.loads((ROOT / name).read_text())["cells"][0]["source"][0])
    assert names == ["Process_Waves.ipynb", "Clustering.ipynb", "Model.ipynb"]  # their titles are numbered
    for name, following in zip(names, names[1:], strict=False):
        last = "".join(json.loads((ROOT / name).read_text())["cells"][-1]["source"])
        assert last.startswith("Next: ") and f"]({following})" in last


def test_make_does_only_what_is_missing_or_stale(root):
    def make(*targets):
        command = ["make", "-o", "venv", f"PY={sys.executable}", f"DATA={root}", "CLUSTERS=-p LEVELS 3 -p CODES 16"]
        return subprocess.run([*command, *targets], cwd=ROOT, capture_output=True, text=True, timeout=300)

    before = written(root)
    ended = make("poses", "music", "clusters")
    assert ended.returncode == 0, ended.stderr
    assert written(root) == before
    clip = next(iter((root / "splits" / "train.txt").read_text().split()))
    (root / "tokens" / f"{clip}.npz").unlink()
    ended = make("clusters")
    assert ended.returncode == 0, ended.stderr
    after = written(root)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"tokens/{clip}.npz"} and after[f"tokens/{clip}.npz"][0] == before[f"tokens/{clip}.npz"][0]
    images = [
        output for output in outputs(root / "notebooks" / "Clustering.ipynb") if "image/png" in output.get("data", {})
    ]
    assert len(images) == 6  # windows, levels, errors, tokens, a dance, and synchronisation


def test_model_notebook_trains_and_dances(root, run_stage):
    ended = run_stage("-m", "learn2dance.notebook", "Model.ipynb", root, "-p", "STEPS", 30)
    assert ended.returncode == 0, ended.stderr
    song, film = sorted((root / "dances" / "notebook").iterdir(), key=lambda path: path.suffix, reverse=True)
    assert song.stem == film.stem in (root / "splits" / "val.txt").read_text().split()
    assert len(npz.load(song, "dance")["poses"]) == 8 * 30
    assert film.suffix == ".mp4" and film.stat().st_size > 10_000
    executed = outputs(root / "notebooks" / "Model.ipynb")
    assert any("video/mp4" in json.dumps(output) for output in executed)
    images = [output for output in executed if "image/png" in output.get("data", {})]
    assert len(images) == 5  # data, a batch, training, predicted tokens, and the plan of the song


def test_faults_in_clustering(root, run_stage):
    for wrong, said in (
        (["-p", "CODES", "1"], "CODES is 1, expected an integer of at least 2"),
        (["-p", "LEVELS", "0"], "LEVELS is 0, expected an integer"),
        (["-p", "CODEs", "64"], "CODEs"),
    ):
        before = written(root)
        ended = run_stage("-m", "learn2dance.notebook", "Clustering.ipynb", root, *wrong)
        assert ended.returncode == 2, ended.stderr
        assert said in ended.stderr.splitlines()[-1] and "Traceback" not in ended.stderr
        assert written(root) == before


def left_over(root):
    """Return what a stage that was stopped must not leave: temporary files, and codebooks that are not whole."""
    if (root / "clusters.npz").exists():
        npz.load(root / "clusters.npz", "clusters")
    return [path for path in root.rglob(".*") if not path.name.startswith(".ipynb")]


def test_ctrl_c_in_clustering(root):
    (root / "clusters.npz").unlink()
    command = [sys.executable, "-m", "learn2dance.notebook", "Clustering.ipynb", str(root), "-p", "CODES", "16"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):  # until it has begun
        if left_over(root):
            break
        time.sleep(0.1)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.splitlines()[-1].startswith("interrupted") and "Traceback" not in said
    assert not left_over(root) and not (root / "notebooks" / "Clustering.ipynb").exists()


@pytest.mark.parametrize(
    ("name", "made"), [("Process_Waves.ipynb", "music/*.npz"), ("Clustering.ipynb", "clusters.npz")]
)
def test_a_full_disk_in_the_notebooks(root, run_stage, name, made):
    for file in root.glob(made):
        file.unlink()
    ended = run_stage("-m", "learn2dance.notebook", name, root, "-p", *SMALLER[name], preexec_fn=full_disk)
    said = ended.stderr.splitlines()[-1]  # before it, a kernel that is shot down may complain of its sockets
    assert ended.returncode == 2 and said.startswith("error: ") and "File too large" in said, ended.stderr
    assert str(root) in said and "[Errno" not in said  # the file is named as in scripts
    assert "learn2dance/" not in ended.stderr.replace(said, ""), ended.stderr  # no traceback of ours
    assert not left_over(root) and not list(root.glob(made))


SMALLER = {
    "Process_Waves.ipynb": ("JOBS", "2"),
    "Clustering.ipynb": ("CODES", "16"),
}  # what the toy root has enough for


def test_closed_streams(root, run_stage, tmp_path):
    """As cron may start it; its temporary files are removed too."""
    (tmp_path / "tmp").mkdir()
    command = ["-m", "learn2dance.notebook", "Process_Waves.ipynb", root]
    surroundings = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    ended = run_stage(*command, env=surroundings, preexec_fn=lambda: os.closerange(1, 3))
    assert ended.returncode == 0 and not ended.stderr
    assert (root / "notebooks" / "Process_Waves.ipynb").exists() and not list((tmp_path / "tmp").iterdir())


def test_a_folder_that_is_not_utf8(tmp_path, run_stage):
    (root := tmp_path / os.fsdecode(b"caf\xe9") / "audio").mkdir(parents=True)
    ended = run_stage("-m", "learn2dance.notebook", "Process_Waves.ipynb", root.parent)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "expected a path in UTF-8, for the notebook" in ended.stderr


@pytest.fixture
def trivial(tmp_path) -> list:
    """Return the command that executes a notebook of one cell, which prints its interpreter."""
    (tmp_path / "data" / "audio").mkdir(parents=True)
    empty = {"metadata": {}, "outputs": [], "execution_count": None, "cell_type": "code"}
    cells = [
        empty | {"source": "DATA = ''", "metadata": {"tags": ["parameters"]}, "id": "a"},
        empty | {"source": "import sys\nprint(sys.executable)", "id": "b"},
    ]
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    book = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    return ["-m", "learn2dance.notebook", tmp_path / "a.ipynb", tmp_path / "data"]


def test_the_kernel_is_this_environments_whatever_jupyter_path_says(trivial, tmp_path, run_stage):
    kernel = {"argv": ["/bin/false"], "display_name": "another environment", "language": "python"}
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(kernel))
    done = run_stage(*trivial, env=os.environ | {"JUPYTER_PATH": str(tmp_path / "jupyter")})
    assert done.returncode == 0, done.stderr
    assert sys.executable in done.stdout


def test_no_grammar_of_addresses_is_compiled(trivial, run_stage):
    done = run_stage("-X", "importtime", *trivial)
    assert done.returncode == 0 and "jsonschema" in done.stderr
    assert "lark" not in done.stderr  # rfc3987_syntax takes longer to import it than the notebook takes
