"""Read any video as upright frames at a constant frame rate, and its sound.

Time 0 is the first frame, for frames and sound, whatever its timestamp in the file. Pixels are square, and frames are
rotated as the file's metadata says.
"""

import contextlib
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.media import audio, ffmpeg

USUAL = (  # common frame rates, frames per second
    *map(float, (12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
    24e3 / 1001,
    30e3 / 1001,
    60e3 / 1001,
)
ASSUMED = 25.0  # frames per second of a single picture
FASTEST = 60.0  # frames per second: limit of the median rate if frame times are uneven, as frames may come in bursts
_SHOWN = re.compile(r"\bpts: *(-?\d+) .*?\bpts_time: *(\S+) .*?\bsar: *(\d+)/(\d+) .*?\bs: *(\d+)x(\d+)")
_CUT = re.compile(r"partial file|ended prematurely|truncat|invalid data|end of file|moov atom", re.IGNORECASE)


class Footage(NamedTuple):
    """The properties of a video; see `look`."""

    path: Path
    size: tuple[int, int]  # width and height in square pixels, upright
    fps: float  # frames per second, constant
    frames: int  # number of frames at that rate
    plain: bool  # whether the file stores exactly these frames: upright, square pixels, constant frame rate
    first: float  # timestamp of the first frame in the file, seconds
    late: float  # seconds from the start of the file to the first frame; the sound may start earlier
    sound: bool


def look(path: str | Path, fps: float | None = None) -> Footage:
    """Decode a video once to get its frame times, and check that it is complete.

    Parameters
    ----------
    path : path
        Any video that ffmpeg reads.
    fps : float, optional
        Frames per second to read it at. By default its own rate, if all frames are within half a frame of a regular
        grid; else its median rate, at most `FASTEST` and at least its mean rate.

    Raises
    ------
    UserError
        If there is no such file, it has no frames, cannot be decoded, or ends too early.
    """
    path = cli.existing_path(path, "video")
    if path.is_dir():
        raise UserError(f"{path}: a folder, expected a video")
    if not path.stat().st_size:
        raise UserError(f"{path}: empty (0 bytes), expected a video; was its download or copy cut short?")
    done = ffmpeg.read("-v", "level+info", *_input(path), "-map", "0:V:0?", "-vf", "showinfo", "-an", "-f", "null", "-")
    said = done.stderr.decode(errors="replace").replace("[info] ", "")  # [info] also occurs inside lines
    wrong = re.findall(r"\[(?:error|fatal|panic)\] (.*)", said)
    streams = re.findall(r"Stream #.*?: (Audio|Video): (?!none)(.*)", said.partition("Output #")[0])
    shown = [match.groups() for match in _SHOWN.finditer(said)]
    wrong = wrong or ([f"ffmpeg's exit code is {done.returncode}"] if done.returncode else [])
    if not streams:
        raise UserError(f"{path}: no video that ffmpeg can read ({_first(wrong)}); is it one, and whole?")
    stored = [about for kind, about in streams if kind == "Video" and "attached pic" not in about]
    if not stored:
        raise UserError(f"{path}: sound alone, expected pictures; a song belongs into DATA/audio")
    if not shown:
        raise UserError(f"{path}: not one frame can be decoded ({_first(wrong)}); was its download or copy cut short?")
    times = np.sort(np.array([float(seconds) for _, seconds, *_ in shown]))
    if len(times) < 2 * (done.returncode != 0) or np.isnan(times).any():
        raise UserError(f"{path}: its frames do not say when they are shown; convert it to .mp4")
    sound = any(kind == "Audio" for kind, _ in streams)
    _whole(path, said, times, sound, wrong)

    start = re.search(r"Duration: .*?start: *(-?[\d.]+)", said)
    header = re.search(r"([\d.]+) fps", stored[0])
    rate, even = _rate(times - times[0], fps, float(header[1]) if header else None)
    over, under, width, height = map(int, shown[0][2:])
    wide = round(width * over / under) if over else width
    turned = re.search(r"rotation of (-?[\d.]+)", said)
    plain = even and wide == width and not (turned and float(turned[1]) % 360)
    frames = len(times) if even else max(1, round((times[-1] - times[0] + np.median(np.diff(times))) * rate))
    late = times[0] - float(start[1]) if start else 0.0
    return Footage(path, (wide, height), rate, frames, plain, float(times[0]), max(0.0, float(late)), sound)


def _whole(path: Path, said: str, times: np.ndarray, sound: bool, wrong: list[str]) -> None:
    """Raise a UserError if the video is truncated; warn of lesser damage."""
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    says = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else 0.0
    lasts = times[-1] - times[0] + (np.median(np.diff(times)) if len(times) > 1 else 0)
    enough = says - max(1.0, 0.02 * says)
    # In a complete file, the picture may end before the sound.
    with open(path, "rb") as file:  # for avi, ffmpeg trusts the file's size more than its header
        riff, size = file.read(4), int.from_bytes(file.read(4), "little") + 8
    if riff == b"RIFF" and size > path.stat().st_size:
        raise UserError(f"{path}: {path.stat().st_size} of {size} bytes; was its download or copy cut short?")
    if lasts < enough and (not sound or _CUT.search(said) or _sound_lasts(path) < enough):
        raise UserError(f"{path}: ends after {lasts:.1f} of {says:.1f} s; was its download or copy cut short?")
    if wrong:
        log.warning("%s: ffmpeg found damage (%s); going on with what it could decode", path, wrong[0][:160])


def _sound_lasts(path: Path) -> float:
    """Return the time of a file's last audio packet, in seconds from the start; 0 if it has none."""
    copied = ffmpeg.read("-v", "quiet", "-i", ffmpeg.url(path), "-map", "0:a:0", "-c", "copy", "-f", "framecrc", "-")
    done = copied.stdout.decode()
    tick, packets = re.search(r"#tb 0: (\d+)/(\d+)", done), re.findall(r"^0, *-?\d+, *(-?\d+),", done, re.MULTILINE)
    return max(map(int, packets)) * int(tick[1]) / int(tick[2]) if tick and packets else 0.0


def _rate(times: np.ndarray, given: float | None, header: float | None) -> tuple[float, bool]:
    """Choose the frame rate for frames at these seconds (n,); tell whether they are evenly spaced at that rate."""
    if len(times) < 2 or times[-1] <= 0:
        return given or header or ASSUMED, True
    mean, median = (len(times) - 1) / times[-1], 1 / max(np.median(np.diff(times)), 1e-3)
    for rate in [given] if given else [_usual(mean), *([_usual(header)] if header else []), mean]:
        if np.abs(times * rate - np.arange(len(times))).max() < 0.5:
            return rate, True
    return given or _usual(max(mean, min(median, FASTEST))), False


def _usual(rate: float) -> float:
    """Return the common frame rate within 0.04% of this one, or else the rate itself."""
    nearest = min(USUAL, key=lambda usual: abs(rate / usual - 1))
    return nearest if abs(rate / nearest - 1) < 4e-4 else rate


@contextlib.contextmanager
def reading(footage: Footage, pixels: str, size: tuple[int, int], fps: float | None = None, first: int = 0):
    """Open a stream of raw frames: a running ffmpeg that writes them to its ``stdout``, and that ends with the block.

    Parameters
    ----------
    footage : Footage
        From `look`.
    pixels : str
        ffmpeg's name of the pixel format, e.g. ``rgb24`` or ``rgba``; rows from top to bottom.
    size : (int, int)
        Width and height of the frames.
    fps : float, optional
        Frames per second, by default the video's own. Frame t is shown t / fps seconds after the first.
    first : int
        Number of frames to skip at the start.
    """
    chain = f"{_even(footage, fps or footage.fps)},scale={size[0]}:{size[1]},trim=start_frame={first}"
    command = [*_input(footage.path), "-map", "0:V:0", "-vf", f"{chain},setpts=PTS-STARTPTS", "-an"]
    command += ["-pix_fmt", pixels, "-f", "rawvideo", "pipe:1"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with ffmpeg.running([ffmpeg.reader(), "-v", "quiet", *command], **pipes) as process:
        yield process


def steady(footage: Footage, target: Path) -> None:
    """Write the frames as a video for any reader: constant frame rate, upright, square pixels."""
    # every ffmpeg writes mpeg4 and every OpenCV reads it; odd sizes are padded, so that pixels keep their positions
    chain = f"{_even(footage, footage.fps)},pad=ceil(iw/2)*2:ceil(ih/2)*2"
    command = [*_input(footage.path), "-map", "0:V:0", "-vf", f"{chain},setpts=PTS-STARTPTS", "-an"]
    command += [*"-c:v mpeg4 -q:v 2 -pix_fmt yuv420p".split(), ffmpeg.url(target)]
    ffmpeg.write(ffmpeg.reader(), command, target)


def sound(footage: Footage, target: Path) -> None:
    """Write a video's sound as wav, 16 bit, 22050 Hz, mono, from the first frame on; silence until the sound starts.

    Raises
    ------
    UserError
        If the sound cannot be decoded or written, or ends before the first frame.
    """
    begin = f"{footage.first:.6f}"
    chain = f"atrim=start={begin},asetpts=PTS-{begin}/TB,aresample={audio.SR}:async=1:first_pts=0:rematrix_maxval=1"
    command = [*_input(footage.path), "-map", "0:a:0", "-af", f"{chain},asetpts=N/SR/TB", "-vn", "-ac", "1"]
    with atomic(target) as temporary:
        bare = "-map_metadata -1 -fflags +bitexact -flags:a +bitexact -c:a pcm_s16le -f wav".split()
        ffmpeg.write(ffmpeg.reader(), [*command, *bare, ffmpeg.url(temporary)], target)
        if temporary.stat().st_size < 100:
            raise UserError(f"{footage.path}: its sound is over before its first frame")


def _input(path: Path) -> list[str]:
    """Return the arguments with which ffmpeg reads a file and keeps its timestamps."""
    return ["-copyts", "-i", ffmpeg.url(path)]


def _even(footage: Footage, fps: float) -> str:
    """Return the filters for a constant frame rate and square pixels; ffmpeg itself rotates frames upright."""
    rate = Fraction(fps).limit_denominator(60_000)
    return (
        f"fps=fps={rate}:start_time={footage.first:.6f}:round=near,scale={footage.size[0]}:{footage.size[1]},setsar=1"
    )


def _first(lines: list[str]) -> str:
    return lines[0].strip()[:160] if lines else "it does not say why"
