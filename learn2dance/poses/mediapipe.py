"""MediaPipe Pose on the CPU: detects one person a frame, in a worker process with its own Python environment."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from learn2dance.errors import UserError
from learn2dance.media import ffmpeg, video_reader
from learn2dance.poses import landmarks

WIDEST = 1280  # pixels, the longer side of frames passed to MediaPipe, which itself scales the person to 256x256
ROOT = Path(__file__).parents[2]


def detect(film: video_reader.Footage, python: str) -> Iterator[np.ndarray | None]:
    """Yield, for each frame, the joints of the one person whom MediaPipe detects, or None.

    Parameters
    ----------
    film : Footage
        The video.
    python : str
        Path of a Python that has mediapipe (``.venv-pose``).

    Yields
    ------
    np.ndarray [shape=(25, 3)] or None
        x right and y down in pixels of the video, and confidence; all 0 where not detected: see `landmarks.body_25`.

    Raises
    ------
    UserError
        If the worker fails.
    """
    scale = min(1, WIDEST / max(film.size))
    size = tuple(max(1, round(side * scale)) for side in film.size)
    command = [python, "-m", "learn2dance.poses.mediapipe_worker", *map(str, size)]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as said, video_reader.reading(film, "rgb24", size) as frames:
        pipes = {"stdin": frames.stdout, "stdout": subprocess.PIPE, "stderr": said}
        with ffmpeg.running(command, env=surroundings, **pipes) as worker:
            frames.stdout.close()  # now only the worker reads the pipe: if it ends, ffmpeg ends too
            while len(found := worker.stdout.read(landmarks.COUNT * 3 * 4)) == landmarks.COUNT * 3 * 4:
                points = np.frombuffer(found, np.float32).reshape(landmarks.COUNT, 3)
                yield None if np.isnan(points[0, 0]) else landmarks.body_25(points, film.size)
            code = worker.wait()
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["it does not say why"]
            reason = signal.Signals(-code).name if code < 0 else lines[-1][:200]
            raise UserError(f"{film.path}: MediaPipe failed ({reason}); is {python} whole?")
