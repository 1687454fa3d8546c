"""Draw dances as videos, as contact sheets, and as strips of skeletons on matplotlib axes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.transforms import Bbox

from learn2dance.data.temporary import atomic
from learn2dance.media import video_writer
from learn2dance.motion import skeleton
from learn2dance.render import artists, viewport
from learn2dance.render.artists import ON_PAPER, ON_STAGE

TRAIL, FLASH, GHOST = 0.6, 0.3, 0.4  # seconds: length of trails, of the flash on a beat, of past motion on a sheet
MOMENTS = 12  # number of frames of each dance on a contact sheet


def animate(
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    titles: Sequence[str] | None = None,
    audio: str | Path | None = None,
    beats: Sequence[np.ndarray | None] | None = None,
    y_up: bool = False,
    size: tuple[int, int] | None = None,
    trail: bool = False,
    start: float = 0.0,
) -> None:
    """Draw dances side by side into an .mp4 or .gif; each has a fixed view that contains all of it.

    The dances (T, J, 2) are in any unit, x right, y up or down; NaN joints are not drawn. A dance that ends before the
    others keeps its last pose. Each dance may have a title, and ``beats`` (B,): seconds from its first frame at which
    the edge of the floor flashes. ``start`` is the second of the song at which the dances begin. ``trail`` draws fading
    trails of wrists and ankles. ``size``, width and height in pixels, is rounded up to even; by default a dance is 640
    high and as wide as it needs, within limits, and up to four are in a row, which is at most 1920 wide.

    Raises a UserError if ffmpeg cannot read the song or cannot write the video.
    """
    columns = min(len(dances), 4)
    rows = -(-len(dances) // columns)
    dances = [viewport.upright(dance, y_up) for dance in dances]
    views = [viewport.view(dance) for dance in dances]
    if size is None:
        wide = max(viewport.room(seen)[0] / viewport.room(seen)[1] for seen in views)
        wide = np.clip(wide, *((1, 16 / 9) if len(dances) == 1 else (0.75, 1.25)))
        high = min(640, 1920 / wide / columns)
        size = (round(high * wide * columns), round(high * rows))
    size = (size[0] + size[0] % 2, size[1] + size[1] % 2)  # H.264 needs even sizes
    cell = np.array([size[0] / columns, size[1] / rows])
    head = 0.09 * min(cell) if titles else 0
    figure, canvas = artists.blank(size)
    panels = []
    for i, dance in enumerate(dances):
        corner = np.array([i % columns, rows - 1 - i // columns]) * cell
        if titles:
            at = corner + [0.5 * cell[0], cell[1] - 0.6 * head]
            artists.write(figure, at, titles[i], 0.05 * min(cell), 0.94 * cell[0])
        flashes = np.empty(0) if beats is None or beats[i] is None else np.asarray(beats[i])
        panels.append(_panel(figure, dance, views[i], fps, corner, cell - [0, head], flashes, trail))
    artists.render(canvas)
    background = canvas.copy_from_bbox(figure.bbox)

    def draw(t: int) -> memoryview:
        canvas.restore_region(background)
        for panel in panels:
            panel(t)
        return canvas.buffer_rgba()

    video_writer.write(out, draw, max(map(len, dances)), size, fps, audio, start)


def _panel(
    figure: Figure, poses: np.ndarray, seen: viewport.View, fps: float, corner, cell, beats: np.ndarray, trail: bool
) -> Callable[[int], None]:
    """Prepare one dance in its part of the video; return the function that draws its frame t."""
    joints = poses.shape[1]
    scale, origin = viewport.fit(seen, corner, cell)
    parts = artists.parts(joints, ON_STAGE)
    ends = skeleton.joints_ending(joints, "Wrist", "Ankle") or list(range(joints))
    steps = max(2, round(TRAIL * fps)) if trail else 0
    age = np.repeat(np.arange(1, steps + 1) / max(steps, 1), len(ends))  # 1: current frame; oldest first
    tails = np.tile(artists.joint_colours(joints, ends, ON_STAGE), (steps, 1))
    colours = np.concatenate([artists.fade(tails, 0.85 * age[:, None] ** 1.5), parts.colours])
    dancer = artists.lines(colours, seen.body * scale * np.concatenate([0.02 * age, parts.widths]))
    level = corner[1] + 0.03 * cell[1] if seen.floor is None else origin[1] + scale * seen.floor
    if seen.floor is not None:
        artists.floor(figure, corner, cell, level)
    edge = np.array([[[corner[0], level], [corner[0] + cell[0], level]]])
    light = np.array([to_rgb(ON_STAGE["text"])])
    glow = artists.lines(light, 0.01 * min(cell) * np.array([5, 2.5, 1]), np.repeat(edge, 3, 0))
    for artist in (dancer, glow):
        artist.set_figure(figure)
        artist.set_clip_box(Bbox.from_bounds(*corner, *cell))

    def draw(t: int) -> None:
        since = t / fps - beats
        since = since[(since > -0.5 / fps) & (since < FLASH)]
        if len(since):
            glow.set_color(artists.fade(light, (1 - max(0, since.min()) / FLASH) * np.array([[0.1], [0.25], [1]])))
            figure.draw_artist(glow)
        t = min(t, len(poses) - 1)
        past = np.arange(t - steps, t + 1)
        path = np.where(past[:, None, None] < 0, np.nan, poses[np.maximum(past, 0)][:, ends])
        path = np.stack([path[:-1], path[1:]], 2).reshape(-1, 2, 2)
        dancer.set_segments(np.concatenate([path, artists.segments(poses[t], parts)]) * scale + origin)
        figure.draw_artist(dancer)

    return draw


def contact_sheet(
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    titles: Sequence[str] | None = None,
    y_up: bool = False,
    size: tuple[int, int] | None = None,
    start: float = 0.0,
) -> None:
    """Draw evenly spaced frames of dances into a .png, with their times and, fainter, the motion before each.

    The scale of a dance is constant, and the view moves horizontally with the dancer. Parameters are as for `animate`,
    but the ``size`` is by default 1600 wide and as high as needed, and ``start`` is added to the times written below
    the frames. The same dances give the same bytes.
    """
    columns, rows = 6, MOMENTS // 6
    head = 0.22 if titles else 0  # height of a dance's title, in cell heights
    upright = [viewport.upright(dance, y_up) for dance in dances]
    windows = [viewport.view(poses - viewport.centre(poses)[:, None]) for poses in upright]
    if size is None:
        tall = np.clip(max(viewport.room(seen)[1] / viewport.room(seen)[0] for seen in windows), 0.8, 2.0)
        size = (1600, round(1600 / columns * tall * (rows + head) * len(dances)))
    cell = np.array([size[0] / columns, size[1] / len(dances) / (rows + head)])
    figure, canvas = artists.blank(size)
    for i, (poses, window) in enumerate(zip(upright, windows, strict=True)):
        top = size[1] - i * cell[1] * (rows + head)
        if titles:
            at = (size[0] / 2, top - 0.6 * head * cell[1])
            artists.write(figure, at, titles[i], 0.11 * min(cell), 0.94 * size[0])
        moments = (np.arange(MOMENTS) + 0.5) * len(poses) / MOMENTS
        for n, t in enumerate(moments.astype(int).tolist()):
            corner = np.array([n % columns * cell[0], top - (head + 1 + n // columns) * cell[1]])
            _moment(figure, poses, t, fps, window, corner, cell)
            minutes, seconds = divmod(start + t / fps, 60)
            at = corner + [0.5 * cell[0], 0.07 * cell[1]]
            artists.write(figure, at, f"{minutes:.0f}:{seconds:04.1f}", 0.09 * min(cell), cell[0])
    artists.render(canvas)
    with atomic(out) as temporary:
        imsave(temporary, np.asarray(canvas.buffer_rgba())[..., :3], format="png", metadata={"Software": None})


def _moment(figure: Figure, poses: np.ndarray, t: int, fps: float, seen: viewport.View, corner, cell) -> None:
    """Draw frame t of a dance, and fainter some frames before it, into a cell."""
    scale, origin = viewport.fit(seen, corner + [0, 0.12 * cell[1]], cell * [1, 0.88])
    origin = origin - scale * viewport.centre(poses[t : t + 1])[0]
    if seen.floor is not None:
        artists.floor(figure, corner, cell, origin[1] + scale * seen.floor)
    parts = artists.parts(poses.shape[1], ON_STAGE)
    for back in (4, 3, 2, 1, 0):
        before = t - round(back * GHOST / 4 * fps)
        if before >= 0:
            faded = artists.fade(parts.colours, 1 if back == 0 else 0.4 - 0.08 * back)
            points = artists.segments(poses[before], parts) * scale + origin
            dancer = artists.lines(faded, parts.widths * (seen.body * scale), points)
            dancer.set_clip_box(Bbox.from_bounds(*corner, *cell))
            figure.add_artist(dancer)


def strip(ax: Axes, poses: np.ndarray, count: int = 6, y_up: bool = False) -> None:
    """Draw ``count`` evenly spaced frames of a motion, the first and the last included, from left to right on axes.

    The poses (T, J, 2) are in any unit, x right, y up or down; NaN joints are not drawn. The axes get limits and equal
    aspect, and no frame. They must keep their size, to which the width of the limbs is fitted.
    """
    poses = viewport.upright(poses, y_up)
    poses = poses - viewport.centre(poses)[:, None]
    seen = viewport.view(poses)
    width, height = viewport.room(seen)
    left, low = (seen.low + seen.high - (width, height)) / 2
    inches = ax.get_window_extent().size / ax.figure.dpi
    point = 72 * min(inches / [count * width, height])  # typographic points for one unit of the poses
    parts = artists.parts(poses.shape[1], ON_PAPER)
    for i, t in enumerate(np.linspace(0, len(poses) - 1, count).round().astype(int).tolist()):
        ends = artists.segments(poses[t], parts) + [i * width - left, 0]
        limbs = LineCollection(ends, linewidths=parts.widths * seen.body * point, colors=parts.colours)
        limbs.set(capstyle="round", snap=False)
        ax.add_collection(limbs, autolim=False)
    ax.set(xlim=(0, count * width), ylim=(low, low + height), aspect="equal")
    ax.set_axis_off()
