"""Cut songs to the length of a dance, and encode them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from learn2dance.data.temporary import temporary_folder
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg, sound_file

BITEXACT = "-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact".split()  # no dates, no versions


@contextlib.contextmanager
def readable_song(path: str | Path) -> Iterator[Path]:
    """Yield a file with this song that ffmpeg can open (`sound_file.readable`); a UserError if it has no sound."""
    with sound_file.readable(ffmpeg.media_file(path, "audio or video file")) as source:
        if not ffmpeg.probe(source).sound:
            raise UserError(f"{path}: found no sound, expected a song (wav, flac, mp3 …) or a video with sound")
        yield source


def cut(start: float, seconds: float) -> str:
    """Return the ffmpeg filter that skips ``start`` seconds, and cuts or pads the rest with silence to ``seconds``."""
    return (  # fill gaps first, so that sound keeps the file's timestamps
        f"aresample=async=1:first_pts=0,atrim=start={start:.6f},asetpts=PTS-STARTPTS,"
        f"apad=whole_dur={seconds:.6f},atrim=end={seconds:.6f}"
    )


def m4a(path: str | Path, start: float, seconds: float) -> bytes:
    """Encode a song as AAC in an .m4a file, 128 kbit/s in at most two channels; return the file's bytes.

    ``start`` seconds of it are skipped, and the rest is cut, or padded with silence, to ``seconds``. Every browser
    plays this format. Its table of samples makes seeking exact, and its edit list removes the encoder's delay, which
    .mp3 does not guarantee. Ogg Opus is smaller, but older versions of Safari do not play it.

    Raises a UserError if the file has no sound or ffmpeg fails.
    """
    with readable_song(path) as source, temporary_folder() as folder:
        target = folder / "song.m4a"
        sound = [*ffmpeg.source(source), "-map", "0:a:0", "-ac", "2", "-af", cut(start, seconds)]
        coded = ["-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", *BITEXACT, ffmpeg.url(target)]
        ffmpeg.write(ffmpeg.encoder(), [*sound, *coded], Path(path))
        return target.read_bytes()
