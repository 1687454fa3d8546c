"""Draw dances (.npz files with poses), with their music, as an animation or a contact sheet.

Reads   any .npz with poses (T, J, 2): DATA/poses/<clip>.npz, DATA/dances/…/<song>.npz, or your own; several are drawn
        side by side. --audio: the song, in any format. --over: the video that the poses are of.
Writes  --out (by default <first file>.mp4 beside that file): .mp4 (with sound), .gif (without), .png (contact sheet);
        .html (a page that plays up to four dances with their song in a browser); or a folder, a name without an
        ending, of one file a frame: 000001.png, or with --format json OpenPose's files

    python animate.py out/song.npz --audio song.mp3 --trail --beats
    python animate.py DATA/poses/C_2.npz DATA/dances/music2pose/C_2.npz --titles real generated --out both.mp4
    python animate.py DATA/poses/me.npz --over videos/me.mov --out over.mp4
    python animate.py out/song.npz --audio song.mp3 --out song.html
    python animate.py out/song.npz --look openpose --size 512x768 --fps 24 --out frames/
    python animate.py out/song.npz --look openpose --format json --size 512x768 --fps 24 --out keypoints/song/
    python animate.py --ab a.npz b.npz --audio song.mp3 --out compare.html   # a blind comparison in pairs

Bones are drawn for 15, 17, 18 and 25 joints; other skeletons are drawn as points. NaN joints are not drawn.
--look openpose draws these four as ControlNet's OpenPose annotator does, for image and video models driven by poses.
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.data.temporary import remove_strays
from learn2dance.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    arguments = _arguments(argv)
    cli.setup(arguments.quiet)
    _check(arguments)
    files, out, ending, audio = arguments.poses, arguments.out, arguments.ending, arguments.audio
    titles = arguments.titles or ([file.stem for file in files] if len(files) > 1 else None)
    from learn2dance.render import inputs, viewport

    most = inputs.GIF_FPS if ending == ".gif" else None
    loaded = inputs.read(files, arguments.fps, arguments.start, arguments.length, most)
    for file, dance in zip(files, loaded.dances, strict=True):
        if arguments.over and dance["y_up"]:
            raise UserError(f"{file}: found y up (a generated dance), expected poses in pixels of a video (parse.py)")
        if dance["beats"] is None and arguments.beats:
            log.warning("%s: no beats in it, none are shown (eval.py's dances have them)", file)
        if dance["beats"] is None and arguments.ab:
            log.warning("%s: no beats in it, so its mismatched excerpts can be on the beat by chance", file)
    if audio and ending not in (".mp4", ".html"):
        log.warning("%s: has no sound, %s is left out", out, audio)
    fps, start = loaded.fps, loaded.start
    if arguments.over:
        from learn2dance.media import video_reader
        from learn2dance.render import overlay

        video, dances = video_reader.look(arguments.over), [dance["poses"] for dance in loaded.dances]
        overlay.over(video, dances, fps, out, audio, arguments.size, loaded.first)
        log.info("%s: poses over %s, %g frames a second", out, arguments.over.name, fps)
        return

    dances = loaded.poses(files)
    seconds = max(map(len, dances)) / fps
    if arguments.follow:
        dances = [viewport.follow(viewport.upright(poses, True), fps) for poses in dances]
    if arguments.look == "openpose":
        from learn2dance.render import openpose

        clip = files[0].stem if arguments.format == "json" else None
        openpose.export(dances, fps, out, arguments.size, audio, start, clip)
    elif arguments.ab:
        from learn2dance.render import comparison

        song = {"audio": audio, "beats": loaded.beats(), "start": start}
        count = comparison.write(out, dances, fps, titles, **song, seed=arguments.seed, y_up=True)
        log.info("%s: %d pairs to compare", out, count)
    elif ending == ".html":
        from learn2dance.render import player

        marks = [player.marks(dance, start) for dance in loaded.dances]
        switches = {"trail": arguments.trail, "beats": arguments.beats}
        player.write(out, dances, fps, titles, audio, marks, y_up=True, start=start, **switches)
        log.info("%s: %.1f s at %g poses a second; open it in a browser", out, seconds, fps)
    else:
        from learn2dance.render import animation

        drawn = {"titles": titles, "y_up": True, "size": arguments.size, "start": start}
        if ending == ".png":
            animation.contact_sheet(dances, fps, out, **drawn)
            log.info("%s: %d moments of %.1f s", out, animation.MOMENTS * len(dances), seconds)
            return
        beats = loaded.beats() if arguments.beats else None
        animation.animate(dances, fps, out, audio=audio, beats=beats, trail=arguments.trail, **drawn)
        log.info("%s: %.1f s at %g frames a second", out, seconds, fps)


def _arguments(argv: list[str] | None):
    """Parse the command line; the output is ``out``, and its ending, in lower case, ``ending``."""
    parser = cli.parser(__doc__, "seed", "quiet")
    add, positive = parser.add_argument, cli.positive
    add("poses", nargs="+", type=Path, metavar="POSES.npz", help="one file per dancer")
    add("--audio", type=Path, help="the song: wav, flac, ogg, mp3, m4a …, or a video with sound")
    over = "draw over the video that the poses are of; its sound, if no --audio"
    add("--over", type=Path, metavar="VIDEO", help=over)
    add("--out", type=Path, help="output: .mp4, .gif, .png, .html or a folder (<first file>.mp4)")
    add("--look", choices=("stage", "openpose"), default="stage", help="openpose: on black, for pose-driven models")
    one_a_frame = "files in a folder: pictures, or OpenPose's JSON of --look openpose, in its pixels (png)"
    add("--format", choices=("png", "json"), default="png", help=one_a_frame)
    add("--fps", type=positive(float), help="frames per second (the highest of the files')")
    sizes = "pixels (640 high, or openpose: 512 or more; a .png 1600 wide; --over: the video's)"
    add("--size", type=cli.size, metavar="WxH|N", help=sizes)
    add("--start", type=cli.number_between(0, 86400), default=0.0, metavar="S", help="seconds to skip (0)")
    add("--length", type=cli.number_between(0.001, 86400), metavar="S", help="seconds to draw (all)")
    add("--titles", nargs="+", metavar="TITLE", help="one per file (the files' names, if there are several)")
    add("--follow", action="store_true", help="move the view with the dancer (by default it shows the whole path)")
    add("--trail", action="store_true", help="draw fading trails of wrists and ankles")
    add("--beats", action="store_true", help="light up the floor on the beats, if the file has them")
    ab = "write a page on which people compare these dances, whose names it hides; --seed shuffles them"
    add("--ab", action="store_true", help=f"{ab} (python -m learn2dance.evaluation.preference reads the answers)")
    arguments = parser.parse_args(argv)
    arguments.out = arguments.out or arguments.poses[0].with_suffix(".mp4")
    arguments.ending = arguments.out.suffix.lower()
    return arguments


def _check(arguments) -> None:
    """Raise a UserError if the output cannot be written, or options do not go together."""
    files, titles, out, ending = len(arguments.poses), arguments.titles, arguments.out, arguments.ending
    endings = (".mp4", ".gif", "") if arguments.over else (".mp4", ".gif", ".png", ".html", "")
    if ending not in endings:
        over = " with --over" if arguments.over else ""
        expected = " or ".join(filter(None, endings))
        raise UserError(
            f"{out}: expected a name that ends in {expected}{over}, or a folder's without a dot, found '{out.suffix}'"
        )
    remove_strays(out.parent)
    if not ending and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: exists and is not an empty folder; give another --out, or remove it")
    for source in (arguments.audio, arguments.over):
        if source and out.resolve() == source.resolve():
            raise UserError(f"{out}: is an input and would be overwritten; give another --out")
    openpose = arguments.look == "openpose"
    if arguments.format == "json" and (ending or not openpose):
        raise UserError("--format json: needs --look openpose, and a folder as --out")
    for used, found, refused in (
        ("--over", arguments.over, "titles trail beats follow"),
        ("--look openpose", openpose, "titles trail beats over"),
        ("--ab", arguments.ab, "trail beats follow over"),
        ("a page (.html)", ending == ".html", "size look"),
    ):
        for name in refused.split() if found else ():
            if getattr(arguments, name) not in (None, False, "stage"):
                raise UserError(f"--{name}: cannot be used with {used}")
    if titles and len(titles) != files:
        raise UserError(f"--titles: {len(titles)} titles for {files} files; put quotes around those with spaces")
    if arguments.ab:
        names = titles or [file.stem for file in arguments.poses]
        if ending != ".html" or not arguments.audio or len(set(names)) < max(2, len(names)):
            needs = "--audio, --out with a name that ends in .html, and two or more dances with different names"
            raise UserError(f"--ab: needs {needs} (--titles)")


if __name__ == "__main__":
    cli.run(main)
