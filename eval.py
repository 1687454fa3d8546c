"""Generate dances with a trained model, for any song or for the songs of a split; or complete a given dance.

Reads   the model (--model), and FILE… (--audio), or DATA/music/<song>.npz with DATA/splits/, DATA/clips.csv and
        DATA/audio/, or POSES.npz (--given, --prefix); for --report also DATA/poses/, DATA/clusters.npz and the
        baseline's model, if it exists
Writes  <song>.npz, or <song>_<seed>.npz for several seeds (poses, nearer, tokens, beats, bars and phrases, seed,
        fps), and .mp4 with the music (--html: also a page), in out/ or DATA/dances/<model>/; with --report scores.json
        and report.png, and no .mp4

Examples: python eval.py --audio song.mp3 --style waltz --n 3
          python eval.py data/ballroom --split test --report
          python eval.py --model data/ballroom/models/seq_gan.pt --given poses.npz --known 0:25
"""

from functools import partial
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError
from learn2dance.gan.options import frames, joints

WEIGHTS = Path(__file__).parent / "weights"  # trained on ballroom dances: see README.md


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    device = cli.device(args.device)
    from learn2dance import dances, generation
    from learn2dance.data import data_root
    from learn2dance.music import styles

    root = data_root.open_root(args.data) if args.data else None
    included = WEIGHTS / ("seq_gan.pt" if args.given or args.seconds else "music2pose.pt")
    path = Path(args.model or (root.path / "models" / "music2pose.pt" if root else included))
    model = dances.load_once(path, device)
    if root:
        generation.check_codebook(model, path, root)
    if args.style == "list":
        print(styles.table(model.profiles))
        return
    how = options(args, model)
    out = Path(args.out or (root.path / "dances" / path.stem if root else "out"))
    if args.given:
        complete(args, model, path, how, out)
    elif args.report:
        report(args, model, path, how, root, out)
    else:
        generate(args, path, how, root, out)


def options(args, model) -> dict:
    """Return the generation options of this model; raise a UserError if others are given, or an unknown style."""
    from learn2dance.gan.generate import GanModel

    if args.style not in (None, "auto", *model.styles):
        known = f"the model's styles are {', '.join(model.styles) or 'none'}"
        raise UserError(f"--style {args.style}: {known}; auto chooses by the song")
    if isinstance(model, GanModel):
        if args.prefix or args.top_k or args.variation is not None or args.energy is not None:
            raise UserError("--prefix, --top-k, --variation and --energy are not supported by the GAN")
        names = ("known", "known_joints", "seconds") if args.given else ("seconds", "temperature")
    else:
        if args.given or args.seconds:
            raise UserError("--given and --seconds need a GAN (--model; train_seq.py writes it), this is music2pose")
        names = ("temperature", "top_k", "prefix")
    chosen = {name: getattr(args, name) for name in ("stage", "variation", "energy")}
    chosen = {name: value for name, value in chosen.items() if value is not None}  # else the model's own default
    return {name: getattr(args, name) for name in names} | chosen


def generate(args, path: Path, how: dict, root, out: Path) -> list[dict[str, Path]]:
    """Generate dances to the songs of a split or to files; return for each seed the dance of each song."""
    from learn2dance import dances, parallel
    from learn2dance.data import splits

    if root:
        clips = root.split(args.split, root.have("music", *(["poses"] if args.report else [])))
        clips = splits.matching(clips, args.songs, args.split)
        songs = [(clip, root.one("audio", clip)) for clip in clips]
    else:
        songs = [(Path(name).stem, Path(name)) for name in args.audio or []] or [("dance", None)]
    if len({name for name, _ in songs}) < len(songs):
        raise UserError(f"--audio: several songs have the same name, and {out} can hold only one; give one at a time")
    seeds, parents = range(args.seed, args.seed + args.n), dances.digests(path, how)
    request = dances.Request(path, args.device, seeds, how, out, shown(args), parents)
    jobs = {}
    for name, sound in songs:
        music = root.file("music", name) if root else None
        jobs[name] = request, dances.Song(name, sound, music, style_of(args, root.styles.get(name) if root else None))
    found: list[dict[str, Path]] = [{} for _ in request.seeds]
    if root:
        results = parallel.run(dances.dance, jobs, 0, args.dask, [root.path, out])
    else:  # a cluster might not see the files
        results = parallel.in_this_process(dances.dance, jobs)
    for name, result in cli.progress(results, "songs", len(jobs)) if len(jobs) > 1 else results:
        if isinstance(result, UserError):
            raise result
        for files, file in zip(found, result, strict=True):
            files[name] = file
    return found


def complete(args, model, path: Path, how: dict, out: Path) -> None:
    """Complete the given poses, to music if there is any."""
    from learn2dance import dances, generation
    from learn2dance.data import npz
    from learn2dance.gan import completion

    sound, given = Path(args.audio[0]) if args.audio else None, Path(args.given)
    music = dances.analyse(sound, str(sound)) if sound else None
    parents = {"model": npz.digest(path), "given": npz.digest(given)} | ({"audio": npz.digest(sound)} if sound else {})
    style = style_of(args)
    generation.log_choice(args.given, music, model, style)

    for seed in range(args.seed, args.seed + args.n):
        settings = {"seed": seed, "style": style} | how
        make = partial(completion.complete, model, args.given, music, seed, style, **how)
        target = out / (f"{given.stem}.npz" if args.n == 1 else f"{given.stem}_{seed}.npz")
        dances.write(target, make, settings, parents, shown(args), sound, (sound, given))


def style_of(args, label: str | None = None) -> str | None:
    """Return the style that was asked for, or the song's label in clips.csv; None if the song decides."""
    return None if args.style == "auto" else args.style or label


def report(args, model, path: Path, how: dict, root, out: Path) -> None:
    """Generate dances, and score them, real dances and baselines."""
    from learn2dance.data import npz
    from learn2dance.evaluation import report as scores
    from learn2dance.tokens import tokenize

    codebook = tokenize.load_codebook(root.path / "clusters.npz")
    others = scores.baseline(root, model, path)
    files = generate(args, path, how, root, out)
    loaded = [{song: npz.load(file, "dance") for song, file in dances.items()} for dances in files]
    dances = [{song: (dance["poses"][:, :15], dance["fps"]) for song, dance in part.items()} for part in loaded]
    parents = {"model": npz.digest(path), "dances": npz.digest(*(file for part in files for file in part.values()))}
    options = args.seed, out, parents, args.songs, args.by_song
    log.info("%s", scores.make(root, codebook, model, dances, others, *options))
    log.info("%s, %s", out / "scores.json", out / "report.png")


def shown(args) -> tuple[str, ...]:
    """Return the endings of the files that show each dance."""
    return tuple(ending for ending, on in ((".mp4", not args.no_video), (".html", args.html)) if on)


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "dask", "seed", "device", "threads", "no_video", "quiet")
    parser.add_argument("data", metavar="DATA", nargs="?", help="data root")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="split of DATA (%(default)s)")
    parser.add_argument("--songs", metavar="GLOB", nargs="+", help="only songs of DATA with such names, e.g. 'W_*'")
    parser.add_argument("--report", action="store_true", help="score the dances, and real dances and baselines")
    parser.add_argument("--by-song", action="store_true", help="report: also print each song and each style")
    parser.add_argument("--audio", metavar="FILE", nargs="+", help="songs to generate dances for; no data root needed")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="(DATA/models/music2pose.pt; else weights/music2pose.pt, with --given or --seconds weights/seq_gan.pt)",
    )
    parser.add_argument("--html", action="store_true", help="also write a page that plays the dance in a browser")
    parser.add_argument("--out", metavar="DIR", help="output folder (DATA/dances/<model>/; without DATA out/)")
    group = parser.add_argument_group("generation")
    hint = (
        "one of the model's styles; auto: by the song's metre, tempo, regularity and percussion; list: print the styles"
    )
    group.add_argument("--style", help=f"{hint} (as in clips.csv, else auto)")
    group.add_argument(
        "--temperature",
        type=cli.number_between(0, 100),
        default=1.0,
        help="below 1: likelier moves; 0: the likeliest (%(default)s)",
    )
    group.add_argument(
        "--top-k", type=cli.whole_number, default=0, help="draw from this many likeliest units; 0: all (%(default)s)"
    )
    group.add_argument(
        "--stage", type=cli.number_between(1, 1000), metavar="W", help="width of the stage in torso lengths (12)"
    )
    hint = "fraction of the bars of a repeated phrase that are danced anew: 0: none, 1: all (0.25)"
    group.add_argument("--variation", type=cli.number_between(0, 1), metavar="V", help=hint)
    hint = "how strongly louder and denser music makes motion faster and larger; 0: not at all (1)"
    group.add_argument("--energy", type=cli.number_between(0, 10), metavar="E", help=hint)
    group.add_argument("--n", type=cli.positive(int), help="dances per song, seeds SEED, SEED + 1 … (1; --report: 5)")
    group.add_argument(
        "--prefix", type=Path, metavar="POSES.npz", help="continue these poses, which start with the song"
    )
    group = parser.add_argument_group("GAN only (train_seq.py)")
    group.add_argument("--given", metavar="POSES.npz", help="complete these poses: generate what is not --known")
    group.add_argument(
        "--known", type=frames, metavar="A:B,C:D", help="known frames, from A to before B (default: all)"
    )
    group.add_argument(
        "--known-joints", type=joints, metavar="A-B,C", help="known joints in those frames (default: all)"
    )
    group.add_argument(
        "--seconds", type=cli.number_between(0.1, 86400), metavar="S", help="length (default: that of --given)"
    )
    args = parser.parse_args(argv)
    if args.songs and not args.data or args.by_song and not args.report:
        parser.error("--songs needs DATA, and --by-song needs --report")
    if args.dask and not args.data:
        parser.error("--dask needs DATA")
    if args.data and args.audio:
        parser.error("give a data root or --audio FILE, not both")
    if not (args.data or args.audio or args.given or args.seconds or args.style == "list"):
        parser.error("give a data root, --audio FILE, --given POSES.npz, --seconds S, or --style list")
    if args.given and (args.data or len(args.audio or []) > 1):
        parser.error("--given takes one --audio FILE or none, and no data root")
    if args.seconds and (args.data or args.audio) and not args.given:
        parser.error("--seconds is for dances without music and for --given; a dance to a song is as long as the song")
    if args.given and args.stage:
        parser.error("--stage is not supported with --given, which has its own path")
    if args.given and args.temperature != 1:
        parser.error("--temperature is not supported with --given")
    if (args.known or args.known_joints) and not args.given:
        parser.error("--known and --known-joints need --given POSES.npz")
    args.known = args.known or ["0:"]
    if args.report and (
        not args.data or args.audio or args.prefix or args.given or args.style or args.html or args.split == "train"
    ):
        parser.error("--report needs DATA and its val or test split; it takes no --prefix, --given, --style or --html")
    args.n = args.n or (5 if args.report else 1)
    if args.n > 1 and (args.temperature == 0 or args.top_k == 1):
        parser.error("--n above 1 with --temperature 0 or --top-k 1 would repeat the likeliest dance")
    args.no_video |= args.report
    return args


if __name__ == "__main__":
    cli.run(main)
