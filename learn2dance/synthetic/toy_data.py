"""Make toy data: synthetic songs, dances to them, and the poses that a detector would find.

Reads:  nothing.
Writes: DATA/keypoints/<clip>/… (a third of them <clip>.tar.gz), DATA/audio/<clip>.wav, DATA/clips.csv,
        DATA/splits/, and DATA/truth/<clip>.npz: the true joints and beats, for tests.

Three styles (waltz in 3/4, cha-cha and disco in 4/4), each with its own steps and range of tempo. Clips that exist and
were made with the same arguments are kept.

Example: python -m learn2dance.synthetic data/toy --clips 24 --seconds 20
"""

from pathlib import Path

import numpy as np

from learn2dance import cli, parallel
from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.synthetic import camera as synthetic_camera
from learn2dance.synthetic import music
from learn2dance.synthetic.dance import cast
from learn2dance.synthetic.figures import STYLES
from learn2dance.synthetic.files import write, write_keypoints, write_wav
from learn2dance.synthetic.motion import dance
from learn2dance.synthetic.style import STANDING

SHORTEST = 4.0  # seconds: nearly two bars of the slowest waltz (4.3 s), so that it usually holds a complete bar


def make(path: str | Path, clips: int = 24, seconds: float = 20.0, seed: int = 0, jobs: int = 1) -> list[str]:
    """Make a data root of toy data; the same arguments give the same bytes, whatever ``jobs`` is.

    Parameters
    ----------
    path : path
        The data root: a folder that does not exist, or holds toy data already.
    clips : int
        Number of clips, with the styles in turn; the first clips do not depend on the number.
    seconds : float
        Duration of each clip.
    seed : int
    jobs : int
        Processes.

    Returns
    -------
    list of str
        The clips made now: those that were missing or made with other arguments.

    Raises
    ------
    UserError
        If there are too few clips for three splits, they are too short, or the folder holds other data.
    """
    path, styles = Path(path), list(STYLES)
    if clips < 3 * len(styles):
        raise UserError(f"--clips {clips}: expected {3 * len(styles)} or more, so that each split has each style")
    if not SHORTEST <= seconds < float("inf"):
        raise UserError(f"--seconds {seconds:g}: expected {SHORTEST:g} or more, so that a bar is danced to its end")
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more")
    names = [f"{styles[i % len(styles)]}_{i // len(styles) + 1:02d}" for i in range(clips)]
    _check_folder(path, names)
    # The source of this package counts as a parent: if it changes, all clips are made again.
    parents = {"choreographer": npz.digest(*sorted(Path(__file__).parent.glob("*.py")))}
    arguments = {"seed": seed, "seconds": float(seconds)}
    all_jobs = [(path, index, name, arguments, parents) for index, name in enumerate(names)]
    todo = {job[2]: job for job in all_jobs if not _made(*job)}
    results = cli.progress(parallel.run(_make_clip, todo, jobs), "toy clips", len(todo))
    faults = [str(result) for _, result in results if isinstance(result, UserError)]
    cli.raise_faults(faults, clips, "clips not made")
    rows = [f"{name},{name.split('_')[0]},{_fps(index)}" for index, name in enumerate(names)]
    write(path / "clips.csv", "\n".join(["clip,style,fps", *rows, ""]).encode())
    for split in ("train", "val", "test"):
        listed = [name for index, name in enumerate(names) if _split(index) == split]
        write(path / "splits" / f"{split}.txt", "\n".join([*listed, ""]).encode())
    return list(todo)


def _split(index: int) -> str:
    """Return the split of a clip: of every eight clips of a style, one is in val and one in test."""
    return {1: "val", 2: "test"}.get(index // len(STYLES) % 8, "train")


def _fps(index: int) -> int:
    """Return the frame rate of a clip: 25 and 30 frames per second in turn within a style."""
    return (25, 30)[index // len(STYLES) % 2]


def _packed(index: int) -> bool:
    """Tell whether the clip's keypoints are an archive: every third clip, a different third in each style."""
    return (index // len(STYLES) + index % len(STYLES)) % 3 == 2


def _crowded(index: int) -> bool:
    """Tell whether a bystander is in the clip: every fourth clip, different ones in each style."""
    return (index // len(STYLES) + index % len(STYLES)) % 4 == 1


def _keypoints(path: Path, index: int, name: str) -> Path:
    return path / "keypoints" / (f"{name}.tar.gz" if _packed(index) else name)


def _made(path: Path, index: int, name: str, arguments: dict, parents: dict[str, str]) -> bool:
    """Tell whether a clip is complete and up to date; its truth is written last."""
    there = _keypoints(path, index, name).exists() and (path / "audio" / f"{name}.wav").exists()
    return there and npz.is_up_to_date(path / "truth" / f"{name}.npz", "truth", arguments, parents)


def _check_folder(path: Path, names: list[str]) -> None:
    """Raise a UserError if the folder holds data other than these toy clips."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: a file, expected a folder for the toy data, or nothing; choose another name")
    found = [entry for kind in ("keypoints", "audio", "videos") for entry in sorted(path.glob(f"{kind}/[!.]*"))]
    if (path / "clips.csv").exists():
        rows = (path / "clips.csv").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        found += [path / "clips.csv" / row.split(",")[0] for row in rows]
    for entry in found:
        if entry.name.split(".")[0] not in names:
            raise UserError(f"{entry}: not one of the {len(names)} toy clips; choose a folder without other data")


def _make_clip(job: tuple[Path, int, str, dict, dict[str, str]]) -> None:
    """Make one clip: its music, dance, detections and truth."""
    path, index, name, arguments, parents = job
    seconds, fps = arguments["seconds"], _fps(index)
    rngs = np.random.default_rng([arguments["seed"], index]).spawn(5)
    for_song, for_band, for_dancer, for_bystander, for_camera = rngs
    kind = name.split("_")[0]
    style = STYLES[kind]
    song = music.plan(kind, style.beats_per_bar, style.tempo, seconds, for_song)
    times = np.arange(round(seconds * fps)) / fps
    dancer = cast(for_dancer)
    joints = dance(style, song.energies, dancer, times, song.downbeat, song.beat, for_dancer)["joints"]
    camera = synthetic_camera.place(dancer.body.height, for_camera)
    pixels = synthetic_camera.view(camera, joints)
    bystander = synthetic_camera.view(camera, _stand_by(times, for_bystander)) if _crowded(index) else None

    truth = path / "truth" / f"{name}.npz"
    truth.unlink(missing_ok=True)  # until the clip is complete
    people = synthetic_camera.film(pixels, bystander, for_camera)
    write_keypoints(_keypoints(path, index, name), name, people)
    write_wav(path / "audio" / f"{name}.wav", music.play(song, seconds, for_band), music.RATE)
    npz.save(
        truth,
        "truth",
        "learn2dance.synthetic",
        arguments,
        parents,
        poses=pixels,
        beats=song.beats,
        downbeat=song.opening,
        beats_per_bar=song.beats_per_bar,
        fps=fps,
    )


def _stand_by(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the joints (T, 25, 3), metres, of a person who stands beside the dance floor."""
    beat = 60 / rng.uniform(*STANDING.tempo)
    bars = int(times[-1] / beat / STANDING.beats_per_bar) + 4
    joints = dance(STANDING, np.zeros(bars), cast(rng), times, rng.uniform(0, 4) * beat, beat, rng)["joints"]
    return joints + [rng.choice([-1, 1]) * rng.uniform(1.5, 2.1), 0, rng.uniform(-1.6, -0.3)]


def main(argv: list[str] | None = None) -> None:
    """Make toy data from the command line."""
    parser = cli.parser(__doc__, "seed", "jobs", "quiet")
    parser.add_argument("data", type=Path, metavar="DATA", help="the data root to make")
    parser.add_argument("--clips", type=cli.positive(int), default=24, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seconds", type=cli.positive(float), default=20.0, metavar="S", help="each (%(default)s)")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    log.info("toy data -> %s", args.data)
    made = make(args.data, args.clips, args.seconds, args.seed, args.jobs)
    kept = args.clips - len(made)
    log.info("%d clips of %g s made, %d kept, in %d styles", len(made), args.seconds, kept, len(STYLES))
    log.info("next: python parse.py %s", args.data)
