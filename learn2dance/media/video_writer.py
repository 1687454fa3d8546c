"""Moving pictures in and out: raw frames piped to ffmpeg as mp4 or gif, and a look at what a media file holds."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from learn2dance.cli import existing_path, progress
from learn2dance.data.temporary import atomic, temporary_folder
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg

ENDINGS = (".mp4", ".gif")

# No B-frames: every player then agrees on when the first picture is shown. Threads are fixed for the same bytes. A
# finer motion search would take a fifth more time, for a film 15% smaller.
_X264 = (
    "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "
    "-c:v libx264 -preset veryfast -x264-params subme=1:me=dia -crf 20 -bf 0 -threads 2 "
    "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags +faststart"
).split()
_BITEXACT = "-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact".split()  # no dates, no versions


def write(
    path: str | Path,
    draw: Callable[[int], memoryview],
    count: int,
    size: tuple[int, int],
    fps: float,
    audio: str | Path | None = None,
    start: float = 0.0,
) -> None:
    """Encode frames as they are drawn; the file appears, whole, when the last is written.

    Parameters
    ----------
    path : path
        Ends in .mp4 (H.264, and AAC where there is audio) or .gif (without sound).
    draw : callable
        ``draw(t)`` returns frame ``t`` as RGBA bytes, row by row from the top; the buffer may be used again.
    count : int
        How many frames there are.
    size : (int, int)
        Width and height in pixels; even numbers for .mp4.
    fps : float
        Frames a second.
    audio : path, optional
        Any file with sound in it. It is cut, or filled up with silence, to the ``count / fps`` seconds of the picture.
    start : float
        Seconds of the audio that are left out before the first frame.

    Raises
    ------
    UserError
        If the ending is neither, there is no sound in the audio file, or ffmpeg fails (its reason is told).
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path}: expected a name that ends in {' or '.join(ENDINGS)}")
    rate = str(Fraction(fps).limit_denominator(100_000))
    video_in = f"-f rawvideo -pix_fmt rgb0 -video_size {size[0]}x{size[1]} -framerate {rate} -i pipe:0".split()
    sound = []
    if audio is not None and path.suffix.lower() == ".mp4":
        if not probe(audio)["audio"]:
            raise UserError(
                f"{audio}: no sound in it; expected a song (wav, flac, ogg, mp3, m4a …) or a film with sound"
            )
        seconds = count / fps
        cut = (  # gaps filled, so that the sound's clock is the file's own; then cut or padded to the picture
            f"aresample=async=1:first_pts=0,atrim=start={start:.6f},asetpts=PTS-STARTPTS,"
            f"apad=whole_dur={seconds:.6f},atrim=end={seconds:.6f}"
        )
        sound = ["-i", ffmpeg.url(audio), "-map", "0:v", "-map", "1:a:0", "-af", cut, *"-c:a aac -b:a 160k".split()]
    with temporary_folder() as folder, atomic(path) as temporary:
        out = [*_BITEXACT, ffmpeg.url(temporary)]
        if path.suffix.lower() == ".mp4":
            command = [*video_in, *sound, *_X264, *out]
        else:  # the palette is made of a few frames: made of all, ffmpeg would hold all of them in memory
            palette = folder / "palette.png"
            few = np.unique(np.linspace(0, count - 1, 24).astype(int))
            made = [*video_in, "-vf", "palettegen", "-update", "1", ffmpeg.url(palette)]
            ffmpeg.write(ffmpeg.encoder(), made, path, map(draw, few.tolist()))
            dither = "paletteuse=dither=none:diff_mode=rectangle"
            command = [*video_in, "-i", ffmpeg.url(palette), "-lavfi", dither, *out]
        ffmpeg.write(ffmpeg.encoder(), command, path, map(draw, progress(range(count), path.name)))


def probe(path: str | Path) -> dict:
    """Look at a media file's header.

    Returns
    -------
    dict
        ``duration`` float seconds, or None where the file does not say; ``audio`` bool; ``size`` (width, height) in
        pixels and ``fps`` float of its first video stream, None where there is none.

    Raises
    ------
    UserError
        If it is missing or no media file.
    """
    existing_path(path, "audio or video file")
    said = ffmpeg.read("-i", ffmpeg.url(path)).stderr.decode(errors="replace")
    streams = re.findall(r"^ *Stream #\S+: (Audio|Video): (.*)$", said, re.MULTILINE)
    if not streams:
        reason = said.strip().splitlines()[-1].rsplit(": ", 1)[-1]
        raise UserError(
            f"{path}: ffmpeg finds neither sound nor picture in it ({reason}); is it an audio or video file?"
        )
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    picture = next((about for kind, about in streams if kind == "Video"), "")
    size, rate = re.search(r"\b(\d{2,5})x(\d{2,5})\b", picture), re.search(r"([\d.]+)(k?) fps", picture)
    return {
        "duration": int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None,
        "audio": any(kind == "Audio" for kind, _ in streams),
        "size": (int(size[1]), int(size[2])) if size else None,
        "fps": float(rate[1]) * (1000 if rate[2] else 1) if rate else None,
    }


def embed(path: str | Path, width: int | None = None):
    """Return a video as an object that a notebook shows: the file's bytes are put into the notebook."""
    from IPython.display import Image, Video

    path = existing_path(path, "video")
    if path.suffix.lower() == ".gif":
        return Image(data=path.read_bytes(), format="gif", width=width)
    return Video(str(path), embed=True, width=width)
