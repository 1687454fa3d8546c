"""Time every stage: ours beside the original project's way, what a user would otherwise call, and the least possible.

    python tests/bench.py [DATA] [--repeats 5] [--only parse features …] [--out bench.json] [--docs docs/results.md]

DATA is a data root with keypoints/ and audio/; without it, toy data are made. The modules in benchmarks/ list what is
run: their rows. All rows of a module are run in turn, --repeats times, and the medians count. The number in parentheses
is a row's time divided by that of the first row of its stage, which is ours.

Wall-clock time is what a user waits for. CPU time is that of all processes together, and depends less on what else the
machine does: on a busy machine, compare that, except where the number of processes or threads differs. What runs in
this process uses one thread, as the stages do, unless its row says otherwise.

ours      this project
original  the way of the project that this one replaces, or a plain loop in its place
usual     what a user would call without this project
floor     a part of the work that cannot be left out, such as reading the files

Writes  --out: the times of all runs, and facts about the machine; with --docs also the table "speed" of this page
"""

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from benchmarks.row import Row

from learn2dance import cli, threads
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.evaluation import results

MODULES = sorted({path.stem for path in (HERE / "benchmarks").glob("*.py")} - {"row", "inputs"})
LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn", "matplotlib", "orjson", "librosa", "papermill")
HEADING = ["stage", "what", "kind", "seconds (÷ ours)", "CPU seconds (÷ ours)", "speed", "note"]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks; print, save and publish their table."""
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="DATA", nargs="?", type=Path, help="data root (toy data)")
    parser.add_argument("--repeats", type=cli.positive(int), default=5, help="runs of each row (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="modules of benchmarks/ (all)")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where to save (%(default)s)")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="page whose table is renewed, e.g. docs/results.md")
    args = parser.parse_args(argv)
    cli.setup(quiet=True)
    if args.data:
        cli.existing_path(args.data, "data root")
        if missing := [kind for kind in ("keypoints", "audio") if not any(args.data.glob(f"{kind}/*"))]:
            raise UserError(f"{args.data / missing[0]}: found no files; give a data root that has some, or none")
    page = args.docs.read_text(encoding="utf-8") if args.docs else ""
    if args.docs and "<!-- table speed -->" not in page:
        raise UserError(f"{args.docs}: expected a line <!-- table speed -->, and <!-- end --> after it")

    found = {"data": "DATA" if args.data else "toy data", "repeats": args.repeats, "machine": machine(), "rows": []}
    print(about(found))
    with tempfile.TemporaryDirectory(prefix="bench.") as work:
        for name in args.only:
            rows = measure(importlib.import_module(f"benchmarks.{name}").rows(Path(work), args.data), args.repeats)
            show(rows)
            found["rows"] += rows
    with atomic(args.out) as path:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.docs:
        command = f"make bench{' DATA=DATA' if args.data else ''}"
        text = f"\n{about(found)}\n\n{results.markdown(table(found['rows']))}\n    {command}\n\n"
        with atomic(args.docs) as path:
            path.write_text(results.rewrite(page, ["speed"], lambda _: text), encoding="utf-8")


def machine() -> dict:
    """Return facts about the machine: processor, cores, load before the benchmarks, system, and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": threads.cores(),
        "load": round(os.getloadavg()[0], 2),  # of the last minute
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def about(found: dict) -> str:
    """Describe a run in a sentence."""
    facts = found["machine"]
    where = f"{facts['cores']} cores of {facts['cpu']}, load before {facts['load']:.1f}"
    return f"Medians of {found['repeats']} runs on {found['data']}; {where}."


def measure(rows: list[Row], repeats: int) -> list[dict]:
    """Run rows in turn; return what they are, and the wall-clock and CPU seconds of each run."""
    times = [{"wall": [], "cpu": []} for _ in rows]
    for _ in range(repeats):
        for row, taken in zip(rows, times, strict=True):
            with row.around():
                begin, before = time.perf_counter(), cpu_seconds()
                row.run()
                taken["wall"].append(time.perf_counter() - begin)
                taken["cpu"].append(cpu_seconds() - before)
    facts = ({key: getattr(row, key) for key in ("stage", "what", "kind", "count", "unit")} for row in rows)
    return [f | taken | {"note": row.note()} for f, taken, row in zip(facts, times, rows, strict=True)]


def cpu_seconds() -> float:
    """Return the CPU time so far of this process, and of those that it has started and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def table(rows: list[dict]) -> list[list[str]]:
    """Return the cells of each line of the table, its heading first."""
    lines, first = [HEADING], {}
    for row in rows:
        times = [statistics.median(row[clock]) for clock in ("wall", "cpu")]
        ours = first.setdefault(row["stage"], times)
        cells = [f"{time:#.3g} ({time / own:.2f})" for time, own in zip(times, ours, strict=True)]
        rate = row["count"] / times[0]
        speed = f"{rate:,.0f} {row['unit']}/s" if rate >= 10 else f"{rate:.2g} {row['unit']}/s" if rate else ""
        lines.append([row["stage"] if times is ours else "", row["what"], row["kind"], *cells, speed, row["note"]])
    return lines


def show(rows: list[dict]) -> None:
    """Print the table of these rows, in columns."""
    lines = table(rows) if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), flush=True)


if __name__ == "__main__":
    cli.run(main)
