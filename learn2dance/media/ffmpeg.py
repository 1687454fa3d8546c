"""ffmpeg as a process: which one, and how it is run for what it reads and for what it writes."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from learn2dance.errors import UserError


def reader() -> str:
    """Return the ffmpeg that reads videos and sound: ``IMAGEIO_FFMPEG_EXE``, the system's, or imageio-ffmpeg's."""
    return os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or encoder()


def encoder() -> str:
    """Return the ffmpeg that makes films: ``IMAGEIO_FFMPEG_EXE``, or imageio-ffmpeg's; not every system's has H.264.

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
    """Name a file so that ffmpeg takes no letter of it for an option, a protocol or a device."""
    return f"file:{Path(path).absolute()}"


def read(*arguments: str) -> subprocess.CompletedProcess:
    """Run ffmpeg for what it says of a file, or writes of it to its stdout; whether it succeeds is the caller's."""
    command = [reader(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.run(_with_parent(command), capture_output=True, stdin=subprocess.DEVNULL, check=False)


def _with_parent(command: list[str]) -> list[str]:
    """Have Linux end a command when this process ends, even by SIGKILL; other systems cannot."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv and shutil.which(command[0]) else command


@contextlib.contextmanager
def running(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """Start a process that is gone when the block ends; Ctrl-C is for this process to hear alone.

    ffmpeg would take it for "finish early", and leave a stub.
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
    """Run ffmpeg for a file that it is to write.

    Parameters
    ----------
    program : str
        `reader` or `encoder`.
    arguments : list of str
        They say where it writes, too.
    target : Path
        What the fault says was to be written.
    frames : iterable of bytes
        Piped into it.

    Raises
    ------
    UserError
        If it fails (its reason is told).
    """
    command = [program, "-hide_banner", "-v", "error", "-y", *arguments]
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would fill up and stop ffmpeg
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": said}
        with running(command, **pipes) as process:
            with contextlib.suppress(BrokenPipeError):  # ffmpeg gave up: its exit code and last words tell why
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
        reason = (causes or lines or [f"its exit code is {code}"])[0][:200]  # it ends with general ones
        raise UserError(f"{target}: ffmpeg could not write it ({reason})" + ("; the disk is full" if full else ""))
