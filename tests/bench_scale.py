"""Peak memory and time of the stages after parse.py, by hours of poses.

    python tests/bench_scale.py [DATA] [--hours 1 3 10] [--stages clusters train …] [--codes 256] [--work FOLDER]

DATA is a data root with poses/ and music/; without it, toy data are made. A larger root is made of it by links: its
clips are repeated under other names until there are enough hours. Of ten clips, one is for validation and one for
testing, with all their copies. The stages run one after another, each as a user runs it, the trainers for a few steps.
eval.py --report dances to the test clips without their copies, and uses the data of all.
A hundred hours need 5 GB on disk. With fewer --codes, clusters is faster, and needs about as much memory.

peak     the most memory that one process of the stage had in use at any time (resident set size)
seconds  wall-clock time; on a machine that does something else too, compare the CPU times
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from learn2dance.data import data_root, npz

FEW_POSES = "--steps 40 --pretrain-steps 20 --every 20 --resample-every 20"
FEW_DANCES = "--steps 8 --pretrain-steps 4 --every 4 --resample-every 4 --no-video"
STAGES = {  # in the order in which they need each other; {} is the data root
    "clusters": "-m learn2dance.notebook Clustering.ipynb {} -p CODES {codes}",
    "train": "train.py {} --steps 50 --every 25 --no-video",
    "train_pose": f"train_pose.py {{}}/poses {FEW_POSES}",
    "train_seq": f"train_seq.py {{}}/poses {FEW_DANCES}",
    "report": "-m learn2dance.report_page {}",
    "eval": "eval.py {} --split test --songs *_copy0 --report --n 2",
}
TOY = """
import sys
import parse
from learn2dance.data import data_root
from learn2dance.music import features
from learn2dance.synthetic import toy_data
toy_data.make(sys.argv[1], clips=12, seconds=60.0, jobs=1)
parse.main([sys.argv[1], "--quiet"])
features.process(data_root.open_root(sys.argv[1]), 1)
"""


def run(*arguments: str) -> tuple[float, float, float]:
    """Run Python with these arguments; return the peak memory in GB, wall-clock seconds and CPU seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    return usage.ru_maxrss * unit / 1e9, time.perf_counter() - begin, usage.ru_utime + usage.ru_stime


def enlarge(small: data_root.DataRoot, path: Path, hours: float) -> None:
    """Make a data root of so many hours from links to the poses and music of a small one."""
    clips = small.have("poses", "music")
    lengths = {}
    for clip in clips:
        poses = npz.load(small.file("poses", clip), "poses")
        lengths[clip] = len(poses["poses"]) / poses["fps"]
    parts = {"train": [], "val": [], "test": []}
    rows, seconds = ["clip,style"], 0.0
    for folder in ("poses", "music", "splits"):
        (path / folder).mkdir(parents=True)
    for number, (index, clip) in enumerate(itertools.cycle(enumerate(clips))):
        if seconds >= 3600 * hours:
            break
        name = f"{clip}_copy{number // len(clips)}"
        for kind in ("poses", "music"):
            (path / kind / f"{name}.npz").symlink_to(small.file(kind, clip).resolve())
        parts[{8: "val", 9: "test"}.get(index % 10, "train")].append(name)
        rows.append(f"{name},{small.styles.get(clip, '')}")
        seconds += lengths[clip]
    for part, names in parts.items():
        (path / "splits" / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
    (path / "clips.csv").write_text("".join(f"{row}\n" for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--hours", nargs="+", type=float, default=[1, 3, 10])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--codes", type=int, default=256, help="centroids per level (%(default)s)")
    parser.add_argument("--work", metavar="FOLDER", help="where the large data roots are made, and removed")
    args = parser.parse_args()
    print("stage        hours  peak GB  seconds  CPU seconds")
    with tempfile.TemporaryDirectory(prefix="bench_scale.", dir=args.work) as work:
        data = args.data or Path(work) / "toy"
        if not args.data:
            run("-c", TOY, str(data))
        for hours in args.hours:
            path = Path(work) / f"{hours:g} hours"
            enlarge(data_root.open_root(data), path, hours)
            for stage in args.stages:
                peak, seconds, cpu = run(*(part.format(path, codes=args.codes) for part in STAGES[stage].split()))
                print(f"{stage:12} {hours:5g}  {peak:7.2f}  {seconds:7.1f}  {cpu:11.1f}", flush=True)


if __name__ == "__main__":
    main()
