"""Decode any audio file, or the sound of a video, to samples by ffmpeg."""

from pathlib import Path

import numpy as np

from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg

SR = 22050  # samples per second, everywhere in learn2dance
SHORTEST = 1.75  # seconds: a little over two beats (1.71 s) at the slowest tempo, 70 beats per minute


def load(path: str | Path) -> np.ndarray:
    """Decode the first audio track of a file, in any format that ffmpeg reads, to mono float32 (n,) at 22050 Hz.

    Samples are the mean of the channels; full scale is -1 to 1, beyond it if the file is. Time 0 is the time 0 of the
    file: as its metadata says, the padding that mp3, m4a and opus encoders add at the start is removed, and a track
    that starts later than its video is preceded by silence.

    Raises a UserError if there is no such file, it has no sound or less than `SHORTEST`, or samples are not finite.
    """
    path = ffmpeg.media_file(path, "audio file")
    mono = f"aresample={SR}:ochl=mono:rematrix_maxval=1:async=1:first_pts=0"
    done = ffmpeg.read("-i", ffmpeg.url(path), "-map", "0:a:0", "-af", mono, "-f", "f32le", "pipe:1")
    if done.code:
        if not ffmpeg.header(path, done).sound:
            raise UserError(f"{path}: found no sound, expected an audio file; is it a video without sound?")
        raise UserError(f"{path}: its sound cannot be decoded ({done.error}); was its download or copy cut short?")
    samples = np.frombuffer(done.data, "<f4").astype(np.float32)
    if len(samples) < SHORTEST * SR:
        found = f"found {len(samples) / SR:.2f} s of sound"
        raise UserError(f"{path}: {found}, expected at least {SHORTEST:g} s (two beats); was it cut short?")
    if not np.isfinite(samples).all():
        first = np.argmin(np.isfinite(samples)) / SR
        raise UserError(f"{path}: found NaN or infinite samples at {first:.2f} s; export the song again")
    if done.error:
        log.warning("%s: ffmpeg found damage (%s); it decoded the rest", path, done.error)
    return samples
