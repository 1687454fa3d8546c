"""Turn detected poses into clean ones: track one dancer in each clip, interpolate short gaps, smooth jitter.

Reads   DATA/keypoints/<clip>/…_keypoints.json, or DATA/keypoints/<clip>.tar.gz, .tgz, .tar or .zip of the same:
        OpenPose (BODY_25 or COCO-18; frames without a file are gaps); or DATA/keypoints/<clip>.json, .pkl, .npy, .npz
        (or the same in a folder <clip>/): COCO-17 results of AlphaPose, Detectron2, MMPose, rtmlib; BRACE; AIST++
        keypoints2d; arrays (T, J, 2 or 3) of 15, 17, 18 or 25 joints. The format is recognised by the content
Writes  DATA/poses/<clip>.npz: poses (T, J, 2) in pixels, NaN where missing; confidence, filled, fps,
        and travel: whether the camera stood still, so that the dancer's path over the floor is in the pixels

The dancer is the person who is largest, most confidently and most steadily detected over the whole clip, and moves. If
somebody else is nearly as likely, both are named, and --person 2, or 2 in the column person of DATA/clips.csv, chooses
the other. Gaps up to --max-gap are interpolated, longer ones stay NaN; frames in which the detector took left for right
are set right; outliers of one or two frames are removed; jitter is smoothed, as much as the clip itself shows. Frame 0
of the poses is always frame 0 of the video: frames outside --start and --end become NaN, so that poses and music stay
synchronised. The frame rate comes from --fps, or else DATA/clips.csv, or else the poses, or else DATA/videos/<clip>.*,
whose frames may be uneven in time. Poses whose y points up and known other joint orders are converted.

Whether the camera stands still is told by --travel, or else by the column camera of DATA/clips.csv (still or moving),
or else by what DATA/videos/<clip>.* shows around the people; without any of these it is assumed. Only missing and
out-of-date files are written. A clip with an error is reported and skipped.

Example: python parse.py data/ballroom --fps 25
"""

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.clip_names import ignored
from learn2dance.errors import UserError
from learn2dance.poses.formats import FORMATS


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = cli.parser(__doc__, "jobs", "dask", "quiet")
    parser.add_argument("data", metavar="DATA", help="data root: a folder with keypoints/")
    seconds, fraction = cli.number_between(0, 1e6), cli.number_between(0, 1)
    parser.add_argument("--fps", type=cli.number_between(0.1, 1000), help="frames per second of all clips")
    parser.add_argument("--start", type=seconds, default=0.0, metavar="S", help="seconds: earlier frames are NaN (0)")
    parser.add_argument("--end", type=seconds, metavar="S", help="seconds: frames from here on are NaN")
    parser.add_argument("--joints", type=int, choices=(15, 25), default=15, help="the first 15 of BODY_25, or all (15)")
    parser.add_argument("--min-confidence", type=fraction, default=0.25, metavar="C", help="of a detected joint (0.25)")
    parser.add_argument("--max-gap", type=seconds, default=0.5, metavar="S", help="seconds: longer gaps stay NaN (0.5)")
    parser.add_argument("--format", choices=FORMATS, help="of all clips (recognised by the content)")
    parser.add_argument("--camera", type=int, choices=range(1, 10), help="AIST++: number of the camera (1, in front)")
    hint = "whom to follow: 1, the most likely dancer, or the next (clips.csv, else 1)"
    parser.add_argument("--person", type=cli.positive(int), metavar="N", help=hint)
    hint = "whether the camera of all clips stands still (clips.csv, else the videos, else on)"
    parser.add_argument("--travel", choices=("on", "off"), help=hint)
    first_frame = (
        "number of the video's first frame in the JSON or the names of its files (0; MMPose's demos, BRACE: 1)"
    )
    parser.add_argument("--first-frame", type=cli.whole_number, metavar="N", help=first_frame)
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    if args.end is not None and args.end <= args.start:
        raise UserError(f"--end {args.end:g}: expected seconds after --start {args.start:g}")

    from learn2dance import parallel
    from learn2dance.data.data_root import open_root
    from learn2dance.poses import parsing

    root = open_root(args.data)
    faults, written = list(root.unusable["keypoints"].values()), 0
    if not root.keypoints and not faults:
        raise _no_clips(root.path / "keypoints")
    settings = {key: getattr(args, key) for key in ("start", "end", "joints", "min_confidence", "max_gap")}
    form = {key: value for key in ("format", "camera", "first_frame") if (value := getattr(args, key)) is not None}
    jobs = {}
    for clip in root.keypoints:
        travel = args.travel or {"still": "on", "moving": "off"}.get(root.camera.get(clip))
        own = {"person": args.person or root.person.get(clip, 1), "travel": travel}
        jobs[clip] = root, clip, args.fps, settings | own, form
    total = len(faults) + len(jobs)
    log.info("%s: %d clips -> %s", root.path / "keypoints", total, root.path / "poses")

    results = parallel.run(parsing.parse_clip, jobs, args.jobs, args.dask, [root.path])
    for _, result in cli.progress(results, "parse", len(jobs)):
        if isinstance(result, UserError):
            faults.append(str(result))
        else:
            line, new = result
            written += new
            log.info(line)
    cli.raise_faults(faults, total, "clips failed")
    log.info("%d clips written, %d up to date; next: Process_Waves.ipynb (make music)", written, len(jobs) - written)


def _no_clips(folder) -> UserError:
    """Return an error that says what the folder has instead of clips."""
    if not folder.is_dir():
        return UserError(f"{folder}: no such folder; put OpenPose's JSON or other poses there, clip by clip")
    found = sorted(path.name for path in folder.iterdir() if not ignored(path.name))
    loose = any(name.endswith(".json") for name in found)
    hint = "put each clip's JSON into a folder of its own" if loose else "is it the right data root?"
    names = ", ".join(found[:3]) or "nothing"
    return UserError(f"{folder}: found {names}, expected folders, .tar.gz or files of poses; {hint}")


if __name__ == "__main__":
    cli.run(main)
