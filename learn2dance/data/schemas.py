"""Schemas of the .npz files that the stages share: keys, dtypes, shapes and units."""

from dataclasses import dataclass

SCHEMA = 3  # version, raised when a key changes its meaning; files of other versions are refused, not misread


@dataclass(frozen=True)
class Array:
    """One key of a schema: dtype, shape (a letter has the same size throughout a file), and unit.

    A key with a ``default`` is optional: files without it are read as if it had this value.
    """

    dtype: str
    shape: tuple[str | int, ...]
    unit: str
    nan: bool = False  # whether NaN is allowed; it means not known
    default: bool | None = None


# T frames, J joints, B beats, W windows, L levels, C tokens per window, K centroids per level, D DCT coefficients.
SCHEMAS: dict[str, dict[str, Array]] = {
    "poses": {  # parse.py: the poses of one clip
        "poses": Array("float32", ("T", "J", 2), "pixels, x right, y down; NaN in long gaps", nan=True),
        "confidence": Array("float32", ("T", "J"), "0-1, as detected; 0: not detected"),
        "filled": Array("bool", ("T", "J"), "the position is interpolated"),
        "fps": Array("float64", (), "frames per second"),
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
        "beats": Array("float64", ("B",), "seconds"),
        "downbeat": Array("int64", (), "index of the first beat that starts a bar"),
        "beats_per_bar": Array("int64", (), "3 or 4"),
        "tempo": Array("float64", (), "beats per minute"),
        "duration": Array("float64", (), "seconds"),
        "fps": Array("float64", (), "frames per second"),
    },
    "clusters": {  # Clustering.ipynb: the codebook
        "centroids": Array("float32", ("L", "K", "D"), "DCT coefficients, torso lengths; levels are summed"),
        "whole": Array("int64", (), "number of whole-body levels; later levels have one per body part and for travel"),
        "mean": Array("float32", ("D",), "mean DCT coefficients of the train split, torso lengths"),
        "rate": Array("float64", (), "seconds of music per second of dance that most dances have"),
        "peaks": Array("float64", (3,), "phase (0-1) of fastest motion: bar of 3/4, of 4/4, half of 4/4", nan=True),
        "frames_per_beat": Array("int64", (), "frames per beat"),
        "mirror": Array("bool", (), "fitted on mirrored windows too"),
        "align": Array("bool", (), "dances were re-synchronised with their music"),
        "window_beats": Array("int64", (), "beats per window; the hop is one beat"),
        "top_speed": Array("float64", (), "torso lengths per second: 99.5th percentile of the fastest joint"),
        "error": Array("float64", ("L", 2), "error after each level on train, val; fraction of variance", nan=True),
    },
    "tokens": {  # Clustering.ipynb: one clip as tokens; window w starts at beats[start + w]
        "tokens": Array("int64", ("W", "C"), "token"),
        "mirrored": Array("int64", ("W", "C"), "token of the left-right mirrored window"),
        "motion": Array("float32", ("W", "D"), "DCT coefficients of the window: 30 joint coordinates and 3 of travel"),
        "known": Array("bool", ("W",), "all joints are valid in the window; only these are trained on"),
        "start": Array("int64", (), "index of the first window's first beat"),
        "bar": Array("int64", ("W",), "position in the bar of each window's first beat: 0-2 in 3/4, 3-6 in 4/4"),
        "beats": Array("float64", ("B",), "seconds on the time axis of the dance"),
    },
    "dance": {  # eval.py: the dance generated for one song
        "poses": Array("float32", ("T", "J", 2), "torso lengths from the first MidHip, x right, y up"),
        "nearer": Array("float32", ("T",), "log of the dancer's size in the picture, 0 in the first frame"),
        "tokens": Array("int64", ("W", "C"), "token"),
        "beats": Array("float64", ("B",), "seconds"),
        "downbeats": Array("bool", ("B",), "the beat begins a bar", default=False),
        "phrases": Array("bool", ("B",), "the beat begins a phrase of the music", default=False),
        "seed": Array("int64", (), ""),
        "fps": Array("float64", (), "frames per second"),
    },
    "truth": {  # the toy data's true joints and beats, for the tests
        "poses": Array("float32", ("T", 25, 2), "pixels, x right, y down"),
        "beats": Array("float64", ("B",), "seconds"),
        "downbeat": Array("int64", (), "index of the first beat that starts a bar"),
        "beats_per_bar": Array("int64", (), "3 or 4"),
        "fps": Array("float64", (), "frames per second"),
    },
}
