"""Print which dances people prefer: the answers to a comparison page (animate.py --ab) with 95% intervals.

Reads   answers_*.csv, downloaded from the page by one or more raters
Writes  nothing; prints for each question how often each dance was preferred to each other, and the control

Example: python -m learn2dance.evaluation.preference answers_*.csv

In a control, both dances are the same, and one is mismatched with the music. For the question on music, "matched" is
the fraction of controls in which the matched one was chosen. At 50% the raters heard no difference, so their other
answers on music tell nothing.
"""

import base64
import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.clips_table import read_text
from learn2dance.errors import UserError

COLUMNS = "study rater trial question a b mismatched answer".split()
VALUES = {"question": ("realism", "music"), "mismatched": ("", "A", "B"), "answer": ("A", "B")}
Z = 1.96  # normal quantile of a 95% interval


class Preference(NamedTuple):
    """How often one of two was preferred."""

    question: str
    first: str  # name of a dance, or "matched" in controls
    second: str
    chosen: np.ndarray  # int (R,): how often each rater chose the first
    asked: np.ndarray  # int (R,): how often each was asked


def read(paths: Iterable[Path]) -> list[dict[str, str]]:
    """Read the rows of files of answers, without those that occur twice; ``a`` and ``b`` become names.

    Raises a UserError if a file is not a table of answers, or a rater answered one question in two ways.
    """
    rows: dict[tuple, dict] = {}
    repeated = 0
    for path in paths:
        # Unlike `str.splitlines`, StringIO leaves characters in place that are line breaks for Unicode alone.
        text = io.StringIO(read_text(cli.existing_path(path, "file of answers")), newline="")
        table = csv.DictReader(text)
        try:
            if not set(COLUMNS) <= set(table.fieldnames or []):
                found = ",".join(table.fieldnames or []) or "nothing"
                raise UserError(
                    f"{path}: found columns {found[:80]}, expected {','.join(COLUMNS)}; is it an answers file?"
                )
            for row in table:
                where = f"{path}, line {table.line_num}"
                row = _checked(row, where)
                key = tuple(row[name] for name in ("study", "rater", "trial", "question"))
                repeated += key in rows
                if rows.setdefault(key, row) != row:
                    raise UserError(f"{where}: another answer to the same question than before; was the file edited?")
        except csv.Error as error:
            raise UserError(f"{path}: no table ({error}); was the file edited?") from None
    if repeated:
        log.warning("%d answers occur more than once, and are counted once; is a file given twice?", repeated)
    return list(rows.values())


def _checked(row: dict[str, str], where: str) -> dict[str, str]:
    """Return a row with its names decoded; raise a UserError if a value is not one of those expected."""
    if lacking := [name for name in COLUMNS if row[name] is None]:
        raise UserError(f"{where}: no {' or '.join(lacking)}; was the file cut off?")
    for name, values in VALUES.items():
        if row[name] not in values:
            raise UserError(f"{where}: {name} is {row[name]!r}, expected {' or '.join(map(repr, values))}")
    try:
        names = {side: base64.b64decode(row[side], validate=True).decode() for side in "ab"}
    except ValueError:  # not base64, or not UTF-8
        raise UserError(f"{where}: the name of a dance is damaged (a, b); was the file edited?") from None
    return {name: row[name] for name in COLUMNS} | names


def count(rows: list[dict[str, str]]) -> list[Preference]:
    """Count preferences of each question: pairs of dances by name, then ``matched`` and ``mismatched`` of controls."""
    raters = sorted({row["rater"] for row in rows})
    chosen = defaultdict(lambda: np.zeros((2, len(raters)), int))
    for row in rows:
        sides = {"A": row["a"], "B": row["b"]}
        if row["mismatched"]:
            sides = {side: "mismatched" if side == row["mismatched"] else "matched" for side in sides}
        first, second = sorted(sides.values())
        table = chosen[row["question"], bool(row["mismatched"]), first, second]
        table[:, raters.index(row["rater"])] += sides[row["answer"]] == first, 1
    return [Preference(key[0], *key[2:], *table) for key, table in sorted(chosen.items())]


def interval(chosen: np.ndarray, asked: np.ndarray) -> tuple[float, float, float]:
    """Return the fraction chosen, and its 95% interval, from counts of each rater (R,).

    This is Wilson's score interval (JASA 1927) for the effective number of answers: answers of one rater are alike, so
    that their number is divided by the design effect, the variance of the fraction between raters relative to that of
    independent answers (Kish, "Survey Sampling", 1965, section 8.2). A single rater's answers count as independent.
    """
    total = asked.sum()
    share, size, raters = chosen.sum() / total, float(total), int((asked > 0).sum())
    if 0 < share < 1 and raters > 1:
        between = raters / (raters - 1) * np.square(chosen - share * asked).sum() / total**2
        size /= max(1.0, between / (share * (1 - share) / total))
    middle = (share + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * np.sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    return float(share), max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = cli.parser(__doc__)
    parser.add_argument("answers", nargs="+", type=Path, metavar="ANSWERS.csv", help="files that the page offered")
    args = parser.parse_args(argv)
    cli.setup()

    rows = read(args.answers)
    if not rows:
        raise UserError(f"{args.answers[0]}: no answers in it")
    raters = len({row["rater"] for row in rows})
    log.info("%d answers of %d raters%s", len(rows), raters, "; intervals are of this rater alone" * (raters == 1))
    for found in count(rows):
        share, low, high = interval(found.chosen, found.asked)
        counts = f"{found.chosen.sum()} of {found.asked.sum()}"
        pair = f"{found.first} preferred to {found.second}"
        log.info("%-8s %s: %.0f%% [%.0f, %.0f] (%s)", found.question, pair, 100 * share, 100 * low, 100 * high, counts)


if __name__ == "__main__":
    cli.run(main)
