"""Matplotlib artists of a skeleton: lines with round caps, their colours and widths, and the floor.

The dancer's left is orange and the right is blue, which colour-blind people can distinguish. A dot (the head, or a
single joint) is a line of nearly zero length whose round caps form a disc.
"""

import warnings
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform

from learn2dance.motion import skeleton
from learn2dance.motion.skeleton import joints_ending

ON_STAGE = {"ground": "#14171f", "left": "#f0892b", "right": "#3ea6e6", "middle": "#e9e5dc"}
ON_STAGE |= {"floor": "#1f2430", "edge": "#3d4454", "text": "#c3cad6"}
ON_PAPER = {"ground": "#ffffff", "left": "#dd7415", "right": "#2b87c8", "middle": "#5f6673"}
ON_PAPER |= {"floor": "#eef0f3", "edge": "#c3c9d3", "text": "#2d3440"}
DPI = 64  # pixels an inch; a power of two, so that pixels / DPI, and with it the size of the image, is exact
_HEAD = 0.135  # diameter of the head in body heights, the unit of all widths below
_DOT = 0.035  # joints of an unknown skeleton
_CASING = 0.014  # width added for an outline in the background colour, so that an arm in front of the body is visible
# Widths of the bones that end in a joint of this name.
_WIDTHS = {"Hip": 0.040, "Knee": 0.042, "Ankle": 0.035, "Toe": 0.024, "Heel": 0.024}
_WIDTHS |= {"Nose": 0.026, "Neck": 0.036, "Shoulder": 0.036, "Elbow": 0.034, "Wrist": 0.029}


class Parts(NamedTuple):
    """The M lines of a drawn skeleton, back to front."""

    pairs: np.ndarray  # int (M, 2): joints at both ends; the same joint twice for a dot
    inset: np.ndarray  # (M, 1): fraction of its length by which a line is shortened at each end
    colours: np.ndarray  # (M, 3): red, green and blue, 0-1
    widths: np.ndarray  # (M,): in body heights


def parts(joints: int, palette: dict[str, str]) -> Parts:
    """Return the lines of a skeleton: bones, joints and a head if the joints are known, else one dot a joint."""
    if joints not in skeleton.JOINTS:
        dots = np.repeat(np.arange(joints)[:, None], 2, 1)
        return Parts(dots, np.zeros((joints, 1)), joint_colours(joints, range(joints), palette), np.full(joints, _DOT))
    names = skeleton.JOINTS[joints]
    face = joints_ending(joints, "Nose", "Eye", "Ear")
    arms, legs = joints_ending(joints, "Elbow", "Wrist"), joints_ending(joints, "Knee", "Ankle", "Toe", "Heel")
    layers: dict[int, list] = {}
    for a, b in [(j, j) for j in range(joints)] + skeleton.bones(joints):
        if b in face and a in (b, *face):
            continue  # replaced by the head
        side = bone_side(joints, a, b)
        layer = (-2 if b in legs else 2 if b in arms else 0) + (side == "right" and b in legs + arms)
        width = next(width for name, width in _WIDTHS.items() if names[b].endswith(name))
        layers.setdefault(layer, []).append((a, b, 0.0, palette[side], width))
    nose = names.index("Nose")
    layers[1] = [(nose, nose, 0.0, palette["middle"], _HEAD)]  # behind the arms
    lines = []
    for height, layer in sorted(layers.items()):
        if height:  # not for the trunk, where outlines would cut off the limbs
            lines += [(a, b, 0.2, palette["ground"], width + _CASING) for a, b, _, _, width in layer if a != b]
        lines += layer
    first, second, inset, colours, widths = map(np.array, zip(*lines, strict=True))
    return Parts(np.stack([first, second], 1), inset[:, None], np.array([to_rgb(c) for c in colours]), widths)


def bone_side(joints: int, a: int, b: int) -> str:
    """Return the side, ``"left"`` or ``"right"``, of a bone with an end on that side, or else ``"middle"``."""
    sides = {skeleton.side(joints, a), skeleton.side(joints, b)} - {"middle"}
    return sides.pop() if len(sides) == 1 else "middle"


def joint_colours(joints: int, some, palette: dict[str, str]) -> np.ndarray:
    """Return the colours (len(some), 3) of some joints: by side, or from a colour map if the sides are not known."""
    if joints in skeleton.JOINTS:
        return np.array([to_rgb(palette[skeleton.side(joints, j)]) for j in some])
    return colormaps["viridis"](np.linspace(0.3, 1, joints))[list(some), :3]


def fade(colours: np.ndarray, strength) -> np.ndarray:
    """Fade colours (M, 3) into the background of `ON_STAGE`: strength 1 keeps them, 0 hides them."""
    # not by transparency, with which overlapping line ends would show as dots at the joints
    return np.asarray(to_rgb(ON_STAGE["ground"])) * (1 - strength) + colours * strength


def lines(colours, widths: np.ndarray, segments=()) -> LineCollection:
    """Create M lines from colours, widths (M,) in pixels, and ends (M, 2, 2) in pixels from a figure's lower left.

    Lines are at least one pixel wide; those with NaN are not drawn.
    """
    points = np.maximum(widths, 1) * 72 / DPI
    collection = LineCollection(segments, linewidths=points, colors=colours, transform=IdentityTransform())
    collection.set(capstyle="round", snap=False)  # with snapping to pixels, slow limbs jerk and dots vanish
    return collection


def segments(points: np.ndarray, dancer: Parts) -> np.ndarray:
    """Return the ends (M, 2, 2) of a skeleton's lines, for joints at these points (J, 2)."""
    one, other = points[dancer.pairs[:, 0]], points[dancer.pairs[:, 1]]
    inset = dancer.inset * (other - one)
    return np.stack([one + inset, other - inset + [1e-4, 0]], 1)  # a line of length zero has no caps


def blank(size: tuple[int, int]) -> tuple[Figure, FigureCanvasAgg]:
    """Create an empty figure of ``size`` (width, height) in pixels, and its canvas."""
    figure = Figure((size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=ON_STAGE["ground"])
    return figure, FigureCanvasAgg(figure)


def floor(figure: Figure, corner: np.ndarray, cell: np.ndarray, level: float) -> None:
    """Draw the floor of a cell, from the height ``level`` (pixels) down to the bottom of the cell."""
    (x, y), width, height = corner, cell[0], max(0, level - corner[1])
    figure.add_artist(Rectangle((x, y), width, height, color=ON_STAGE["floor"], transform=IdentityTransform(), lw=0))
    edge = np.array([[[x, level], [x + width, level]]])
    figure.add_artist(lines([ON_STAGE["edge"]], np.array([0.003 * min(cell)]), edge))


def write(figure: Figure, at, text: str, height: float, width: float) -> None:
    """Write a line of text centred at these pixels, with height and maximal width in pixels; shorten it with "…"."""
    x, y = np.asarray(at) / figure.bbox.size
    style = {"fontsize": height * 0.72 * 72 / DPI, "color": ON_STAGE["text"], "ha": "center", "va": "center"}
    text = text.encode(errors="replace").decode()  # a file's name may not be UTF-8, which matplotlib refuses
    # The font comes with matplotlib: same image on every machine. A dollar sign in a title is literal.
    label = figure.text(x, y, text, fontfamily="DejaVu Sans", parse_math=False, **style)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        while len(text) > 1 and label.get_window_extent(figure.canvas.get_renderer()).width > width:
            text = text[:-1]
            label.set_text(text.rstrip() + "…")


def render(canvas: FigureCanvasAgg) -> None:
    """Draw the figure; characters missing from the font become boxes, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        canvas.draw()
