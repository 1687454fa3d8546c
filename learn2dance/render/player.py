"""Write dances and their song as one HTML page that plays them in a browser.

The page makes no network request: poses, song, script and style are in it. The poses are quantised to int16, stored as
differences from frame to frame, and compressed by zlib. It needs Chrome 97, Firefox 113, Safari 16.4, or newer.
"""

import base64
import json
import re
import zlib
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.colors import to_hex

from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.media import audio_writer
from learn2dance.motion import skeleton
from learn2dance.render import artists, viewport
from learn2dance.render.animation import FLASH, TRAIL

PAGE = Path(__file__).parent / "page"
MOST = 4  # dances on a page
MISSING = -32768  # quantised coordinate of a joint that is not known; others are from -32767 to 32767
THEMES = {"dark": artists.ON_STAGE, "light": artists.ON_PAPER}
_SCRIPTS = "dance clock drawing theme".split()  # parts of every page, in the order of their imports


def write(
    out: str | Path,
    dances: Sequence[np.ndarray],
    fps: float,
    titles: Sequence[str] | None = None,
    audio: str | Path | None = None,
    marks: Sequence[dict[str, list[float]]] | None = None,
    y_up: bool = False,
    start: float = 0.0,
    trail: bool = False,
    beats: bool = False,
) -> None:
    """Write one to `MOST` dances, side by side and in step, as a page (.html); the same input gives the same bytes.

    The dances (T, J, 2) are in any unit, x right, y up or down; NaN joints are not drawn. A dance that ends before the
    others keeps its last pose. ``marks`` are those of `marks`, for each dance. ``start`` is the second of the song at
    which the dances begin. ``trail`` and ``beats`` set whether trails, and flashes on the beats, are shown at first.

    Raises a UserError if there are too many dances, or ffmpeg cannot read the song.
    """
    if len(dances) > MOST:
        raise UserError(f"{out}: {len(dances)} dances, expected at most {MOST} on a page")
    duration = max(map(len, dances)) / fps
    packed = [pack(viewport.upright(dance, y_up), fps) for dance in dances]
    for i, (about, _) in enumerate(packed):
        about |= {"title": titles[i] if titles else ""} | (marks[i] if marks else dict(NO_MARKS))
    header = {"duration": duration, "options": {"trail": trail, "beats": beats}}
    header["constants"] = {"trail": TRAIL, "flash": FLASH}
    song = audio and audio_writer.m4a(audio, start, duration)
    title = " · ".join(titles or [Path(out).stem])
    write_page(out, title, "player", ["timeline", "player"], header, packed, song)


NO_MARKS: dict[str, list[float]] = {"beats": [], "bars": [], "phrases": []}


def marks(dance: dict, start: float = 0.0) -> dict[str, list[float]]:
    """Return ``beats``, and those of them that begin ``bars`` and ``phrases``, in seconds after ``start``.

    ``dance`` is a ``dance`` file or from `npz.load_poses`. Lists are empty where it does not tell.
    """
    beats = dance.get("beats")
    if beats is None:
        return dict(NO_MARKS)
    result = {"beats": np.ones(len(beats), bool)}
    for key, source in (("bars", "downbeats"), ("phrases", "phrases")):
        chosen = dance.get(source)
        result[key] = np.zeros(len(beats), bool) | (False if chosen is None else chosen)
    times = np.asarray(beats) - start
    return {key: np.round(times[chosen & (times >= 0)], 4).tolist() for key, chosen in result.items()}


def pack(poses: np.ndarray, fps: float) -> tuple[dict, bytes]:
    """Return what the page needs to draw upright poses (T, J, 2), and the poses as bytes.

    Coordinates are ``middle`` + ``step`` x int16. The bytes are the int16 (T, J, 2), little-endian, as differences
    from the frame before; differences wrap at 16 bits.
    """
    joints = poses.shape[1]
    seen = viewport.view(poses)
    low, high = (part(poses, axis=(0, 1)) for part in (np.nanmin, np.nanmax))
    middle, step = (low + high) / 2, float((high - low).max() / 65534) or 1.0
    levels = np.where(np.isfinite(poses), np.round((poses - middle) / step), MISSING).astype(np.int16)
    steps = np.concatenate([levels[:1], levels[1:] - levels[:-1]]).astype("<i2")
    ends = skeleton.joints_ending(joints, "Wrist", "Ankle") or list(range(joints))
    parts = {theme: artists.parts(joints, palette) for theme, palette in THEMES.items()}
    about = {
        "fps": fps,
        "frames": len(poses),
        "joints": skeleton.names_of(joints) or [str(j) for j in range(joints)],
        "middle": middle.tolist(),
        "step": step,
        "centre": ((seen.low + seen.high) / 2).tolist(),
        "room": viewport.room(seen).tolist(),
        "body": seen.body,
        "floor": seen.floor,
        "pairs": parts["dark"].pairs.tolist(),
        "inset": parts["dark"].inset[:, 0].tolist(),
        "widths": parts["dark"].widths.tolist(),
        "colours": {theme: [to_hex(colour) for colour in part.colours] for theme, part in parts.items()},
        "ends": ends,
        "tails": {
            theme: [to_hex(colour) for colour in artists.joint_colours(joints, ends, palette)]
            for theme, palette in THEMES.items()
        },
    }
    return about, steps.tobytes()


def write_page(
    out: str | Path,
    title: str,
    body: str,
    scripts: list[str],
    header: dict,
    dances: list[tuple[dict, bytes]],
    song: bytes | None,
) -> None:
    """Write a page atomically from a body (.html) and scripts (.js) in `PAGE`.

    The page's data are the ``header`` with what `pack` returned of each dance, and the bytes of a song (.m4a).
    """
    text = json.dumps(header | {"dances": [about for about, _ in dances]}).encode()
    data = zlib.compress(text + b"".join(poses for _, poses in dances), 9)
    code = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in [*_SCRIPTS, *scripts])
    parts = {
        "title": escape(title),
        "style": _colours() + (PAGE / "page.css").read_text(encoding="utf-8"),
        "body": (PAGE / f"{body}.html").read_text(encoding="utf-8"),
        "data": _element("data", data, f' data-header="{len(text)}"') + (_element("song", song) if song else ""),
        # One script instead of modules that import each other, which a single file cannot hold.
        "script": re.sub(r"^import .*\n|^export ", "", code, flags=re.MULTILINE),
    }
    page = re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], (PAGE / "page.html").read_text(encoding="utf-8"))
    with atomic(out) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")  # a title from a file name may not be UTF-8


def _element(name: str, data: bytes, attributes: str = "") -> str:
    """Return an element that holds bytes and shows nothing."""
    return f'<script type="text/plain" id="{name}"{attributes}>{base64.b64encode(data).decode()}</script>\n'


def _colours() -> str:
    """Return the palettes as CSS variables: light where the system or the page's switch asks for it, else dark."""
    rules = {
        theme: "".join(f"--{key}: {value};" for key, value in palette.items()) for theme, palette in THEMES.items()
    }
    system = f'@media (prefers-color-scheme: light) {{ :root:not([data-theme="dark"]) {{ {rules["light"]} }} }}'
    return f':root {{ {rules["dark"]} }}\n{system}\n:root[data-theme="light"] {{ {rules["light"]} }}\n'
