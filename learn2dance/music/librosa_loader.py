"""Import librosa with a safe cache of its compiled functions: one process writes it once, all others only read it.

On import, librosa has numba compile some of its functions. This takes half a minute, and numba caches them in files
that it writes without a lock. Two processes that compile at once can leave an index that names the wrong machine code,
and every later run crashes. Here one process compiles into a folder of this project, under a lock. A second process
loads the folder to verify it. Then it is renamed into place, with a digest of its content, and never written to again.
A damaged folder is compiled again.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import operator
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from learn2dance.cli import log
from learn2dance.errors import UserError

DIGEST = "digest"  # file in the folder: the digest of all other files
FOLDER = "LEARN2DANCE_COMPILE"  # environment variable: the folder to compile into, set for the process that compiles
ROOT = Path(__file__).parents[2]
USED = (
    "autocorrelate beat.beat_track clicks feature.rms feature.tempogram filters.chroma filters.mel "
    "onset.onset_strength power_to_db stft util.normalize"
).split()  # what this package uses of librosa


@cache
def load_librosa() -> ModuleType:
    """Return the module ``librosa``; all code must import it through this function.

    Raises
    ------
    UserError
        If its functions cannot be compiled, or if no folder is writable.
    """
    part = os.environ.get(FOLDER)  # set in the process that compiles
    with _cache_folder(part or prepare(), save=bool(part)):
        import librosa  # noqa: TID251

        for name in USED:  # librosa imports its modules, and numba loads their functions, on first use
            operator.attrgetter(name)(librosa)
    return librosa


def prepare() -> Path:
    """Return the folder of compiled functions; compile them first if it is missing or damaged.

    It is in the user's cache folder (``XDG_CACHE_HOME``) or, if that is not writable, in the folder for temporary
    files. Its name depends on the versions of the libraries, the files of librosa, and the processor.

    Raises
    ------
    UserError
        As for `load_librosa`.
    """
    faults = []
    for place in _places():
        try:
            return _folder(place)
        except OSError as error:
            faults.append(f"{place}: {error.strerror or error}")
    reasons = "; ".join(faults)
    raise UserError(f"librosa's functions cannot be compiled ({reasons}); set XDG_CACHE_HOME to a folder of yours")


def _places() -> Iterator[Path]:
    """Yield the possible parent folders of the cache, best first."""
    import platformdirs

    with contextlib.suppress(RuntimeError):  # the user has no home folder
        yield platformdirs.user_cache_path("learn2dance")
    yield Path(tempfile.gettempdir(), f"learn2dance-{os.getuid()}")


def _folder(place: Path) -> Path:
    """Return the cache folder inside ``place``; create it if necessary.

    Raises
    ------
    OSError
        If ``place`` cannot be used, or compiling fails.
    """
    import filelock

    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whoever can write here could have us run any code; another user's link could be changed after this check.
    about = place.stat()
    if {about.st_uid, place.lstat().st_uid} != {os.getuid()} or about.st_mode & 0o022:
        raise PermissionError(None, "others may write to it")
    folder = place / f"librosa-{_key()}"
    if _whole(folder):
        return folder
    lock = filelock.FileLock(place / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        log.info("waiting for another process to compile librosa's functions")
        lock.acquire()
    except NotImplementedError:
        raise OSError(None, "its file system has no locks") from None
    try:
        if not _whole(folder):
            _make(folder)
    finally:
        lock.release()
    return folder


def _make(folder: Path) -> None:
    """Compile into a temporary folder beside this one, load the result in a new process, and rename the folder."""
    log.info("%s: compiling librosa's functions, once; this takes half a minute", folder)
    part = folder.with_name(f".{folder.name}")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed process
    part.mkdir()
    try:
        _run_main(part)
        _run_main(part)
        (part / DIGEST).write_text(_digest(part))
        shutil.rmtree(folder, ignore_errors=True)  # damaged
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _run_main(part: Path) -> None:
    """Run `main` in a new process, which loads the functions in this folder and compiles missing ones."""
    surroundings = os.environ | {FOLDER: str(part.absolute())}
    surroundings.pop("NUMBA_CACHE_LOCATOR_CLASSES", None)
    surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "learn2dance.music.librosa_loader"]  # run where no file of the user's is imported
    with tempfile.TemporaryFile("w+") as said:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
        with subprocess.Popen(command, env=surroundings, cwd=ROOT, **pipes) as process:
            code = process.wait()
        said.seek(0)
        lines = said.read().strip().splitlines()
    if code:
        reason = signal.Signals(-code).name if code < 0 else lines[-1] if lines else f"exit code {code}"
        raise OSError(None, reason[:200])


def main() -> None:
    """Call the librosa functions that music features need, so that they are compiled; exit when stdin closes."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()  # the parent was killed
    import numpy as np

    librosa = load_librosa()
    clicks = np.zeros(8 * 22050, np.float32)
    clicks[::11025] = 1
    librosa.beat.beat_track(y=clicks)
    librosa.feature.tempogram(y=clicks)
    librosa.feature.rms(y=clicks)
    librosa.filters.chroma(sr=22050, n_fft=2048)
    librosa.clicks(times=[1.0])


@contextlib.contextmanager
def _cache_folder(folder: str | Path, save: bool) -> Iterator[None]:
    """Make numba load compiled functions from this folder in the block, and also write them if ``save`` is true.

    Functions of librosa are not saved anywhere else afterwards, either: that is what can damage a cache.
    """
    before = {name: os.environ.pop(name, None) for name in ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES")}
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    import numba
    from numba.core import caching

    numba.config.reload_config()  # numba may have been imported before
    if not save:
        original = caching.Cache.save_overload

        def save_overload(self: caching.Cache, *arguments: object) -> None:
            if not self._py_func.__module__.startswith("librosa"):
                original(self, *arguments)

        caching.Cache.save_overload = save_overload
    try:
        yield
    finally:
        del os.environ["NUMBA_CACHE_DIR"]  # other programs that this process starts do not write there
        os.environ.update({name: value for name, value in before.items() if value is not None})
        numba.config.reload_config()


def _key() -> str:
    """Return a hash of everything that the compiled functions depend on."""
    import llvmlite.binding

    folder = Path(importlib.util.find_spec("librosa").origin).parent
    parts = [sys.implementation.cache_tag, str(folder)]
    parts += [importlib.metadata.version(name) for name in ("librosa", "numba", "llvmlite", "numpy")]
    parts += [llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()]
    parts += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_CPU_")]
    for file in sorted(folder.rglob("*.py")):
        about = file.stat()  # numba detects changed files by these
        parts.append(f"{file.relative_to(folder)} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _whole(folder: Path) -> bool:
    """Tell whether the folder exists and its files are unchanged since they were written."""
    try:
        return (folder / DIGEST).read_text() == _digest(folder) and os.access(folder, os.W_OK)  # numba requires it
    except (OSError, ValueError):
        return False


def _digest(folder: Path) -> str:
    """Hash the names and contents of the folder's files."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DIGEST):
        total.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    main()
