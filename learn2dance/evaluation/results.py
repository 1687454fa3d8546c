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
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.evaluation.result_tables import COMPLETION, METHODS, REPORTS, TABLES, TASKS, Column, Table, cell

ROOT = Path(__file__).parents[2]
SCORES = ROOT / "docs" / "scores"
PAGES = tuple(ROOT / page for page in ("docs/results.md", "README.md", "weights/README.md"))


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
        from learn2dance.data import data_root

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
    return rewrite(text, (*TABLES, *COMPLETION), partial(render, cards=cards))


def rewrite(text: str, names: Collection[str], content: Callable[[str], str]) -> str:
    """Replace the tables of a page that have one of these names by ``content(name)``."""
    pattern = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: found[1] + content(found[2]) + found[3] if found[2] in names else found[0], text)


def render(name: str, cards: dict[str, dict]) -> str:
    """Format a table of `TABLES` or `COMPLETION`, with the commands that made its scores, in Markdown.

    Raises a UserError if the scores of a report are missing.
    """
    reports = [COMPLETION[name]] if name in COMPLETION else [report for report, *_ in TABLES[name].rows.values()]
    reports = list(dict.fromkeys(reports))
    if missing := [report for report in reports if report not in cards]:
        raise UserError(f"{SCORES}: no {missing[0]}.json for the table {name}; make results DATA=… writes it")
    lines = _completion(cards[reports[0]]) if name in COMPLETION else _lines(TABLES[name], cards)
    commands = "".join(f"    .venv/bin/python eval.py {shlex.join(command(report))}\n" for report in reports)
    return f"\n{markdown(lines)}\n{commands}\n"


def markdown(lines: list[list[str]]) -> str:
    """Format the cells of each line of a table, its heading first, in Markdown."""
    heading, *rest = (f"| {' | '.join(line)} |\n" for line in lines)
    return heading + f"| {' | '.join(['---'] * len(lines[0]))} |\n" + "".join(rest)


def _lines(table: Table, cards: dict) -> list[list[str]]:
    """Return the cells of each line of a table, its heading first."""
    rows = {label: _row(cards, *found) for label, found in table.rows.items()}
    if table.group:
        parts = next(iter(rows.values()))[table.group]
        rows = {f"{part}, {label}": row[table.group][part] for part in parts for label, row in rows.items()}
    cells = [[label, *(cell(row, column) for column in table.columns.values())] for label, row in rows.items()]
    return [["", *table.columns], *cells]


def _row(cards: dict, report: str, row: str, style: str | None = None) -> dict:
    """Return a row of a report, or its part that is of one style."""
    found = cards[report]["rows"][row]
    return found["by_style"][style] if style else found


def _completion(card: dict) -> list[list[str]]:
    """Return the cells of each line of the table of motion completion, its heading first."""
    lines = [[f"{card['rows']['real']['songs']} songs", *METHODS]]
    for task, label in TASKS.items():
        for key, form in (("error", ".3f"), ("FID_k", ",.0f")):
            cells = [cell(card["completion"][task][method], Column(key, form)) for method in METHODS.values()]
            lines.append([f"{label}: {key}", *cells])
    return lines


if __name__ == "__main__":
    cli.run(main)
