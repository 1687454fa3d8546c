"""The published tables: the reports that they are made of, their rows and their columns."""

from dataclasses import dataclass

_BALLROOM, _GAN = "--songs '[CRTW]_*'", "--model DATA/models/seq_gan.pt"
REPORTS = {  # name -> options of eval.py DATA --report; clips of ballroom begin with C_, R_, T_ or W_, of street with A
    "test": f"--split test {_BALLROOM}",
    "val": f"--split val {_BALLROOM}",
    "street": "--split test --songs 'A*'",
    "gan": f"--split test {_BALLROOM} {_GAN}",
    "gan_val": f"--split val {_BALLROOM} {_GAN}",
}
# Models that train.py --style trained on one style: style -> report, of the test songs of this style.
ONE_STYLE = {"cha-cha": "C_*", "rumba": "R_*", "waltz": "W_*"}
REPORTS |= {
    style: f"--split test --songs '{songs}' --model DATA/models/{style}.pt" for style, songs in ONE_STYLE.items()
}


@dataclass(frozen=True)
class Column:
    """A column of a table: the key of its measure, the number format, and the key of its chance level, if any."""

    key: str
    form: str = ".2f"
    chance: str | None = None


@dataclass(frozen=True)
class Table:
    """A table: its ``rows`` and ``columns``.

    ``rows``: label -> report, name of its row, and the style if it is of one only. ``columns``: heading -> `Column`.
    ``group``: ``by_song`` or ``by_style``, for a row of each song or style in place of each of the rows.
    """

    rows: dict[str, tuple[str, ...]]
    columns: dict[str, Column]
    group: str | None = None


_N = {"songs": Column("songs", "d"), "dances": Column("dances", "d")}
_LOCKING = {"bar locking (chance)": Column("bar_locking", ".2f", "bar_locking_chance")}
_HALF = {"half-bar locking, 4/4 only (chance)": Column("half_bar_locking", ".2f", "half_bar_locking_chance")}
_OWN = {
    "song specificity": Column("song_specificity", ".3f"),
    "own minus mismatched": Column("own_minus_mismatched", ".3f"),
}
_P = {"p": Column("own_minus_mismatched_p", ".4f")}
_BEATS = {"beat F-measure (chance)": Column("beat_f_measure", ".2f", "beat_f_measure_chance")}
_MUSIC = {"energy: speed, correlation": Column("energy_speed"), "energy: size": Column("energy_size")}
_MUSIC |= {"form: A and A' ÷ A and B": Column("form_ratio")}
_FID = {"FID_k": Column("FID_k", ",.1f"), "FID_g": Column("FID_g", ".1f")}
_POSES = {"pose precision": Column("precision_poses"), "pose recall": Column("recall_poses")}
_PRECISION, _RECALL = {"window precision": Column("precision_windows")}, {"window recall": Column("recall_windows")}
_STYLE, _JERK = {"style": Column("style")}, {"jerk ÷ real": Column("jerk_ratio")}
_MOTION = {
    "top speed ÷ real": Column("top_speed_ratio"),
    "travel: speed": Column("travel_speed"),
    "travel: range": Column("travel_range", ".1f"),
    "foot slide": Column("foot_slide"),
}
_NEAREST = {"distance to training set": Column("nearest_training_distance", ".3f")}
_COPY = {"copying over 8 beats ÷ real": Column("copy_8")}

_REAL, _NOISE, _SPLICED = ("real dances, held out", "white noise", "real, spliced every 8 beats")
_NO_NETWORK = "no network: join cost only"
_BASELINES = {_REAL: "real", _SPLICED: "spliced", "frozen": "frozen", _NOISE: "white noise"}
_BASELINES |= {"real dances on the spot": "on the spot", "real dances in tokens": "reconstruction"}
_BASELINES |= {_NO_NETWORK: "no network"}
_MODEL = {"music2pose, mismatched song": "mismatched song", "**music2pose**": "model"}
_GAN_ROWS = {"GAN, mismatched song": ("gan", "mismatched song"), "**GAN**": ("gan", "model")}
_ALL = {label: ("test", row) for label, row in (_BASELINES | _MODEL).items()} | _GAN_ROWS
_SHORT = {_REAL: "real", _SPLICED: "spliced", _NOISE: "white noise", _NO_NETWORK: "no network"} | _MODEL
_MAIN = _N | _FID | _LOCKING | _OWN | _P | _BEATS | _PRECISION | _RECALL | _STYLE | _COPY
_DETAILS = _N | _LOCKING | _HALF | _OWN | _PRECISION | _STYLE | _JERK | _COPY
TABLES = {
    "music": Table(_ALL, _N | _LOCKING | _HALF | _OWN | _P | _BEATS | _MUSIC),
    "realism": Table(_ALL, _N | _FID | _POSES | _PRECISION | _RECALL | _STYLE),
    "motion": Table(_ALL, _N | _JERK | _MOTION | _NEAREST | _COPY),
    "songs": Table({"real": ("test", "real"), "music2pose": ("test", "model")}, _DETAILS, "by_song"),
    "styles": Table({"real": ("test", "real"), "music2pose": ("test", "model")}, _DETAILS, "by_style"),
    "val": Table({label: ("val", row) for label, row in _SHORT.items()}, _MAIN),
    "street": Table({label: ("street", row) for label, row in _SHORT.items()}, _MAIN),
    "street_styles": Table({"real": ("street", "real"), "music2pose": ("street", "model")}, _DETAILS, "by_style"),
    "one_style": Table(
        {
            f"{style}, {label}": (report, row, style)
            for style in ONE_STYLE
            for label, report, row in (
                ("real", "test", "real"),
                ("one model", "test", "model"),
                ("own", style, "model"),
            )
        },
        _DETAILS,
    ),
    "card": Table(
        {
            "ballroom, real dances": ("test", "real"),
            "ballroom, music2pose": ("test", "model"),
            "ballroom, GAN": ("gan", "model"),
            "street, real dances": ("street", "real"),
            "street, music2pose": ("street", "model"),
        },
        _N | _FID | _PRECISION | _RECALL | _LOCKING | _STYLE | _JERK,
    ),
    "summary": Table(
        {label: _ALL[label] for label in (_REAL, _SPLICED, _NOISE, _NO_NETWORK, *_MODEL, "**GAN**")},
        _N | {"FID_k ↓": _FID["FID_k"]} | _LOCKING | _OWN | _PRECISION | _COPY,
    ),
}
PAGE = _N | _FID | _LOCKING | _OWN | _PRECISION | _RECALL | _STYLE | _JERK | _COPY  # of the report page
COMPLETION = {"completion": "gan", "completion_val": "gan_val"}  # tables of motion completion -> report
TASKS = {"gap": "in-betweening", "continuation": "continuation"}
METHODS = {
    "GAN": "GAN",
    "linear interpolation": "interpolation",
    "last pose held": "last pose",
    "nearest training segment": "nearest",
}


def cell(row: dict, column: Column) -> str:
    """Format a measure: its value, its 95% interval if it has one, and its chance level."""
    found = row.get(column.key)
    value, low, high = found if isinstance(found, list) else (found, None, None)
    if value is None:
        return "-"
    text = format(value, column.form)
    if low is not None:
        text += f" [{low:{column.form}}, {high:{column.form}}]"
    return text + (f" ({row[column.chance][0]:{column.form}})" if column.chance else "")
