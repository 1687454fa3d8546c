"""Draw skeletons over the video from which they were extracted."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.media import video_reader, video_writer
from learn2dance.motion import skeleton
from learn2dance.render import artists, viewport
from learn2dance.render.artists import ON_STAGE

LARGEST = 1920  # pixels, limit for the longer side of the output if no size is given
_WIDTH, _DOT, _CASING = 0.012, 0.022, 0.010  # bones, joints, outline; body heights, thin to keep the dancer visible


def over(
    video: video_reader.Footage,
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    audio: str | Path | None = None,
    size: tuple[int, int] | None = None,
    first: int = 0,
) -> None:
    """Draw skeletons over the frames of their video into an .mp4 or .gif, which ends when the poses or the video end.

    The dances (T, J, 2), one for each dancer, are in pixels of the upright video, x right, y down; NaN joints are not
    drawn. Their frame rate is that of the output, and their frame 0 is the video's first; ``first`` frames are skipped.
    The ``audio`` starts with the video's first frame; by default it is the video's own. The ``size``, width and height
    in pixels, is rounded up to even; by default it is the video's, limited to `LARGEST`.

    Raises a UserError if no joint is observed, over a quarter of them are outside the image, the video ends before
    ``first``, or the output cannot be written.
    """
    count = max(map(len, dances)) - first
    shown = round(video.frames / video.fps * fps) - first
    if shown < 1:
        raise UserError(f"{video.path}: ends before second {first / fps:.2f}, at which the drawing should start")
    if abs(count - shown) > max(2, fps):
        lasts = f"poses of {(count + first) / fps:.1f} s, a video of {(shown + first) / fps:.1f} s"
        log.warning("%s: %s; are the poses of another video?", video.path, lasts)
    for poses in dances:
        known = poses[first:][np.isfinite(poses[first:]).all(-1)]
        if not len(known):
            raise UserError(f"{video.path}: no joint is known from second {first / fps:.2f} on; was nobody detected?")
        if np.mean((known < 0) | (known > video.size)) > 0.25:
            (width, height), (x, y) = video.size, known.max(0)
            reach = f"{width}x{height} pixels, but the poses reach to ({x:.0f}, {y:.0f})"
            raise UserError(f"{video.path}: {reach}; are they of another video?")
    size = size or tuple(round(side * min(1, LARGEST / max(video.size))) for side in video.size)
    size = tuple(max(2, side + side % 2) for side in size)  # H.264 needs even sizes
    figure, canvas = artists.blank(size)
    artists.render(canvas)
    dancers = [_dancer(figure, viewport.upright(poses, False), video.size, size) for poses in dances]
    image = np.asarray(canvas.buffer_rgba())
    with contextlib.ExitStack() as stack:
        frames, at = iter(()), math.inf  # at: the next frame of the iterator

        def draw(t: int) -> memoryview:
            nonlocal frames, at
            if t < at:  # at first, and once the palette of a gif is complete
                stack.close()
                frames, at = stack.enter_context(contextlib.closing(_frames(video, size, fps, first))), 0
            frame = next(itertools.islice(frames, t - at, None))
            at = t + 1
            image[:] = np.frombuffer(frame, np.uint8).reshape(image.shape)
            for dancer in dancers:
                dancer(t + first)
            return canvas.buffer_rgba()

        start = first / fps + (video.late if audio is None else 0)
        sound = audio if audio is not None else video.path if video.sound else None
        video_writer.write(out, draw, min(count, shown), size, fps, sound, start)


def _frames(video: video_reader.Footage, size: tuple[int, int], fps: float, first: int) -> Iterator[bytes]:
    """Yield the frames of a video as RGBA bytes, and after its end the last one again."""
    frame = bytes(4 * size[0] * size[1])
    with video_reader.reading(video, "rgba", size, fps, first) as process:
        while True:
            read = process.stdout.read(len(frame))
            frame = read if len(read) == len(frame) else frame
            yield frame


def _dancer(figure: Figure, poses: np.ndarray, pixels: tuple[int, int], size: tuple[int, int]) -> Callable[[int], None]:
    """Prepare the skeleton of upright poses (T, J, 2); return the function that draws frame t over the image."""
    joints = poses.shape[1]
    pairs = np.array([*skeleton.bones(joints), *[(j, j) for j in range(joints)]])
    colours = np.array([to_rgb(ON_STAGE[artists.bone_side(joints, a, b)]) for a, b in pairs.tolist()])
    dark = np.broadcast_to(to_rgb(ON_STAGE["ground"]), colours.shape)  # outline, visible on any image
    scale = np.array(size) / pixels
    widths = np.where(pairs[:, 0] == pairs[:, 1], _DOT, _WIDTH)
    widths = viewport.view(poses).body * scale.mean() * np.concatenate([widths + _CASING, widths])
    parts = artists.Parts(np.tile(pairs, (2, 1)), np.zeros((len(widths), 1)), np.concatenate([dark, colours]), widths)
    artist = artists.lines(parts.colours, np.maximum(widths, 2))
    artist.set_figure(figure)

    def draw(t: int) -> None:
        if t < len(poses):
            points = poses[t] * scale + [0, size[1]]  # in a figure, y points up from the bottom
            artist.set_segments(artists.segments(points, parts))
            figure.draw_artist(artist)

    return draw
