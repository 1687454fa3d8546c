"""The table of all kinds of .npz that the stages share: keys, dtypes, shapes and units."""

from dataclasses import dataclass

SCHEMA = 2  # raised when a key changes its meaning: what an older version wrote is then refused, not misread


@dataclass(frozen=True)
class Array:
    """One key of a kind of .npz: dtype, shape (letters bind to one size within a file), and unit."""

    dtype: str
    shape: tuple[str | int, ...]
    unit: str
    nan: bool = False  # may hold NaN: "not known"


# T frames, J joints, B beats, W windows, L levels, C codes a window, K codes to choose from, D numbers in a spectrum.
SCHEMAS: dict[str, dict[str, Array]] = {
    "poses": {  # parse.py: what was measured in one clip
        "poses": Array("float32", ("T", "J", 2), "pixels, x right, y down; NaN: lost for long", nan=True),
        "confidence": Array("float32", ("T", "J"), "0-1, as detected; 0: not seen"),
        "filled": Array("bool", ("T", "J"), "position interpolated, not measured"),
        "fps": Array("float64", (), "frames a second"),
    },
    "music": {  # Process_Waves.ipynb: what is heard in one clip
        "mel": Array("float32", ("T", 128), "log1p of the mel power spectrogram"),
        "tempogram": Array("float32", ("T", 384), "log1p of the onset autocorrelation"),
        "chroma": Array("float32", ("T", 12), "0-1, C to B"),
        "onset": Array("float32", ("T",), "onset strength"),
        "rms": Array("float32", ("T",), "root mean square amplitude"),
        "beat_phase": Array("float32", ("T", 2), "sin, cos of 2 pi x part of the beat gone by"),
        "bar_phase": Array("float32", ("T", 2), "sin, cos of 2 pi x part of the bar gone by"),
        "beats": Array("float64", ("B",), "seconds"),
        "downbeat": Array("int64", (), "index of the first beat that opens a bar"),
        "beats_per_bar": Array("int64", (), "3 or 4"),
        "tempo": Array("float64", (), "beats a minute"),
        "duration": Array("float64", (), "seconds"),
        "fps": Array("float64", (), "frames a second"),
    },
    "clusters": {  # Clustering.ipynb: the codebook
        "centroids": Array(
            "float32", ("L", "K", "D"), "torso lengths; level by level, their sum is the motion's spectrum"
        ),
        "whole": Array("int64", (), "first levels, in which a code is the whole body; then each limb has its own"),
        "mean": Array("float32", ("D",), "torso lengths; the mean spectrum of the train split"),
        "peaks": Array("float64", (2,), "turns: when dances to bars of three, of four are fastest", nan=True),
        "frames_per_beat": Array("int64", (), "frames"),
        "window_beats": Array("int64", (), "beats in a window; the hop is one beat"),
        "top_speed": Array("float64", (), "torso lengths a second: 99.5% of the train split's frames are slower"),
        "error": Array("float64", ("L", 2), "share of the variance left after each level, on train and val", nan=True),
    },
    "tokens": {  # Clustering.ipynb: one clip in codes; window w starts at beats[start + w]
        "tokens": Array("int64", ("W", "C"), "code"),
        "mirrored": Array("int64", ("W", "C"), "code of the left-right mirrored window"),
        "known": Array("bool", ("W",), "every joint was known in the window: only these are learned from"),
        "start": Array("int64", (), "index of the first window's first beat"),
        "beats": Array("float64", ("B",), "seconds of the dance's clock"),
    },
    "dance": {  # eval.py: what was danced to one song
        "poses": Array("float32", ("T", "J", 2), "torso lengths, x right, y up, from MidHip"),
        "tokens": Array("int64", ("W", "C"), "code"),
        "beats": Array("float64", ("B",), "seconds"),
        "seed": Array("int64", (), ""),
        "fps": Array("float64", (), "frames a second"),
    },
    "truth": {  # the toy data's true joints and beats, for the tests
        "poses": Array("float32", ("T", 25, 2), "pixels, x right, y down"),
        "beats": Array("float64", ("B",), "seconds"),
        "downbeat": Array("int64", (), "index of the first beat that opens a bar"),
        "beats_per_bar": Array("int64", (), "3 or 4"),
        "fps": Array("float64", (), "frames a second"),
    },
}
