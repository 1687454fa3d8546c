"""How every stage meets its user: shared flags, progress, one-line faults and exit codes.

A stage is a script with ``main(argv=None)`` whose last lines are::

    if __name__ == "__main__":
        cli.run(main)
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from learn2dance.errors import UserError, one_line
from learn2dance.threads import cores, limit

log = logging.getLogger("learn2dance")


def raise_faults(faults: list[str], total: int, outcome: str) -> None:
    """Report the clips that failed, if there are any; the others were done all the same.

    Parameters
    ----------
    faults : list of str
        A line for each clip that failed.
    total : int
        How many clips there were.
    outcome : str
        What happened to those that failed, e.g. ``"clips left out"``.

    Raises
    ------
    UserError
        With the last line; those before it are logged, the same line once.
    """
    lines = list(dict.fromkeys(faults))
    for line in lines[:-1]:
        log.error(line)
    if lines:
        raise UserError(f"{lines[-1]} ({len(faults)} of {total} {outcome})")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that ends as a stage does after any other fault: in one line, not in a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with 2."""
        self.exit(2, f"error: {message}; --help tells more\n")


def parser(doc: str, *shared: str) -> argparse.ArgumentParser:
    """Build a stage's argument parser from its docstring and the shared flags that it takes.

    Parameters
    ----------
    doc : str
        The stage's ``__doc__``: printed as it stands by ``--help``.
    *shared : str
        Any of ``"quiet"``, ``"jobs"``, ``"threads"``, ``"device"``, ``"seed"``, ``"no_video"``; they mean the same in
        every stage.

    Returns
    -------
    argparse.ArgumentParser
        To which the stage adds what is its own.
    """
    result = OneLineParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = result.add_argument_group("shared by the stages")
    if "jobs" in shared:
        group.add_argument("--jobs", type=positive(int), default=cores(), metavar="N", help="processes (%(default)s)")
    if "device" in shared:
        group.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto: the fastest there is (auto)")
    if "threads" in shared:
        said = "to compute with; 0: one for each core that is idle (%(default)s)"
        group.add_argument("--threads", type=whole_number, default=1, metavar="N", help=said)
    if "seed" in shared:
        group.add_argument("--seed", type=whole_number, default=0, help="same seed, same bytes on CPU (%(default)s)")
    if "no_video" in shared:
        group.add_argument("--no-video", action="store_true", help="write the .npz alone, no animation")
    if "quiet" in shared:
        group.add_argument("--quiet", action="store_true", help="say only what is wrong")
    return result


def positive(kind: type) -> Callable[[str], float]:
    """Return an argparse type: a number of this kind above zero."""

    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    convert.__name__ = f"positive {kind.__name__}"  # argparse prints it: invalid positive int value: '0'
    return convert


def whole_number(text: str) -> int:
    """Read a whole number from zero on: an argparse type."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError
    return value


whole_number.__name__ = "whole number"


def number_between(least: float, most: float) -> Callable[[str], float]:
    """Return an argparse type: a number from ``least`` to ``most``."""

    def convert(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    convert.__name__ = f"number from {least} to {most}"
    return convert


def device(name: str) -> str:
    """Resolve ``--device``: ``auto`` is cuda, else mps, else cpu.

    Raises
    ------
    UserError
        If torch has no such device here.
    """
    import torch

    try:
        kind = "auto" if name == "auto" else torch.device(name).type
    except RuntimeError:
        kind = name
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if found[kind])
    if not found.get(kind, False):
        raise UserError(
            f"--device {name}: torch {torch.__version__} finds only {', '.join(k for k in found if found[k])}"
        )
    return name


class ProgressSafeHandler(logging.StreamHandler):
    """Writes lines above a progress bar rather than into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        from tqdm import tqdm

        tqdm.write(self.format(record), file=self.stream)
        self.flush()  # so that a log file can be followed


def setup(quiet: bool = False, threads: int = 1) -> None:
    """Prepare this process to run a stage.

    What it says goes to stdout and what it warns of to stderr; ``quiet`` leaves the warnings alone. It computes with as
    many ``threads`` (see `threads.limit`).
    """
    limit(threads)
    say, warn = ProgressSafeHandler(sys.stdout), ProgressSafeHandler(sys.stderr)
    say.addFilter(lambda record: record.levelno < logging.WARNING)
    warn.setLevel(logging.WARNING)
    warn.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.handlers = [say, warn]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.INFO)


def progress(items: Iterable, what: str, total: int | None = None) -> Iterator:
    """Show a bar on stderr over these items; none when stderr is no terminal or the stage is quiet."""
    from tqdm import tqdm

    return tqdm(items, desc=what, total=total, disable=None if log.isEnabledFor(logging.INFO) else True, leave=False)


class Terminated(KeyboardInterrupt):
    """SIGTERM: what is half-written goes, as after Ctrl-C."""


def _terminate(*_) -> None:
    raise Terminated


def run(main: Callable[[list[str] | None], None]) -> None:
    """Run a stage as a process: exit 0, 2 after a fault of the user's, 130 after Ctrl-C, 143 after SIGTERM.

    A traceback is our bug.

    A failing disk (``OSError``) is the user's to mend too, and is reported with the file it names.
    """
    for name in ("stdout", "stderr"):  # None where the caller closed them, as cron may
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for the rest of the process)
    setup()
    signal.signal(signal.SIGTERM, _terminate)
    code = 0
    try:
        main(None)
    except KeyboardInterrupt as interrupt:
        said = "interrupted: what was written stays whole; run it again for the rest (a trainer with --resume)"
        print(said, file=sys.stderr)
        code = 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)
    except BrokenPipeError:  # the reader of our output went away (`| head`): no fault, but nothing left to say
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (flushed once more by the interpreter at exit)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        code = 2
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(code)


def existing_path(path: str | Path, what: str) -> Path:
    """Return the path as a Path.

    Raises
    ------
    UserError
        If nothing is there; the line names the parent's entries that look alike.
    """
    import difflib

    path = Path(path)
    if path.exists():
        return path
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    alike = difflib.get_close_matches(path.name, beside, n=1)
    raise UserError(f"{path}: no such {what}" + (f"; did you mean {path.parent / alike[0]}?" if alike else ""))
