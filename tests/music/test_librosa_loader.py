"""The first run on a new machine: librosa's functions are compiled once, whoever comes first, and never damaged."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, still_alive

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.music import librosa_loader

HEAR = """
import sys
from learn2dance import cli
from learn2dance.data import data_root
from learn2dance.music import features
cli.setup()
features.process(data_root.open_root(sys.argv[1]), 2)
"""


def surroundings(place):
    return os.environ | {"XDG_CACHE_HOME": str(place), "PYTHONPATH": str(ROOT)}


def start(script, *arguments, place):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], env=surroundings(place), **pipes)


def beside():
    """Return the compiled functions that lie beside librosa's own files."""
    return {str(path) for path in Path(importlib.util.find_spec("librosa").origin).parent.rglob("*.nb[ci]")}


@pytest.fixture(scope="module")
def cold(trained, tmp_path_factory):
    """Hear songs in two commands of two workers each, at once, from nothing; return the cache and what was said."""
    place, roots = tmp_path_factory.mktemp("cache"), [tmp_path_factory.mktemp("songs") for _ in range(2)]
    for root in roots:
        (root / "audio").mkdir()
        for song in sorted((trained / "audio").iterdir())[:2]:
            shutil.copy(song, root / "audio")
    commands = [start(HEAR, root, place=place) for root in roots]
    said = [command.communicate(timeout=300) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    heard = [{path.name: path.read_bytes() for path in sorted((root / "music").iterdir())} for root in roots]
    assert heard[0] == heard[1] and len(heard[0]) == 2
    return place / "learn2dance", [out for out, _ in said], roots


def test_two_commands_of_two_workers_on_a_new_machine(cold, trained):
    place, said, roots = cold
    (folder,) = (path for path in place.iterdir() if path.is_dir())
    assert librosa_loader._whole(folder) and not list(place.glob(".*"))
    assert sum("compiling librosa's functions, once" in out for out in said) == 1
    assert sum("waiting for another process" in out for out in said) == 1
    for file in (roots[0] / "music").iterdir():  # the same as with any other cache
        assert file.read_bytes() == (trained / "music" / file.name).read_bytes()


def test_the_next_run_compiles_nothing_and_nothing_is_written_to_the_cache_again(cold):
    place, _, roots = cold
    before, near = npz.digest(place), beside()
    for file in (roots[0] / "music").iterdir():
        file.unlink()
    again = start(HEAR, roots[0], place=place.parent)
    out, err = again.communicate(timeout=100)
    assert again.returncode == 0 and "compiling" not in out and not err
    other = """
import numpy as np
from learn2dance.music.librosa_loader import load_librosa
load_librosa().sequence.dtw(np.eye(3), np.eye(3))  # compiles functions that hearing a song does not need
"""
    done = start(other, place=place.parent)
    assert done.wait(100) == 0, done.stderr.read()
    assert npz.digest(place) == before and beside() == near


@pytest.mark.parametrize("damage", ["cut short", "other bytes", "missing", "no digest", "one more"])
def test_damage_is_seen(cold, tmp_path, damage):
    place, _, _ = cold
    (folder,) = (path for path in place.iterdir() if path.is_dir())
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    assert librosa_loader._whole(copy)
    file = max(copy.rglob("*.nbc"), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    if damage == "cut short":
        file.write_bytes(content[:100])
    elif damage == "other bytes":
        file.write_bytes(bytes(len(content)))
    elif damage == "missing":
        file.unlink()
    elif damage == "no digest":
        (copy / librosa_loader.DIGEST).unlink()
    else:
        (file.parent / "more.nbc").write_bytes(content)
    assert not librosa_loader._whole(copy)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Compile nothing but write a file; count how often."""
    calls = []

    def run_main(part):
        calls.append(part)
        (part / "f.nbc").write_bytes(b"code")

    monkeypatch.setattr(librosa_loader, "_run_main", run_main)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(librosa_loader.tempfile, "gettempdir", lambda: str(tmp_path))
    return calls


def test_made_once_and_made_anew_where_it_is_damaged(quick, tmp_path):
    folder = librosa_loader.prepare()
    assert folder.parent == tmp_path / "cache" / "learn2dance" and len(quick) == 2  # compiled, then loaded
    assert librosa_loader.prepare() == folder and len(quick) == 2
    (folder / "f.nbc").write_bytes(b"")
    assert librosa_loader.prepare() == folder and len(quick) == 4
    part = folder.with_name(f".{folder.name}")  # of a process that was killed
    part.mkdir()
    (part / "half").write_text("")
    shutil.rmtree(folder)
    assert librosa_loader.prepare() == folder and sorted(path.name for path in folder.iterdir()) == ["digest", "f.nbc"]


def test_where_the_home_cannot_be_written(quick, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert librosa_loader.prepare().parent == tmp_path / f"learn2dance-{os.getuid()}"
    monkeypatch.setattr(librosa_loader.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be compiled \(.*Not a directory.*\); set XDG_CACHE_HOME"):
        librosa_loader.prepare()


def test_a_folder_that_others_may_write_to_is_not_trusted(quick, tmp_path):
    place = tmp_path / "cache" / "learn2dance"
    place.mkdir(parents=True)
    place.chmod(0o777)
    assert librosa_loader.prepare().parent == tmp_path / f"learn2dance-{os.getuid()}"


def test_what_numba_says_where_it_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(librosa_loader.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(librosa_loader.sys, "executable", shutil.which("false"))
    with pytest.raises(UserError, match="exit code 1"):
        librosa_loader.prepare()


def test_killed_while_it_compiles(tmp_path):
    script = "from learn2dance import cli\nfrom learn2dance.music import librosa_loader\n"
    script += "cli.setup()\nlibrosa_loader.prepare()"
    process = start(script, place=tmp_path)
    assert "compiling" in process.stdout.readline()
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.01)
    time.sleep(1)  # in the middle of it
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not still_alive(children)
    assert not [path for path in (tmp_path / "learn2dance").iterdir() if path.is_dir() and path.name[0] != "."]
