"""MediaPipe Pose on the CPU: detects one person a frame, in a worker process with its own Python environment.

MediaPipe's 33 landmarks are converted to OpenPose's BODY_25. Their order: Bazarevsky et al., "BlazePose: On-device
Real-time Body Pose tracking", 2020, figure 3, and MediaPipe's documentation of Pose.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from learn2dance.errors import UserError
from learn2dance.media import ffmpeg, video_reader
from learn2dance.motion.skeleton import BODY_25

WIDEST = 1280  # pixels, the longer side of frames passed to MediaPipe, which itself scales the person to 256x256
ROOT = Path(__file__).parents[2]
COUNT = 33
# For each joint of BODY_25: its landmark, or the two landmarks whose midpoint it is. MediaPipe's foot index is the tip
# of the big toe. It has no small toe, so that joint counts as not detected.
_LANDMARKS = {
    "Nose": [0], "LEye": [2], "REye": [5], "LEar": [7], "REar": [8], "LShoulder": [11], "RShoulder": [12],
    "LElbow": [13], "RElbow": [14], "LWrist": [15], "RWrist": [16], "LHip": [23], "RHip": [24], "LKnee": [25],
    "RKnee": [26], "LAnkle": [27], "RAnkle": [28], "LHeel": [29], "RHeel": [30], "LBigToe": [31], "RBigToe": [32],
    "Neck": [11, 12], "MidHip": [23, 24],
}  # fmt: skip


def detect(footage: video_reader.Footage, python: str) -> Iterator[np.ndarray | None]:
    """Yield, for each frame, the joints of the one person whom MediaPipe detects, or None; see `body_25`.

    ``python`` is a Python that has mediapipe. Raises a UserError if the worker process fails.
    """
    scale = min(1, WIDEST / max(footage.size))
    size = tuple(max(1, round(side * scale)) for side in footage.size)
    command = [python, "-m", "learn2dance.poses.mediapipe_worker", *map(str, size)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as stderr, video_reader.reading(footage, "rgb24", size) as frames:
        pipes = {"stdin": frames.stdout, "stdout": subprocess.PIPE, "stderr": stderr}
        with ffmpeg.running(command, env=environment, **pipes) as worker:
            frames.stdout.close()  # now only the worker reads the pipe: if it ends, ffmpeg ends too
            while len(found := worker.stdout.read(4 * COUNT * 3)) == 4 * COUNT * 3:  # bytes of float32
                points = np.frombuffer(found, np.float32).reshape(COUNT, 3)
                yield None if np.isnan(points[0, 0]) else body_25(points, footage.size)
            code = worker.wait()
        if code:
            stderr.seek(0)
            lines = stderr.read().decode(errors="replace").strip().splitlines() or ["no error message"]
            reason = signal.Signals(-code).name if code < 0 else lines[-1][:200]
            raise UserError(f"{footage.path}: MediaPipe failed ({reason}); can {python} import mediapipe?")


def body_25(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert MediaPipe's landmarks (33, 3) to BODY_25's joints, float64 (25, 3), in an image of ``size`` w, h pixels.

    Landmarks are x and y as fractions of the image's width and height, from its left and top, and visibility 0-1.
    Joints are x right and y down in pixels, and the visibility as confidence (for a midpoint, the lower of the two).
    All is 0 for the small toes, and for joints outside the image, which MediaPipe estimates and OpenPose does not.
    """
    points = np.asarray(landmarks, np.float64) * [*size, 1]
    outside = (points[:, :2] < 0).any(1) | (points[:, :2] >= size).any(1) | ~np.isfinite(points).all(1)
    points[outside] = 0
    joints = np.zeros((len(BODY_25), 3))
    for name, numbers in _LANDMARKS.items():
        joint = [*points[numbers, :2].mean(0), points[numbers, 2].min()]
        joints[BODY_25.index(name)] = joint if joint[2] > 0 else 0
    return joints
