"""Find ffmpeg and run it as a process, for reading and for writing; read the header of media files."""

import contextlib
import fcntl
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
from typing import NamedTuple

from learn2dance.cli import existing_path
from learn2dance.errors import UserError

_ERROR = re.compile(r"^(?:\[[^]]+ @ [^]]+\] )*\[(?:error|fatal|panic)\] (.*?)\.?$", re.MULTILINE)
_PIPE = 1 << 20  # bytes: size of the pipe to ffmpeg
_PLAYLISTS = (b"#extm3u", b"[playlist]", b"ffconcat")  # how files begin that make ffmpeg open others
# Demuxers for what people have: containers, sound and video without one, and pictures. All others are refused, as some
# follow addresses, take any text for a picture, or synthesise hours of sound from a line.
_FORMATS = (
    "aac ac3 aiff amr ape asf au avi caf dsf dts eac3 flac flv gif h264 hevc ivf matroska m4v mov mp3 mpc mpc8 mpeg "
    "mpegts mpegvideo mxf nut ogg rm shn tak tta vc1 voc w64 wav wtv wv bmp_pipe jpeg_pipe png_pipe webp_pipe"
).split()
_BOUNDS = ["-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join(_FORMATS), "-max_pixels", str(1 << 27)]
_STREAM = re.compile(r"^ *Stream #.*?: (Audio|Video): (?!none)(.*)", re.MULTILINE)


class Result(NamedTuple):
    """The outcome of an ffmpeg that has read a file."""

    code: int  # exit code
    data: bytes  # stdout
    log: str  # stderr
    error: str  # the error in the log that says most; never empty if ffmpeg failed


class Header(NamedTuple):
    """What the header of an audio or video file says; the picture is the first video stream that is not a cover."""

    sound: bool  # whether there is an audio stream
    picture: bool
    fps: float | None  # frames per second of the picture
    rotated: bool  # whether the picture is to be rotated
    duration: float | None  # seconds
    start: float | None  # first timestamp in the file, seconds


def reader() -> str:
    """Return the ffmpeg that reads video and sound: ``IMAGEIO_FFMPEG_EXE``, the system's, or imageio-ffmpeg's."""
    return os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or encoder()


def encoder() -> str:
    """Return the ffmpeg that writes videos, ``IMAGEIO_FFMPEG_EXE`` or imageio-ffmpeg's; raise a UserError if none."""
    import imageio_ffmpeg  # preferred to the system's, which may lack H.264

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise UserError("no ffmpeg found; run `pip install imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE") from None


def url(path: str | Path) -> str:
    """Return a file's URL, so that ffmpeg reads no character of its name as an option, a protocol or a device."""
    return f"file:{Path(path).absolute()}"


def source(path: str | Path) -> list[str]:
    """Return the arguments that make a user's file an input: ffmpeg opens no other file or address, as it may ask."""
    return [*_BOUNDS, "-i", url(path)]


def media_file(path: str | Path, what: str) -> Path:
    """Return ``path`` as a Path; raise a UserError if it is missing, a web address, a folder, empty, or a playlist."""
    if re.match(r"\w+://|https?:/\w", str(path)):  # as a Path, an address has one slash
        raise UserError(f"{path}: a web address; download the {what} first, and give the file")
    path = existing_path(path, what)
    if path.is_dir():
        raise UserError(f"{path}: found a folder, expected a file; {path}/* stands for all that are in it")
    if not path.stat().st_size:
        raise UserError(f"{path}: empty {what} (0 bytes); was its download or copy cut short?")
    with path.open("rb") as file:
        if file.read(16).lstrip(b"\xef\xbb\xbf").lower().startswith(_PLAYLISTS):
            raise UserError(f"{path}: a playlist; give the files that it lists")
    return path


def probe(path: str | Path) -> Header:
    """Read a file's header; raise a UserError if the file is missing, or neither audio nor video."""
    path = media_file(path, "audio or video file")
    return header(path, read(*source(path)))


def has_stream(result: Result) -> bool:
    """Tell whether an ffmpeg that read a file found sound or a picture in it."""
    return bool(_STREAM.search(result.log))


def header(path: Path, result: Result) -> Header:
    """Return a file's header from the log of an ffmpeg that read it; raise a UserError if it has no stream."""
    log = re.split(r"^Output #", result.log, maxsplit=1, flags=re.MULTILINE)[0]
    streams = _STREAM.findall(log)
    if not streams:
        raise UserError(f"{path}: found neither sound nor picture ({result.error}); is it a complete media file?")
    pictures = [about for kind, about in streams if kind == "Video" and "attached pic" not in about]
    rate = re.search(r"([\d.]+)(k?) fps", pictures[0]) if pictures else None
    length = re.search(r"^ *Duration: (\d+):(\d+):([\d.]+)", log, re.MULTILINE)
    start = re.search(r"^ *Duration: .*?start: *(-?[\d.]+)", log, re.MULTILINE)
    turn = re.search(r"^ *display ?matrix: rotation of (-?[\d.]+)", log, re.MULTILINE | re.IGNORECASE)
    return Header(
        sound=any(kind == "Audio" for kind, _ in streams),
        picture=bool(pictures),
        fps=float(rate[1]) * (1000 if rate[2] else 1) if rate else None,
        rotated=bool(turn and float(turn[1]) % 360),
        duration=int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None,
        start=float(start[1]) if start else None,
    )


def read(*arguments: str) -> Result:
    """Run ffmpeg and capture its stdout and log; the caller checks whether it succeeded."""
    command = [reader(), "-hide_banner", "-nostdin", "-nostats", "-v", "level+info", *arguments]
    done = subprocess.run(_with_parent(command), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    log = done.stderr.decode(errors="replace").replace("[info] ", "")  # which also occurs inside lines
    return Result(done.returncode, done.stdout, log, _error(done.returncode, log))


def _error(code: int, log: str) -> str:
    """Return the error that says most in a log with levels, or else the first; empty if there is none."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    lines = _ERROR.findall(log)
    if code and not lines:  # not from ffmpeg itself, e.g. a library is missing
        lines = log.strip().splitlines()[-1:] or [f"its exit code is {code}"]
    causes = [line for line in lines if re.search("No space|too large|denied", line)]
    return "".join((causes or lines)[:1]).strip()[:160]


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
    """Start a process that is killed when the block ends, and that does not receive Ctrl-C."""
    # On Ctrl-C, ffmpeg would finish early and leave a truncated file.
    process = subprocess.Popen(_with_parent(command), start_new_session=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def write(program: str, arguments: list[str], target: Path, frames: Iterable[memoryview] = ()) -> None:
    """Run ffmpeg (`reader` or `encoder`) to write a file, which ``arguments`` include; pipe ``frames`` to its stdin.

    If ffmpeg fails, raises a UserError that names ``target`` and ffmpeg's reason.
    """
    command = [program, "-hide_banner", "-v", "level+error", "-y", *arguments]
    with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would fill up and block ffmpeg
        with running(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log) as process:
            # The default, 64 KiB, makes both processes wait dozens of times for each frame. Only Linux can change it.
            with contextlib.suppress(AttributeError, OSError):
                fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, _PIPE)
            with contextlib.suppress(BrokenPipeError):  # ffmpeg ended early: its exit code and log tell why
                for frame in frames:
                    process.stdin.write(frame)
                process.stdin.close()
            code = process.wait()
        log.seek(0)
        error = _error(code, log.read().decode(errors="replace"))
    if code:
        raise UserError(f"{target}: ffmpeg could not write it ({error})")
