"""Command-line helpers shared by all stages: common flags, progress bars, one-line errors and exit codes.

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
    """Raise an error if clips failed; call it after all other clips are done.

    Parameters
    ----------
    faults : list of str
        An error message for each failed clip.
    total : int
        Number of clips, the failed ones included.
    outcome : str
        What happened to the failed clips, e.g. ``"clips left out"``.

    Raises
    ------
    UserError
        With the last message. The messages before it are logged, duplicates only once.
    """
    lines = list(dict.fromkeys(faults))
    for line in lines[:-1]:
        log.error(line)
    if lines:
        raise UserError(f"{lines[-1]} ({len(faults)} of {total} {outcome})")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that reports a usage error in one line, like every other user error."""

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with code 2."""
        self.exit(2, f"error: {message}; --help tells more\n")


def parser(doc: str, *shared: str) -> argparse.ArgumentParser:
    """Build a stage's argument parser from its docstring and the shared flags that it takes.

    Parameters
    ----------
    doc : str
        The stage's ``__doc__``; ``--help`` prints it unchanged.
    *shared : str
        Any of ``"quiet"``, ``"jobs"``, ``"threads"``, ``"device"``, ``"seed"``, ``"no_video"``, ``"resume"``,
        ``"datadir"``; they mean the same in every stage.

    Returns
    -------
    argparse.ArgumentParser
        The parser, to which the stage adds its own arguments.
    """
    result = OneLineParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if "datadir" in shared:
        either = result.add_mutually_exclusive_group(required=True)
        hint = "folder of .npz files with poses"
        either.add_argument("datadir", metavar="DATADIR", nargs="?", default=argparse.SUPPRESS, help=hint)
        either.add_argument("--datadir", metavar="DATADIR", help="the same, as an option")
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
    if "resume" in shared:
        group.add_argument("--resume", action="store_true", help="continue an interrupted run of the same command")
    if "quiet" in shared:
        group.add_argument("--quiet", action="store_true", help="say only what is wrong")
    return result


def positive(kind: type) -> Callable[[str], float]:
    """Return an argparse type: a finite number of type ``kind`` above zero."""

    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    convert.__name__ = f"positive {kind.__name__}"  # argparse prints this name: invalid positive int value: '0'
    return convert


def whole_number(text: str) -> int:
    """Convert text to an integer that is zero or more (an argparse type)."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError
    return value


whole_number.__name__ = "whole number"


def multiple_of(unit: int) -> Callable[[str], int]:
    """Return an argparse type: a multiple of ``unit`` above zero."""

    def convert(text: str) -> int:
        value = int(text)
        if value <= 0 or value % unit:
            raise ValueError
        return value

    convert.__name__ = f"multiple of {unit}"
    return convert


def number_between(least: float, most: float) -> Callable[[str], float]:
    """Return an argparse type: a number from ``least`` to ``most``, both included."""

    def convert(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    convert.__name__ = f"number from {least} to {most}"
    return convert


def device(name: str) -> str:
    """Resolve ``--device``: ``auto`` is cuda if available, else mps, else cpu.

    Raises
    ------
    UserError
        If torch does not find this device.
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
    """A log handler that prints lines above a progress bar instead of into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one log record."""
        from tqdm import tqdm

        tqdm.write(self.format(record), file=self.stream)
        self.flush()  # so that a redirected log can be read while the stage runs


def setup(quiet: bool = False, threads: int = 1) -> None:
    """Set up logging and the number of threads of this process.

    Information goes to stdout, warnings and errors to stderr; ``quiet`` suppresses information. For ``threads``, see
    `threads.limit`.
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
    """Iterate over items with a progress bar on stderr; no bar if stderr is no terminal or the stage is quiet."""
    from tqdm import tqdm

    return tqdm(items, desc=what, total=total, disable=None if log.isEnabledFor(logging.INFO) else True, leave=False)


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM, so that unfinished files are removed as after Ctrl-C."""


def _terminate(*_) -> None:
    raise Terminated


def run(main: Callable[[list[str] | None], None]) -> None:
    """Run a stage as a process: exit code 0, 2 after a user error, 130 after Ctrl-C, 143 after SIGTERM.

    A failed disk operation (``OSError``) counts as a user error and is reported with the file name.

    Any other exception is a bug and ends with a traceback.
    """
    for name in ("stdout", "stderr"):  # None if the caller closed them, as cron may do
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (open until the process ends)
    setup()
    signal.signal(signal.SIGTERM, _terminate)
    code = 0
    try:
        main(None)
    except KeyboardInterrupt as interrupt:
        print("interrupted: files already written are complete; run it again to continue (trainers: with --resume)",
              file=sys.stderr)  # fmt: skip
        code = 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)
    except BrokenPipeError:  # the reader of our output ended (`| head`): no error, but stop printing
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the interpreter flushes it at exit)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        code = 2
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(code)


def existing_path(path: str | Path, what: str) -> Path:
    """Return ``path`` as a Path.

    Raises
    ------
    UserError
        If it does not exist; the message suggests the most similar name in the same folder.
    """
    import difflib

    path = Path(path)
    if path.exists():
        return path
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    alike = difflib.get_close_matches(path.name, beside, n=1)
    raise UserError(f"{path}: no such {what}" + (f"; did you mean {path.parent / alike[0]}?" if alike else ""))
