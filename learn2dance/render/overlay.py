"""Skeletons drawn over the video that they were measured in."""

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

LARGEST = 1920  # pixels of the film, where no size is asked for
_WIDTH, _DOT, _CASING = 0.012, 0.022, 0.010  # in body heights: thin, so that the dancer is seen beneath


def over(
    film: video_reader.Footage,
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    audio: str | Path | None = None,
    size: tuple[int, int] | None = None,
    first: int = 0,
) -> None:
    """Draw dancers over the frames of their video into a film, which ends with the poses or with the video.

    Parameters
    ----------
    film : Footage
        The video: see `video_reader.look`.
    dances : sequence of np.ndarray [shape=(T, J, 2)]
        One a dancer: pixels of the upright video, x right, y down; NaN joints are not drawn.
    fps : float
        Frames a second, of all the dances and of the film; frame 0 is the video's first.
    out : path
        .mp4 or .gif.
    audio : path, optional
        The sound, beginning with the video's first frame; the video's own where not given.
    size : (int, int), optional
        Pixels of the film, rounded up to even; the video's own, up to `LARGEST`, where not given.
    first : int
        Frames that are left out.

    Raises
    ------
    UserError
        If no joint is known, if they lie outside the picture or begin after its end, or if the film cannot be written.
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
    size = tuple(max(2, side + side % 2) for side in size)  # what H.264 takes
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
    """Open a video; give a function that returns frame t as RGBA, the last one past its end.

    Frames are to be asked for in order; going back starts anew, as a gif does once its palette is made.
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
    """Set one dancer (T, J, 2), upright, up over a picture; return the function that draws frame t."""
    joints = poses.shape[1]
    pairs = np.array([*skeleton.bones(joints), *[(j, j) for j in range(joints)]])
    colours = []
    for a, b in pairs.tolist():
        sides = {skeleton.side(joints, a), skeleton.side(joints, b)} - {"middle"} if joints in skeleton.JOINTS else ()
        colours.append(to_rgb(ON_STAGE[sides.pop() if len(sides) == 1 else "middle"]))
    colours = np.array(colours)
    widths = np.where(pairs[:, 0] == pairs[:, 1], _DOT, _WIDTH)
    dark = np.broadcast_to(to_rgb(ON_STAGE["ground"]), colours.shape)  # around each line: seen on any picture
    twice = np.concatenate([pairs, pairs])
    scale = np.array(size) / pixels
    body = viewport.view(poses).body * scale.mean()
    widths = body * np.concatenate([widths + _CASING, widths])
    parts = artists.Parts(twice, np.zeros((len(twice), 1)), np.concatenate([dark, colours]), widths)
    artist = artists.lines(parts.colours, np.maximum(widths, 2))
    artist.set_figure(figure)

    def draw(t: int) -> None:
        if t < len(poses):
            points = poses[t] * scale + [0, size[1]]  # y is up from the bottom in a figure
            artist.set_segments(artists.segments(points, parts))
            figure.draw_artist(artist)

    return draw
