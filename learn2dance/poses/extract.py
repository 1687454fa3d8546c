"""Extract poses (OpenPose's JSON) and sound from videos, clip by clip. extract_poses.sh runs this.

Reads   VIDEOS_DIR/*.mp4, .mov, .avi, .mkv, .webm …
Writes  DATA/keypoints/<clip>/<clip>_000000000000_keypoints.json …, one file a frame, BODY_25;
        DATA/audio/<clip>.wav, unless the clip has music there; DATA/clips.csv: the clip's frames a second

A complete clip is skipped. A clip that was interrupted, or belongs to another video, is extracted again.

Example: python -m learn2dance.poses.extract videos data --backend mediapipe --pose-python .venv-pose/bin/python
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.poses import openpose


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder of videos")
    parser.add_argument("data", type=Path, metavar="DATA", help="data root, created if missing")
    parser.add_argument("--backend", choices=("openpose", "mediapipe"), required=True)
    parser.add_argument("--image", default=openpose.IMAGE, help="docker image with OpenPose (%(default)s)")
    parser.add_argument("--pose-python", default="python3", help="a Python that has mediapipe")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)

    from learn2dance.data import data_root
    from learn2dance.poses import extraction

    clips, faults = extraction.clips_of(args.videos)
    total, extracted = len(clips) + len(faults), 0
    for kind in ("keypoints", "audio"):
        (args.data / kind).mkdir(parents=True, exist_ok=True)
    data_root.open_root(args.data, clips)  # reports errors of the whole data root once, not for each video
    log.info("%s: %d videos -> %s, with %s", args.videos, len(clips), args.data / "keypoints", args.backend)

    if args.backend == "openpose" and not args.quiet:
        openpose.fetch(args.image)
    for clip, video in clips.items():
        try:
            extracted += extraction.extract(args.data, clips, clip, video, args.backend, args.image, args.pose_python)
        except UserError as fault:
            faults.append(str(fault))
            if isinstance(fault, openpose.UnusableError):
                break
            log.info("%s: failed; the error is reported at the end", clip)
    cli.raise_faults(faults, total, "videos failed")
    log.info("%d clips extracted, %d skipped; next: parse.py %s", extracted, total - extracted, args.data)


if __name__ == "__main__":
    cli.run(main)
