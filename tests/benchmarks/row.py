"""What a benchmark is: one way to do the work of a stage. Each module of this folder has a function ``rows``.

``rows(work: Path, data: Path | None) -> list[Row]`` may write into the folder ``work``, which is removed afterwards.
It reads the data root ``data``, or toy data if it is None (`inputs.data_root`).
"""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple


class Row(NamedTuple):
    """One way to do the work of a stage. The rows of a stage do the same work, and are compared with its first."""

    stage: str  # heading of the rows that are compared
    what: str  # what is run
    kind: Literal["ours", "original", "usual", "floor"]  # see bench.py
    run: Callable[[], None]  # does the work once
    count: float = 0  # how much work that is; if not 0, the table has count / seconds
    unit: str = ""  # of count
    around: Callable[[], AbstractContextManager] = contextlib.nullcontext  # entered before each run, and not timed
    note: Callable[[], str] = str  # called after the last run; returns what the table says beside the times
