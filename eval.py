"""Dance to music with a trained model: to any audio file, or to the songs of a data root's split.

Reads   the model (--model), and FILE… (--audio) or DATA/music/<song>.npz with DATA/splits/
Writes  <song>.npz (poses, tokens, beats, seed) and <song>.mp4 with the music, in out/ or DATA/dances/music2pose/;
        with --report scores.json and report.png beside them, and no .mp4

Examples: python eval.py --audio song.mp3 --style waltz --n 3
          python eval.py data/ballroom --split test
          python eval.py data/ballroom --split test --report
"""

from pathlib import Path

from learn2dance import stage
from learn2dance.stage import Fault, log

WEIGHTS = Path(__file__).parent / "weights" / "music2pose.pt"  # trained on the ballroom dances: see README.md


def main(argv: list[str] | None = None) -> None:
    """Dance as the command line says."""
    args = arguments(argv)
    stage.setup(args.quiet)
    device = stage.device(args.device)
    from learn2dance import audio, dancing, dataroot, music, store
    from learn2dance.dancer import check_codebook, load_dancer

    if args.audio:
        model, out = Path(args.model or WEIGHTS), Path(args.out or "out")
        songs = [(Path(name).stem, Path(name)) for name in args.audio]
    else:
        root = dataroot.open_root(args.data)
        needed = ("music", "poses") if args.report else ("music",)
        model = Path(args.model or root.path / "models" / "music2pose.pt")
        out = Path(args.out or root.path / "dances" / model.stem)
        songs = [(clip, root.one("audio", clip)) for clip in root.split(args.split, root.have(*needed))]
    dancer = load_dancer(model, device)
    if args.data and (root.path / "clusters.npz").exists():
        check_codebook(dancer, model, root.path / "clusters.npz")
    lstm = baseline(root, model) if args.report else None
    if args.style and args.style not in dancer.config.styles:
        raise Fault(f"--style {args.style}: {model} has learned {', '.join(dancer.config.styles) or 'no styles'}")
    if len({name for name, _ in songs}) < len(songs):
        raise Fault(
            f"--audio: two songs of the same name would be written to one file in {out}; dance to one at a time"
        )

    danced: list[dict[str, Path]] = [{} for _ in range(args.n)]
    for name, sound in stage.progress(songs, "songs"):
        if args.audio:
            heard, parents = music.features(audio.load(sound), name), {"audio": store.digest(sound)}
        else:
            file = root.file("music", name)
            heard, parents = store.load(file, "music"), {"music": store.digest(file)}
        style = args.style or (root.styles.get(name) if args.data else None)
        parents |= {"model": store.digest(model)} | ({"prefix": store.digest(args.prefix)} if args.prefix else {})
        for seed in range(args.seed, args.seed + args.n):
            target = out / (f"{name}.npz" if args.n == 1 else f"{name}_{seed}.npz")
            film = target.with_suffix(".mp4")
            for given_file in filter(None, (sound, args.prefix)):
                if Path(given_file).resolve() in (target.resolve(), film.resolve()):
                    raise Fault(f"{given_file}: would be overwritten by the dance; give another --out")
            how = {"seed": seed, "temperature": args.temperature, "top_k": args.top_k, "style": style}
            if not store.fresh(target, "dance", how, parents):
                dance = dancing.dance(dancer, heard, seed, style, args.temperature, args.top_k, args.prefix)
                store.save(target, "dance", "eval.py", how, parents, **dance)
            if not args.no_video and not (film.exists() and film.stat().st_mtime >= target.stat().st_mtime):
                render(store.load(target, "dance"), film, sound)
            log.info("%s", target if args.no_video else film)
            danced[seed - args.seed][name] = target
    if args.report:
        judge(root, dancer, lstm, model, danced, args.seed, out)


def baseline(root, model: Path):
    """Load the BiLSTM that lies beside a model; None, and a warning, where there is none."""
    from learn2dance.dancer import check_codebook, load_dancer

    path = model.with_name("lstm.pt")
    if not path.exists() or path == model:
        log.warning("%s: no baseline to judge beside; train.py --model lstm makes it", path)
        return None
    lstm = load_dancer(path)
    check_codebook(lstm, path, root.path / "clusters.npz")
    return lstm


def judge(root, dancer, lstm, model: Path, danced: list[dict[str, Path]], seed: int, out: Path) -> None:
    """Judge the dances (song -> file, for each seed) beside their rivals, the BiLSTM among them where there is one."""
    from learn2dance import report, store

    loaded = [{song: store.load(path, "dance") for song, path in dances.items()} for dances in danced]
    made = [{song: (dance["poses"], dance["fps"]) for song, dance in dances.items()} for dances in loaded]
    parents = {"model": store.digest(model), "dances": store.digest(*(p for d in danced for p in d.values()))}
    log.info("%s", report.make(root, dancer, made, lstm, seed, out, parents))
    log.info("%s, %s", out / "scores.json", out / "report.png")


def render(dance: dict, film: Path, sound: Path | None) -> None:
    """Draw a dance with its music."""
    from learn2dance import drawing, skeleton

    drawing.animate([skeleton.plant(dance["poses"], dance["fps"])], dance["fps"], film, audio=sound, y_up=True)


def arguments(argv: list[str] | None):
    """Parse the command line."""
    parser = stage.parser(__doc__, "seed", "device", "no_video", "quiet")
    parser.add_argument("data", metavar="DATA", nargs="?", help="data root")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="songs of DATA (%(default)s)")
    parser.add_argument("--report", action="store_true", help="judge them beside real dances and other rivals")
    parser.add_argument("--audio", metavar="FILE", nargs="+", help="songs to dance to; no data root needed")
    parser.add_argument(
        "--model", metavar="FILE", help="(DATA/models/music2pose.pt; with --audio the one that comes along)"
    )
    parser.add_argument("--out", metavar="DIR", help="where to (DATA/dances/<model>/; with --audio out/)")
    group = parser.add_argument_group("the dance")
    group.add_argument(
        "--style", help="one that the model has learned (clips.csv; with --audio what the music suggests)"
    )
    group.add_argument(
        "--temperature", type=stage.positive(float), default=1.0, help="lower: likelier moves (%(default)s)"
    )
    group.add_argument("--top-k", type=stage.whole, default=0, help="draw among so many words; 0: all (%(default)s)")
    group.add_argument("--n", type=stage.positive(int), help="so many dances, seeds SEED, SEED + 1 … (1; --report: 5)")
    group.add_argument("--prefix", metavar="POSES.npz", help="go on from these poses, which begin with the song")
    args = parser.parse_args(argv)
    if bool(args.data) == bool(args.audio):
        parser.error("give a data root or --audio FILE, one of them")
    if args.report and (args.audio or args.prefix or args.style or args.split == "train"):
        parser.error("--report judges whole dances to songs that were not trained on, each in its own style")
    args.n = args.n or (5 if args.report else 1)
    args.no_video |= args.report
    return args


if __name__ == "__main__":
    stage.run(main)
