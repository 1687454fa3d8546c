import itertools
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from learn2dance.data import temporary
from learn2dance.data.temporary import PREFIX, atomic, atomic_folder, remove_strays, temporary_folder

WRITER = """
import time
from learn2dance.data.temporary import atomic, atomic_folder
with {kind}({path!r}) as name:
    print("writing", flush=True)
    time.sleep(60)
"""


def start(kind, path):
    """Start a process that is in the middle of writing."""
    script = WRITER.format(kind=kind, path=str(path))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def test_a_failing_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_atomic_files_are_as_readable_as_any(tmp_path):
    with atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("")
    (tmp_path / "b.txt").write_text("")
    assert os.stat(tmp_path / "a.txt").st_mode == os.stat(tmp_path / "b.txt").st_mode


def test_a_folder_takes_the_place_of_another_whole_or_not_at_all(tmp_path):
    target = tmp_path / "clip"
    with atomic_folder(target) as folder:
        (folder / "1").write_text("first")
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "2").write_text("half")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["1"]
    with atomic_folder(target) as folder:
        (folder / "3").write_text("second")
    assert [path.name for path in target.iterdir()] == ["3"] and [path.name for path in tmp_path.iterdir()] == ["clip"]


REPLACE = """
import os, pathlib, signal
from learn2dance.data import temporary
rename, done = pathlib.Path.rename, []
def killed(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.{signal})  # between the two renames
pathlib.Path.rename = killed
with temporary.atomic_folder({path!r}) as folder:
    (folder / "new").write_text("")
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_killed_while_one_folder_takes_the_place_of_another_the_old_one_comes_back(tmp_path, name):
    target = tmp_path / "clip"
    target.mkdir()
    (target / "precious").write_text("")
    script = REPLACE.format(signal=name, path=str(target))
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    remove_strays.cache_clear()
    with atomic(tmp_path / "other.txt"):
        pass
    assert [path.name for path in target.iterdir()] == ["precious"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip", "other.txt"]


def test_errors_name_the_file_that_was_to_be_written(tmp_path):
    with pytest.raises(OSError) as raised, atomic(tmp_path / "song.npz"):
        raise OSError(28, "No space left on device")
    assert raised.value.filename == str(tmp_path / "song.npz")
    with pytest.raises(OSError) as raised, atomic_folder(tmp_path / "clip") as folder:
        (folder / "missing" / "1.json").write_text("")
    assert raised.value.filename == str(tmp_path / "clip")


@pytest.mark.parametrize("kind", ["atomic", "atomic_folder"])
def test_what_a_killed_process_was_writing_is_removed_and_what_a_living_one_writes_is_not(tmp_path, kind):
    killed, living = start(kind, tmp_path / "a.mp4"), start(kind, tmp_path / "b.mp4")
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 2
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (tmp_path / ".other.mp4").write_text("another program's")
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from learn2dance.data.temporary import atomic\nwith atomic({str(tmp_path / 'c.mp4')!r}): pass",
        ],
        cwd=ROOT,
        check=True,
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert {"c.mp4", ".other.mp4"} < names and len(names) == 3  # and the living one's
    living.terminate()
    living.wait()


def test_temporary_folders_are_removed(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "file").write_text("")
        remove_strays.cache_clear()
        remove_strays(tmp_path)
        assert (folder / "file").exists()
    assert not list(tmp_path.iterdir())


def write_file(path):
    with atomic(path) as name:
        name.write_text("x")


def write_folder(path):
    with atomic_folder(path) as folder:
        (folder / "a").write_text("x")


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_signal_at_any_line_leaves_nothing(tmp_path, write):
    """As SIGTERM in a worker: SystemExit is raised between two lines of this module, at each of them in turn."""

    def until(step: int) -> None:
        lines = itertools.count(1)

        def trace(frame, event, argument):
            if frame.f_code.co_filename != temporary.__file__:
                return None
            if event == "line" and next(lines) == step:
                sys.settrace(None)
                raise SystemExit(143)
            return trace

        sys.settrace(trace)
        write(tmp_path / "target")

    for step in itertools.count(1):
        process = multiprocessing.get_context("fork").Process(target=until, args=(step,))
        process.start()
        process.join()
        assert not list(tmp_path.glob(f"{PREFIX}*")), step
        if process.exitcode == 0:
            break
    assert step > 20 and (tmp_path / "target").exists()


def test_what_cannot_be_created_is_an_error_at_once(tmp_path):
    for path in ("/proc/x.npz", tmp_path / f"a.{'x' * 300}", tmp_path / "file" / "x.npz"):
        (tmp_path / "file").touch()
        with pytest.raises(OSError), atomic(path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_temporary_folders_are_private():
    with temporary_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
