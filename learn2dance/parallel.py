"""Process many clips in parallel worker processes. If a worker dies, only its current clip fails.

Each worker has its own pipe, so that the parent knows which clip a dead worker was processing; the executors of the
standard library and of joblib do not tell. Workers end when their parent ends, even if it is killed.
"""

import contextlib
import multiprocessing
import multiprocessing.util
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from learn2dance.errors import UserError
from learn2dance.outcome import attempt, settle

SIGNALS = (signal.SIGINT, signal.SIGTERM)
VARIABLE = "DASK_SCHEDULER_ADDRESS"  # where the address of a scheduler may be


def run(
    function: Callable,
    jobs: Mapping[str, object],
    processes: int,
    dask: str | None = None,
    folders: Iterable[Path] = (),
) -> Iterator[tuple[str, object]]:
    """Yield ``(name, function(job))`` for each named job, in the order of ``jobs``, from worker processes.

    They are those of a dask.distributed cluster (`cluster`) if there is the address of its scheduler, in ``dask`` or
    in the environment variable `VARIABLE`.

    Parameters
    ----------
    function : callable
        Called in a worker with one job. The function, the jobs and the results must be picklable.
    jobs : mapping of str to object
        Clip names, which error messages contain, and the arguments of ``function``.
    processes : int
        Maximum number of workers on this machine. 0: none, ``function`` is called in this process.
    dask : str or None
        Address of a scheduler, such as ``tcp://host:8786``.
    folders : iterable of Path
        Where the jobs read and write: the workers of a cluster must see them under the same paths.

    Yields
    ------
    name : str
    result : object
        What ``function`` returned. A `UserError` if it raised one or an ``OSError``, or if its worker died; the other
        jobs still run.

    Raises
    ------
    OSError
        If the disk is full or cannot be written to; this ends the run.
    UserError
        If the cluster cannot be used.
    Exception
        Any other exception of ``function`` is a bug and ends the run.
    """
    if address := dask or os.environ.get(VARIABLE):
        return _cluster().run(function, jobs, address, folders)
    return _in_processes(function, jobs, processes) if processes else in_this_process(function, jobs)


def _cluster() -> ModuleType:
    """Import `cluster`, which needs a package that is not in requirements.txt."""
    try:
        from learn2dance import cluster
    except ModuleNotFoundError as error:
        hint = "pip install -r requirements-cluster.txt"
        raise UserError(f"a dask scheduler was given, but {error.name} is not installed; {hint}") from None
    return cluster


def in_this_process(function: Callable, jobs: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield ``(name, function(job))``, or a UserError that it raised, for each named job, from this process."""
    for name, job in jobs.items():
        try:
            result = function(job)
        except UserError as error:
            result = error
        yield name, result


def _in_processes(function: Callable, jobs: Mapping[str, object], processes: int) -> Iterator[tuple[str, object]]:
    # Where a server starts the workers (on Linux from Python 3.14 on), it imports what they need, once for all.
    multiprocessing.set_forkserver_preload([function.__module__])
    waiting, results = deque(jobs.items()), {}
    workers: list[_Worker] = []
    try:
        for _ in range(min(max(processes, 1), len(jobs))):
            workers.append(_Worker(function))
        for name in jobs:
            while name not in results:
                for worker in workers:
                    if worker.name is None and waiting:
                        worker.take(*waiting.popleft())
                busy = [worker for worker in workers if worker.name is not None]
                ready = wait([worker.connection for worker in busy])
                for worker in busy:
                    if worker.connection in ready:
                        finished = worker.name
                        results[finished] = worker.result()
                        if not worker.alive:
                            workers.remove(worker)
                            workers += [_Worker(function)] if waiting else []
            yield name, results.pop(name)
    finally:
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.join()


class _Worker:
    """A worker process, as the parent sees it."""

    def __init__(self, function: Callable) -> None:
        """Start the process."""
        context = multiprocessing.get_context()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, function), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the worker has installed its handlers
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # only the worker keeps it open, so that the connection ends with the worker
        self.name: str | None = None  # the clip in progress; None if idle
        self.alive = True

    def take(self, name: str, job: object) -> None:
        """Start a job."""
        self.name = name
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died while idle; `result` detects that
            self.connection.send(job)

    def result(self) -> object:
        """Return the result of the job, or a UserError if the worker died; raise bugs and disk errors."""
        name, self.name = self.name, None
        try:
            result, text = self.connection.recv()
        except (EOFError, OSError):  # a result that was cut off is an OSError
            self.alive = False
            self.process.join()
            return UserError(f"{name}: {_cause(self.process.exitcode)}")
        return settle(name, result, text)

    def end(self) -> None:
        """Terminate the process; it removes its temporary files."""
        if self.process.is_alive():
            self.process.terminate()

    def join(self) -> None:
        """Wait until the process has ended, and kill it after 5 seconds."""
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _cause(code: int) -> str:
    """Describe the probable cause of death of a process with this exit code."""
    if code >= 0:
        return f"its worker process ended with exit code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "its worker process was killed (SIGKILL), probably because memory ran out; try fewer processes (jobs 1)"
    if name in ("SIGTERM", "SIGINT", "SIGHUP"):
        return f"its worker process was ended from outside ({name}); run it again"
    return f"its worker process crashed ({name}) in compiled code; is the file damaged? If not, please report it"


def _work(connection: Connection, function: Callable) -> None:
    """Process jobs one after another, in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the workers
    signal.signal(signal.SIGTERM, _exit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    end_with_parent()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(attempt(function, job))


def _exit(*_) -> NoReturn:
    """Remove temporary files (they are registered with `multiprocessing`) and end the process.

    An exception, such as SystemExit, would be ignored if the signal came during a callback from C code, e.g. of numba.
    """
    multiprocessing.util._exit_function()
    os._exit(128 + signal.SIGTERM)


def end_with_parent() -> None:
    """End this process when the process that started it with `multiprocessing` ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
