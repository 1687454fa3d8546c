"""Turn OpenPose's JSON into poses: one dancer followed through each clip, cleaned, with what was filled in marked.

Reads   DATA/keypoints/<clip>/…_keypoints.json, or DATA/keypoints/<clip>.tar.gz, .tgz, .tar or .zip of the same
        (BODY_25 or COCO-18; frames that have no file are gaps)
Writes  DATA/poses/<clip>.npz: poses (T, J, 2) in pixels, NaN where not known; confidence, filled, fps

The dancer is who is largest, surest and most steadily there over the whole clip. Gaps of up to --max-gap are filled
by a smooth curve, longer ones stay NaN, spikes of one or two frames are taken out, and jitter is smoothed. Frame 0 of
the poses is frame 0 of the video, always: what --start and --end cut off becomes NaN, so that the music keeps its time.
Frames a second come from --fps, or else DATA/clips.csv, or else DATA/videos/<clip>.*. Only what is missing or stale is
made. A clip with a fault is named and left out; the others are made all the same.

Example: python parse.py data/ballroom --fps 25
"""

from learn2dance import stage
from learn2dance.stage import Fault, log


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = stage.parser(__doc__, "jobs", "quiet")
    parser.add_argument("data", metavar="DATA", help="data root: a folder with keypoints/")
    seconds = stage.between(0, 1e6)
    parser.add_argument("--fps", type=stage.between(0.1, 1000), help="frames a second, of all clips")
    parser.add_argument("--start", type=seconds, default=0.0, metavar="S", help="seconds: frames before are NaN (0)")
    parser.add_argument("--end", type=seconds, metavar="S", help="seconds: frames from here on are NaN")
    parser.add_argument("--joints", type=int, choices=(15, 25), default=15, help="the first 15 of BODY_25, or all (15)")
    parser.add_argument(
        "--min-confidence", type=stage.between(0, 1), default=0.25, metavar="C", help="below: not seen (0.25)"
    )
    parser.add_argument("--max-gap", type=seconds, default=0.5, metavar="S", help="seconds: longer gaps stay NaN (0.5)")
    args = parser.parse_args(argv)
    stage.setup(args.quiet)
    if args.end is not None and args.end <= args.start:
        raise Fault(f"--end {args.end:g}: expected seconds after --start {args.start:g}")

    from learn2dance.dataroot import open_root

    root = open_root(args.data)
    if not root.keypoints:
        raise _nothing(root.path / "keypoints")
    settings = {key: getattr(args, key) for key in ("start", "end", "joints", "min_confidence", "max_gap")}
    jobs = [(root, clip, args.fps, settings) for clip in root.keypoints]
    log.info("%s: %d clips -> %s", root.path / "keypoints", len(jobs), root.path / "poses")

    faults, made = [], 0
    for outcome, line in stage.progress(stage.parallel(_parse, jobs, args.jobs), "parse", len(jobs)):
        if outcome == "fault":
            faults.append(line)
        else:
            made += outcome == "made"
            log.info(line)
    if faults:
        for line in faults[:-1]:
            log.error(line)
        raise Fault(f"{faults[-1]} ({len(faults)} of {len(jobs)} clips left out)")
    log.info("%d clips made, %d were up to date; next: Process_Waves.ipynb (make music)", made, len(jobs) - made)


def _nothing(folder) -> Fault:
    """Say what is there instead of clips."""
    if not folder.is_dir():
        return Fault(f"{folder}: no such folder; put OpenPose's JSON there, clip by clip")
    found = sorted(path.name for path in folder.iterdir())
    loose = any(name.endswith(".json") for name in found)
    hint = "each clip's JSON lies in a folder of its own" if loose else "is it the right data root?"
    return Fault(f"{folder}: expected folders or .tar.gz, found {', '.join(found[:3]) or 'nothing'}; {hint}")


def _parse(job: tuple) -> tuple[str, str]:
    """Make one clip's poses; return "made", "fresh" or "fault" and the line that tells of it."""
    try:
        return _make(*job)
    except Fault as fault:
        return "fault", str(fault)


def _make(root, clip: str, fps: float | None, settings: dict) -> tuple[str, str]:
    import numpy as np

    from learn2dance import cleaning, detections, keypoint_files, store, tracking

    source, target = root.keypoints[clip], root.file("poses", clip)
    fps = fps or root.fps.get(clip) or _video_fps(root, clip)
    files, digest = keypoint_files.read(source)
    arguments, parents = settings | {"fps": fps, "version": cleaning.VERSION}, {f"keypoints/{source.name}": digest}
    if store.fresh(target, "poses", arguments, parents):
        return "fresh", f"{clip}: up to date"

    found = detections.detect(source, files)
    del files  # as large as the clip
    people = detections.to_body_25(source, found.people, settings["joints"])
    seconds = found.frame / fps
    inside = (seconds >= settings["start"]) & (seconds < (settings["end"] or np.inf))
    people, frame = people[inside], found.frame[inside]
    sure = people * (people[..., 2:] >= np.float32(settings["min_confidence"]))
    dancer = tracking.follow(sure, frame, fps)
    if not len(dancer):
        odd = f" ({found.odd} joints had impossible numbers)" if found.odd else ""
        raise Fault(f"{source}: nobody in {found.frames} frames{odd}; was a dancer there, from --start to --end?")
    keypoints = np.zeros((found.frames, settings["joints"], 3), np.float32)
    keypoints[frame[dancer]] = people[dancer]
    poses, filled = cleaning.clean(keypoints, fps, settings["min_confidence"], settings["max_gap"])
    confidence = keypoints[..., 2]
    arrays = {"poses": poses, "confidence": confidence, "filled": filled, "fps": fps}
    store.save(target, "poses", "parse.py", arguments, parents, **arrays)

    unknown = np.isnan(poses[..., 0])
    gaps = (np.diff(unknown, axis=0, prepend=False) & unknown).sum()
    line = f"{clip}: {found.frames} frames at {fps:g} fps, {_people(found)}, dancer in {len(dancer)}"
    line += f"; joints {filled.mean():.2%} filled, {unknown.mean():.2%} not known in {gaps} gaps"
    line += f"; {found.missing} frames have no file" if found.missing else ""
    line += f"; {found.odd} joints with impossible numbers taken as not seen" if found.odd else ""
    return "made", line


def _people(found) -> str:
    """Say how many people the frames hold: "1 person", "0-3 people"."""
    import numpy as np

    count = np.bincount(found.frame, minlength=found.frames)
    low, high = count.min(), count.max()
    return "1 person" if low == high == 1 else f"{high if low == high else f'{low}-{high}'} people"


def _video_fps(root, clip: str) -> float:
    """Return the frame rate of a clip's video."""
    from learn2dance import video

    if clip not in root.videos:
        raise Fault(f"{clip}: no frame rate known; give --fps 25, a line in clips.csv, or videos/{clip}.mp4")
    fps = video.probe(root.videos[clip])["fps"]
    if not fps:
        raise Fault(f"{root.videos[clip]}: says no frame rate; give --fps, or a line in clips.csv")
    return fps


if __name__ == "__main__":
    stage.run(main)
