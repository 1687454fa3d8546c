"""Decode any audio file, or the sound of a video, to samples by ffmpeg, or by libsndfile where ffmpeg cannot."""

from pathlib import Path

import numpy as np

from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg, sound_file

SR = 22050  # samples per second, everywhere in learn2dance
SHORTEST = 1.75  # seconds: a little over two beats (1.71 s) at the slowest tempo, 70 beats per minute

LONGEST = 1800.0  # seconds: damaged timestamps can claim days, which would be filled with silence

CANCELLED = 0.3  # fraction of the first channel's root mean square below which the mean has lost what they share
PART = 0.1  # fraction of the seconds with sound in which that must be so


def load(path: str | Path) -> np.ndarray:
    """Decode the first audio track of a file, in any format that ffmpeg reads, to mono float32 (n,) at 22050 Hz.

    Samples are the mean of the channels; full scale is -1 to 1, beyond it if the file is. If one channel is inverted,
    the mean cancels what they share, so the first channel is taken instead, with a warning. Time 0 is the time 0 of the
    file: as its metadata says, the padding that mp3, m4a and opus encoders add at the start is removed, and a track
    that starts later than its video is preceded by silence.

    Raises a UserError if there is no such file, it has no sound, less than `SHORTEST` or more than `LONGEST`, or
    samples are not finite.
    """
    path = ffmpeg.media_file(path, "audio file")
    done = _decode(path)
    if not ffmpeg.has_stream(done):
        with sound_file.readable(path) as source:
            done = _decode(source)
    if done.code:
        if not ffmpeg.header(path, done).sound:
            raise UserError(f"{path}: found no sound, expected an audio file; is it a video without sound?")
        raise UserError(f"{path}: its sound cannot be decoded ({done.error}); was its download or copy cut short?")
    mean, first = np.frombuffer(done.data, "<f4").reshape(-1, 2).T
    inverted = _cancels(mean, first)
    samples = np.ascontiguousarray(first if inverted else mean, np.float32)
    if len(samples) < SHORTEST * SR:
        found = f"found {len(samples) / SR:.2f} s of sound"
        raise UserError(f"{path}: {found}, expected at least {SHORTEST:g} s (two beats); was it cut short?")
    if len(samples) > LONGEST * SR:
        raise UserError(f"{path}: found more than {LONGEST / 60:g} minutes of sound; cut it, or is the file damaged?")
    if not np.isfinite(samples).all():
        first = np.argmin(np.isfinite(samples)) / SR
        raise UserError(f"{path}: found NaN or infinite samples at {first:.2f} s; export the song again")
    if inverted:
        log.warning("%s: a channel is inverted, so the mean of the channels is almost silent; took the first", path)
    if done.error:
        log.warning("%s: ffmpeg found damage (%s); it decoded the rest", path, done.error)
    return samples


def _decode(path: Path) -> ffmpeg.Result:
    """Decode the first audio track to 32-bit floating point: the mean of the channels, and the first, interleaved."""
    mono = f"aresample={SR}:ochl=mono:rematrix_maxval=1:async=1:first_pts=0"
    both = f"[0:a:0]asplit[a][b];[a]{mono}[mean];[b]pan=mono|c0=c0,{mono}[first];[mean][first]amerge"
    bounds = ["-t", f"{LONGEST + 1:g}"]
    return ffmpeg.read(*ffmpeg.source(path), "-filter_complex", both, *bounds, "-f", "f32le", "pipe:1")


def _cancels(mean: np.ndarray, first: np.ndarray) -> bool:
    """Return whether the mean of the channels is far below the first channel in a part of the seconds with sound.

    Independent channels have a mean of 0.71 of each one's root mean square; if all but one are silent, of two, 0.5.
    """
    seconds = len(mean) // SR
    level = [np.sqrt(np.square(y[: seconds * SR].reshape(seconds, SR)).mean(axis=1)) for y in (mean, first)]
    sounding = level[1] > 0.1 * level[1].max(initial=0)
    return bool(np.mean(level[0][sounding] < CANCELLED * level[1][sounding]) > PART) if sounding.any() else False
