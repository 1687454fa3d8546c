"""Files and folders that appear whole or not at all, and temporary ones that no crash leaves for ever.

What is being written has a temporary name (`PREFIX`) and is locked by the process that writes it. The lock ends with
the process, even if it is killed. The next process that writes into the same folder removes what nobody has locked.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".l2d-"


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside ``path``, renamed to it when the block ends well and removed when it does not.

    The temporary name keeps the ending, so that what chooses its format by the ending still does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path), _claimed(path.parent, path.suffix) as name:
        yield name
        name.chmod(0o666 & ~_umask())  # temporary files are made private
        name.replace(path)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``path`` when the block ends well and is removed when it does not.

    A folder that was there before is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path), temporary_folder(path.parent) as room:
        new = room / "new"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(room / "old")
        new.rename(path)


@contextlib.contextmanager
def temporary_folder(parent: str | Path | None = None) -> Iterator[Path]:
    """Give a folder that is removed when the block ends, in ``parent`` or where temporary files go."""
    with _claimed(Path(parent or tempfile.gettempdir()), None) as name:
        yield name


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have each ``OSError`` name a file: a full disk does not say which file was being written."""
    try:
        yield
    except OSError as error:
        if error.filename is None or PREFIX in os.fsdecode(error.filename):
            error.filename = str(path)
        raise


@contextlib.contextmanager
def _claimed(parent: Path, suffix: str | None) -> Iterator[Path]:
    """Give a locked temporary file with this ending, or a folder if it is None; removed when the block ends."""
    remove_strays(parent)
    while True:
        if suffix is None:
            name = tempfile.mkdtemp(dir=parent, prefix=PREFIX)
            try:
                handle = os.open(name, os.O_RDONLY)
            except FileNotFoundError:
                continue
        else:
            handle, name = tempfile.mkstemp(dir=parent, prefix=PREFIX, suffix=suffix)
        with contextlib.suppress(OSError):  # a file system without locks: nothing is ever removed there
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):
            break
        os.close(handle)  # another process removed it before the lock was taken
    try:
        yield Path(name)
    finally:
        _remove(Path(name))
        os.close(handle)


@functools.cache
def remove_strays(folder: Path) -> None:
    """Remove what processes that were killed have left in this folder; once in each process."""
    for path in folder.glob(f"{PREFIX}*"):
        try:
            handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        except OSError:  # another user's, or gone
            continue
        with contextlib.suppress(OSError):  # a process holds it
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
