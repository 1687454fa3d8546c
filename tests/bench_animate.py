"""Frames a second of animate.py's films, and beside them a plain matplotlib loop: `python tests/bench_animate.py`.

Counted: everything after the poses are loaded until the mp4 is whole (camera, background, drawing, piping, encoding),
for one BODY_25 dancer at 640x640. `one core`: this process and ffmpeg are pinned to the same core (where that can be).
`per CPU second` counts the processor's time of both, which others who use the machine hardly change.
The plain loops draw the same bones with `ax.plot` into the same encoder at the same settings.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from learn2dance.media import video_writer
from learn2dance.motion import skeleton
from learn2dance.render import animation, viewport

FPS, SIZE = 25, (640, 640)


def dancer(frames: int) -> np.ndarray:
    """Swing a BODY_25 dancer's joints around a standing pose: upright, in body heights."""
    stand = np.array(
        "0 .9 0 .8 -.1 .79 -.14 .64 -.15 .5 .1 .79 .14 .64 .15 .5 0 .5 -.07 .5 -.08 .27 -.08 .04 .07 .5 .08 .27 "
        ".08 .04 -.02 .92 .02 .92 -.05 .91 .05 .91 .1 0 .13 .01 .06 .02 -.1 0 -.13 .01 -.06 .02".split(),
        dtype=float,
    ).reshape(25, 2)
    phase = 2 * np.pi * np.arange(frames) / FPS
    swing = np.stack([np.sin(phase[:, None] * 0.9 + np.arange(25)), np.cos(phase[:, None] * 1.7 + np.arange(25))], -1)
    poses = stand + 0.05 * swing
    poses[..., 0] += 0.3 * np.sin(phase / 4)[:, None]  # and across the floor
    return poses


def plain(poses: np.ndarray, out: Path, new_figure: bool) -> None:
    """Draw a film the way one would first think of: each frame's bones plotted and the whole figure drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seen = viewport.view(poses)

    def set_up():
        figure = Figure((SIZE[0] / 100, SIZE[1] / 100), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        return FigureCanvasAgg(figure), axes

    canvas, axes = set_up()

    def draw(t: int) -> memoryview:
        nonlocal canvas, axes
        if new_figure:
            canvas, axes = set_up()
        axes.clear()
        for a, b in skeleton.bones(25):
            axes.plot(poses[t, [a, b], 0], poses[t, [a, b], 1], lw=5)
        axes.set(xlim=(seen.low[0], seen.high[0]), ylim=(seen.low[1], seen.high[1]))
        canvas.draw()
        return canvas.buffer_rgba()

    video_writer.write(out, draw, len(poses), SIZE, FPS)


def rates(make: Callable[[], None], frames: int, repeats: int) -> tuple[float, float]:
    """Return the frames a second, and a second of processor time (ours and ffmpeg's), of the fastest run."""
    best = []
    for _ in range(repeats):
        before, began = os.times(), time.perf_counter()
        make()
        wall, after = time.perf_counter() - began, os.times()
        best.append((frames / wall, frames / (sum(after[:4]) - sum(before[:4]))))
    return tuple(np.max(best, axis=0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1500, help="of the films (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts (%(default)s)")
    arguments = parser.parse_args()
    n, few = arguments.frames, max(25, arguments.frames // 10)
    poses = dancer(n)
    beats = [np.arange(0, n / FPS, 0.5)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "dance.mp4"
        films = {
            "animate": lambda: animation.animate([poses], FPS, out, y_up=True, size=SIZE),
            "animate, trail and beats": lambda: animation.animate(
                [poses], FPS, out, beats=beats, y_up=True, size=SIZE, trail=True
            ),
            "plain: figure.canvas.draw()": lambda: plain(poses[:few], out, new_figure=False),
            "plain: a figure a frame": lambda: plain(poses[:few], out, new_figure=True),
        }
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        for name in ("one core", "all cores"):
            if name == "one core":
                if not cores:
                    continue
                os.sched_setaffinity(0, {min(cores)})  # ffmpeg inherits it
            elif cores:
                os.sched_setaffinity(0, cores)
            reference = None
            print(f"{name} ({1 if name == 'one core' else len(cores) or os.cpu_count()})")
            for what, make in films.items():
                wall, cpu = rates(make, few if what.startswith("plain") else n, arguments.repeats)
                reference = reference or (wall, cpu)
                print(
                    f"  {what:30} {wall:5.0f} frames/s ({reference[0] / wall:4.1f} x slower than animate), "
                    f"{cpu:5.0f} per CPU second ({reference[1] / cpu:4.1f} x)"
                )


if __name__ == "__main__":
    main()
