"""Write raw frames as mp4, gif or PNG files by ffmpeg, and show videos in notebooks."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from learn2dance.cli import existing_path, progress
from learn2dance.data.temporary import atomic, atomic_folder, temporary_folder
from learn2dance.errors import UserError
from learn2dance.media import audio_writer, ffmpeg

# No B-frames, so that all players agree on the time of the first frame. The number of threads is fixed, so that the
# bytes are always the same. A finer motion search takes 20% more time and makes the file 15% smaller.
_X264 = (
    "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "
    "-c:v libx264 -preset veryfast -x264-params subme=1:me=dia -crf 20 -bf 0 -threads 2 "
    "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags +faststart"
).split()


def write(
    path: str | Path,
    draw: Callable[[int], memoryview],
    count: int,
    size: tuple[int, int],
    fps: float,
    audio: str | Path | None = None,
    start: float = 0.0,
) -> None:
    """Encode ``count`` frames as they are drawn, as .mp4 (H.264 and AAC), or without sound as .gif or PNG files.

    A ``path`` without an ending is a folder, for 000001.png and so on; if there is one, it is replaced.

    ``draw(t)`` returns frame t as RGBA bytes, rows from top to bottom; it may reuse the buffer. ``size`` is width and
    height in pixels, even for .mp4. ``audio`` is any file with sound: ``start`` seconds of it are skipped, and the rest
    is cut, or padded with silence, to the length of the video. The file or folder appears only when it is complete.

    Raises a UserError if the suffix is unknown, the audio file has no sound, or ffmpeg fails.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".mp4", ".gif", ""):
        raise UserError(f"{path}: expected a name that ends in .mp4 or .gif, or a folder's without an ending")
    rate = str(Fraction(fps).limit_denominator(100_000))
    video_in = f"-f rawvideo -pix_fmt rgb0 -video_size {size[0]}x{size[1]} -framerate {rate} -i pipe:0".split()
    if not ending:
        with atomic_folder(path) as folder:
            files = ffmpeg.url(folder).replace("%", "%%") + "/%06d.png"
            command = [*video_in, "-pix_fmt", "rgb24", *audio_writer.BITEXACT, files]
            ffmpeg.write(ffmpeg.encoder(), command, path, map(draw, progress(range(count), path.name)))
        return
    with contextlib.ExitStack() as stack:
        # Entered first, so that the video appears last: a run that is killed before then is repeated, and cleans up.
        temporary, sound = stack.enter_context(atomic(path)), []
        if audio is not None and ending == ".mp4":
            audio = stack.enter_context(audio_writer.readable_song(audio))
            cut = audio_writer.cut(start, count / fps)
            sound = [*ffmpeg.source(audio), "-map", "0:v", "-map", "1:a:0", "-af", cut, *"-c:a aac -b:a 160k".split()]
        options = [*sound, *_X264]
        if ending == ".gif":  # the palette is computed from a few frames, since ffmpeg holds all of them in memory
            folder = stack.enter_context(temporary_folder())
            palette = ffmpeg.url(folder / "palette.png")
            few = np.unique(np.linspace(0, count - 1, 24).astype(int)).tolist()
            command = [*video_in, "-vf", "palettegen", "-update", "1", palette]
            ffmpeg.write(ffmpeg.encoder(), command, path, map(draw, few))
            options = ["-i", palette, "-lavfi", "paletteuse=dither=none:diff_mode=rectangle"]
        command = [*video_in, *options, *audio_writer.BITEXACT, ffmpeg.url(temporary)]
        ffmpeg.write(ffmpeg.encoder(), command, path, map(draw, progress(range(count), path.name)))


def embed(path: str | Path, width: int | None = None):
    """Return a video as an object that a notebook shows; the notebook then contains the file's bytes."""
    from IPython.display import Image, Video

    path = existing_path(path, "video")
    if path.suffix.lower() == ".gif":
        return Image(data=path.read_bytes(), format="gif", width=width)
    return Video(str(path), embed=True, width=width)
