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

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.clip_names import ignored
from learn2dance.errors import UserError
from learn2dance.poses.formats import FORMATS


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = cli.parser(__doc__, "jobs", "quiet")
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

    root = open_root(args.data)
    faults, written = list(root.twice["keypoints"].values()), 0
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

    for _, result in cli.progress(parallel.run(_parse, jobs, args.jobs), "parse", len(jobs)):
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


def _parse(job: tuple) -> tuple[str, bool]:
    """Write one clip's poses; return a line about them, and False if they were up to date."""
    root, clip, fps, settings, form = job
    import numpy as np

    from learn2dance.data import npz
    from learn2dance.media import video_reader
    from learn2dance.motion import skeleton
    from learn2dance.poses import camera, cleaning, frame_times, sides, tracking
    from learn2dance.poses.formats import clip_files, conversion, openpose_json, other_tools

    source, target = root.keypoints[clip], root.file("poses", clip)
    files, digest = clip_files.read(source)
    found = other_tools.read(source, files, **form)
    fps = fps or root.fps.get(clip) or (found and found.fps)
    fps = fps and video_reader.exact_rate(fps)
    video = None if fps else _video(root, clip)
    arguments = settings | form | {"fps": fps, "version": cleaning.VERSION}
    filmed = root.videos.get(clip) if settings["travel"] is None else None
    parents = {f"videos/{path.name}": npz.digest(path) for path in {video, filmed} if path}
    parents |= {f"keypoints/{source.name}": digest}
    if npz.is_up_to_date(target, "poses", arguments, parents):
        return f"{clip}: up to date", False

    found = found or openpose_json.read(source, files, form.get("first_frame", 0))
    del files  # to free memory: they are as large as the clip
    people, notes = conversion.to_body(source, found, settings["joints"])
    uneven = ""
    if video:
        footage = video_reader.look(video)
        fps, (times, uneven) = footage.fps, frame_times.of_frames(found.frames, footage)
    seconds = times[found.frame] if uneven else found.frame / fps
    if found.first:
        hint = f"if the video begins there, use --first-frame {found.first + form.get('first_frame', 0)}"
        notes.append(f"no files before frame {found.first}, which are taken for a gap; {hint}")
    for note in [*notes, uneven] if uneven else notes:
        log.warning("%s: %s", source, note)
    inside = (seconds >= settings["start"]) & (seconds < (settings["end"] or np.inf))
    people, frame = people[inside], found.frame[inside]
    confident = people * (people[..., 2:] >= np.float32(settings["min_confidence"]))
    if found.dancer_only:
        ranked = [tracking.Person(rows, 1)] if len(rows := np.flatnonzero(openpose_json.body_size(confident))) else []
    else:
        ranked = tracking.rank_people(confident, frame, fps, max(2, settings["person"]))
    if not ranked:
        impossible = f" ({found.impossible} joints had impossible numbers)" if found.impossible else ""
        hint = "is there a dancer from --start to --end?"
        if 0 < (highest := people[..., 2].max(initial=0)) < settings["min_confidence"]:
            hint = f"the highest confidence is {highest:.2g}: lower --min-confidence?"
        raise UserError(f"{source}: found nobody in {found.frames} frames{impossible}; {hint}")
    if len(ranked) < settings["person"]:
        hint = "is the number of --person, or in clips.csv, too high?"
        raise UserError(f"{source}: found only {len(ranked)} to follow, expected person {settings['person']}; {hint}")
    dancer = ranked[settings["person"] - 1].rows
    keypoints = np.zeros((found.frames, settings["joints"], 3), np.float32)
    keypoints[frame[dancer]] = people[dancer]
    keypoints, swapped = sides.undo_swaps(keypoints, fps, settings["min_confidence"])
    if uneven:
        keypoints = frame_times.resample(keypoints, times, fps)
    poses, filled = cleaning.clean(keypoints, fps, settings["min_confidence"], settings["max_gap"])
    shown = np.round(seconds[inside] * fps).astype(int)
    travel, known = camera.stands_still(settings["travel"], filmed, confident, shown, fps)
    arrays = {"poses": poses, "confidence": keypoints[..., 2], "filled": filled, "fps": fps, "travel": travel}
    npz.save(target, "poses", "parse.py", arguments, parents, **arrays)
    if names := skeleton.never_seen(poses):
        log.warning("%s: %s never seen: it can be drawn, but %s", clip, names, skeleton.HALF_BODY)

    unknown = np.isnan(poses[..., 0])
    gaps = (np.diff(unknown, axis=0, prepend=False) & unknown).sum()
    line = f"{clip}: {found.frames} frames at {fps:g} fps, {found.people_count()}, dancer in {len(dancer)}, "
    line += f"{found.kind}; joints {filled.mean():.2%} filled, {unknown.mean():.2%} unknown in {gaps} gaps"
    if doubt := tracking.describe(ranked, settings["person"], confident, found.frames):
        line += f"; {doubt}"
    line += f"; left and right exchanged back in {swapped.sum()} frames" if swapped.any() else ""
    line += f"; {found.missing} frames have no file" if found.missing else ""
    line += f"; {found.impossible} joints with impossible numbers ignored" if found.impossible else ""
    return f"{line}; {known}", True


def _video(root, clip: str) -> Path:
    """Return a clip's video, for its frame rate."""
    if not (video := root.one("videos", clip)):
        raise UserError(f"{clip}: no frame rate; give --fps 25, a line in clips.csv, or videos/{clip}.mp4")
    return video


if __name__ == "__main__":
    cli.run(main)
