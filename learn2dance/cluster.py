"""Process many clips on a dask.distributed cluster, whose workers see the same files under the same absolute paths.

If a worker is lost, its jobs run again on another. A worker runs one job at a time, as a process of `parallel` does.
What a job logs is sent back with its result.
"""

import asyncio
import contextlib
import fcntl
import io
import logging
import os
import pickle
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distributed import CancelledError, Client, Future, KilledWorker, TimeoutError, Worker, get_worker, wait
from distributed.comm import connect
from distributed.security import Security

from learn2dance import cli, threads
from learn2dance.cluster_worker import Terms, versions
from learn2dance.errors import UserError
from learn2dance.outcome import settle

ANSWER = 5  # seconds until a scheduler must have answered
PATIENCE = 60  # seconds without any worker until the run ends: others may be starting


def run(
    function: Callable, jobs: Mapping[str, object], address: str, folders: Iterable[Path]
) -> Iterator[tuple[str, object]]:
    """Yield the results of jobs in their order, as `parallel.run` does, from the workers of a scheduler.

    Workers find ``function`` by the name of its module. Paths in jobs are sent as absolute ones. Folders are made if
    they are missing. Jobs that run when this process ends are finished by their workers.

    Raises a UserError if no scheduler answers, there are no workers, or one of them is a `cluster_worker.misfit`.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_connection(address))
        probes = tuple(stack.enter_context(_probe(folder)) for folder in folders)
        terms = Terms(versions(), probes, cli.log.getEffectiveLevel(), int(os.environ.get(threads.VARIABLES[0], 1)))
        check, perform = _sent()
        pickled = pickle.dumps(terms)
        _check_workers(client, check, pickled)
        waiting, running, results = deque(jobs.items()), {}, {}
        for name in jobs:
            while name not in results:
                # A job that waits at a worker would count as a cause if the worker dies: one for each is enough.
                while waiting and len(running) < max(1, len(client.nthreads())):
                    other, job = waiting.popleft()
                    running[client.submit(perform, _pickled((function, job)), pickled, pure=False)] = other
                future, report = _next(client, running)
                other = running.pop(future)
                results[other] = _outcome(other, report)
            result, records = results.pop(name)
            _log(records)
            yield name, result


@contextlib.contextmanager
def _connection(address: str) -> Iterator[Client]:
    """Yield a client of the scheduler; raise a UserError if it does not answer, now or later."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("asyncio", "distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what matters is said here, in one line
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread is running a loop
            thread.submit(asyncio.run, _greet(address)).result()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions, which `cluster_worker.misfit` refuses
            client = Client(address, timeout=ANSWER)
    except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: tls:// without certificates
        reason, hint = str(error) or "timeout", "is it the port of a scheduler? start one with: dask scheduler"
        raise UserError(f"{address}: no dask scheduler answers ({reason}); {hint}") from None
    with client:
        try:
            yield client
        except CancelledError:
            hint = "files already written are complete; run it again to continue"
            raise UserError(f"{address}: the dask scheduler has ended or cannot be reached; {hint}") from None


async def _greet(address: str) -> None:
    """Raise an error that `_connection` reports if no scheduler answers; Client would wait for ever for some."""
    options = Security().get_connection_args("client")
    connection = await asyncio.wait_for(connect(address, timeout=ANSWER, **options), ANSWER)
    connection.abort()


@contextlib.contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """Yield a locked, empty file in a folder, by which workers recognise it; it is removed at the end.

    It is named as `data.temporary` names files: if this process is killed, the next one removes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".l2d-", dir=folder.absolute()) as file:
        with contextlib.suppress(OSError):  # file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield Path(file.name)


def _sent() -> tuple[Callable, Callable]:
    """Return the functions that are called in a worker: check the worker, and perform a job.

    Functions within a function are sent whole, others by name: neither the scheduler, nor a worker that is to be
    refused, may be able to import this package.
    """
    folder = Path(__file__).parents[1]

    def check(terms: bytes, dask_worker: Worker) -> str | None:
        try:
            from learn2dance import cluster_worker
        except ImportError as error:
            reason = f"cannot import learn2dance ({error}); start it with PYTHONPATH={folder}"
        else:
            reason = cluster_worker.misfit(pickle.loads(terms), dask_worker)
        return reason and f"worker {dask_worker.address}: {reason}"

    def perform(job: bytes, terms: bytes) -> str | tuple:
        if reason := check(terms, get_worker()):  # it joined after the others were checked
            return reason
        from learn2dance import cluster_worker

        return cluster_worker.perform(*pickle.loads(job), pickle.loads(terms))

    return check, perform


def _check_workers(client: Client, check: Callable, terms: bytes) -> None:
    """Raise a UserError if there are no workers, or one of them does not fit."""
    try:
        client.wait_for_workers(1, timeout=ANSWER)
    except TimeoutError:
        address = client.scheduler.address
        raise UserError(f"{address}: the dask scheduler has no workers; start some: dask worker {address}") from None
    for _, reason in sorted(client.run(check, terms).items()):
        if reason:
            raise UserError(reason)


def _next(client: Client, running: Mapping[Future, str]) -> tuple[Future, object]:
    """Wait until one of these jobs has ended; return it and its report, or the KilledWorker that dask raises for it.

    Raises a UserError if there are no workers for `PATIENCE`.
    """
    alone = 0
    while alone < PATIENCE:
        try:
            done = wait(list(running), timeout=ANSWER, return_when="FIRST_COMPLETED").done
            future = next(future for future in running if future in done)
            return future, future.exception(timeout=ANSWER) or future.result(timeout=ANSWER)
        except TimeoutError:  # also if a worker died before it sent its report: the job runs again
            alone = 0 if client.nthreads() else alone + ANSWER
    hint = "files already written are complete; run it again to continue"
    raise UserError(f"{client.scheduler.address}: all workers have ended; {hint}")


def _outcome(name: str, report: object) -> tuple[object, list[tuple[int, str, bool]]]:
    """Return the result of a job, and what it logged, from its report."""
    if isinstance(report, KilledWorker):
        hint = "probably because memory ran out; start fewer workers on each machine"
        return UserError(f"{name}: each worker that tried it died, {hint}"), []
    if isinstance(report, Exception):
        raise report
    if isinstance(report, str):
        raise UserError(report)
    result, text, records = report
    return settle(name, result, text), records


def _log(records: list[tuple[int, str, bool]]) -> None:
    """Log what a job has logged in its worker."""
    for level, message, once in records:
        if once:
            cli.warn_once(message)
        else:
            cli.log.log(level, "%s", message)


class _Pickler(pickle.Pickler):
    """A pickler that makes paths absolute: a worker has another working folder."""

    def reducer_override(self, value: object):
        """Return how a path is pickled; leave all else to pickle."""
        return (type(value), (str(value.absolute()),)) if isinstance(value, Path) else NotImplemented


def _pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()
