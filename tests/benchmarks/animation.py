"""A film of a dancer, 640x640: ours, plain loops over matplotlib, its own way to make films, and the encoder alone.

All but the encoder draw the same poses; all but ours draw a bone by `Axes.plot` or its line. The loops use our encoder
and its settings. matplotlib's own films, and those of celluloid, which keeps the lines of all frames and animates them,
have matplotlib's default settings.
"""

import importlib.util
from functools import partial
from pathlib import Path
from unittest import mock

import matplotlib
import numpy as np
from benchmarks.row import Row
from matplotlib.animation import FuncAnimation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from learn2dance.media import ffmpeg, video_writer
from learn2dance.motion import skeleton
from learn2dance.render import animation, viewport

FPS, SIZE, FRAMES = 25, (640, 640), 100
STANDING = np.array(
    "0 .9 0 .8 -.1 .79 -.14 .64 -.15 .5 .1 .79 .14 .64 .15 .5 0 .5 -.07 .5 -.08 .27 -.08 .04 .07 .5 .08 .27 "
    ".08 .04 -.02 .92 .02 .92 -.05 .91 .05 .91 .1 0 .13 .01 .06 .02 -.1 0 -.13 .01 -.06 .02".split(),
    dtype=float,
).reshape(25, 2)  # the joints of BODY_25, y up, in body heights


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of one film, which does not depend on the data."""
    poses, out = dancer(), work / "film.mp4"
    ours = partial(animation.animate, [poses], FPS, out, y_up=True, size=SIZE)
    found = [
        ("animation.animate", "ours", ours),
        ("loop: clear the axes, plot, draw", "original", partial(plain, poses, out, new_figure=False)),
        ("loop: a new figure for each frame", "original", partial(plain, poses, out, new_figure=True)),
        ("matplotlib's FuncAnimation", "usual", partial(func_animation, poses, out)),
        ("raw frames of ours to ffmpeg", "floor", partial(encode, raw_frames(ours), out)),
    ]
    if importlib.util.find_spec("celluloid"):
        found.insert(4, ("celluloid", "usual", partial(celluloid_camera, poses, out)))
    matplotlib.rcParams["animation.ffmpeg_path"] = ffmpeg.encoder()
    return [Row("film", *row, FRAMES, "frames") for row in found]


def dancer() -> np.ndarray:
    """Swing the joints of a dancer, and walk across the floor: float64 (FRAMES, 25, 2)."""
    phase = 2 * np.pi * np.arange(FRAMES) / FPS
    swing = np.stack([np.sin(phase[:, None] * 0.9 + np.arange(25)), np.cos(phase[:, None] * 1.7 + np.arange(25))], -1)
    poses = STANDING + 0.05 * swing
    poses[..., 0] += 0.3 * np.sin(phase / 4)[:, None]
    return poses


def raw_frames(film) -> list[bytes]:
    """Return the frames that a film is made of, as RGBA bytes."""
    frames = []

    def keep(out, draw, count, *_) -> None:
        frames.extend(bytes(draw(t)) for t in range(count))

    with mock.patch.object(video_writer, "write", keep):
        film()
    return frames


def encode(frames: list[bytes], out: Path) -> None:
    """Pipe frames that are drawn already to ffmpeg, with the settings of our films."""
    video_writer.write(out, frames.__getitem__, len(frames), SIZE, FPS)


def blank(poses: np.ndarray):
    """Return a figure, and its axes with the limits of a dance."""
    figure, seen = Figure((SIZE[0] / 100, SIZE[1] / 100), dpi=100), viewport.view(poses)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=(seen.low[0], seen.high[0]), ylim=(seen.low[1], seen.high[1]))
    return figure, axes


def plot(axes, pose: np.ndarray) -> list:
    """Plot each bone of a pose (25, 2); return the lines."""
    return [axes.plot(*pose[[a, b]].T, lw=5, color="black")[0] for a, b in skeleton.bones(25)]


def plain(poses: np.ndarray, out: Path, new_figure: bool) -> None:
    """Draw each frame on axes that are cleared, or on a new figure."""
    figure, axes = blank(poses)

    def draw(t: int) -> memoryview:
        nonlocal figure, axes
        if new_figure:
            figure, axes = blank(poses)
        limits = axes.get_xlim(), axes.get_ylim()
        axes.clear()
        plot(axes, poses[t])
        axes.set(xlim=limits[0], ylim=limits[1])
        figure.canvas.draw()
        return figure.canvas.buffer_rgba()

    video_writer.write(out, draw, len(poses), SIZE, FPS)


def func_animation(poses: np.ndarray, out: Path) -> None:
    """Move the lines of one plot from frame to frame, as matplotlib's documentation shows."""
    figure, axes = blank(poses)
    lines = plot(axes, poses[0])

    def update(t: int) -> list:
        for line, (a, b) in zip(lines, skeleton.bones(25), strict=True):
            line.set_data(*poses[t, [a, b]].T)
        return lines

    FuncAnimation(figure, update, frames=len(poses), blit=True).save(out, fps=FPS)


def celluloid_camera(poses: np.ndarray, out: Path) -> None:
    """Plot all frames, and let celluloid animate them."""
    from celluloid import Camera

    figure, axes = blank(poses)
    camera = Camera(figure)
    for pose in poses:
        plot(axes, pose)
        camera.snap()
    camera.animate().save(out, fps=FPS)
