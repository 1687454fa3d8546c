"""Stages on a dask.distributed cluster: a scheduler and two workers on this machine. Skipped if it is not installed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from learn2dance import cli, parallel
from learn2dance.errors import UserError

NOTEBOOK = ("-m", "learn2dance.notebook")
COMMANDS = {  # folder that a stage writes -> command
    "poses": ("parse.py", "{root}"),
    "music": (*NOTEBOOK, "Process_Waves.ipynb", "{root}", "-p", "JOBS", 1),
    "tokens": (*NOTEBOOK, "Clustering.ipynb", "{root}", "-p", "LEVELS", 3, "-p", "CODES", 16),
    "dances/music2pose": ("eval.py", "{root}", "--split", "train", "--no-video", "--n", 2),
}


def require():
    """Skip the test if dask.distributed is missing; in CI, let it fail."""
    if not os.environ.get("CI"):
        pytest.importorskip("distributed", reason="requirements-cluster.txt is not installed")


def dask(*arguments, path=ROOT):
    """Start a scheduler or a worker; `path` is where it finds modules."""
    paths = os.pathsep.join(filter(None, [*map(str, [path, ROOT / "tests"]), os.environ.get("PYTHONPATH")]))
    options = {"env": os.environ | {"PYTHONPATH": paths}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "dask", *map(str, arguments)], cwd="/", **options)


@pytest.fixture(scope="module")
def scheduler():
    require()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = dask("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    yield f"tcp://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def workers(scheduler):
    """Return a function that starts workers and waits until the scheduler has them, and no others."""
    from distributed import Client

    started = []

    def start(count, *options, **more):
        where = ("worker", scheduler, "--host", "127.0.0.1", "--no-dashboard", "--no-nanny")
        started.extend(dask(*where, *(options or ("--nthreads", 1)), **more) for _ in range(count))
        with Client(scheduler, timeout=60) as client:
            until = time.monotonic() + 60
            while len(client.nthreads()) != count and time.monotonic() < until:
                time.sleep(0.1)
            assert len(client.nthreads()) == count
        return started

    yield start
    for process in started:
        process.kill()
        process.wait()


def command(kind, root, address):
    on = ("-p", "DASK", address) if kind in ("music", "tokens") else ("--dask", address)
    return [*(str(part).format(root=root) for part in COMMANDS[kind]), *(on if address else ())]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_stages_log_and_write_the_same_on_a_cluster(root, run_stage, scheduler, workers, monkeypatch):
    workers(2)
    (root / "audio" / "broken.wav").write_text("no sound")
    done = {}
    for address in ("", scheduler):
        for kind in COMMANDS:
            shutil.rmtree(root / kind, ignore_errors=True)
        if address:
            monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)  # for Clustering.ipynb and eval.py
        for kind in COMMANDS:
            ended = run_stage(*command(kind, root, address if kind in ("poses", "music") else ""))
            assert ended.returncode == (2 if kind == "music" else 0), ended.stderr
            done[address, kind] = files(root / kind), ended.stdout.splitlines(), ended.stderr
    for kind in COMMANDS:
        assert len(done["", kind][0]) > 5
        assert done["", kind] == done[scheduler, kind], kind
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", ["poses", "music", "dances/music2pose"])
def test_a_killed_worker_loses_nothing(root, run_stage, scheduler, workers, kind):
    shutil.rmtree(root / kind, ignore_errors=True)
    assert run_stage(*command(kind, root, "")).returncode == 0
    expected = files(root / kind)
    shutil.rmtree(root / kind)
    first, _ = workers(2)
    process = subprocess.Popen([sys.executable, *command(kind, root, scheduler)], cwd=ROOT, stderr=subprocess.PIPE)
    while process.poll() is None and not list((root / kind).glob("*.npz")):
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert process.wait(timeout=120) == 0, process.stderr.read()
    found = files(root / kind)
    assert {name: content for name, content in found.items() if not name.startswith(".")} == expected


def work(job):
    """Do what the job says."""
    kind, value = job
    cli.log.warning("%s %s", kind, value)
    cli.warn_once("once")
    if kind == "raise":
        raise value
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_results_errors_and_messages_are_those_of_local_workers(tmp_path, scheduler, workers, caplog):
    workers(2)
    denied = OSError(13, "Permission denied", "sick.wav")
    jobs = {
        "a": ("give", 1),
        "b": ("raise", UserError("b.json: empty")),
        "c": ("raise", denied),
        "d": ("give", tmp_path),
    }
    jobs["e"] = ("raise", MemoryError())
    here = list(parallel.run(work, jobs, 1))
    cli.warn_once.cache_clear()
    caplog.clear()
    found = list(parallel.run(work, jobs, 1, scheduler, [tmp_path]))
    assert list(map(repr, found)) == list(map(repr, here))
    said = [record.getMessage() for record in caplog.records]
    assert said == ["give 1", "once", *(f"{kind} {value}" for kind, value in list(jobs.values())[1:])]


def test_a_bug_or_a_full_disk_ends_the_run(tmp_path, scheduler, workers):
    workers(1)
    with pytest.raises(KeyError) as raised:
        list(parallel.run(work, {"a": ("raise", KeyError("poses"))}, 1, scheduler, [tmp_path]))
    assert "in work\n    raise " in str(raised.value.__cause__)
    with pytest.raises(OSError, match="No space left on device: 'a.npz'"):
        jobs = {"a": ("raise", OSError(28, "No space left on device", "a.npz"))}
        list(parallel.run(work, jobs, 1, scheduler, [tmp_path]))


def test_a_clip_that_ends_its_workers_fails_alone(tmp_path, scheduler, workers):
    workers(1, "--nthreads", 1, "--nanny")  # which starts it again
    jobs = {"sick": ("kill", 0), "b": ("give", 2)}
    found = dict(parallel.run(work, jobs, 1, scheduler, [tmp_path]))
    assert str(found["sick"]).startswith("sick: each worker that tried it died") and found["b"] == 2


def test_relative_paths_are_those_of_this_process(tmp_path, scheduler, workers, monkeypatch):
    workers(1)
    monkeypatch.chdir(tmp_path)
    assert dict(parallel.run(work, {"a": ("give", Path("b"))}, 1, scheduler, [Path()])) == {"a": tmp_path / "b"}


def refused(run_stage, root, address, **options):
    """Return the one line in which parse.py refuses."""
    begin = time.monotonic()
    ended = run_stage("parse.py", root, "--dask", address, "--quiet", **options)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and time.monotonic() - begin < 60, ended.stderr
    return ended.stderr


def test_addresses_without_a_scheduler(trained, run_stage):
    require()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and says nothing
        port = silent.getsockname()[1]
        assert f":{port}: no dask scheduler answers" in refused(run_stage, trained, f"tcp://127.0.0.1:{port}")
    assert f":{port}: no dask scheduler answers" in refused(run_stage, trained, f"127.0.0.1:{port}")
    assert "nonsense: no dask scheduler answers" in refused(run_stage, trained, "nonsense")
    assert f":{port}: no dask scheduler answers" in refused(run_stage, trained, f"tls://127.0.0.1:{port}")


def test_workers_that_do_not_fit(trained, run_stage, scheduler, workers, tmp_path):
    assert "has no workers" in refused(run_stage, trained, scheduler)
    assert "cannot import learn2dance" in refused_by(workers, run_stage, trained, scheduler, path=tmp_path)
    other = tmp_path / "other"
    shutil.copytree(ROOT / "learn2dance", other / "learn2dance", ignore=shutil.ignore_patterns("__pycache__"))
    with open(other / "learn2dance" / "errors.py", "a") as file:
        file.write("# another version\n")
    assert "learn2dance: found source " in refused_by(workers, run_stage, trained, scheduler, path=other)
    assert "found 2 threads, expected 1" in refused_by(workers, run_stage, trained, scheduler, "--nthreads", 2)


def refused_by(workers, run_stage, root, scheduler, *options, **more):
    """Return what is said about a worker that is started in this way."""
    process = workers(1, *options, **more)[-1]
    said = refused(run_stage, root, scheduler)
    process.kill()
    process.wait()
    return said


def test_what_a_worker_is_asked_for(tmp_path):
    require()
    from learn2dance import cluster
    from learn2dance.cluster_worker import Terms, misfit, versions

    worker = SimpleNamespace(state=SimpleNamespace(nthreads=1))
    with cluster._probe(tmp_path) as probe:
        assert misfit(Terms(versions(), (probe,), 0, 1), worker) is None
        terms = Terms(versions() | {"numpy": "1.0"}, (probe,), 0, 1)
        assert misfit(terms, worker).startswith("numpy: found ")
    assert f"{tmp_path}: this folder is another" in misfit(Terms(versions(), (probe,), 0, 1), worker)
    probe.touch()  # not locked, as seen from a machine with locks of its own
    assert "locks (flock) are not shared" in misfit(Terms(versions(), (probe,), 0, 1), worker)


def test_without_the_package_one_line_names_the_requirements(trained, run_stage, tmp_path):
    (tmp_path / "distributed.py").write_text("raise ModuleNotFoundError(name='distributed')\n")
    said = refused(run_stage, trained, "tcp://127.0.0.1:1", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert "distributed is not installed; pip install -r requirements-cluster.txt" in said
