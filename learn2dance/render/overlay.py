"""Draw skeletons over the video from which they were extracted."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb

from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.media import video_reader, video_writer
from learn2dance.motion import skeleton
from learn2dance.render import artists, viewport
from learn2dance.render.artists import ON_STAGE

LARGEST = 1920  # pixels, limit for the longer side of the output if no size is given
_WIDTH, _DOT, _CASING = 0.012, 0.022, 0.010  # bones, joints, outline; body heights, thin to keep the dancer visible


def over(
    film: video_reader.Footage,
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    audio: str | Path | None = None,
    size: tuple[int, int] | None = None,
    first: int = 0,
) -> None:
    """Draw skeletons over the frames of their video; the output ends when the poses or the video end.

    Parameters
    ----------
    film : Footage
        The video, from `video_reader.look`.
    dances : sequence of np.ndarray [shape=(T, J, 2)]
        One for each dancer: pixels of the upright video, x right, y down; NaN joints are not drawn.
    fps : float
        Frames a second of all dances and of the output; frame 0 is the video's first.
    out : path
        .mp4 or .gif.
    audio : path, optional
        Sound that starts with the video's first frame; by default the video's own.
    size : (int, int), optional
        Width and height of the output in pixels, rounded up to even; by default the video's, limited to `LARGEST`.
    first : int
        Number of frames to skip at the start.

    Raises
    ------
    UserError
        If no joint is observed, if over a quarter of them are outside the image, if the video ends before ``first``, or
        if the output cannot be written.
    """
    count = max(map(len, dances)) - first
    shown = round(film.frames / film.fps * fps) - first
    if shown < 1:
        raise UserError(f"{film.path}: it ends before second {first / fps:.2f}, from which it is to be drawn")
    if abs(count - shown) > max(2, fps):
        lasts = f"poses of {(count + first) / fps:.1f} s, a video of {(shown + first) / fps:.1f} s"
        log.warning("%s: %s; is it the video that the poses are of?", film.path, lasts)
    for poses in dances:
        known = poses[first:][np.isfinite(poses[first:]).all(-1)]
        if not len(known):
            raise UserError(f"{film.path}: no joint is known from second {first / fps:.2f} on; was anybody seen?")
        if np.mean((known < 0) | (known > film.size)) > 0.25:
            reach = f"reach to ({known[:, 0].max():.0f}, {known[:, 1].max():.0f})"
            raise UserError(
                f"{film.path}: {film.size[0]}x{film.size[1]} pixels, but the poses {reach}; is it another video?"
            )
    size = size or tuple(round(side * min(1, LARGEST / max(film.size))) for side in film.size)
    size = tuple(max(2, side + side % 2) for side in size)  # H.264 needs even sizes
    figure, canvas = artists.blank(size, ON_STAGE)
    artists.render(canvas)
    dancers = [_dancer(figure, viewport.upright(poses, False), film.size, size) for poses in dances]
    picture = np.asarray(canvas.buffer_rgba())
    with _pictures(film, size, fps, first) as frame:

        def draw(t: int) -> memoryview:
            picture[:] = np.frombuffer(frame(t), np.uint8).reshape(picture.shape)
            for dancer in dancers:
                dancer(t + first)
            return canvas.buffer_rgba()

        start = first / fps + (film.late if audio is None else 0)
        sound = audio if audio is not None else film.path if film.sound else None
        video_writer.write(out, draw, min(count, shown), size, fps, sound, start)


@contextlib.contextmanager
def _pictures(
    film: video_reader.Footage, size: tuple[int, int], fps: float, first: int
) -> Iterator[Callable[[int], bytes]]:
    """Open a video; yield a function that returns frame t as RGBA bytes, or the last frame after the end.

    Call it with increasing t. A smaller t reopens the video, which writing a gif does once its palette is complete.
    """
    with contextlib.ExitStack() as stack:
        stream, at, last = None, 0, bytes(4 * size[0] * size[1])

        def frame(t: int) -> bytes:
            nonlocal stream, at, last
            if stream is None or t < at:
                stack.close()
                stream, at = stack.enter_context(video_reader.reading(film, "rgba", size, fps, first)).stdout, 0
            while at <= t:
                read, at = stream.read(len(last)), at + 1
                last = read if len(read) == len(last) else last
            return last

        yield frame


def _dancer(figure, poses: np.ndarray, pixels: tuple[int, int], size: tuple[int, int]):
    """Prepare the skeleton of y-up poses (T, J, 2); return the function that draws frame t over the image."""
    joints = poses.shape[1]
    pairs = np.array([*skeleton.bones(joints), *[(j, j) for j in range(joints)]])
    colours = []
    for a, b in pairs.tolist():
        sides = {skeleton.side(joints, a), skeleton.side(joints, b)} - {"middle"} if joints in skeleton.JOINTS else ()
        colours.append(to_rgb(ON_STAGE[sides.pop() if len(sides) == 1 else "middle"]))
    colours = np.array(colours)
    widths = np.where(pairs[:, 0] == pairs[:, 1], _DOT, _WIDTH)
    dark = np.broadcast_to(to_rgb(ON_STAGE["ground"]), colours.shape)  # outline, visible on any image
    twice = np.concatenate([pairs, pairs])
    scale = np.array(size) / pixels
    body = viewport.view(poses).body * scale.mean()
    widths = body * np.concatenate([widths + _CASING, widths])
    parts = artists.Parts(twice, np.zeros((len(twice), 1)), np.concatenate([dark, colours]), widths)
    artist = artists.lines(parts.colours, np.maximum(widths, 2))
    artist.set_figure(figure)

    def draw(t: int) -> None:
        if t < len(poses):
            points = poses[t] * scale + [0, size[1]]  # in a figure, y points up from the bottom
            artist.set_segments(artists.segments(points, parts))
            figure.draw_artist(artist)

    return draw
