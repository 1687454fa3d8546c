"""Draw every clip's poses over its video, to check whether they fit the dancer.

Reads   DATA/videos/<clip>.mp4, .mov …; DATA/poses/<clip>.npz; DATA/audio/<clip>.*, if it exists
Writes  DATA/films/<clip>.mp4, with that sound or, without one, the video's own

A film that is newer than its inputs is skipped. Clips with an error are reported; the others are still drawn.

Example: python -m learn2dance.render.films data
"""

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("data", metavar="DATA", help="data root: a folder with videos/ and poses/")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)

    from learn2dance.data import data_root, npz
    from learn2dance.media import video_reader
    from learn2dance.render import overlay

    root = data_root.open_root(args.data)
    clips = [clip for clip in sorted({*root.videos, *root.unusable["videos"]}) if root.file("poses", clip).exists()]
    if not clips:
        raise UserError(f"{root.path}: no clip has both a video in videos/ and poses in poses/; run parse.py first")
    faults, drawn = [], 0
    for clip in clips:
        try:
            poses, video, song = root.file("poses", clip), root.one("videos", clip), root.one("audio", clip)
            film = root.path / "films" / f"{clip}.mp4"
            sources = [path for path in (poses, video, song) if path]
            if film.exists() and film.stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in sources):
                continue
            dance = npz.load(poses, "poses")
            overlay.over(video_reader.look(video), [dance["poses"]], dance["fps"], film, song)
            log.info("%s: %s over %s", film, poses.name, video.name)
            drawn += 1
        except UserError as fault:
            faults.append(str(fault))
    cli.raise_faults(faults, len(clips), "films not drawn")
    log.info("%d films drawn, %d were up to date; see %s", drawn, len(clips) - drawn, root.path / "films")


if __name__ == "__main__":
    cli.run(main)
