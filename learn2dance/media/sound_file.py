"""Sound that ffmpeg cannot open, read by libsndfile instead: some builds of ffmpeg refuse headers of Ogg Vorbis."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from learn2dance.cli import warn_once
from learn2dance.data.temporary import temporary_folder
from learn2dance.media import ffmpeg

BLOCK = 1 << 18  # frames that are copied at once


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Yield a file with the sound of ``path`` that ffmpeg can open: itself, or else a temporary .wav by libsndfile.

    The sound of the .wav is the same, with all channels and the same rate. If neither can open the file, it is yielded
    unchanged, so that the caller reports what ffmpeg says. The check takes ffmpeg 0.05 s.
    """
    opened = ffmpeg.read(*ffmpeg.source(path))
    if ffmpeg.has_stream(opened):
        yield path
        return
    with temporary_folder() as folder:
        target = folder / "sound.wav"
        if _copy(path, target):
            warn_once(f"{path}: ffmpeg cannot open it ({opened.error}); libsndfile reads it")
        yield target if target.exists() else path


def _copy(path: Path, target: Path) -> bool:
    """Decode a file to .wav, 32-bit floating point; return False, without a file, if libsndfile cannot."""
    import soundfile  # takes 0.1 s

    if path.suffix.lower() == ".mp3":  # ffmpeg reads all of them, and libsndfile's decoder writes to stderr
        return False
    try:
        with (
            soundfile.SoundFile(path) as source,
            soundfile.SoundFile(target, "w", source.samplerate, source.channels, "FLOAT") as copy,
        ):
            for block in source.blocks(BLOCK, dtype="float32"):
                copy.write(block)
    except soundfile.LibsndfileError:
        target.unlink(missing_ok=True)
        return False
    return True
