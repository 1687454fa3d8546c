"""Command-line helpers shared by all stages: common flags, progress bars, one-line errors and exit codes.

A stage is a script with ``main(argv=None)`` whose last lines are::

    if __name__ == "__main__":
        cli.run(main)
"""

import argparse
import contextlib
import difflib
import functools
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from learn2dance.errors import UserError, one_line, printable
from learn2dance.threads import cores, limit

log = logging.getLogger("learn2dance")


def raise_faults(faults: list[str], total: int, outcome: str) -> None:
    """Raise a UserError if any of ``total`` clips failed; call it after all other clips are done.

    Its message is the last of ``faults``, with their number and ``outcome``, e.g. ``"clips left out"``. The messages
    before it are logged, duplicates only once.
    """
    lines = list(dict.fromkeys(faults))
    for line in lines[:-1]:
        log.error(line)
    if lines:
        raise UserError(f"{lines[-1]} ({len(faults)} of {total} {outcome})")


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning, unless this process has logged the same one before."""
    log.warning("%s", message, extra={"once": True})  # for `cluster`, whose workers are other processes


def _number(kind: type, is_valid: Callable, name: str) -> Callable:
    """Return an argparse type; argparse prints its name: ``invalid positive int value: '0'``."""

    def convert(text: str):
        value = kind(text)
        if not is_valid(value):
            raise ValueError
        return value

    convert.__name__ = name
    return convert


def positive(kind: type) -> Callable:
    """Return an argparse type: a finite int or float (``kind``) above zero."""
    return _number(kind, lambda value: 0 < value < float("inf"), f"positive {kind.__name__}")


def size(text: str) -> tuple[int, int]:
    """Parse ``WxH`` or ``N``, in pixels."""
    width, _, height = text.lower().partition("x")
    pixels = (int(width), int(height or width))
    if not 64 <= min(pixels) <= max(pixels) <= 8192:
        raise ValueError
    return pixels


def multiple_of(unit: int) -> Callable[[str], int]:
    """Return an argparse type: a multiple of ``unit`` above zero."""
    return _number(int, lambda value: value > 0 and value % unit == 0, f"multiple of {unit}")


def number_between(least: float, most: float) -> Callable[[str], float]:
    """Return an argparse type: a number from ``least`` to ``most``, both included."""
    return _number(float, lambda value: least <= value <= most, f"number from {least} to {most}")


whole_number = _number(int, lambda value: 0 <= value < 2**63, "whole number")  # argparse type: an integer from zero
seed = _number(int, lambda value: 0 <= value < 2**31, "whole number below 2**31")  # larger ones overflow in libraries

SHARED = {  # flags that mean the same in every stage
    "jobs": {"type": positive(int), "default": cores(), "metavar": "N", "help": "processes (%(default)s)"},
    "dask": {"metavar": "ADDRESS"}
    | {"help": "run on the dask cluster of this scheduler, tcp://HOST:8786 ($DASK_SCHEDULER_ADDRESS, else no cluster)"},
    "device": {"default": "auto", "help": "cpu, cuda, mps, or auto: the fastest there is (auto)"},
    "threads": {"type": whole_number, "default": 1, "metavar": "N"}
    | {"help": "to compute with; 0: one for each core that is idle (%(default)s)"},
    "accumulate": {"type": positive(int), "default": 1, "metavar": "N"}
    | {"help": "compute each batch in N parts, which needs less memory (%(default)s)"},
    "seed": {"type": seed, "default": 0, "help": "same seed, same bytes on CPU (%(default)s)"},
    "no_video": {"action": "store_true", "help": "write the .npz alone, no animation"},
    "resume": {"action": "store_true", "help": "continue an interrupted run of the same command"},
    "quiet": {"action": "store_true", "help": "say only what is wrong"},
}


class _OneLineParser(argparse.ArgumentParser):
    """An argument parser that reports a usage error in one line, like every other user error."""

    def error(self, message: str) -> NoReturn:
        others = os.environ.get("LOCAL_RANK", "0") != "0"  # all processes of a training get the same arguments
        self.exit(2, None if others else f"error: {message}; --help tells more\n")


def parser(doc: str, *shared: str) -> argparse.ArgumentParser:
    """Return an argument parser with these `SHARED` flags, to which the stage adds its own arguments.

    ``doc`` is the stage's ``__doc__``, which ``--help`` prints unchanged. ``"datadir"`` among the flags adds the
    argument DATADIR.
    """
    result = _OneLineParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if "datadir" in shared:
        either = result.add_mutually_exclusive_group(required=True)
        hint = "folder of .npz files with poses"
        either.add_argument("datadir", metavar="DATADIR", nargs="?", default=argparse.SUPPRESS, help=hint)
        either.add_argument("--datadir", metavar="DATADIR", help="the same, as an option")
    group = result.add_argument_group("shared by the stages")
    for name in (name for name in SHARED if name in shared):
        group.add_argument(f"--{name.replace('_', '-')}", **SHARED[name])
    return result


def device(name: str) -> str:
    """Resolve ``--device``: ``auto`` is cuda if available, else mps, else cpu.

    Raises a UserError if torch does not find this device.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    found = [kind for kind in available if available[kind]]
    if name == "auto":
        return found[0]
    with contextlib.suppress(RuntimeError):  # torch knows no device of this name
        if torch.device(name).type in found:
            return name
    raise UserError(f"--device {name}: torch {torch.__version__} finds only {', '.join(found)}")


class _ProgressSafeHandler(logging.StreamHandler):
    """A log handler that prints lines above a progress bar instead of into it."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=self.stream)
        self.flush()  # so that a redirected log can be read while the stage runs


class _OneLineFormatter(logging.Formatter):
    """Formats warnings and errors as one line each (`errors.printable`)."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname}: {printable(record.getMessage())}"


def setup(quiet: bool = False, threads: int = 1) -> None:
    """Set up logging, and the number of threads of this process (`threads.limit`).

    Information goes to stdout, warnings and errors to stderr; ``quiet`` suppresses information.
    """
    limit(threads)
    information, warnings = _ProgressSafeHandler(sys.stdout), _ProgressSafeHandler(sys.stderr)
    information.addFilter(lambda record: record.levelno < logging.WARNING)
    warnings.setLevel(logging.WARNING)
    warnings.setFormatter(_OneLineFormatter())
    log.handlers = [information, warnings]
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


def _open_closed_streams() -> None:
    """Connect stdin, stdout and stderr to the null device where the caller closed them, as cron may do."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is that of the closed stream
            os.set_inheritable(number, True)  # otherwise a child's first file would get this number
            setattr(sys, name, open(number, mode))  # noqa: SIM115


def run(main: Callable[[list[str] | None], None]) -> None:
    """Run a stage as a process: exit code 0, 2 after a user error, 130 after Ctrl-C, 143 after SIGTERM.

    A failed disk operation (``OSError``) counts as a user error. Any other exception is a bug: a traceback is printed.
    """
    _open_closed_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does, for names of files that cannot be encoded
    setup()
    signal.signal(signal.SIGTERM, _terminate)
    code = 0
    try:
        main(None)
    except KeyboardInterrupt as interrupt:
        hint = "files already written are complete; run it again to continue (trainers: with --resume)"
        print(f"interrupted: {hint}", file=sys.stderr)
        code = 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)
    except BrokenPipeError:  # the reader of our output ended (`| head`): no error, but stop printing
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the interpreter flushes it at exit)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        code = 2
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(code)


def refuse_special(path: str | Path) -> None:
    """Raise a UserError if ``path`` is a named pipe, a socket or a device: reading it might never end."""
    with contextlib.suppress(OSError):  # it is missing or cannot be reached: whoever opens it reports that
        kind = os.stat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise UserError(f"{path}: a named pipe, socket or device, expected a file; copy its content to a file")


def existing_path(path: str | Path, what: str) -> Path:
    """Return ``path`` as a Path; if it does not exist, raise a UserError that suggests the most similar name.

    Also raises a UserError as `refuse_special` does.
    """
    path = Path(path)
    refuse_special(path)
    if path.exists():
        return path
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    alike = difflib.get_close_matches(path.name, beside, n=1)
    raise UserError(f"{path}: no such {what}" + (f"; did you mean {path.parent / alike[0]}?" if alike else ""))
