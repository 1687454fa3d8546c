"""Atomic writing of files and folders, and temporary files that are removed even after a crash.

A file being written has a temporary name (`PREFIX`) and is locked by the process that writes it. The lock ends with
the process, even if it is killed. The next process that writes into the same folder removes unlocked temporary files.
"""

import contextlib
import fcntl
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

PREFIX = ".l2d-"
NAME = "name"  # file in the temporary folder of `atomic_folder`: the name of the folder that it is to replace


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffix; it is renamed to ``path`` if the block succeeds, else removed."""
    with _named(path := Path(path)), _claimed(path.parent, path.suffix) as name:
        yield name
        name.replace(path)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder; it replaces ``path`` if the block succeeds, else it is removed."""
    with _named(path := Path(path)), temporary_folder(path.parent) as room:
        new = room / "new"
        new.mkdir()
        yield new
        (room / NAME).write_text(path.name, encoding="utf-8", errors="surrogateescape")
        try:
            if path.exists():
                path.rename(room / "old")
            new.rename(path)
        except BaseException:
            _restore(room)
            raise


@contextlib.contextmanager
def temporary_folder(parent: str | Path | None = None) -> Iterator[Path]:
    """Yield a folder, in ``parent`` or the system's temporary folder, that is removed when the block ends."""
    with _claimed(Path(parent or tempfile.gettempdir()), None) as name:
        yield name


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name ``path`` in each ``OSError`` that names no file or a temporary one, e.g. on a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None or PREFIX in os.fsdecode(error.filename):
            error.filename = str(path)
        raise


@contextlib.contextmanager
def _claimed(parent: Path, suffix: str | None) -> Iterator[Path]:
    """Yield a locked temporary file with this suffix, or a folder if it is None; remove it when the block ends."""
    parent.mkdir(parents=True, exist_ok=True)
    remove_strays(parent)
    while True:
        name = parent / f"{PREFIX}{secrets.token_hex(8)}{suffix or ''}"
        # A signal can end the process between any two lines of this function. Then it is removed at exit.
        at_exit = Finalize(None, _remove, [name], exitpriority=0)
        try:
            handle = _create(name, folder=suffix is None)
        except OSError:
            at_exit.cancel()
            raise
        if handle is not None:
            with contextlib.suppress(OSError):  # file system without locks: leftovers there are never removed
                fcntl.flock(handle, fcntl.LOCK_EX)
            if name.exists():
                break
            os.close(handle)
        at_exit.cancel()  # another process removed it before the lock was taken
    try:
        yield name
    finally:
        _remove(name)
        at_exit.cancel()
        os.close(handle)


def _create(name: Path, folder: bool) -> int | None:
    """Create and open a file, or a folder for this user alone; None if another process has removed the folder since."""
    if not folder:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    name.mkdir(0o700)
    with contextlib.suppress(FileNotFoundError):
        return os.open(name, os.O_RDONLY)
    return None


@functools.cache
def remove_strays(folder: Path) -> None:
    """Remove temporary files that killed processes left in this folder; once per process and folder."""
    for path in folder.glob(f"{PREFIX}*"):
        try:
            handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        except OSError:  # another user's, or already removed
            continue
        with contextlib.suppress(OSError):  # locked by another process
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        os.close(handle)


def _restore(room: Path) -> None:
    """Put back the folder that was to be replaced, if the new one did not take its place."""
    with contextlib.suppress(OSError):
        target = room.parent / (room / NAME).read_text(encoding="utf-8", errors="surrogateescape")
        if not target.exists():
            (room / "old").rename(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        _restore(path)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
