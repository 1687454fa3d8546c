"""Draw dances as ControlNet's OpenPose annotator draws poses, for image and video models that are driven by them.

The drawing is that of ``draw_bodypose`` in ControlNet (Zhang, Rao and Agrawala, ICCV 2023), its package controlnet_aux,
and DWPose: OpenPose's COCO-18 on black, limbs as ellipses, then joints as discs. It is drawn here with smooth edges.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.transforms import IdentityTransform

from learn2dance.cli import log
from learn2dance.data import openpose_files
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.media import video_writer
from learn2dance.motion import skeleton
from learn2dance.motion.skeleton import BODY_25, COCO_18
from learn2dance.render import artists, viewport
from learn2dance.render.face import with_face

_COLOURS = (  # red, green, blue, in the order of COCO_18
    [(255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)]
    + [(0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)]
    + [(0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)]
)
JOINT_COLOURS = np.array(_COLOURS) / 255
LIMB_COLOURS = 0.6 * JOINT_COLOURS[:17]  # a limb has the colour of the joint of its number, darker
_LIMBS = (
    "Neck-RShoulder Neck-LShoulder RShoulder-RElbow RElbow-RWrist LShoulder-LElbow LElbow-LWrist "
    "Neck-RHip RHip-RKnee RKnee-RAnkle Neck-LHip LHip-LKnee LKnee-LAnkle "
    "Neck-Nose Nose-REye REye-REar Nose-LEye LEye-LEar"
)
LIMBS = np.array([[COCO_18.index(name) for name in limb.split("-")] for limb in _LIMBS.split()])
# The annotator draws at a shorter side of 512 pixels and scales the image: joints' radius, half the width of the limbs.
RADIUS = 4 / 512
SHORTER, STEP = 512, 64  # pixels of the shorter side if no size is given; both sides are multiples of the step
MOMENTS, COLUMNS = 12, 6  # frames on a contact sheet
_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 48, endpoint=False)) for f in (np.cos, np.sin)], axis=1)


class Scene(NamedTuple):
    """Dancers side by side in one picture, which contains all of the film."""

    size: tuple[int, int]  # width and height in pixels
    figures: list[np.ndarray]  # (T, 18, 2) for each dancer: COCO-18 in pixels from the picture's lower left
    joints: list[np.ndarray]  # (T, J, 2): the joints that the poses hold, in the same pixels

    @property
    def frames(self) -> int:
        """Return the number of frames, which is that of the longest dance."""
        return max(map(len, self.figures))

    def people(self, t: int) -> list[np.ndarray]:
        """Return the figures (18, 2) of frame t; a dance that ends before the others keeps its last pose."""
        return [figure[min(t, len(figure) - 1)] for figure in self.figures]


def scene(dances: Sequence[np.ndarray], fps: float, size: tuple[int, int] | None = None) -> Scene:
    """Place dancers side by side in one picture: bodies of one size, lowest points on one level, in a fixed view.

    The dances (T, J, 2) have 15, 17, 18 or 25 joints, in any unit, x right, y up, and NaN for missing joints. If a
    dance has no eyes and ears, `with_face` places them, and a log line says so. The ``size``, width and height in
    pixels, is rounded up to even; by default the shorter side is `SHORTER` and the other as long as needed, up to 16:9.

    Raises a UserError for another number of joints, or if none of COCO-18 is known.
    """
    for dance in dances:
        if dance.shape[1] not in skeleton.JOINTS:
            known = ", ".join(map(str, skeleton.JOINTS))
            raise UserError(f"a dance has {dance.shape[1]} joints, expected one of {known} for OpenPose's skeleton")
    dances = [viewport.upright(dance, True) for dance in dances]
    figures, placed = zip(*(with_face(dance, fps) for dance in dances), strict=True)
    if not all(np.isfinite(figure).any() for figure in figures):
        raise UserError("a dance has none of the joints of OpenPose's COCO-18 in any frame; was nobody detected?")
    if any(placed):
        log.info("eyes and ears, which the poses lack, are placed from nose and neck; from behind, no face is drawn")
    views = [viewport.view(figure) for figure in figures]
    rooms = np.array([viewport.room(seen) / seen.body for seen in views])  # (dancers, 2) in body sizes
    wide, high = rooms[:, 0].sum(), rooms[:, 1].max()
    if size is None:
        sides = SHORTER * np.minimum([max(1, wide / high), max(1, high / wide)], 16 / 9)
        size = (STEP * np.ceil(sides / STEP - 1e-9)).astype(int).tolist()
    size = (size[0] + size[0] % 2, size[1] + size[1] % 2)  # H.264 needs even sizes
    body = min(size[0] / wide, size[1] / high)  # pixels
    corner = (np.array(size) - [body * wide, body * high]) / 2
    result = Scene(size, [], [])
    for dance, figure, seen, room in zip(dances, figures, views, rooms, strict=True):
        scale, origin = viewport.fit(seen, corner, body * room)
        result.figures.append(figure * scale + origin)
        result.joints.append(dance * scale + origin)
        corner = corner + [body * room[0], 0]
    return result


def export(
    dances: Sequence[np.ndarray],
    fps: float,
    out: str | Path,
    size: tuple[int, int] | None = None,
    audio: str | Path | None = None,
    start: float = 0.0,
    clip: str | None = None,
) -> None:
    """Write dances, placed by `scene`, as what the ending of ``out`` tells: .mp4, .gif, .png (contact sheet) or none.

    Without an ending, it is a folder of a PNG file for each frame or, if the name of a ``clip`` is given, of OpenPose's
    JSON files with the `keypoints`. The ``size`` is that of a frame, or of the contact sheet, which is by default 1600
    wide. The song ``audio`` starts at second ``start`` with the first frame.

    Raises a UserError if a skeleton is not known or the output cannot be written.
    """
    sheet = Path(out).suffix.lower() == ".png"
    placed = scene(dances, fps, None if sheet else size)
    if sheet:
        contact_sheet(placed, out, size)
        log.info("%s: %d moments of %.1f s", out, MOMENTS, placed.frames / fps)
        return
    if clip:
        openpose_files.write(out, clip, keypoints(placed))
    else:
        animate(placed, fps, out, audio, start)
    log.info("%s: %d frames of %dx%d pixels, %g a second", out, placed.frames, *placed.size, fps)


def animate(scene: Scene, fps: float, out: str | Path, audio: str | Path | None = None, start: float = 0.0) -> None:
    """Draw a scene as a film or a folder of frames; the parameters are those of `video_writer.write`."""
    figure, canvas, shapes = _blank(scene.size)
    background = canvas.copy_from_bbox(figure.bbox)

    def draw(t: int) -> memoryview:
        canvas.restore_region(background)
        _set(shapes, scene.people(t), min(scene.size))
        figure.draw_artist(shapes)
        return canvas.buffer_rgba()

    video_writer.write(out, draw, scene.frames, scene.size, fps, audio, start)


def contact_sheet(scene: Scene, out: str | Path, size: tuple[int, int] | None = None) -> None:
    """Draw `MOMENTS` evenly spaced frames of a scene, `COLUMNS` in a row, into a .png of this size in pixels."""
    rows, frame = MOMENTS // COLUMNS, np.array(scene.size)
    size = size or (1600, round(1600 / COLUMNS * frame[1] / frame[0] * rows))
    cell = np.array(size) / [COLUMNS, rows]
    scale = min(cell / frame)
    figure, canvas, shapes = _blank(size)
    moments = (np.arange(MOMENTS) + 0.5) * scene.frames / MOMENTS
    points = [
        (person - frame / 2) * scale + cell * [n % COLUMNS + 0.5, rows - n // COLUMNS - 0.5]
        for n, t in enumerate(moments.astype(int).tolist())
        for person in scene.people(t)
    ]
    _set(shapes, points, scale * min(frame))
    figure.draw_artist(shapes)
    with atomic(out) as temporary:
        imsave(temporary, np.asarray(canvas.buffer_rgba())[..., :3], format="png", metadata={"Software": None})


def keypoints(scene: Scene) -> list[np.ndarray]:
    """Return the people of each frame, float64 (P, 25, 3): BODY_25, x right and y down in pixels, and confidence 1.

    Only joints that the poses hold are in it, and no placed eyes and ears. All is 0 for other joints, and for joints
    outside the picture, where a detector finds none. A person without any joint is left out.
    """
    people = []
    for joints in scene.joints:
        points = skeleton.named_joints(joints, BODY_25) * [1, -1] + [0, scene.size[1]]
        inside = ((points >= 0) & (points < scene.size)).all(-1)  # False for NaN
        people.append(np.where(inside[..., None], np.insert(points, 2, 1, axis=-1), 0))
    frames = ([person[min(t, len(person) - 1)] for person in people] for t in range(scene.frames))
    return [np.array([person for person in frame if person.any()]).reshape(-1, 25, 3) for frame in frames]


def _blank(size: tuple[int, int]) -> tuple[Figure, FigureCanvasAgg, PolyCollection]:
    """Create a black figure of ``size`` (width, height) in pixels, its canvas, and an artist for `_set`."""
    figure, canvas = artists.blank(size)
    figure.set_facecolor("black")
    artists.render(canvas)
    shapes = PolyCollection([], linewidths=0, transform=IdentityTransform())
    shapes.set_figure(figure)
    return figure, canvas, shapes


def _set(shapes: PolyCollection, people: Sequence[np.ndarray], shorter: float) -> None:
    """Set ellipses and discs of people (18, 2), in pixels, into a picture with a shorter side of this many pixels."""
    radius = RADIUS * shorter
    polygons, colours = [], []
    for joints in people:
        for (one, other), colour in zip(joints[LIMBS], LIMB_COLOURS, strict=True):
            along = (other - one) / 2
            length = np.hypot(*along)
            if length > 0:  # False for NaN
                across = np.array([-along[1], along[0]]) * radius / length
                polygons.append((one + other) / 2 + _CIRCLE @ [along, across])
                colours.append(colour)
        known = np.isfinite(joints).all(-1)
        polygons += [joint + radius * _CIRCLE for joint in joints[known]]
        colours += [*JOINT_COLOURS[known]]
    shapes.set_verts(polygons)
    shapes.set_facecolor(colours)
