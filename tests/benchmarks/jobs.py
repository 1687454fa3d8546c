"""The same work by one process and by two: parse.py, and the features of songs."""

import shutil
from functools import partial
from pathlib import Path

from benchmarks import inputs
from benchmarks.row import Row

from learn2dance.data.data_root import DataRoot
from learn2dance.music import features


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of all clips of a data root."""
    root, found = inputs.data_root(work, data), []
    for jobs in (1, 2):
        found += [
            Row("parse.py --jobs", f"{jobs}", "ours", partial(parse, root, jobs)),
            Row("music features, by processes", f"{jobs}", "ours", partial(extract, root, jobs)),
        ]
    return sorted(found)


def parse(root: DataRoot, jobs: int) -> None:
    """Parse all clips anew."""
    shutil.rmtree(root.path / "poses", ignore_errors=True)
    inputs.command("parse.py", root.path, "--quiet", "--jobs", jobs)


def extract(root: DataRoot, jobs: int) -> None:
    """Compute the features of all songs anew."""
    shutil.rmtree(root.path / "music", ignore_errors=True)
    features.process(root, jobs)
