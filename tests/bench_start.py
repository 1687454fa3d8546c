"""How long whole commands take, from their start to their end: wall-clock and CPU time (of all their processes).

    python tests/bench_start.py [DATA] [--repeats 5]

DATA is a data root with keypoints/ and audio/, which is copied; without it, toy data are made. The commands are run in
turn, and the medians of the repeats count; on a machine that does something else too, compare the CPU times.

eval        eval.py --audio of 60 s (the first song of DATA, repeated or cut), without and with the film
--help      of every stage
make music  with nothing to do: all features are up to date
jobs        parse.py, and the features of songs (without the notebook), by one process and by two
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.io import wavfile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from learn2dance import threads
from learn2dance.data import data_root
from learn2dance.media import audio

STAGES = ("parse.py", "train.py", "eval.py", "train_pose.py", "train_seq.py", "animate.py", "-m learn2dance.notebook")
MUSIC = """
import sys
from learn2dance import cli
from learn2dance.data import data_root
from learn2dance.music import features
cli.setup(quiet=True)
features.process(data_root.open_root(sys.argv[1]), int(sys.argv[2]))
"""


def seconds(command: list) -> tuple[float, float]:
    """Run a command; return its wall-clock time, and the CPU time of all its processes."""
    begin, before = time.perf_counter(), os.times()
    subprocess.run(list(map(str, command)), check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    after = os.times()
    return time.perf_counter() - begin, sum(after[2:4]) - sum(before[2:4])


def plan(work: Path, data: Path | None) -> dict[str, tuple[list, Path | None]]:
    """Make the inputs in ``work``; return for each name its command, and a folder to remove before it, if any."""
    root, parallel, song, out = (work / name for name in ("root", "parallel", "song.wav", "out"))
    if not data:
        data = work / "toy"
        seconds([sys.executable, "-m", "learn2dance.synthetic", data, "--quiet"])
    for copy in (root, parallel):
        for kind in ("keypoints", "audio"):
            shutil.copytree(data / kind, copy / kind)
    first = min(data_root.open_root(root).audio.values())
    wavfile.write(song, audio.SR, np.resize(audio.load(first), 60 * audio.SR))
    dance = [sys.executable, "eval.py", "--audio", song, "--out", out, "--quiet"]
    make = ["make", "-s", "-o", "venv", f"PY={sys.executable}", f"DATA={root}", "music"]
    seconds(make)
    commands = {"eval.py --no-video": ([*dance, "--no-video"], out), "eval.py": (dance, out)}
    commands |= {f"{stage} --help": ([sys.executable, *stage.split(), "--help"], None) for stage in STAGES}
    commands["make music, nothing to do"] = (make, None)
    for jobs in (1, 2):
        parse = [sys.executable, "parse.py", parallel, "--fps", 25, "--quiet", "--jobs", jobs]
        commands[f"parse.py --jobs {jobs}"] = (parse, parallel / "poses")
        commands[f"features, jobs {jobs}"] = ([sys.executable, "-c", MUSIC, parallel, jobs], parallel / "music")
    return commands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_start.") as work:
        commands = plan(Path(work), args.data)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(args.repeats):
            for name, (command, made) in commands.items():
                if made:
                    shutil.rmtree(made, ignore_errors=True)
                times[name].append(seconds(command))
    print(f"medians of {args.repeats} runs, {threads.cores()} cores")
    for name, taken in times.items():
        wall, cpu = map(statistics.median, zip(*taken, strict=True))
        print(f"{name:32} {wall:6.2f} s  (CPU {cpu:5.2f} s)")


if __name__ == "__main__":
    main()
