"""Extract poses (OpenPose's JSON) and sound from videos, clip by clip. extract_poses.sh runs this.

Reads   VIDEOS_DIR/*.mp4, .mov, .avi, .mkv, .webm …
Writes  DATA/keypoints/<clip>/<clip>_000000000000_keypoints.json …, one file a frame, BODY_25;
        DATA/audio/<clip>.wav, unless the clip has music there; DATA/clips.csv: the clip's frames a second

A complete clip is skipped. A clip that was interrupted, or belongs to another video, is extracted again.

Example: python -m learn2dance.poses.extract videos data --backend mediapipe --pose-python .venv-pose/bin/python
"""

import contextlib
import hashlib
import json
import math
import os
import time
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data import data_root
from learn2dance.data.temporary import atomic_folder, temporary_folder
from learn2dance.errors import UserError

SOURCE = ".source"  # file in a clip's folder: the video's digest, the number of frames, and how they were extracted
LONGEST = 200  # bytes, the limit for a clip's name: OpenPose adds 28, and file systems allow 255
ALLOWED = 0.02  # fraction of the frames that may be missing: video readers disagree about the last ones


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder of videos")
    parser.add_argument("data", type=Path, metavar="DATA", help="data root, made where there is none")
    parser.add_argument("--backend", choices=("openpose", "mediapipe"), required=True)
    parser.add_argument("--image", help="docker image with OpenPose")
    parser.add_argument("--pose-python", default="python3", help="a Python that has mediapipe")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    clips, faults = _clips(args.videos)
    total, made = len(clips) + len(faults), 0
    for kind in ("keypoints", "audio"):
        (args.data / kind).mkdir(parents=True, exist_ok=True)
    data_root.open_root(args.data)  # reports errors of the whole data root once, not for each video
    log.info("%s: %d videos -> %s, with %s", args.videos, len(clips), args.data / "keypoints", args.backend)

    from learn2dance.poses import openpose

    image = args.image or openpose.IMAGE
    if args.backend == "openpose" and not args.quiet:
        openpose.fetch(image)
    for clip, video in clips.items():
        try:
            made += _make(args.data, clip, video, args.backend, image, args.pose_python)
        except UserError as fault:
            faults.append(str(fault))
            if isinstance(fault, openpose.Unusable):
                break
            log.info("%s: failed, why is told at the end", clip)
    cli.raise_faults(faults, total, "videos failed")
    log.info("%d clips made, %d were whole; next: parse.py %s", made, total - made, args.data)


def _clips(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Map clip names to the videos of a folder; also return the errors of videos that cannot be used."""
    folder = cli.existing_path(folder, "folder of videos")
    if not folder.is_dir():
        raise UserError(f"{folder}: a file, expected a folder of videos")
    files = (path for path in folder.iterdir() if path.is_file() or path.is_symlink())  # a pipe may never end
    found = sorted(path for path in files if not path.name.startswith("."))
    videos = [path for path in found if path.suffix.lower() in data_root.VIDEO]
    others = ", ".join(path.name for path in found if path not in videos)
    if not videos:
        raise UserError(
            f"{folder}: no videos in it (they end in {' '.join(data_root.VIDEO)}), found {others[:100] or 'none'}"
        )
    if others:
        log.info("%s: left alone, no videos: %s", folder, others[:200])
    clips: dict[str, list[Path]] = {}
    for video in videos:
        clips.setdefault(video.stem, []).append(video)
    faults = []
    for clip, same in clips.items():
        if len(same) > 1:
            names = ", ".join(path.name for path in same)
            faults.append(f"{folder}: {names} would be the same clip '{clip}'; rename one of them")
        elif len(os.fsencode(clip)) > LONGEST:
            faults.append(f"{same[0]}: a name of more than {LONGEST} bytes; rename it")
            same.append(same[0])
        elif clip.splitlines() != [clip] or os.fsencode(clip) != clip.encode(errors="replace"):
            faults.append(f"{folder}/{clip!a}: a name that is not one line of UTF-8, as clips.csv wants; rename it")
            same.append(same[0])
    return {clip: same[0] for clip, same in clips.items() if len(same) == 1}, faults


def _make(data: Path, clip: str, video: Path, backend: str, image: str, python: str) -> bool:
    """Extract one clip's keypoints and sound; return False if it is skipped: complete, or not from this stage."""
    from learn2dance.media import video_reader

    target = data / "keypoints" / clip
    root = data_root.open_root(data)  # read for each clip: clips.csv may have been edited meanwhile
    if (there := root.one("keypoints", clip)) not in (None, target):
        log.info("%s: left alone, there is %s", clip, there.name)
        return False
    song = root.one("audio", clip)  # raises for two files now, before the work
    fps, digest = root.fps.get(clip), _digest(video)
    source = _source(target)
    whole = source and (source["video"], source["frames"]) == (digest, _count(target))
    if whole and (fps is None or math.isclose(fps, source["fps"], rel_tol=1e-6)):  # clips.csv holds nine digits
        data_root.note_fps(data, clip, source["fps"])
        if source["sound"] and not song:
            _sound(root, clip, video_reader.look(video, source["fps"]), None)
        log.info("%s: whole, %d frames by %s", clip, source["frames"], source["backend"])
        return False
    film = video_reader.look(video, fps)
    others = 0 if source else _count(target)
    if others and abs(others - film.frames) <= _missing(film.frames):
        log.info("%s: left alone, another's %d files for %d frames", clip, others, film.frames)
        data_root.note_fps(data, clip, film.fps)
        return False

    with atomic_folder(target) as frames:  # its temporary name has no ':', which docker refuses
        begin = time.perf_counter()
        seen = _detect(film, frames, clip, backend, image, python)
        rate = _count(frames) / (time.perf_counter() - begin)
        _check(film, frames)
        heard, written = _sound(root, clip, film, source.get("sound"))
        source = {"video": digest, "frames": _count(frames), "fps": film.fps, "backend": backend, "sound": written}
        (frames / SOURCE).write_text(json.dumps(source), encoding="utf-8")
        data_root.note_fps(data, clip, film.fps)
    people = "" if seen is None else f", a person in {seen / source['frames']:.1%}"
    log.info("%s: %d frames at %g fps%s, %s; %.0f frames/s", clip, source["frames"], film.fps, people, heard, rate)
    if seen == 0:
        log.warning("%s: nobody was seen in it", video)
    return True


def _detect(film, target: Path, clip: str, backend: str, image: str, python: str) -> int | None:
    """Write a JSON file for each frame; return the number of frames with a person, or None if not counted."""
    if backend == "mediapipe":
        from learn2dance.poses import landmarks, mediapipe

        seen = 0
        with contextlib.closing(mediapipe.detect(film, python)) as found:
            for t, joints in enumerate(cli.progress(found, clip, film.frames)):
                seen += joints is not None
                file = target / f"{clip}_{t:012}_keypoints.json"
                file.write_text(landmarks.openpose_json(joints), encoding="ascii")
        return seen

    from learn2dance.media import video_reader
    from learn2dance.poses import openpose

    with temporary_folder(target.parent) as folder:
        video = film.path.resolve()  # a link may point outside the folder mounted in the container
        if not film.plain or "%" in video.name:  # OpenCV reads a % as the pattern of an image series
            video = folder / "video.mp4"
            log.info("%s: laid on %g frames a second, upright, for OpenPose", clip, film.fps)
            video_reader.steady(film, video)
        with contextlib.closing(openpose.detect(image, video, target, film.path)) as frames:
            for _ in cli.progress(frames, clip, film.frames):
                pass
    for file in target.glob("*.json") if video.stem != clip else ():
        file.rename(target / f"{clip}_{file.name.removeprefix(video.stem + '_')}")
    return None


def _check(film, frames: Path) -> None:
    """Raise a UserError if frames are missing."""
    if _count(frames) < film.frames - _missing(film.frames):
        raise UserError(f"{film.path}: {_count(frames)} of {film.frames} frames were written; is the video damaged?")


def _missing(frames: int) -> int:
    return max(2, round(ALLOWED * frames))


def _count(folder: Path) -> int:
    """Count the frames in a clip's folder; 0 if there is no folder."""
    with contextlib.suppress(FileNotFoundError):
        return sum(name.endswith(".json") for name in os.listdir(folder))
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


def _sound(root, clip: str, film, before: str | None) -> tuple[str, str | None]:
    """Write the clip's sound, unless audio/ has a song for it.

    Return a description for the log, and the digest of the file written (None if none was). If audio/ holds only the
    sound written by an earlier run (digest ``before``), it is overwritten.
    """
    from learn2dance.media import video_reader

    target = root.path / "audio" / f"{clip}.wav"
    if (song := root.one("audio", clip)) and not (song == target and before == _digest(target)):
        return f"sound {song.name}", None
    if not film.sound:
        log.warning("%s: no sound in it; put its music into %s", film.path, root.path / "audio" / f"{clip}.mp3")
        return "no sound", None
    video_reader.sound(film, target)
    return "with sound", _digest(target)


if __name__ == "__main__":
    cli.run(main)
