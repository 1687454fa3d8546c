"""Videos as they come from phones and cameras, read as a constant number of upright frames a second, and their sound.

Time 0 is the first frame, of pictures and sound alike, wherever the file's own clock stands then. The pixels of a frame
are square, and it is turned as the file says that it should be shown.
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

USUAL = (
    *map(float, (12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
    24e3 / 1001,
    30e3 / 1001,
    60e3 / 1001,
)
ASSUMED = 25.0  # frames a second of a single picture
FASTEST = 60.0  # frames a second that uneven times are laid on: what comes in bursts is no faster dance
_SHOWN = re.compile(r"\bpts: *(-?\d+) .*?\bpts_time: *(\S+) .*?\bsar: *(\d+)/(\d+) .*?\bs: *(\d+)x(\d+)")
_CUT = re.compile(r"partial file|ended prematurely|truncat|invalid data|end of file|moov atom", re.IGNORECASE)


class Footage(NamedTuple):
    """What a video holds: see `look`."""

    path: Path
    size: tuple[int, int]  # width and height in pixels, upright, of square pixels
    fps: float  # frames a second, constant
    frames: int  # how many there are at that rate
    plain: bool  # whether any reader finds just these frames: upright, square and even in time as they are stored
    first: float  # second of the first frame on the file's own clock
    late: float  # seconds from the file's beginning to the first frame: the sound may begin before it
    sound: bool


def look(path: str | Path, fps: float | None = None) -> Footage:
    """Decode a video once to learn when its frames are shown, and whether it is whole.

    Parameters
    ----------
    path : path
        Any video that ffmpeg reads.
    fps : float, optional
        Frames a second to read it at. Where not given: its own, if its frames are all within half a frame of an even
        grid; else the usual rate that is nearest to its median one.

    Raises
    ------
    UserError
        If there is no such file, no picture in it, if it cannot be decoded, or if it ends before it should.
    """
    path = cli.existing_path(path, "video")
    if path.is_dir():
        raise UserError(f"{path}: a folder, expected a video")
    if not path.stat().st_size:
        raise UserError(f"{path}: empty (0 bytes), expected a video; was its download or copy cut short?")
    done = ffmpeg.read("-v", "level+info", *_input(path), "-map", "0:V:0?", "-vf", "showinfo", "-an", "-f", "null", "-")
    said = done.stderr.decode(errors="replace").replace("[info] ", "")  # which stands in the middle of lines, too
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
    """Raise a UserError if the video ends before it should; warn of lesser damage."""
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    says = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else 0.0
    lasts = times[-1] - times[0] + (np.median(np.diff(times)) if len(times) > 1 else 0)
    enough = says - max(1.0, 0.02 * says)
    # A picture may end before its sound does, in a file that is whole.
    with open(path, "rb") as file:  # of an avi, ffmpeg believes the file's length more than what it says
        riff, size = file.read(4), int.from_bytes(file.read(4), "little") + 8
    if riff == b"RIFF" and size > path.stat().st_size:
        raise UserError(f"{path}: {path.stat().st_size} of {size} bytes; was its download or copy cut short?")
    if lasts < enough and (not sound or _CUT.search(said) or _sound_lasts(path) < enough):
        raise UserError(f"{path}: ends after {lasts:.1f} of {says:.1f} s; was its download or copy cut short?")
    if wrong:
        log.warning("%s: ffmpeg found damage (%s); going on with what it could decode", path, wrong[0][:160])


def _sound_lasts(path: Path) -> float:
    """Return for how many seconds there is sound in a file, from its beginning."""
    copied = ffmpeg.read("-v", "quiet", "-i", ffmpeg.url(path), "-map", "0:a:0", "-c", "copy", "-f", "framecrc", "-")
    done = copied.stdout.decode()
    tick, packets = re.search(r"#tb 0: (\d+)/(\d+)", done), re.findall(r"^0, *-?\d+, *(-?\d+),", done, re.MULTILINE)
    return max(map(int, packets)) * int(tick[1]) / int(tick[2]) if tick and packets else 0.0


def _rate(times: np.ndarray, given: float | None, header: float | None) -> tuple[float, bool]:
    """Choose the frames a second for frames at these seconds (n,); tell whether they lie evenly at that rate."""
    if len(times) < 2 or times[-1] <= 0:
        return given or header or ASSUMED, True
    mean, median = (len(times) - 1) / times[-1], 1 / max(np.median(np.diff(times)), 1e-3)
    for rate in [given] if given else [_usual(mean), *([_usual(header)] if header else []), mean]:
        if np.abs(times * rate - np.arange(len(times))).max() < 0.5:
            return rate, True
    return given or _usual(max(mean, min(median, FASTEST))), False


def _usual(rate: float) -> float:
    """Return the usual rate that this one must mean, or else the rate itself."""
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
        ffmpeg's name of the layout, e.g. ``rgb24`` or ``rgba``; a row after the other from the top.
    size : (int, int)
        Width and height of the frames.
    fps : float, optional
        Frames a second, the footage's own where not given: frame t is what the video shows t / fps after its first.
    first : int
        Frames that are left out.
    """
    chain = f"{_even(footage, fps or footage.fps)},scale={size[0]}:{size[1]},trim=start_frame={first}"
    command = [*_input(footage.path), "-map", "0:V:0", "-vf", f"{chain},setpts=PTS-STARTPTS", "-an"]
    command += ["-pix_fmt", pixels, "-f", "rawvideo", "pipe:1"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with ffmpeg.running([ffmpeg.reader(), "-v", "quiet", *command], **pipes) as process:
        yield process


def steady(footage: Footage, target: Path) -> None:
    """Write the frames as a video that any reader reads frame by frame: even in time, upright, of square pixels."""
    # mpeg4 is in every ffmpeg, and read by every OpenCV; odd sizes are padded, so that the pixels keep their places
    chain = f"{_even(footage, footage.fps)},pad=ceil(iw/2)*2:ceil(ih/2)*2"
    command = [*_input(footage.path), "-map", "0:V:0", "-vf", f"{chain},setpts=PTS-STARTPTS", "-an"]
    command += [*"-c:v mpeg4 -q:v 2 -pix_fmt yuv420p".split(), ffmpeg.url(target)]
    ffmpeg.write(ffmpeg.reader(), command, target)


def sound(footage: Footage, target: Path) -> None:
    """Write a video's sound as wav, 16 bit, 22050 Hz, mono, from the first frame on; silence where it is not yet there.

    Raises
    ------
    UserError
        If the sound cannot be decoded or written.
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
    """Return what makes ffmpeg read a file on the file's own clock, whatever letters are in its name."""
    return ["-copyts", "-i", ffmpeg.url(path)]


def _even(footage: Footage, fps: float) -> str:
    """Return the filters that make frames even in time, and their pixels square; ffmpeg itself turns them upright."""
    rate = Fraction(fps).limit_denominator(60_000)
    return (
        f"fps=fps={rate}:start_time={footage.first:.6f}:round=near,scale={footage.size[0]}:{footage.size[1]},setsar=1"
    )


def _first(lines: list[str]) -> str:
    return lines[0].strip()[:160] if lines else "it does not say why"
