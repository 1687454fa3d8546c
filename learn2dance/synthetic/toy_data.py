"""The toy data set: the clips that it has, their files, and the making of one clip. `__main__` says what is written."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import wavfile

from learn2dance import cli, parallel
from learn2dance.data import npz
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.synthetic.camera import detect_people, random_camera
from learn2dance.synthetic.dance import random_dancer
from learn2dance.synthetic.figures import BYSTANDER, STYLES
from learn2dance.synthetic.files import write, write_keypoints
from learn2dance.synthetic.motion import dance
from learn2dance.synthetic.music import RATE, random_song, synthesise

SHORTEST = 4.0  # seconds: nearly two bars of the slowest waltz (4.3 s), so that it usually holds a complete bar


class Clip(NamedTuple):
    """What the index of a clip determines: see `_clip`."""

    index: int
    name: str
    style: str
    fps: int
    split: str
    keypoints: str  # name of the folder or archive
    crowded: bool  # whether a bystander is in it


def make(
    path: str | Path,
    clips: int = 24,
    seconds: float = 20.0,
    seed: int = 0,
    jobs: int = 1,
    dask: str | None = None,
) -> list[str]:
    """Make a data root of toy clips of `seconds` each.

    ``jobs`` processes, or those of the cluster ``dask``, make the clips (`parallel.run`): the bytes are the same.
    The root is a folder that does not exist or holds toy data. The first clips do not depend on the number of clips.
    Returns the names of the clips generated now: those that were missing or generated with other arguments.

    Raises
    ------
    UserError
        If there are too few clips for three splits, they are too short, or the folder holds other data.
    """
    path, fewest = Path(path), 3 * len(STYLES)
    if clips < fewest:
        raise UserError(f"--clips {clips}: expected {fewest} or more, so that each split has each style")
    if not SHORTEST <= seconds < float("inf"):
        raise UserError(f"--seconds {seconds:g}: expected {SHORTEST:g} or more, so that each clip holds a full bar")
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more")
    planned = [_clip(index) for index in range(clips)]
    _check_folder(path, [clip.name for clip in planned])
    # The source of this package counts as a parent: if it changes, all clips are regenerated.
    parents = {"choreographer": npz.digest(*sorted(Path(__file__).parent.glob("*.py")))}
    arguments = {"seed": seed, "seconds": float(seconds)}
    todo = {clip.name: (path, clip, arguments, parents) for clip in planned}
    todo = {name: job for name, job in todo.items() if not _up_to_date(*job)}
    results = cli.progress(parallel.run(_make_clip, todo, jobs, dask, [path]), "toy clips", len(todo))
    faults = [str(result) for _, result in results if isinstance(result, UserError)]
    cli.raise_faults(faults, clips, "clips failed")
    rows = ["clip,style,fps", *(f"{clip.name},{clip.style},{clip.fps}" for clip in planned)]
    write(path / "clips.csv", "".join(f"{row}\n" for row in rows).encode())
    for split in ("train", "val", "test"):
        names = [f"{clip.name}\n" for clip in planned if clip.split == split]
        write(path / "splits" / f"{split}.txt", "".join(names).encode())
    return list(todo)


def _clip(index: int) -> Clip:
    """Plan a clip: the styles take turns, and within a style the frame rates.

    Of every eight clips of a style, one is in val and one in test. One in three is an archive and one in four has a
    bystander: different ones in each style.
    """
    number, column = divmod(index, len(STYLES))
    style = list(STYLES)[column]
    name, diagonal = f"{style}_{number + 1:02d}", number + column
    split = {1: "val", 2: "test"}.get(number % 8, "train")
    keypoints = f"{name}.tar.gz" if diagonal % 3 == 2 else name
    return Clip(index, name, style, (25, 30)[number % 2], split, keypoints, diagonal % 4 == 1)


def _up_to_date(path: Path, clip: Clip, arguments: dict, parents: dict[str, str]) -> bool:
    """Tell whether a clip is complete and up to date; its truth is written last."""
    complete = (path / "keypoints" / clip.keypoints).exists() and (path / "audio" / f"{clip.name}.wav").exists()
    return complete and npz.is_up_to_date(path / "truth" / f"{clip.name}.npz", "truth", arguments, parents)


def _check_folder(path: Path, names: list[str]) -> None:
    """Raise a UserError if the folder holds data other than these toy clips."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: found a file, expected a folder or nothing; choose another name")
    found = [entry for kind in ("keypoints", "audio", "videos") for entry in sorted(path.glob(f"{kind}/[!.]*"))]
    if (path / "clips.csv").exists():
        rows = (path / "clips.csv").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        found += [path / "clips.csv" / row.split(",")[0] for row in rows]
    for entry in found:
        if entry.name.split(".")[0] not in names:
            raise UserError(f"{entry}: not one of the {len(names)} toy clips; choose a folder without other data")


def _make_clip(job: tuple[Path, Clip, dict, dict[str, str]]) -> None:
    """Make one clip: its music, dance, detections and truth."""
    path, clip, arguments, parents = job
    seconds, style = arguments["seconds"], STYLES[clip.style]
    rngs = np.random.default_rng([arguments["seed"], clip.index]).spawn(5)
    for_song, for_sound, for_dancer, for_bystander, for_camera = rngs
    song = random_song(style, seconds, for_song)
    times = np.arange(round(seconds * clip.fps)) / clip.fps
    dancer = random_dancer(for_dancer)
    joints, _ = dance(style, song.energies, dancer, (times - song.downbeat) / song.beat, song.beat, for_dancer)
    camera = random_camera(dancer.body.height, for_camera)
    poses = camera.project(joints)
    bystander = camera.project(_stand_by(times, for_bystander)) if clip.crowded else None

    truth = path / "truth" / f"{clip.name}.npz"
    truth.unlink(missing_ok=True)  # until the clip is complete
    write_keypoints(path / "keypoints" / clip.keypoints, clip.name, detect_people(poses, bystander, for_camera))
    with atomic(path / "audio" / f"{clip.name}.wav") as temporary:
        wavfile.write(temporary, RATE, synthesise(song, seconds, for_sound))
    arrays = {"poses": poses, "beats": song.beats, "downbeat": np.abs(song.beats - song.downbeat).argmin()}
    arrays |= {"beats_per_bar": style.beats_per_bar, "fps": clip.fps}
    npz.save(truth, "truth", "learn2dance.synthetic", arguments, parents, **arrays)


def _stand_by(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the joints (T, 25, 3), metres, of a person who stands beside the dance floor."""
    beat = 60 / rng.uniform(*BYSTANDER.tempo)
    bars = int(times[-1] / beat / BYSTANDER.beats_per_bar) + 4
    dancer, downbeat = random_dancer(rng), rng.uniform(0, 4) * beat
    joints, _ = dance(BYSTANDER, np.zeros(bars), dancer, (times - downbeat) / beat, beat, rng)
    return joints + [rng.choice([-1, 1]) * rng.uniform(1.5, 2.1), 0, rng.uniform(-1.6, -0.3)]
