"""Worker processes: their results, their deaths, and that they end with their parent."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, runs, still_alive

from learn2dance import parallel
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg


class OddError(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def work(job):
    """Do what the job says."""
    kind, value = job
    if kind == "signal":
        os.kill(os.getpid(), value)
        time.sleep(60)
    if kind == "exit":
        os._exit(value)
    if kind == "raise":
        raise value
    if kind == "odd":
        raise OddError("a", value)
    time.sleep(value)
    return value


def test_results_come_in_the_order_of_the_jobs():
    jobs = {f"clip {i}": ("wait", 0.2 - i / 20) for i in range(4)}
    for processes in (-1, 1, 3):
        assert list(parallel.run(work, jobs, processes)) == [(name, value) for name, (_, value) in jobs.items()]
    assert list(parallel.run(work, {}, 2)) == []


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (("signal", signal.SIGKILL), "sick: its worker process was killed (SIGKILL), probably because memory ran out"),
        (("signal", signal.SIGSEGV), "sick: its worker process crashed (SIGSEGV)"),
        (("signal", signal.SIGABRT), "sick: its worker process crashed (SIGABRT)"),
        (("signal", signal.SIGTERM), "sick: its worker process ended with exit code 143"),
        (("exit", 3), "sick: its worker process ended with exit code 3"),
        (("raise", UserError("sick.json: empty")), "sick.json: empty"),
        (("raise", MemoryError()), "sick: memory ran out"),
        (("raise", OSError(13, "Permission denied", "sick.wav")), "sick.wav: Permission denied"),
    ],
)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_job_that_fails_costs_the_others_nothing(job, said, processes):
    jobs = {"first": ("wait", 0), "sick": job, "third": ("wait", 0.1), "fourth": ("wait", 0)}
    results = dict(parallel.run(work, jobs, processes))
    failed = results.pop("sick")
    assert isinstance(failed, UserError) and str(failed).startswith(said) and "\n" not in str(failed)
    assert results == {"first": 0, "third": 0.1, "fourth": 0}


def test_a_full_disk_ends_the_run():
    jobs = {"a": ("raise", OSError(28, "No space left on device", "a.npz")), "b": ("wait", 60), "c": ("wait", 60)}
    with pytest.raises(OSError, match="No space left on device: 'a.npz'"):
        list(parallel.run(work, jobs, 2))
    assert not multiprocessing.active_children()


def test_every_worker_may_die():
    jobs = {str(i): ("exit", 1) for i in range(5)}
    assert all(isinstance(result, UserError) for _, result in parallel.run(work, jobs, 2))


@pytest.mark.parametrize(("job", "kind"), [(("raise", KeyError("poses")), KeyError), (("odd", "b"), RuntimeError)])
def test_a_bug_ends_the_run_with_the_traceback_of_the_worker(job, kind):
    with pytest.raises(kind) as raised:
        list(parallel.run(work, {"a": job, "b": ("wait", 0)}, 2))
    assert "in work\n    raise " in str(raised.value.__cause__)
    assert not multiprocessing.active_children()


def test_workers_end_where_the_results_are_not_wanted_any_more():
    results = parallel.run(work, {"a": ("wait", 0), "b": ("wait", 60), "c": ("wait", 60)}, 3)
    assert next(results) == ("a", 0)
    results.close()
    assert not multiprocessing.active_children()


ORPHANS = """
import multiprocessing, os, sys, time
from learn2dance import parallel
def work(job):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece
    time.sleep(60)
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    list(parallel.run(work, {str(i): i for i in range(3)}, 3))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_end_with_their_parent_even_if_it_is_killed(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(ORPHANS)
    command = [sys.executable, str(script), method]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings)
    workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(3)]
    parent.kill()
    parent.wait()
    assert not still_alive(workers)


def start(*arguments, env=None):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(process, depth, count):
    """Wait until the process has so many workers: children of children … at this depth."""
    for _ in range(1200):
        found = [psutil.Process(process.pid)]
        for _ in range(depth):
            found = [child for parent in found for child in parent.children()]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} workers")


# Takes a minute for each file that is called slow.
FFMPEG = """#!/bin/sh
case "$*" in *slow*) exec sleep 60;; esac
exec "{program}" "$@"
"""


def stuck(root) -> dict[str, str]:
    """Add a clip that a worker waits for; return the environment, whose ffmpeg is slow."""
    shutil.copy(next((root / "keypoints").glob("*.tar.gz")), root / "keypoints" / "slow.tar.gz")
    for name in ("audio/slow.wav", "videos/slow.mp4"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("not empty")
    program = root.parent / "ffmpeg"
    program.write_text(FFMPEG.format(program=ffmpeg.reader()))
    program.chmod(0o700)
    return os.environ | {"IMAGEIO_FFMPEG_EXE": str(program)}


STAGES = [
    ("poses", 1, ("parse.py", "{root}", "--jobs", 2, "--fps", 25)),
    ("music", 2, ("-m", "learn2dance.notebook", "Process_Waves.ipynb", "{root}", "-p", "JOBS", 2)),
]


@pytest.mark.parametrize(("made", "depth", "command"), STAGES)
def test_a_killed_worker_of_a_stage_is_one_line_that_names_its_clip(root, made, depth, command):
    surroundings = stuck(root)
    others = sorted(path.name for path in (root / made).iterdir())
    for path in (root / made).iterdir():
        path.unlink()
    process = start(*(str(part).format(root=root) for part in command), env=surroundings)
    for _ in range(1200):
        time.sleep(0.05)
        if len(list((root / made).glob("*.npz"))) == len(others):
            break
    time.sleep(0.2)
    workers = children(process, depth, 1)
    waiting = [worker for worker in workers if runs(worker)]
    for worker in waiting:
        worker.kill()  # those without a clip too
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.count("\n") == 1 and said.startswith("error: slow: its worker process was killed (SIGKILL)"), said
    assert "(1 of 10 " in said
    assert sorted(path.name for path in (root / made).iterdir()) == others
    npz.load(root / made / others[0], made)


@pytest.mark.parametrize(("made", "depth", "command"), STAGES)
def test_no_process_of_a_stage_outlives_it(root, made, depth, command):
    surroundings = stuck(root)
    process = start(*(str(part).format(root=root) for part in command), env=surroundings)
    children(process, depth, 1)
    everything = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert not still_alive(everything)


def test_a_kernel_that_dies_is_one_line(root):
    surroundings = stuck(root)
    process = start("-m", "learn2dance.notebook", "Process_Waves.ipynb", root, "-p", "JOBS", 2, env=surroundings)
    children(process, 2, 1)
    (kernel,) = psutil.Process(process.pid).children()
    workers = kernel.children()
    kernel.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.count("\n") == 1 and said.startswith("error: Process_Waves.ipynb: its kernel died"), said
    assert not still_alive(workers)
    assert not list((root / "notebooks").glob(".*"))


def test_the_variable_by_which_dask_chooses_a_local_scheduler_is_not_an_address(monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER", "threads")
    assert list(parallel.run(len, {"a": "xyz"}, 0)) == [("a", 3)]
