"""Read any video as upright frames of square pixels at a constant frame rate, and its sound.

Time 0 is the first frame, for frames and sound, whatever its timestamp in the file.
"""

import contextlib
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance.cli import log
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.media import audio, ffmpeg

_WHOLE_RATES = 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240
USUAL = (*map(float, _WHOLE_RATES), 24e3 / 1001, 30e3 / 1001, 60e3 / 1001)  # common frame rates, frames per second
ASSUMED = 25.0  # frames per second of a single picture
FASTEST = 60.0  # frames per second: limit of the median rate if frame times are uneven, as frames may come in bursts
MOST_FRAMES = 1 << 20  # five hours at 60 frames per second: damaged timestamps can claim days
_SHOWN = re.compile(r"\bpts: *-?\d+ .*?\bpts_time: *(\S+) .*?\bsar: *(\d+)/(\d+) .*?\bs: *(\d+)x(\d+)")
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
    times: tuple[float, ...]  # seconds from the first stored frame to each, increasing


def look(path: str | Path, fps: float | None = None) -> Footage:
    """Decode a video once to get its frame times, and check that it is complete.

    The frame rate is ``fps``, if given. By default it is the video's own, if all frames are within half a frame of a
    regular grid; else their median rate, at most `FASTEST` and at least their mean rate.

    Raises a UserError if there is no such file, it has no frames, cannot be decoded, or ends too early.
    """
    path = ffmpeg.media_file(path, "video")
    done = ffmpeg.read("-copyts", *ffmpeg.source(path), "-map", "0:V:0?", "-vf", "showinfo", "-an", "-f", "null", "-")
    header = ffmpeg.header(path, done)
    if not header.picture:
        raise UserError(f"{path}: found only sound, expected a video; songs belong into DATA/audio")
    shown = _SHOWN.findall(done.log)
    if not shown:
        raise UserError(f"{path}: no frame can be decoded ({done.error or 'no reason given'}); was the file cut short?")
    times = np.sort(np.array([float(seconds) for seconds, *_ in shown]))
    if done.code and len(times) < 2:
        raise UserError(f"{path}: its frames have no timestamps; convert it to .mp4")
    _check_complete(path, header, done.log, times)
    if done.error:
        log.warning("%s: ffmpeg found damage (%s); it decoded the rest", path, done.error)

    rate, even = _rate(times - times[0], fps, header.fps)
    over, under, width, height = map(int, shown[0][1:])
    wide = round(width * over / under) if over else width
    plain = even and wide == width and not header.rotated
    frames = len(times) if even else max(1, round((times[-1] - times[0] + np.median(np.diff(times))) * rate))
    if frames > MOST_FRAMES:
        raise UserError(f"{path}: {frames} frames by its timestamps, expected at most {MOST_FRAMES}; is it damaged?")
    late = 0.0 if header.start is None else max(0.0, float(times[0]) - header.start)
    return Footage(
        path,
        (wide, height),
        rate,
        frames,
        plain,
        float(times[0]),
        late,
        header.sound,
        tuple((times - times[0]).tolist()),
    )


def _check_complete(path: Path, header: ffmpeg.Header, messages: str, times: np.ndarray) -> None:
    """Raise a UserError if a video is truncated, given ffmpeg's log and the times of its frames (n,)."""
    with open(path, "rb") as file:  # for avi, ffmpeg trusts the file's size more than its header
        riff, size = file.read(4), int.from_bytes(file.read(4), "little") + 8
    if riff == b"RIFF" and size > path.stat().st_size:
        raise UserError(f"{path}: found {path.stat().st_size} of {size} bytes; was its download or copy cut short?")
    duration = header.duration or 0.0
    enough = duration - max(1.0, 0.02 * duration)
    lasts = times[-1] - times[0] + (np.median(np.diff(times)) if len(times) > 1 else 0)
    # In a complete file, the picture may end before the sound.
    if lasts < enough and (not header.sound or _CUT.search(messages) or _sound_lasts(path) < enough):
        raise UserError(f"{path}: ends after {lasts:.1f} of {duration:.1f} s; was its download or copy cut short?")


def _sound_lasts(path: Path) -> float:
    """Return the time of a file's last audio packet, in seconds from the start; 0 if it has none."""
    copied = ffmpeg.read(*ffmpeg.source(path), "-map", "0:a:0", "-c", "copy", "-f", "framecrc", "-").data.decode()
    tick, packets = re.search(r"#tb 0: (\d+)/(\d+)", copied), re.findall(r"^0, *-?\d+, *(-?\d+),", copied, re.MULTILINE)
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


def exact_rate(fps: float) -> float:
    """Return 24000/1001, 30000/1001 or 60000/1001 for what players round it to (23.976, 23.98 …), else ``fps``."""
    return next((rate for rate in USUAL if fps in (round(rate, 2), round(rate, 3))), fps)


def _usual(rate: float) -> float:
    """Return the common frame rate within 0.04% of this one, or else the rate itself."""
    nearest = min(USUAL, key=lambda usual: abs(rate / usual - 1))
    return nearest if abs(rate / nearest - 1) < 4e-4 else rate


@contextlib.contextmanager
def reading(footage: Footage, pixels: str, size: tuple[int, int], fps: float | None = None, first: int = 0):
    """Open a stream of raw frames: a running ffmpeg that writes them to its ``stdout``, and that ends with the block.

    They have this ``size`` (width, height), rows from top to bottom, and ``pixels``, ffmpeg's name of a pixel format
    such as ``rgb24``. Frame t is shown t / fps seconds after the first, by default at the video's own rate; ``first``
    is the number of frames to skip.
    """
    frames = _even_frames(footage, fps or footage.fps, f"scale={size[0]}:{size[1]}", f"trim=start_frame={first}")
    command = [ffmpeg.reader(), "-v", "quiet", *frames, "-pix_fmt", pixels, "-f", "rawvideo", "pipe:1"]
    with ffmpeg.running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        yield process


def steady(footage: Footage, target: Path) -> None:
    """Write the frames as a video for any reader: constant frame rate, upright, square pixels."""
    # every ffmpeg writes mpeg4 and every OpenCV reads it; odd sizes are padded, so that pixels keep their positions
    frames = _even_frames(footage, footage.fps, "pad=ceil(iw/2)*2:ceil(ih/2)*2")
    options = "-c:v mpeg4 -q:v 2 -pix_fmt yuv420p".split()
    ffmpeg.write(ffmpeg.reader(), [*frames, *options, ffmpeg.url(target)], target)


def sound(footage: Footage, target: Path) -> None:
    """Write a video's sound as wav, 16 bit, 22050 Hz, mono, from the first frame on; silence until the sound starts.

    Raises a UserError if the sound cannot be decoded or written, or ends before the first frame.
    """
    begin = f"{footage.first:.6f}"
    chain = f"atrim=start={begin},asetpts=PTS-{begin}/TB,aresample={audio.SR}:async=1:first_pts=0:rematrix_maxval=1"
    command = ["-copyts", *ffmpeg.source(footage.path), "-map", "0:a:0", "-af", f"{chain},asetpts=N/SR/TB"]
    command += "-vn -ac 1 -map_metadata -1 -fflags +bitexact -flags:a +bitexact -c:a pcm_s16le -f wav".split()
    with atomic(target) as temporary:
        ffmpeg.write(ffmpeg.reader(), [*command, ffmpeg.url(temporary)], target)
        if temporary.stat().st_size < 100:
            raise UserError(f"{footage.path}: its sound ends before its first frame")


def _even_frames(footage: Footage, fps: float, *filters: str) -> list[str]:
    """Return the arguments for frames at a constant rate with square pixels; ffmpeg itself rotates them upright."""
    rate, (width, height) = Fraction(fps).limit_denominator(60_000), footage.size
    chain = f"fps=fps={rate}:start_time={footage.first:.6f}:round=near,scale={width}:{height},setsar=1"
    chain = ",".join([chain, *filters, "setpts=PTS-STARTPTS"])
    return ["-copyts", *ffmpeg.source(footage.path), "-map", "0:V:0", "-vf", chain, "-an"]
