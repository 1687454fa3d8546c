"""MediaPipe Pose as a filter, run in .venv-pose: mediapipe_worker WIDTH HEIGHT < frames > landmarks.

Reads frames, one after the other: uint8 (HEIGHT, WIDTH, 3), red green blue. Writes float32 (33, 3) for each: x and y as
fractions of the image's width and height, and visibility; NaN if nobody is detected.
"""

import sys

import mediapipe
import numpy as np


def main() -> None:
    """Detect one person in each frame until the frames end."""
    width, height = map(int, sys.argv[1:])
    nobody = np.full((33, 3), np.nan, np.float32)
    # No smoothing here: it would add delay, since MediaPipe's filter is causal. parse.py smooths without delay.
    with mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False) as pose:
        while len(frame := sys.stdin.buffer.read(width * height * 3)) == width * height * 3:
            found = pose.process(np.frombuffer(frame, np.uint8).reshape(height, width, 3)).pose_landmarks
            seen = nobody if found is None else np.array([(p.x, p.y, p.visibility) for p in found.landmark], np.float32)
            sys.stdout.buffer.write(seen.tobytes())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
