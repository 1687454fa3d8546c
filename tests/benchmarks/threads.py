"""Numbers of threads: the stages' default, one and two, on an idle machine and beside a process that is always busy.

A default of 0 threads means one for each idle core.
"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks import inputs, kmeans
from benchmarks.row import Row

import train
from learn2dance import threads
from learn2dance.music2pose import dataset, training
from learn2dance.tokens import codebook

STEPS, CODES = 10, 64  # few: on busy cores, two threads can be 20 times as slow as one


def rows(work: Path, data: Path | None) -> list[Row]:
    """Return the rows of k-means and of steps of train.py."""
    root = inputs.tokenized(work, data)
    args = train.arguments([str(root.path)])
    found = training.read_data(root)
    model = training.new_model(found, args.width, args.dropout)
    examples, optimiser = training.examples(found.train, model), training.optimiser(model.network, args.lr, 0.0)

    def steps() -> None:
        rng = np.random.default_rng(0)
        for _ in range(STEPS):
            training.step(model.network, optimiser, dataset.batch(examples, args.batch, rng), args.lr)

    pieces = kmeans.all_windows(work, data)
    fit = partial(codebook.fit, lambda: pieces, kmeans.FRAMES, levels=1, whole=1, codes=CODES, seed=0)
    workloads = {"k-means": (kmeans_default(), fit), "train.py": (args.threads, steps)}
    result = []
    for busy in (False, True):
        for name, (default, run) in workloads.items():
            stage = f"threads, {name}, {'beside a busy process' if busy else 'alone'}"
            for what, count in {f"default ({default})": default, "1": 1, "2": 2}.items():
                result.append(Row(stage, what, "ours", run, around=partial(use, count, busy)))
    return result


def kmeans_default() -> int:
    """Return the default of Clustering.ipynb."""
    cells = json.loads((inputs.ROOT / "Clustering.ipynb").read_text(encoding="utf-8"))["cells"]
    return int(re.search(r"^THREADS = (\d+)", "".join(cells[1]["source"]), re.MULTILINE)[1])


@contextlib.contextmanager
def use(count: int, busy: bool) -> Iterator[None]:
    """Use so many threads, if ``busy`` beside another process."""
    with contextlib.ExitStack() as stack:
        if busy:
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        threads.limit(count)
        stack.callback(threads.limit, 1)
        yield
