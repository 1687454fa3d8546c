"""Make the published tables: run the reports, and rewrite the tables of the pages in `PAGES`.

Reads   what eval.py --report reads, or docs/scores/<report>.json of the reports that are not run
Writes  docs/scores/<report>.json, and in docs/results.md, README.md and weights/README.md the tables between
        <!-- table NAME --> and <!-- end -->

Examples: python -m learn2dance.evaluation.results DATA             # runs all reports
          python -m learn2dance.evaluation.results DATA test gan    # runs these two
          python -m learn2dance.evaluation.results                  # only rewrites the tables
"""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import data_root
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError

ROOT = Path(__file__).parents[2]
SCORES = ROOT / "docs" / "scores"
PAGES = tuple(ROOT / page for page in ("docs/results.md", "README.md", "weights/README.md"))
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
COMPLETION = {"completion": "gan", "completion_val": "gan_val"}  # tables of motion completion -> report
_TASKS = {"gap": "in-betweening", "continuation": "continuation"}
_METHODS = {
    "GAN": "GAN",
    "linear interpolation": "interpolation",
    "last pose held": "last pose",
    "nearest training segment": "nearest",
}


def main(argv: list[str] | None = None) -> None:
    """Run the reports and rewrite the tables."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("data", metavar="DATA", nargs="?", help="data root; without it no report is run")
    parser.add_argument("reports", metavar="REPORT", nargs="*", help=f"reports to run (all): {', '.join(REPORTS)}")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    if unknown := sorted(set(args.reports) - set(REPORTS)):
        raise UserError(f"{unknown[0]}: no such report; expected {', '.join(REPORTS)}")
    if args.data:
        data = data_root.open_root(args.data).path.resolve()
        for name in args.reports or REPORTS:
            run(name, data)
    cards = load()
    for page in PAGES:
        text = fill(page.read_text(encoding="utf-8"), cards)
        with atomic(page) as path:
            path.write_text(text, encoding="utf-8")
        log.info("%s", page)


def command(name: str, data: str = "DATA") -> list[str]:
    """Return the arguments of eval.py that make a report of `REPORTS`, for this data root."""
    return [data, "--report", *(re.sub("^DATA(?=/)", data, part) for part in shlex.split(REPORTS[name]))]


def run(name: str, data: Path) -> None:
    """Run a report, and write its scores, with songs and styles of the real dances and the model only, to `SCORES`.

    Raises a UserError if the report fails; its own message is on stderr.
    """
    from learn2dance.evaluation.report import to_json

    arguments = command(name, str(data))
    if subprocess.run([sys.executable, "eval.py", *arguments, "--quiet"], cwd=ROOT).returncode:
        raise UserError(f"report {name} failed: eval.py {shlex.join(arguments)}")
    model = Path(arguments[-1]).stem if "--model" in arguments else "music2pose"
    card = json.loads((data / "dances" / model / "scores.json").read_text(encoding="utf-8"))
    for row in card["rows"].keys() - {"real", "model"}:
        card["rows"][row] = {key: v for key, v in card["rows"][row].items() if key not in ("by_song", "by_style")}
    SCORES.mkdir(exist_ok=True)
    with atomic(SCORES / f"{name}.json") as path:
        path.write_text(to_json(card), encoding="utf-8")
    log.info("%s", SCORES / f"{name}.json")


def load() -> dict[str, dict]:
    """Load the scores of all reports in `SCORES`: name -> contents."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCORES.glob("*.json"))}


def fill(text: str, cards: dict[str, dict]) -> str:
    """Rewrite the tables of a page from the scores of the reports (`load`)."""
    pattern = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: found[1] + render(found[2], cards) + found[3], text)


def render(name: str, cards: dict[str, dict]) -> str:
    """Format a table of `TABLES` or `COMPLETION`, with the commands that made its scores, in Markdown.

    Raises a UserError if the scores of a report are missing.
    """
    reports = [COMPLETION[name]] if name in COMPLETION else [report for report, *_ in TABLES[name].rows.values()]
    reports = list(dict.fromkeys(reports))
    if missing := [report for report in reports if report not in cards]:
        raise UserError(f"{SCORES}: no {missing[0]}.json for the table {name}; make results DATA=… writes it")
    lines = _completion(cards[reports[0]]) if name in COMPLETION else _lines(TABLES[name], cards)
    lines.insert(1, ["---"] * len(lines[0]))
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    commands = "".join(f"    .venv/bin/python eval.py {shlex.join(command(report))}\n" for report in reports)
    return f"\n{rows}\n{commands}\n"


def _lines(table: Table, cards: dict) -> list[list[str]]:
    """Return the cells of each line of a table, its heading first."""
    rows = {label: _row(cards, *found) for label, found in table.rows.items()}
    if table.group:
        parts = next(iter(rows.values()))[table.group]
        rows = {f"{part}, {label}": row[table.group][part] for part in parts for label, row in rows.items()}
    cells = [[label, *(_cell(row, column) for column in table.columns.values())] for label, row in rows.items()]
    return [["", *table.columns], *cells]


def _row(cards: dict, report: str, row: str, style: str | None = None) -> dict:
    """Return a row of a report, or its part that is of one style."""
    found = cards[report]["rows"][row]
    return found["by_style"][style] if style else found


def _cell(row: dict, column: Column) -> str:
    """Format a measure: its value, its 95% interval if it has one, and its chance level."""
    found = row.get(column.key)
    value, low, high = found if isinstance(found, list) else (found, None, None)
    if value is None:
        return "-"
    text = format(value, column.form)
    if low is not None:
        text += f" [{low:{column.form}}, {high:{column.form}}]"
    return text + (f" ({row[column.chance][0]:{column.form}})" if column.chance else "")


def _completion(card: dict) -> list[list[str]]:
    """Return the cells of each line of the table of motion completion, its heading first."""
    lines = [[f"{card['rows']['real']['songs']} songs", *_METHODS]]
    for task, label in _TASKS.items():
        for key, form in (("error", ".3f"), ("FID_k", ",.0f")):
            cells = [_cell(card["completion"][task][method], Column(key, form)) for method in _METHODS.values()]
            lines.append([f"{label}: {key}", *cells])
    return lines


if __name__ == "__main__":
    cli.run(main)
