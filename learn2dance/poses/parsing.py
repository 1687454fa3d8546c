"""From one clip's detections to a file of clean poses: what parse.py does with each clip."""

from pathlib import Path

import numpy as np

from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.media import video_reader
from learn2dance.motion import skeleton
from learn2dance.poses import camera, cleaning, frame_times, sides, tracking
from learn2dance.poses.formats import clip_files, conversion, openpose_json, other_tools
from learn2dance.poses.formats.openpose_json import Detections
from learn2dance.poses.tracking import Person


def parse_clip(job: tuple[DataRoot, str, float | None, dict, dict]) -> tuple[str, bool]:
    """Write one clip's poses; return a line about them, and False if they were up to date.

    The job is the data root, the clip, the frame rate (None: found out), the settings ``start``, ``end``, ``joints``,
    ``min_confidence``, ``max_gap``, ``person`` and ``travel`` ("on", "off" or None), and those of `other_tools.read`.
    """
    root, clip, fps, settings, form = job
    source, target = root.keypoints[clip], root.file("poses", clip)
    files, digest = clip_files.read(source)
    found = other_tools.read(source, files, **form)
    fps = fps or root.fps.get(clip) or (found and found.fps)
    fps = fps and video_reader.exact_rate(fps)
    timed = None if fps else _video(root, clip)
    filmed = root.one("videos", clip) if settings["travel"] is None else None
    arguments = settings | form | {"fps": fps, "version": cleaning.VERSION}
    parents = {f"videos/{path.name}": npz.digest(path) for path in {timed, filmed} if path}
    parents |= {f"keypoints/{source.name}": digest}
    if npz.is_up_to_date(target, "poses", arguments, parents):
        return f"{clip}: up to date", False

    found = found or openpose_json.read(source, files, form.get("first_frame", 0))
    del files  # to free memory: they are as large as the clip
    people, notes = conversion.to_body(source, found, settings["joints"])
    times, uneven = np.arange(found.frames) / (fps or 1), ""
    if timed:
        footage = video_reader.look(timed)
        fps, (times, uneven) = footage.fps, frame_times.of_frames(found.frames, footage)
    if found.first:
        hint = f"if the video begins there, use --first-frame {found.first + form.get('first_frame', 0)}"
        notes.append(f"no files before frame {found.first}, which are taken for a gap; {hint}")
    for note in filter(None, [*notes, uneven]):
        log.warning("%s: %s", source, note)

    seconds = times[found.frame]
    inside = (seconds >= settings["start"]) & (seconds < (settings["end"] or np.inf))
    people, frame, seconds = people[inside], found.frame[inside], seconds[inside]
    confident = people * (people[..., 2:] >= np.float32(settings["min_confidence"]))
    ranked = _rank(source, found, people, confident, frame, fps, settings)
    dancer = ranked[settings["person"] - 1].rows
    keypoints = np.zeros((found.frames, settings["joints"], 3), np.float32)
    keypoints[frame[dancer]] = people[dancer]
    keypoints, swapped = sides.undo_swaps(keypoints, fps, settings["min_confidence"])
    if uneven:
        keypoints = frame_times.resample(keypoints, times, fps)
    poses, filled = cleaning.clean(keypoints, fps, settings["min_confidence"], settings["max_gap"])
    travel, known = camera.stands_still(settings["travel"], filmed, confident, np.round(seconds * fps).astype(int), fps)
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


def _rank(
    source: Path,
    found: Detections,
    people: np.ndarray,
    confident: np.ndarray,
    frame: np.ndarray,
    fps: float,
    settings: dict,
) -> list[Person]:
    """Rank the people by how likely they are the dancer; raise a UserError if there are fewer than wanted.

    ``people`` (N, J, 3) in frames (N,) are those from ``start`` to ``end``; ``confident`` (N, J, 3) are the same
    without joints below ``min_confidence``.
    """
    if found.dancer_only:
        rows = np.flatnonzero(openpose_json.body_size(confident))
        ranked = [Person(rows, 1)] if len(rows) else []
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
    return ranked


def _video(root: DataRoot, clip: str) -> Path:
    """Return a clip's video, for its frame rate."""
    if not (video := root.one("videos", clip)):
        raise UserError(f"{clip}: no frame rate; give --fps 25, a line in clips.csv, or videos/{clip}.mp4")
    return video
