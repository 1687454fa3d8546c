"""Write raw frames as mp4 or gif by ffmpeg, read the header of media files, and show videos in notebooks."""

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

# No B-frames, so that all players agree on the time of the first frame. The number of threads is fixed, so that the
# bytes are always the same. A finer motion search takes 20% more time and makes the file 15% smaller.
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
    """Encode frames as they are drawn; the file appears only when it is complete.

    Parameters
    ----------
    path : path
        Ends in .mp4 (H.264, and AAC if there is audio) or .gif (without sound).
    draw : callable
        ``draw(t)`` returns frame ``t`` as RGBA bytes, rows from top to bottom; it may reuse the buffer.
    count : int
        Number of frames.
    size : (int, int)
        Width and height in pixels; even numbers for .mp4.
    fps : float
        Frames per second.
    audio : path, optional
        Any file with sound. It is cut, or padded with silence, to the ``count / fps`` seconds of the video.
    start : float
        Seconds of the audio to skip at its start.

    Raises
    ------
    UserError
        If the suffix is neither, the audio file has no sound, or ffmpeg fails (the message contains its reason).
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
        cut = (  # fill gaps, so that sound keeps the file's timestamps; then cut or pad it to the length of the video
            f"aresample=async=1:first_pts=0,atrim=start={start:.6f},asetpts=PTS-STARTPTS,"
            f"apad=whole_dur={seconds:.6f},atrim=end={seconds:.6f}"
        )
        sound = ["-i", ffmpeg.url(audio), "-map", "0:v", "-map", "1:a:0", "-af", cut, *"-c:a aac -b:a 160k".split()]
    with temporary_folder() as folder, atomic(path) as temporary:
        out = [*_BITEXACT, ffmpeg.url(temporary)]
        if path.suffix.lower() == ".mp4":
            command = [*video_in, *sound, *_X264, *out]
        else:  # the palette is made from a few frames, since ffmpeg holds all frames that it uses in memory
            palette = folder / "palette.png"
            few = np.unique(np.linspace(0, count - 1, 24).astype(int))
            made = [*video_in, "-vf", "palettegen", "-update", "1", ffmpeg.url(palette)]
            ffmpeg.write(ffmpeg.encoder(), made, path, map(draw, few.tolist()))
            dither = "paletteuse=dither=none:diff_mode=rectangle"
            command = [*video_in, "-i", ffmpeg.url(palette), "-lavfi", dither, *out]
        ffmpeg.write(ffmpeg.encoder(), command, path, map(draw, progress(range(count), path.name)))


def probe(path: str | Path) -> dict:
    """Read a media file's header.

    Returns
    -------
    dict
        ``duration`` float seconds, or None if the file does not say; ``audio`` bool; ``size`` (width, height) in
        pixels and ``fps`` float of its first video stream, None if there is none.

    Raises
    ------
    UserError
        If it is missing or not a media file.
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
    """Return a video as an object that a notebook shows; the notebook then contains the file's bytes."""
    from IPython.display import Image, Video

    path = existing_path(path, "video")
    if path.suffix.lower() == ".gif":
        return Image(data=path.read_bytes(), format="gif", width=width)
    return Video(str(path), embed=True, width=width)
