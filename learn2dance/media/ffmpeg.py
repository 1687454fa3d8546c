"""Find ffmpeg and run it as a process, for reading and for writing."""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from learn2dance.errors import UserError


def reader() -> str:
    """Return the ffmpeg that reads video and sound: ``IMAGEIO_FFMPEG_EXE``, the system's, or imageio-ffmpeg's."""
    return os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or encoder()


def encoder() -> str:
    """Return the ffmpeg that writes videos: ``IMAGEIO_FFMPEG_EXE`` or imageio-ffmpeg's; a system's may lack H.264.

    Raises
    ------
    UserError
        If there is none.
    """
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise UserError(
            "no ffmpeg; `pip install imageio-ffmpeg` brings one, or set IMAGEIO_FFMPEG_EXE to yours"
        ) from None


def url(path: str | Path) -> str:
    """Return a file's URL, so that ffmpeg reads no character of its name as an option, a protocol or a device."""
    return f"file:{Path(path).absolute()}"


def read(*arguments: str) -> subprocess.CompletedProcess:
    """Run ffmpeg and capture its stdout and stderr; the caller checks whether it succeeded."""
    command = [reader(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.run(_with_parent(command), capture_output=True, stdin=subprocess.DEVNULL, check=False)


def _with_parent(command: list[str]) -> list[str]:
    """Let Linux end a command when this process ends, even by SIGKILL; elsewhere return it unchanged."""
    return [*_setpriv(), *command] if shutil.which(command[0]) else command


@functools.cache
def _setpriv() -> list[str]:
    """Return the start of a command that ends with this process; empty if setpriv is missing or too old."""
    if not (program := shutil.which("setpriv")):
        return []
    start = [program, "--pdeathsig", "TERM"]
    tried = subprocess.run([*start, sys.executable, "--version"], capture_output=True, check=False)
    return [] if tried.returncode else start


@contextlib.contextmanager
def running(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """Start a process that is killed when the block ends, and that does not receive Ctrl-C.

    On Ctrl-C, ffmpeg would finish early and leave a truncated file.
    """
    process = subprocess.Popen(_with_parent(command), start_new_session=True, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def write(program: str, arguments: list[str], target: Path, frames: Iterable[memoryview] = ()) -> None:
    """Run ffmpeg to write a file.

    Parameters
    ----------
    program : str
        From `reader` or `encoder`.
    arguments : list of str
        They include the file that ffmpeg writes.
    target : Path
        The file that the error message names.
    frames : iterable of bytes
        Piped to ffmpeg's stdin.

    Raises
    ------
    UserError
        If ffmpeg fails; the message contains its reason.
    """
    command = [program, "-hide_banner", "-v", "error", "-y", *arguments]
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would fill up and block ffmpeg
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
        with running(command, **pipes) as process:
            with contextlib.suppress(BrokenPipeError):  # ffmpeg ended early: its exit code and stderr tell why
                for frame in frames:
                    process.stdin.write(frame)
                process.stdin.close()
            code = process.wait()
        said.seek(0)
        lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    if code < 0:
        lines = [f"ended by {signal.Signals(-code).name}"]
    if code:
        full = any(re.search("No space|too large", line) for line in lines)
        causes = [line for line in lines if re.search(r"No space|too large|denied|Invalid data|Unknown|No such", line)]
        reason = (causes or lines or [f"its exit code is {code}"])[0][:200]  # the last lines are unspecific
        raise UserError(f"{target}: ffmpeg could not write it ({reason})" + ("; the disk is full" if full else ""))
