"""What a drawn dancer consists of: lines with round caps, their colours and widths, and the ground they stand on.

The dancer's left is orange and their right is blue, which colour-blind readers tell apart too. A head, and a joint that
stands alone, is a line too short to see with caps that are not.
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

ON_STAGE = {
    "ground": "#14171f",
    "left": "#f0892b",
    "right": "#3ea6e6",
    "middle": "#e9e5dc",
    "floor": "#1f2430",
    "edge": "#3d4454",
    "text": "#c3cad6",
}
ON_PAPER = {"ground": "#ffffff", "left": "#dd7415", "right": "#2b87c8", "middle": "#5f6673"}
DPI = 64  # a power of two: a number of pixels over it is exact, and so is the size of the picture
HEAD = 0.135  # of the body's height, as the widths below
_WIDTHS = {  # of the bone that ends in such a joint
    "Hip": 0.040,
    "Knee": 0.042,
    "Ankle": 0.035,
    "Shoulder": 0.036,
    "Elbow": 0.034,
    "Wrist": 0.029,
    "Toe": 0.024,
    "Heel": 0.024,
    "Nose": 0.026,
    "Neck": 0.036,
}
_CASING = 0.014  # of the ground's colour along each limb, so that an arm before the body is seen


class Parts(NamedTuple):
    """The M lines that a dancer is drawn of, back to front."""

    pairs: np.ndarray  # int (M, 2): the joints at both ends; the same one twice for a dot
    inset: np.ndarray  # (M, 1): how much of its length a line stays away from its ends
    colours: np.ndarray  # (M, 3): red, green and blue, 0-1
    widths: np.ndarray  # (M,): in body heights


def parts(joints: int, palette: dict[str, str]) -> Parts:
    """List what a dancer of so many joints is drawn of: bones, and a head, where they are known, else dots."""
    if joints not in skeleton.JOINTS:
        dots = np.repeat(np.arange(joints)[:, None], 2, 1)
        return Parts(dots, np.zeros((joints, 1)), hues(joints, range(joints), palette), np.full(joints, 0.035))
    names = skeleton.JOINTS[joints]
    face = joints_ending(joints, "Nose", "Eye", "Ear")
    arms, legs = joints_ending(joints, "Elbow", "Wrist"), joints_ending(joints, "Knee", "Ankle", "Toe", "Heel")
    layers: dict[int, list] = {}
    for a, b in [(j, j) for j in range(joints)] + skeleton.bones(joints):
        if b in face and a in (b, *face):
            continue  # the head is drawn for them
        sides = {skeleton.side(joints, a), skeleton.side(joints, b)} - {"middle"}
        side = sides.pop() if len(sides) == 1 else "middle"
        layer = (-2 if b in legs else 2 if b in arms else 0) + (side == "right" and b in legs + arms)
        width = next(width for name, width in _WIDTHS.items() if names[b].endswith(name))
        layers.setdefault(layer, []).append((a, b, 0.0, palette[side], width))
    layers[1] = [(names.index("Nose"), names.index("Nose"), 0.0, palette["middle"], HEAD)]  # behind the arms
    lines = []
    for height, layer in sorted(layers.items()):
        if height:  # not along the trunk, where it would cut the limbs off
            lines += [(a, b, 0.2, palette["ground"], width + _CASING) for a, b, _, _, width in layer if a != b]
        lines += layer
    first, second, inset, colours, widths = zip(*lines, strict=True)
    return Parts(
        np.array([first, second]).T, np.array(inset)[:, None], np.array([to_rgb(c) for c in colours]), np.array(widths)
    )


def hues(joints: int, some, palette: dict[str, str]) -> np.ndarray:
    """Return the colours (len(some), 3) of some joints: of their sides, or along a scale where these are not known."""
    if joints in skeleton.JOINTS:
        return np.array([to_rgb(palette[skeleton.side(joints, j)]) for j in some])
    return colormaps["viridis"](np.linspace(0.3, 1, joints))[list(some), :3]


def blend(colours: np.ndarray, strength, ground: str) -> np.ndarray:
    """Fade colours (M, 3) into the ground: 1 leaves them, 0 hides them. Opaque, so that no beads show at the joints."""
    return np.asarray(to_rgb(ground)) * (1 - strength) + colours * strength


def lines(colours: np.ndarray, widths: np.ndarray, segments=()) -> LineCollection:
    """Make lines in pixels of a figure, from its left and bottom; NaN segments are left out.

    Parameters
    ----------
    colours : np.ndarray [shape=(M, 3)]
        Red, green and blue, 0-1.
    widths : np.ndarray [shape=(M,)]
        Pixels; nothing is drawn thinner than one.
    segments : np.ndarray [shape=(M, 2, 2)]
        Ends; they can be set later, by `LineCollection.set_segments`.
    """
    points = np.maximum(widths, 1) * 72 / DPI
    collection = LineCollection(segments, linewidths=points, colors=colours, transform=IdentityTransform())
    collection.set(capstyle="round", snap=False)  # snapped to whole pixels, slow limbs would jerk and dots vanish
    return collection


def segments(points: np.ndarray, dancer: Parts) -> np.ndarray:
    """Return the ends (M, 2, 2) of a dancer's lines, its joints being at these points (J, 2)."""
    one, other = points[dancer.pairs[:, 0]], points[dancer.pairs[:, 1]]
    inset = dancer.inset * (other - one)
    return np.stack([one + inset, other - inset + [1e-4, 0]], 1)  # a line of no length at all has no caps


def blank(size: tuple[int, int], palette: dict[str, str]) -> tuple[Figure, FigureCanvasAgg]:
    """Make an empty figure of so many pixels, and its canvas."""
    figure = Figure((size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=palette["ground"])
    return figure, FigureCanvasAgg(figure)


def floor(figure: Figure, corner: np.ndarray, cell: np.ndarray, level: float) -> None:
    """Lay a floor into a cell: from this height, in pixels, down to the cell's bottom."""
    (x, y), width, height = corner, cell[0], max(0, level - corner[1])
    figure.add_artist(Rectangle((x, y), width, height, color=ON_STAGE["floor"], transform=IdentityTransform(), lw=0))
    edge = np.array([[[x, level], [x + width, level]]])
    figure.add_artist(lines([ON_STAGE["edge"]], np.array([0.003 * min(cell)]), edge))


def write(figure: Figure, at, text: str, height: float, width: float, colour: str) -> None:
    """Write a line of text, centred at these pixels, so high and at most so wide: an ellipsis ends what is too long."""
    label = figure.text(
        *np.asarray(at) / (figure.bbox.width, figure.bbox.height),
        text,
        fontsize=height * 0.72 * 72 / DPI,
        fontfamily="DejaVu Sans",  # comes with matplotlib: the same picture everywhere
        color=colour,
        ha="center",
        va="center",
        parse_math=False,  # a dollar in a song's name is a dollar
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        while len(text) > 1 and label.get_window_extent(figure.canvas.get_renderer()).width > width:
            text = text[:-1]
            label.set_text(text.rstrip() + "…")


def render(canvas: FigureCanvasAgg) -> None:
    """Draw all that the figure holds; letters that the font lacks are boxes, and no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        canvas.draw()
