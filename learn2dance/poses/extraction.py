"""Extract the poses and sound of one video, unless that is done: what `extract` does for each clip."""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Collection
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import clips_table, data_root, openpose_files
from learn2dance.data.clip_names import NOT_FITTING, VIDEO, fits_tables, ignored
from learn2dance.data.temporary import atomic_folder, temporary_folder
from learn2dance.errors import UserError
from learn2dance.media import video_reader
from learn2dance.poses import mediapipe, openpose

SOURCE = ".source"  # file in a clip's folder: the video's digest, the number of frames, and how they were extracted
LONGEST = 200  # bytes, the limit for a clip's name: OpenPose adds 28, and file systems allow 255
ALLOWED = 0.02  # fraction of the frames that may be missing: video readers disagree about the last ones


def clips_of(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Map clip names to the videos of a folder; also return the errors of videos that cannot be used."""
    folder = cli.existing_path(folder, "folder of videos")
    if not folder.is_dir():
        raise UserError(f"{folder}: found a file, expected a folder of videos")
    paths = sorted(path for path in folder.iterdir() if path.is_file() or path.is_symlink())  # a pipe may never end
    others = [path.name for path in paths if path.suffix.lower() not in VIDEO and not ignored(path.name)]
    by_clip: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix.lower() in VIDEO and not ignored(path.name):
            by_clip.setdefault(path.stem, []).append(path)
    if not by_clip:
        expected = f"expected videos, which end in {' '.join(VIDEO)}"
        raise UserError(f"{folder}: found {', '.join(others)[:100] or 'no files'}, {expected}")
    if others:
        log.info("%s: ignored, not videos: %s", folder, ", ".join(others)[:200])
    clips, faults = {}, []
    for clip, same in by_clip.items():
        if len(same) > 1:
            names = ", ".join(path.name for path in same)
            faults.append(f"{folder}: {names} have the same clip name '{clip}'; rename one of them")
        elif len(os.fsencode(clip)) > LONGEST:
            faults.append(f"{same[0]}: a name of more than {LONGEST} bytes; rename it")
        elif not fits_tables(clip):
            faults.append(f"{folder}/{clip!a}: {NOT_FITTING}")
        else:
            clips[clip] = same[0]
    return clips, faults


def extract(data: Path, clips: Collection[str], clip: str, video: Path, backend: str, image: str, python: str) -> bool:
    """Extract the keypoints and sound of one of the clips; return False if it is complete, or not from this stage."""
    target = data / "keypoints" / clip
    root = data_root.open_root(data, clips)  # read for each clip: clips.csv may have been edited meanwhile
    if (existing := root.one("keypoints", clip)) not in (None, target):
        log.info("%s: skipped, %s exists", clip, existing.name)
        return False
    song = root.one("audio", clip)  # raises for two files now, before the work
    fps, digest, source = root.fps.get(clip), _digest(video), _source(target)
    complete = source and (source["video"], source["frames"]) == (digest, _count(target))
    if complete and (fps is None or math.isclose(fps, source["fps"], rel_tol=1e-6)):  # clips.csv holds nine digits
        clips_table.note_fps(data, clip, source["fps"], clips)
        if source["sound"] and not song:
            _sound(root, clip, video_reader.look(video, source["fps"]), None)
        log.info("%s: complete, %d frames by %s", clip, source["frames"], source["backend"])
        return False
    footage = video_reader.look(video, fps)
    tolerance = max(2, round(ALLOWED * footage.frames))
    others = 0 if source else _count(target)
    if others and abs(others - footage.frames) <= tolerance:
        log.info("%s: skipped, found %d files of another tool for %d frames", clip, others, footage.frames)
        clips_table.note_fps(data, clip, footage.fps, clips)
        return False

    with atomic_folder(target) as folder:  # its temporary name has no ':', which docker refuses
        begin = time.perf_counter()
        seen = _detect(footage, folder, clip, backend, image, python)
        frames, seconds = _count(folder), time.perf_counter() - begin
        if frames < footage.frames - tolerance:
            raise UserError(f"{video}: {frames} of {footage.frames} frames were written; is the video damaged?")
        sound, sound_digest = _sound(root, clip, footage, source.get("sound"))
        source = {"video": digest, "frames": frames, "fps": footage.fps, "backend": backend, "sound": sound_digest}
        (folder / SOURCE).write_text(json.dumps(source), encoding="utf-8")
        clips_table.note_fps(data, clip, footage.fps, clips)
    people = "" if seen is None else f", a person in {seen / frames:.1%}"
    log.info("%s: %d frames at %g fps%s, %s; %.0f frames/s", clip, frames, footage.fps, people, sound, frames / seconds)
    if seen == 0:
        log.warning("%s: no person detected", video)
    return True


def _detect(footage, target: Path, clip: str, backend: str, image: str, python: str) -> int | None:
    """Write a JSON file for each frame; return the number of frames with a person, or None if not counted."""
    if backend == "mediapipe":
        seen = 0
        with contextlib.closing(mediapipe.detect(footage, python)) as found:
            for t, joints in enumerate(cli.progress(found, clip, footage.frames)):
                seen += joints is not None
                file = target / openpose_files.name(clip, t)
                people = [] if joints is None else [joints]
                file.write_text(openpose_files.text(people), encoding="ascii")
        return seen

    with temporary_folder(target.parent) as folder:
        video = footage.path.resolve()  # a link may point outside the folder mounted in the container
        if not footage.plain or "%" in video.name:  # OpenCV reads a % as the pattern of an image series
            video = folder / "video.mp4"
            log.info("%s: converted to %g frames a second, upright, for OpenPose", clip, footage.fps)
            video_reader.steady(footage, video)
        with contextlib.closing(openpose.detect(image, video, target, footage.path)) as frames:
            for _ in cli.progress(frames, clip, footage.frames):
                pass
    for file in target.glob("*.json") if video.stem != clip else ():
        file.rename(target / f"{clip}_{file.name.removeprefix(video.stem + '_')}")
    return None


def _count(folder: Path) -> int:
    """Count the frames in a clip's folder; 0 if there is no folder."""
    with contextlib.suppress(FileNotFoundError):
        return sum(name.endswith(".json") and not ignored(name) for name in os.listdir(folder))
    return 0


def _source(folder: Path) -> dict:
    """Read the `SOURCE` file of a clip's folder; an empty dict if it is missing or damaged."""
    try:
        return json.loads((folder / SOURCE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def _digest(video: Path) -> str:
    """Identify a video without reading all of it: hash its size and its first and last MiB."""
    try:
        with open(video, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            total = hashlib.sha256(f"{size}:".encode() + file.read(1 << 20))
            file.seek(max(0, size - (1 << 20)))
            total.update(file.read())
    except OSError as error:  # an error of this video, not of the run
        raise UserError(f"{video}: cannot be read ({error.strerror or error})") from None
    return total.hexdigest()[:16]


def _sound(root, clip: str, footage, before: str | None) -> tuple[str, str | None]:
    """Write the clip's sound unless audio/ has a song (other than digest ``before``); return a text and the digest."""
    target = root.path / "audio" / f"{clip}.wav"
    if (song := root.one("audio", clip)) and not (song == target and before == _digest(target)):
        return f"sound {song.name}", None
    if not footage.sound:
        log.warning("%s: no sound; put its music into %s", footage.path, target.with_suffix(".mp3"))
        return "no sound", None
    video_reader.sound(footage, target)
    return "with sound", _digest(target)
