"""Kill each stage at random moments, run it again, and compare what it wrote with an undisturbed run.

    python tests/torture.py [--kills 20] [--seed 0] [--stages parse train …]

All stages run on small toy data, one after another. Each is then killed by SIGKILL, at moments that are drawn from
equal parts of its undisturbed time: in turn its whole process group, and its main process alone. It is run again,
trainers with --resume. At the end it runs twice at the same time. The table counts, for each stage:

same       reruns, and the two runs at the same time, after which all files have the bytes of the undisturbed run
different  all others, also those that fail; a line names the first file that differs
strays     temporary files in any folder that the stage writes to, or in TMPDIR, after the rerun
orphans    processes that still run `PATIENCE` seconds after the kill, or after the rerun

Curves of TensorBoard are compared by their scalars, and executed notebooks by the source of their cells.
"""

import argparse
import contextlib
import getpass
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from conftest import QUICK, QUICK_PATHS, QUICK_POSES  # noqa: E402

from learn2dance.data.curves import history  # noqa: E402
from learn2dance.data.temporary import PREFIX  # noqa: E402

PATIENCE = 5.0  # seconds in which the processes of a killed stage must end
MARK = "L2D_TORTURE"  # environment variable by which the processes of a stage are found
TORCH = f"torchinductor_{getpass.getuser()}"  # folder that torch makes in TMPDIR for every optimiser, and keeps
CLIP = "data/poses/waltz_01.npz"
SONG = "data/audio/waltz_01.wav"
NOTEBOOK = "-m learn2dance.notebook"
STAGES = {  # name: its arguments, in the order in which the stages need each other; files are in the working folder
    "toy data": "-m learn2dance.synthetic data --clips 9 --seconds 8 --jobs 2",
    "merge": "-m learn2dance.data.merge data --out merged",
    "parse": "parse.py data --jobs 2",
    "animate png": f"animate.py {CLIP} --out out/sheet.png",
    "animate html": f"animate.py {CLIP} --audio {SONG} --out out/page.html",
    "animate mp4": f"animate.py {CLIP} --audio {SONG} --size 256 --out out/dance.mp4",
    "animate folder": f"animate.py {CLIP} --size 128 --out out/frames",
    "music": f"{NOTEBOOK} Process_Waves.ipynb data -p JOBS 2",
    "clusters": f"{NOTEBOOK} Clustering.ipynb data -p LEVELS 3 -p CODES 16",
    "train": f"train.py data --resume {' '.join(QUICK)} --steps 200 --patience 99",
    "train_pose": f"train_pose.py data/poses --resume {' '.join(QUICK_POSES)} --steps 120",
    "train_seq": f"train_seq.py data/poses --resume {' '.join(QUICK_PATHS)} --steps 12",
    "eval": f"eval.py --audio {SONG} --model data/models/music2pose.pt --html --out out/dances",
    "report": "eval.py data --split test --report",
}
# Stages that refuse to write over a complete output. A kill may come after it is complete.
REFUSING = {"merge": "exists already", "animate folder": "exists and is not an empty folder"}


class Counts(NamedTuple):
    """What the kills of a stage led to."""

    same: int = 0
    different: int = 0
    strays: int = 0
    orphans: int = 0


class Bench:
    """A folder in which stages run: ``work`` holds their files, and ``tmp`` is their TMPDIR."""

    def __init__(self, folder: Path):
        self.folder, self.work, self.tmp = folder, folder / "work", folder / "tmp"
        self.work.mkdir()
        self.tmp.mkdir()

    def start(self, stage: str) -> subprocess.Popen:
        """Start a stage in a process group of its own; its output goes to a file."""
        paths = ("data", "out/", "merged")
        words = [f"{self.work}/{word}" if word.startswith(paths) else word for word in STAGES[stage].split()]
        surroundings = os.environ | {MARK: str(self.folder), "TMPDIR": str(self.tmp)}
        with open(self.folder / "log", "ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            command = [sys.executable, *words]
            return subprocess.Popen(command, cwd=ROOT, env=surroundings, start_new_session=True, **streams)

    def said(self) -> str:
        """Return the output of the stages since `restore`."""
        return (self.folder / "log").read_text(errors="replace")

    def save(self, name: str) -> None:
        """Keep a copy of the files under a name."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.copytree(self.work, self.folder / name)

    def restore(self, name: str) -> None:
        """Bring back a copy of the files, and empty TMPDIR and the output."""
        (self.folder / "log").unlink()
        shutil.rmtree(self.work)
        shutil.copytree(self.folder / name, self.work)
        shutil.rmtree(self.tmp)
        self.tmp.mkdir()

    def strays(self) -> list[Path]:
        """List the temporary files: those of this project, and everything in TMPDIR but torch's folder."""
        return [*self.work.rglob(f"{PREFIX}*"), *(path for path in self.tmp.iterdir() if path.name != TORCH)]

    def orphans(self) -> list[psutil.Process]:
        """List the processes of a stage that do not end in time, and kill them."""
        until = time.monotonic() + PATIENCE
        while found := [process for process in psutil.process_iter() if self._ours(process)]:
            if time.monotonic() > until:
                for process in found:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                return found
            time.sleep(0.05)
        return []

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(self.folder)
        except psutil.Error:  # it has ended, or is another user's
            return False


def contents(folder: Path) -> dict[str, str]:
    """Return what is compared of each file, and of each folder with curves, by its path."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(PREFIX)):
        name, value = str(path.relative_to(folder)), path.read_bytes()
        if path.name.startswith("events.out."):
            name, curves = str(path.parent.relative_to(folder)), history(path.parent)
            value = json.dumps({key: curves[key].tolist() for key in sorted(curves)}).encode()
        elif path.suffix == ".ipynb":
            value = json.dumps([cell["source"] for cell in json.loads(value)["cells"]]).encode()
        found[name] = hashlib.sha256(value).hexdigest()
    return found


def torture(bench: Bench, stage: str, kills: int, rng: np.random.Generator) -> Counts:
    """Run a stage undisturbed, then kill it and run it again so many times; leave the files of the first run."""
    bench.save("before")
    begin = time.monotonic()
    if bench.start(stage).wait():
        raise SystemExit(f"{stage} failed undisturbed:\n{bench.said()}")
    seconds, wanted = time.monotonic() - begin, contents(bench.work)
    bench.save("after")
    if not kills:
        return Counts()
    counts = Counts(strays=len(bench.strays()), orphans=len(bench.orphans()))
    for number in range(kills + 1):
        bench.restore("before")
        moment = (number + rng.random()) / kills * seconds
        if number < kills:
            case, orphans = kill(bench, stage, moment, bool(number % 2))
            processes = [bench.start(stage)]
        else:
            case, orphans = "two at once", []
            processes = [bench.start(stage), bench.start(stage)]
        problems, found = compare(bench, stage, processes, wanted)
        orphans += bench.orphans()
        problems += [f"process {process.pid} outlives it" for process in orphans]
        for problem in problems:
            print(f"{stage}, {case}: {problem}", flush=True)
        counts = Counts(*(a + b for a, b in zip(counts, (*found, len(orphans)), strict=True)))
    bench.restore("after")
    print(f"{stage}: {seconds:.1f} s undisturbed; {counts.same} of {kills + 1} the same", flush=True)
    return counts


def kill(bench: Bench, stage: str, moment: float, alone: bool) -> tuple[str, list[psutil.Process]]:
    """Kill a stage, its main process ``alone`` or all, after ``moment`` seconds; return what was done, and orphans."""
    process = bench.start(stage)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.kill(process.pid, signal.SIGKILL) if alone else os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return f"{'main process' if alone else 'group'} killed after {moment:.2f} s", bench.orphans()


def compare(bench: Bench, stage: str, processes: list, wanted: dict[str, str]) -> tuple[list[str], tuple]:
    """Wait for runs of a stage; return lines on what is wrong, and how many are the same, different and strays."""
    problems = []
    if any([process.wait() for process in processes]) and REFUSING.get(stage, "\0") not in bench.said():
        problems.append(f"failed: {bench.said()[-200:]}")
    found = contents(bench.work)
    if differing := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
        problems.append(f"{len(differing)} files differ, first {differing[0]}")
    same, strays = not problems, bench.strays()
    problems += [f"left {path.relative_to(bench.folder)}" for path in strays]
    return problems, (same, not same, len(strays))


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code: 1 if anything is different or left over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="of each stage (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="to kill (all)")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench, last = Bench(Path(folder)), max(map(list(STAGES).index, args.stages))
        for index, stage in enumerate(list(STAGES)[: last + 1]):
            kills = args.kills if stage in args.stages else 0
            counts = torture(bench, stage, kills, np.random.default_rng([args.seed, index]))
            rows += [(stage, kills, *counts)] if kills else []
    print(f"{'stage':<16}" + "".join(f"{name:>11}" for name in ("kills", *Counts._fields)))
    for name, *numbers in rows:
        print(f"{name:<16}" + "".join(f"{number:>11}" for number in numbers))
    return int(any(sum(row[3:]) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
