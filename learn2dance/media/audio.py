"""Decode any audio file, or the sound of a video, to samples by ffmpeg."""

import re
from pathlib import Path

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg

SR = 22050  # samples per second, everywhere in learn2dance
SHORTEST = 1.75  # seconds: a little over two beats (1.71 s) at the slowest tempo, 70 beats per minute


def load(path: str | Path) -> np.ndarray:
    """Decode a file's first audio track to mono at 22050 Hz; time 0 is the time 0 of the file.

    The padding that mp3, m4a and opus encoders add at the start is removed, and a track that starts later than its
    video is preceded by silence; both as the file's own metadata says.

    Parameters
    ----------
    path : path
        wav, flac, ogg, mp3, m4a, opus, a video …: any format that ffmpeg can read.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        Samples, full scale -1 to 1 (beyond it if the file is); the mean of the channels.

    Raises
    ------
    UserError
        If there is no such file, it has no sound or less than `SHORTEST`, or samples are not finite.
    """
    path = cli.existing_path(path, "audio file")
    if path.is_dir():
        raise UserError(f"{path}: a folder, expected an audio file")
    if not path.stat().st_size:
        raise UserError(f"{path}: empty (0 bytes), expected sound; was its download or copy cut short?")
    mono = f"aresample={SR}:ochl=mono:rematrix_maxval=1:async=1:first_pts=0"
    track = ["-i", ffmpeg.url(path), "-map", "0:a:0"]
    done = ffmpeg.read("-v", "error", *track, "-af", mono, "-f", "f32le", "pipe:1")
    said = re.findall(r"^(?:\[.*?\] )?(.*?)\.?$", done.stderr.decode(errors="replace"), re.MULTILINE)
    said = [line for line in said if line]
    if done.returncode:
        if "matches no streams" in done.stderr.decode(errors="replace"):
            raise UserError(f"{path}: expected sound, found a file without any; is it a video without sound?")
        reason = said[0][:160] if said else f"ffmpeg's exit code is {done.returncode}"
        raise UserError(f"{path}: expected sound, found none that ffmpeg can decode ({reason}); is it an audio file?")
    samples = np.frombuffer(done.stdout, "<f4").astype(np.float32)
    if len(samples) < SHORTEST * SR:
        found = f"{len(samples) / SR:.2f} s of sound"
        raise UserError(f"{path}: {found}, expected at least {SHORTEST:g} s (two beats); was it cut short?")
    if not np.isfinite(samples).all():
        first = np.argmin(np.isfinite(samples)) / SR
        raise UserError(f"{path}: samples that are not finite (NaN or infinite) at {first:.2f} s; export the song anew")
    if said:
        log.warning("%s: ffmpeg found damage (%s); going on with what it could decode", path, said[0][:160])
    return samples
