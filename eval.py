"""Generate dances with a trained model, for any song or for the songs of a split; or complete a given dance.

Reads   the model (--model), and FILE… (--audio), or DATA/music/<song>.npz with DATA/splits/ and DATA/clips.csv, or
        POSES.npz (--given); for --report also DATA/poses/ and DATA/clusters.npz
Writes  <song>.npz (poses, tokens, beats, seed, fps) and <song>.mp4 with the music, in out/ or DATA/dances/<model>/;
        with --report scores.json and report.png beside them, and no .mp4

Examples: python eval.py --audio song.mp3 --style waltz --n 3
          python eval.py data/ballroom --split test --report
          python eval.py --model data/ballroom/models/seq_gan.pt --given poses.npz --known 0:25
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"  # trained on ballroom dances: see README.md


def main(argv: list[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    cli.setup(args.quiet, args.threads)
    device = cli.device(args.device)
    from learn2dance import generation
    from learn2dance.data import data_root, npz
    from learn2dance.media import audio
    from learn2dance.music import features

    root = data_root.open_root(args.data) if args.data else None
    along = WEIGHTS / ("seq_gan.pt" if args.given or args.seconds else "music2pose.pt")
    model = Path(args.model or (root.path / "models" / "music2pose.pt" if root else along))
    who = generation.load(model, device, root)
    options = generation.options(who, args)
    rivals = generation.rivals(root, model, who) if args.report else {}

    out = Path(args.out or (root.path / "dances" / model.stem if root else "out"))
    if root:
        needed = ("music", "poses") if args.report else ("music",)
        songs = [(clip, root.one("audio", clip)) for clip in root.split(args.split, root.have(*needed))]
    else:
        songs = [(Path(name).stem, Path(name)) for name in args.audio or []]
    if args.given:
        songs = [(Path(args.given).stem, songs[0][1] if songs else None)]
    elif not songs:
        songs = [("dance", None)]
    if len({name for name, _ in songs}) < len(songs):
        raise UserError(
            f"--audio: two songs of the same name would be written to one file in {out}; dance to one at a time"
        )

    danced: list[dict[str, Path]] = [{} for _ in range(args.n)]
    for name, sound in cli.progress(songs, "songs"):
        heard, parents = None, {"model": npz.digest(model)}
        if root:
            file = root.file("music", name)
            heard, parents["music"] = npz.load(file, "music"), npz.digest(file)
        elif sound:
            heard, parents["audio"] = features.features(audio.load(sound), name), npz.digest(sound)
        style = args.style or (root.styles.get(name) if root else None)
        parents |= {key: npz.digest(path) for key in ("prefix", "given") if (path := getattr(args, key))}
        for seed in range(args.seed, args.seed + args.n):
            target = out / (f"{name}.npz" if args.n == 1 else f"{name}_{seed}.npz")
            film = target.with_suffix(".mp4")
            for given_file in filter(None, (sound, args.prefix, args.given)):
                if Path(given_file).resolve() in (target.resolve(), film.resolve()):
                    raise UserError(f"{given_file}: would be overwritten by the dance; give another --out")
            how = {"seed": seed, "style": style} | options
            if not npz.is_up_to_date(target, "dance", how, parents):
                npz.save(target, "dance", "eval.py", how, parents, **generation.dance(who, heard, seed, style, args))
            if not args.no_video and not (film.exists() and film.stat().st_mtime >= target.stat().st_mtime):
                render(npz.load(target, "dance"), film, sound)
            log.info("%s", target if args.no_video else film)
            danced[seed - args.seed][name] = target
    if args.report:
        judge(root, rivals, model, danced, args.seed, out)


def judge(root, rivals: dict, model: Path, danced: list[dict[str, Path]], seed: int, out: Path) -> None:
    """Score the dances (song -> file, for each seed) and the baselines."""
    from learn2dance.data import npz
    from learn2dance.evaluation import report

    loaded = [{song: npz.load(path, "dance") for song, path in dances.items()} for dances in danced]
    made = [{song: (dance["poses"][:, :15], dance["fps"]) for song, dance in dances.items()} for dances in loaded]
    parents = {"model": npz.digest(model), "dances": npz.digest(*(p for d in danced for p in d.values()))}
    log.info("%s", report.make(root, model=made, seed=seed, out=out, parents=parents, **rivals))
    log.info("%s, %s", out / "scores.json", out / "report.png")


def render(dance: dict, film: Path, sound: Path | None) -> None:
    """Draw a dance with its music."""
    from learn2dance.motion import skeleton
    from learn2dance.render import animation

    animation.animate([skeleton.ground(dance["poses"], dance["fps"])], dance["fps"], film, audio=sound, y_up=True)


def frames(text: str) -> list[str]:
    """Split ``A:B,C:D`` into ranges of frames, and check them."""
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if not colon or not 0 <= int(first or 0) < int(last or 2**31):
            raise ValueError
    return text.split(",")


def joints(text: str) -> list[int]:
    """Parse ``A-B,C``: joints, counted from 0."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        found += range(int(first), min(int(last if dash else first), 999) + 1)
    if not found:
        raise ValueError
    return found


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = cli.parser(__doc__, "seed", "device", "threads", "no_video", "quiet")
    parser.add_argument("data", metavar="DATA", nargs="?", help="data root")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="split of DATA (%(default)s)")
    parser.add_argument("--report", action="store_true", help="score the dances, and real dances and baselines")
    parser.add_argument("--audio", metavar="FILE", nargs="+", help="songs to generate dances for; no data root needed")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="(DATA/models/music2pose.pt; else weights/music2pose.pt, with --given or --seconds weights/seq_gan.pt)",
    )
    parser.add_argument("--out", metavar="DIR", help="output folder (DATA/dances/<model>/; without DATA out/)")
    group = parser.add_argument_group("generation")
    group.add_argument("--style", help="one of the model's style labels (clips.csv; for --audio by metre and tempo)")
    group.add_argument(
        "--temperature", type=cli.positive(float), default=1.0, help="below 1: likelier moves (%(default)s)"
    )
    group.add_argument(
        "--top-k", type=cli.whole_number, default=0, help="draw from this many likeliest units; 0: all (%(default)s)"
    )
    group.add_argument("--n", type=cli.positive(int), help="dances per song, seeds SEED, SEED + 1 … (1; --report: 5)")
    group.add_argument("--prefix", metavar="POSES.npz", help="continue these poses, which start with the song")
    group = parser.add_argument_group("GAN only (train_seq.py)")
    group.add_argument("--given", metavar="POSES.npz", help="complete these poses: generate what is not --known")
    group.add_argument("--known", type=frames, metavar="A:B,C:D", help="known frames, from A to before B (all)")
    group.add_argument("--known-joints", type=joints, metavar="A-B,C", help="known joints in those frames (all)")
    group.add_argument(
        "--seconds", type=cli.number_between(0.1, 86400), metavar="S", help="length (that of the song or of --given)"
    )
    args = parser.parse_args(argv)
    if args.data and args.audio:
        parser.error("give a data root or --audio FILE, not both")
    if not (args.data or args.audio or args.given or args.seconds):
        parser.error("give a data root, --audio FILE, --given POSES.npz, or --seconds S")
    if args.given and (args.data or len(args.audio or []) > 1):
        parser.error("--given goes with one --audio FILE, or none")
    if args.seconds and (args.data or args.audio) and not args.given:
        parser.error("--seconds: a song says itself how long it is")
    if args.given and args.temperature != 1:
        parser.error("--temperature goes with whole dances, not with --given")
    if (args.known or args.known_joints) and not args.given:
        parser.error("--known and --known-joints say what is known of --given POSES.npz")
    args.known = args.known or ["0:"]
    if args.report and (args.audio or args.prefix or args.given or args.style or args.split == "train"):
        parser.error("--report judges whole dances to songs that were not trained on, each in its own style")
    args.n = args.n or (5 if args.report else 1)
    args.no_video |= args.report
    return args


if __name__ == "__main__":
    cli.run(main)
