"""What happens in a worker of a dask.distributed cluster: it is checked, and performs jobs for `cluster`."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from learn2dance import cli, threads
from learn2dance.outcome import attempt

if TYPE_CHECKING:
    from distributed import Worker

PACKAGES = ("numpy", "scipy", "torch", "distributed")  # the results depend on them, or the connection does
ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Terms:
    """What this process asks of each worker."""

    versions: dict[str, str]
    probes: tuple[Path, ...]  # files in the folders that it must see, locked by this process
    level: int  # of messages to log
    threads: int  # to compute with


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of `PACKAGES`, and a hash of this package's source, as they were at the first call."""
    source = hashlib.sha256()
    for file in sorted(ROOT.rglob("*.py")):
        source.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    found = {"learn2dance": f"source {source.hexdigest()[:12]}"}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def misfit(terms: Terms, dask_worker: Worker) -> str | None:
    """Return why a worker, in which this is called, does not fit these terms; None if it does."""
    found = versions()
    for package, version in terms.versions.items():
        if found.get(package) != version:
            hint = "update it, and start the worker again"
            return f"{package}: found {found.get(package, 'none')}, expected {version} as here; {hint}"
    if dask_worker.state.nthreads != 1:
        return f"found {dask_worker.state.nthreads} threads, expected 1; start it with --nthreads 1 --nworkers N"
    for probe in terms.probes:
        if not probe.exists():
            return f"{probe.parent}: this folder is another or none there; share it under the same absolute path"
        with contextlib.suppress(OSError), probe.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return f"{probe.parent}: locks (flock) are not shared with this machine; is it mounted with local locks?"
    return None


def perform(function: Callable, job: object, terms: Terms) -> tuple[object, str, list[tuple[int, str, bool]]]:
    """Do a job in a worker; return its `attempt`, and what it logged: level, message, and whether it is said once."""
    threads.limit(terms.threads)
    records, handler = [], logging.Handler()
    handler.emit = lambda record: records.append((record.levelno, record.getMessage(), hasattr(record, "once")))
    cli.log.handlers, cli.log.propagate = [handler], False
    cli.log.setLevel(terms.level)
    cli.warn_once.cache_clear()
    return *attempt(function, job), records
