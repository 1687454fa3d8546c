"""Read changed input of every kind, and count what happens; exit code 1 if anything but acceptance or refusal does.

    python tests/fuzz.py [--inputs 2000] [--only NAME …] [--from N] [--seed 0]

Each reader (tests/fuzzing/readers.py) runs in a worker process of its own, which is killed after 5 s of processor time
(on a busy machine, an input takes longer), after a minute, or 1 GiB above its memory at the start. The same seed gives
the same input, so that --from N --inputs 1 repeats one. Refused is what raises a UserError, or an OSError, which stages
report in the same way. Files that are written outside the worker's folder and programs other than ffmpeg are noticed by
an audit hook, and by a file that hostile input would create. Needs Linux.
"""

import argparse
import logging
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from learn2dance.cli import log  # noqa: E402
from learn2dance.errors import MOST, UserError, one_line  # noqa: E402
from learn2dance.parallel import end_with_parent  # noqa: E402

COLUMNS = ("accepted", "refused", "traceback", "hang", "memory", "outside", "code")
FAULTS = COLUMNS[2:]
CPU_SECONDS, SECONDS, BYTES = 5.0, 60.0, 1 << 30  # limits of one input
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree")
STARTING = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn")
PROGRAMS = ("ffmpeg", "setpriv", "python")  # python: `ffmpeg._setpriv` tries whether it can start it


class _Watch:
    """Notes what the process does that reading a file must not."""

    def __init__(self, allowed: Path):
        self.allowed, self.found = str(allowed), set()
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple) -> None:
        """Take note of an event (`sys.addaudithook`)."""
        if event in STARTING:
            program = os.path.basename(os.fsdecode(arguments[0])) if event == "subprocess.Popen" else ""
            if not program.startswith(PROGRAMS):
                self.found.add("code")
        elif (event == "open" and arguments[2] and arguments[2] & WRITING) or event in CHANGING:
            path = arguments[0]
            if isinstance(path, (str, bytes, os.PathLike)) and not self._is_inside(os.fsdecode(path)):
                self.found.add("outside")

    def _is_inside(self, path: str) -> bool:
        return os.path.abspath(path).startswith((self.allowed, "/dev/null", "/proc/", "/dev/shm/"))


def _work(connection: Connection, reader, box: Path, seed: list[int]) -> None:
    """Read inputs by their numbers, and send what happened: columns, and a description of what is wrong."""
    end_with_parent()
    os.chdir(box)
    tempfile.tempdir = str(box)
    log.setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    faults, sys.stdout = sys.stderr, open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    reader.prepare(box)
    watch = _Watch(box)
    before = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    before[0] = max(before[0], psutil.Process().memory_info().rss)
    connection.send(None)
    while True:
        number = connection.recv()
        for path in reader.removed:
            shutil.rmtree(box / path) if (box / path).is_dir() else (box / path).unlink(missing_ok=True)
        try:
            changed = reader.change(np.random.default_rng([*seed, number]))
        except Exception:
            connection.send(({"broken"}, traceback.format_exc()))
            continue
        for path, content in changed.items():
            (box / path).parent.mkdir(parents=True, exist_ok=True)
            (box / path).write_bytes(content)
        watch.found.clear()
        sys.stderr = sys.stdout
        column, note = _read(reader, box)
        found = {column, *watch.found}
        if (box / "canary").exists() or (box.parent / "canary").exists():
            found.add("code")
        sys.stderr = faults
        after = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        if any(now - start > BYTES for now, start in zip(after, before, strict=True)):
            found.add("memory")
        connection.send((found, note))


def _read(reader, box: Path) -> tuple[str, str]:
    """Return the column of one input, and a description of what is wrong."""
    try:
        reader.read(box)
    except (UserError, OSError) as error:
        line = one_line(error)
        good = len(line) <= MOST and line.isprintable()
        return ("refused", "") if good else ("traceback", f"an error line of {len(line)} characters: {line[:80]!r}")
    except SystemExit as error:
        return "traceback", f"exit {error.code}"
    except BaseException as error:
        ours = [
            frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT / "learn2dance") in frame.filename
        ]
        where = f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else "?"
        return "traceback", f"{where} {type(error).__name__}: {str(error)[:100]!r}"
    return "accepted", ""


class _Used(NamedTuple):
    """What a worker has used."""

    seconds: float  # processor time
    bytes: int


class _Worker:
    """A process that reads, and its limits."""

    def __init__(self, reader, seed: list[int]):
        self.room = Path(tempfile.mkdtemp(prefix="fuzz-"))
        (self.room / "box").mkdir()
        self.connection, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_work, args=(theirs, reader, self.room / "box", seed), daemon=True)
        self.process.start()
        theirs.close()
        self.connection.recv()
        self.start = psutil.Process(self.process.pid).memory_info().rss

    def read(self, number: int) -> tuple[set[str], str]:
        """Read one input within the limits."""
        self.connection.send(number)
        until, used = time.monotonic() + SECONDS, self._used()
        while not self.connection.poll(0.05):
            now = self._used()
            if time.monotonic() > until or now.seconds > used.seconds + CPU_SECONDS:
                return {"hang"}, f"no end within {CPU_SECONDS:g} s of processor time or {SECONDS:g} s"
            if now.bytes > self.start + BYTES:
                return {"memory"}, "more than 1 GiB"
        try:
            return self.connection.recv()
        except EOFError:
            self.process.join()
            return {"traceback"}, f"the process died with exit code {self.process.exitcode}"

    def _used(self) -> _Used:
        """Return the processor time so far, and the memory in use, with those of ffmpeg."""
        seconds, memory = 0.0, 0
        for process in (own := psutil.Process(self.process.pid)), *own.children(recursive=True):
            try:
                seconds += sum(process.cpu_times())  # with its children that have ended
                memory += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return _Used(seconds, memory)

    def end(self) -> None:
        """Kill it with what it started, and remove its folder."""
        for process in psutil.Process(self.process.pid).children(recursive=True) if self.process.is_alive() else []:
            process.kill()
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.room, ignore_errors=True)


def campaign(reader, numbers: range, seed: list[int]) -> tuple[Counter, dict[str, int]]:
    """Read changed inputs; return how often each of `COLUMNS` happened, and an input for each thing that is wrong."""
    counts, notes, worker = Counter(), {}, None
    for number in numbers:
        worker = worker or _Worker(reader, seed)
        found, note = worker.read(number)
        if "broken" in found:
            raise RuntimeError(f"the change of input {number} failed\n{note}")
        if found & {"hang", "memory"} or note.startswith("the process died"):
            worker.end()
            worker = None
        counts.update(found)
        if found & {*FAULTS}:
            notes.setdefault(note or " ".join(sorted(found)), number)
    if worker:
        worker.end()
    return counts, notes


def main(argv: list[str] | None = None) -> None:
    """Run the campaign on a toy data set, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000, metavar="N", help="of each reader (2000)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="readers whose names contain one of these (all)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="N", help="number of the first input (0)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    args = parser.parse_args(argv)
    import conftest
    from fuzzing import readers

    log.setLevel(logging.ERROR)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        trained = conftest.make_trained(Path(folder) / "toy")
        found = readers.every(trained, conftest.make_gan(trained, Path(folder) / "gan"), Path(folder))
        print("| reader | inputs | " + " | ".join(COLUMNS) + " | s |\n|---" + "|---:" * (len(COLUMNS) + 2) + "|")
        for index, (name, reader) in enumerate(found.items()):
            if args.only and not any(part in name for part in args.only):
                continue
            begin = time.monotonic()
            counts, notes = campaign(reader, range(args.first, args.first + args.inputs), [args.seed, index])
            cells = [name, args.inputs, *(counts[column] for column in COLUMNS), round(time.monotonic() - begin)]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            for note, number in notes.items():
                print(f"    input {number}: {note}", file=sys.stderr, flush=True)
            faults += sum(counts[column] for column in FAULTS)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
