"""MediaPipe Pose as a filter: frames on stdin, landmarks on stdout. Runs in .venv-pose, apart from all else.

    python -m learn2dance.poses.mediapipe_worker WIDTH HEIGHT < frames > landmarks

Reads uint8 (HEIGHT, WIDTH, 3), red green blue, a frame after the other; writes for each float32 (33, 3): x and y in
widths and heights of the picture, and visibility; NaN where it finds nobody.
"""

import sys

import mediapipe
import numpy as np


def main() -> None:
    """Find the one person whom MediaPipe follows, until the frames end."""
    width, height = map(int, sys.argv[1:])
    nobody = np.full((33, 3), np.nan, np.float32)
    # Unsmoothed: kept is what was seen, and parse.py smooths without the delay of a filter that knows no future.
    with mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False) as pose:
        while len(frame := sys.stdin.buffer.read(width * height * 3)) == width * height * 3:
            found = pose.process(np.frombuffer(frame, np.uint8).reshape(height, width, 3)).pose_landmarks
            seen = nobody if found is None else np.array([(p.x, p.y, p.visibility) for p in found.landmark], np.float32)
            sys.stdout.buffer.write(seen.tobytes())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
