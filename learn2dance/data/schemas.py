"""Schemas of the .npz files that the stages share, and of models: keys, dtypes, shapes, units and ranges."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from learn2dance.errors import UserError

SCHEMA = 3  # version, raised when a key changes its meaning; files of other versions are refused, not misread


@dataclass(frozen=True)
class Array:
    """One key of a schema: dtype, shape (a letter has the same size throughout a file), unit and range.

    Numbers are from ``least`` to ``most``, beyond which they are damage: sums of the squares of larger ones would be
    inexact or infinite. A key with a ``default`` is optional: files without it are read as if it had this value.
    """

    dtype: str
    shape: tuple[str | int, ...]
    unit: str
    nan: bool = False  # whether NaN is allowed; it means not known
    default: bool | None = None
    least: float = -1e6
    most: float = 1e6


FPS = Array("float64", (), "frames per second", least=0.01, most=1e4)
BEATS = Array("float64", ("B",), "seconds")

# T frames, J joints, B beats, W windows, L levels, C tokens per window, K centroids per level, D DCT coefficients.
SCHEMAS: dict[str, dict[str, Array]] = {
    "poses": {  # parse.py: the poses of one clip
        "poses": Array("float32", ("T", "J", 2), "pixels, x right, y down; NaN in long gaps", nan=True),
        "confidence": Array("float32", ("T", "J"), "0-1, as detected; 0: not detected", least=0),
        "filled": Array("bool", ("T", "J"), "the position is interpolated"),
        "fps": FPS,
        "travel": Array("bool", (), "the camera stood still: the path over the floor is in the pixels", default=True),
    },
    "music": {  # Process_Waves.ipynb: the music features of one clip
        "mel": Array("float32", ("T", 128), "log1p of 1000 x mel power spectrogram, song at rms 0.1"),
        "tempogram": Array("float32", ("T", 384), "log1p of the autocorrelation of the onset strength"),
        "chroma": Array("float32", ("T", 12), "0-1, C to B"),
        "onset": Array("float32", ("T",), "onset strength"),
        "rms": Array("float32", ("T",), "root mean square amplitude"),
        "beat_phase": Array("float32", ("T", 2), "sin, cos of 2 pi x phase within the beat"),
        "bar_phase": Array("float32", ("T", 2), "sin, cos of 2 pi x phase within the bar"),
        "beats": BEATS,
        "downbeat": Array("int64", (), "index of the first beat that starts a bar", least=0),
        "beats_per_bar": Array("int64", (), "3 or 4", least=3, most=4),
        "tempo": Array("float64", (), "beats per minute", least=1, most=1e4),
        "duration": Array("float64", (), "seconds", least=1e-3),
        "fps": FPS,
    },
    "clusters": {  # Clustering.ipynb: the codebook
        "centroids": Array("float32", ("L", "K", "D"), "DCT coefficients, torso lengths; levels are summed"),
        "whole": Array(
            "int64", (), "number of whole-body levels; later levels have one per body part and for travel", least=1
        ),
        "mean": Array("float32", ("D",), "mean DCT coefficients of the train split, torso lengths"),
        "rate": Array("float64", (), "seconds of music per second of dance that most dances have", least=0.5, most=2),
        "peaks": Array("float64", (3,), "phase (0-1) of fastest motion: bar of 3/4, of 4/4, half of 4/4", nan=True),
        "frames_per_beat": Array("int64", (), "frames per beat", least=2, most=1000),
        "mirror": Array("bool", (), "fitted on mirrored windows too"),
        "align": Array("bool", (), "dances were re-synchronised with their music"),
        "window_beats": Array("int64", (), "beats per window; the hop is one beat", least=1, most=1000),
        "top_speed": Array(
            "float64", (), "torso lengths per second: 99.5th percentile of the fastest joint", least=1e-3
        ),
        "error": Array("float64", ("L", 2), "error after each level on train, val; fraction of variance", nan=True),
    },
    "tokens": {  # Clustering.ipynb: one clip as tokens; window w starts at beats[start + w]
        "tokens": Array("int64", ("W", "C"), "token", least=0),
        "mirrored": Array("int64", ("W", "C"), "token of the left-right mirrored window", least=0),
        "motion": Array("float32", ("W", "D"), "DCT coefficients of the window: 30 joint coordinates and 3 of travel"),
        "known": Array("bool", ("W",), "all joints are valid in the window; only these are trained on"),
        "start": Array("int64", (), "index of the first window's first beat", least=0),
        "bar": Array(
            "int64", ("W",), "position in the bar of each window's first beat: 0-2 in 3/4, 3-6 in 4/4", least=0, most=6
        ),
        "beats": Array("float64", ("B",), "seconds on the time axis of the dance"),
    },
    "dance": {  # eval.py: the dance generated for one song
        "poses": Array("float32", ("T", "J", 2), "torso lengths from the first MidHip, x right, y up"),
        "nearer": Array(
            "float32", ("T",), "log of the dancer's size in the picture, 0 in the first frame", least=-20, most=20
        ),
        "tokens": Array("int64", ("W", "C"), "token", least=0),
        "beats": BEATS,
        "downbeats": Array("bool", ("B",), "the beat begins a bar", default=False),
        "phrases": Array("bool", ("B",), "the beat begins a phrase of the music", default=False),
        "seed": Array("int64", (), "", least=0, most=2**63),
        "fps": FPS,
    },
    "truth": {  # the toy data's true joints and beats, for the tests
        "poses": Array("float32", ("T", 25, 2), "pixels, x right, y down"),
        "beats": BEATS,
        "downbeat": Array("int64", (), "index of the first beat that starts a bar", least=0),
        "beats_per_bar": Array("int64", (), "3 or 4", least=3, most=4),
        "fps": FPS,
    },
    # Parts of the models' files.
    "projection": {
        "mean": Array("float32", ("D",), ""),
        "components": Array("float32", ("D", "S"), ""),
    },
    "units": {  # windows of real dances, from which music2pose assembles others
        "motion": Array("float32", ("N", "D"), "DCT coefficients, torso lengths"),
        "tokens": Array("int64", ("N", "C"), "token", least=0),
        "bar": Array("int64", ("N",), "position in the bar of the first beat", least=0, most=6),
        "style": Array("int64", ("N",), "index into the styles plus one; 0 if unknown", least=0),
        "tempo": Array("float64", ("N",), "beats per minute", least=1, most=1e4),
        "clip": Array("int64", ("N",), "index of the source clip", least=0),
        "beat": Array("int64", ("N",), "index of the window in it", least=0),
    },
    "profiles": {  # the music of the clips of a train split
        "style": Array("int64", ("P",), "index into the styles plus one; 0 if unknown", least=0),
        "tempo": Array("float64", ("P",), "beats per minute", least=1, most=1e4),
        "beats_per_bar": Array("int64", ("P",), "3 or 4", least=3, most=4),
        "danced": Array("int64", ("P",), "number of beats that were danced", least=0),
        "character": Array("float64", ("P", 4), "see music/character.py", nan=True),
    },
    "travel": {  # see motion/travel_model.py
        "memory": Array("float64", (2,), "", least=0, most=1),
        "pull": Array("float64", (2,), "", least=-1, most=0),
        "gain": Array("float64", (2,), "", least=-10, most=10),
        "deviation": Array("float64", (2,), "torso lengths, log size", least=0, most=100),
    },
}
SCHEMAS["codebook"] = {
    key: SCHEMAS["clusters"][key]
    for key in ("centroids", "mean", "whole", "frames_per_beat", "window_beats", "top_speed")
}


def _increases(arrays: dict) -> bool:
    return bool((np.diff(arrays["beats"]) > 0).all())


def _lasts(arrays: dict) -> bool:
    """Tell whether a song lasts about as long as its features: a dance is as long as the song says."""
    return 0.1 < (len(arrays["mel"]) + 1) / (arrays["duration"] * arrays["fps"] + 1) < 10


def _is_a_grid(arrays: dict) -> bool:
    """Tell whether beats can be extended to the whole song: they are in it, and no interval is far below a beat."""
    beats, duration = arrays["beats"], arrays["duration"]
    return len(beats) > 1 and np.diff(beats).min() > 0.01 and beats[0] > -60 and beats[-1] < duration + 60


def _fills_windows(arrays: dict) -> bool:
    from learn2dance.motion.windows import CHANNELS  # here, since scipy takes a second to load

    frames = arrays["frames_per_beat"] * arrays["window_beats"]
    return arrays["mean"].shape[0] == frames // 2 * CHANNELS and arrays["whole"] <= len(arrays["centroids"])


def _has_beats(arrays: dict) -> bool:
    count = len(arrays["tokens"])
    return count == 0 or arrays["start"] + count < len(arrays["beats"])


INCREASES = (_increases, "'beats' to increase")
# kind -> conditions on several arrays, and what is expected
CONDITIONS: dict[str, list[tuple[Callable[[dict], bool], str]]] = {
    "music": [
        INCREASES,
        (_lasts, "'duration' times 'fps' to be about the number of frames"),
        (_is_a_grid, "two or more 'beats', 0.01 s apart or more, within the song"),
        (lambda a: a["downbeat"] < len(a["beats"]), "'downbeat' to be the index of one of 'beats'"),
    ],
    "clusters": [(_fills_windows, "D to be 33 times half the frames of a window, and 'whole' at most L")],
    "codebook": [(_fills_windows, "D to be 33 times half the frames of a window, and 'whole' at most L")],
    "tokens": [INCREASES, (_has_beats, "'beats' from 'start' on for all windows")],
    "dance": [INCREASES],
    "truth": [INCREASES],
}
NOT_EMPTY = "TJLKDNS"  # sizes that are 1 at least


def check(where: object, kind: str, arrays: dict[str, np.ndarray], **sizes: int) -> None:
    """Raise a UserError, which begins with ``where``, for the first array that does not match the schema of its kind.

    ``sizes`` are those that are known of the schema's letters.
    """
    for key, spec in SCHEMAS[kind].items():
        if key in arrays or spec.default is None:
            _check_array(where, kind, key, arrays, sizes)
    for holds, expected in CONDITIONS.get(kind, []):
        if not holds(arrays):
            raise UserError(f"{where}: in a '{kind}' file expected {expected}; was it edited, or written otherwise?")


def _check_array(where: object, kind: str, key: str, arrays: dict[str, np.ndarray], sizes: dict[str, int]) -> None:
    spec = SCHEMAS[kind][key]
    if key not in arrays:
        found = f"found {', '.join(arrays) or 'nothing'}; is it another version's or another stage's file?"
        raise UserError(f"{where}: no key '{key}' ({spec.unit}) of a '{kind}' file, {found}")
    array = arrays[key]
    fits = array.ndim == len(spec.shape) and all(
        size == (sizes.setdefault(letter, size) if isinstance(letter, str) else letter)
        and (size > 0 or letter not in [*NOT_EMPTY])
        for letter, size in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or array.dtype != spec.dtype:
        expected = f"{spec.dtype} {spec.shape}".replace("'", "")
        raise UserError(
            f"{where}: '{key}' is {array.dtype} {array.shape}, expected {expected} ({spec.unit}) with {sizes}"
        )
    if array.dtype.kind == "f" and not (np.isfinite(array) | (np.isnan(array) & spec.nan)).all():
        raise UserError(f"{where}: '{key}' contains numbers that are not finite ({spec.unit})")
    outside = (array < spec.least) | (array > spec.most)
    if outside.any():
        expected = f"expected {spec.least:g} to {spec.most:g} ({spec.unit})"
        raise UserError(f"{where}: '{key}' contains {array[outside].flat[0]:g}, {expected}")
