"""Write dances to songs: what eval.py does with each song, in its own process or on a cluster."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from learn2dance import cli, generation
from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.generation import Model
from learn2dance.media import audio
from learn2dance.music import features


@dataclass(frozen=True)
class Request:
    """Dances that are asked for, to any song."""

    model: Path
    device: str  # as `cli.device` takes it
    seeds: range  # one for each dance
    options: dict  # of `generation.dance`
    folder: Path  # to write to
    endings: tuple[str, ...]  # of what is made of each dance: .mp4, .html
    parents: dict[str, str]  # `digests` of the model and the options


@dataclass(frozen=True)
class Song:
    """A song to dance to; without ``sound`` and ``music``, a dance without music."""

    name: str
    sound: Path | None
    music: Path | None  # its file of features; None: they are computed
    style: str | None  # the one asked for, or the song's label; None: the song decides


def load_once(path: Path, device: str) -> Model:
    """Return the model of a file (`generation.load`), which this process keeps for the next song."""
    state = path.stat() if path.exists() else None  # a worker of a cluster may live longer than a model
    return _load(path, device, state and (state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=1)
def _load(path: Path, device: str, state: tuple[int, int, int] | None) -> Model:
    return generation.load(path, device)


def digests(model: Path, options: dict) -> dict[str, str]:
    """Return the digests of a model and of the prefix, if the options of `generation.dance` have one."""
    prefix = options.get("prefix")
    return {"model": npz.digest(model)} | ({"prefix": npz.digest(prefix)} if prefix else {})


def dance(job: tuple[Request, Song]) -> list[Path]:
    """Write the dances to one song; return their .npz, one for each seed.

    Raises a UserError if the model or the prefix is another file than the request's, as it may be on another machine.
    """
    request, song = job
    model, music = load_once(request.model, cli.device(request.device)), None
    parents, inputs = digests(request.model, request.options), [song.sound, request.options.get("prefix")]
    for name, digest in request.parents.items():
        if parents[name] != digest:
            file = request.options["prefix"] if name == "prefix" else request.model
            raise UserError(f"{file}: this {name} has changed, or is another on a worker; share it under the same path")
    if song.music:
        music, parents["music"] = npz.load(song.music, "music"), npz.digest(song.music)
    elif song.sound:
        music, parents["audio"] = analyse(song.sound, song.name), npz.digest(song.sound)
    generation.log_choice(song.name, music, model, song.style)
    recorded = {key: value for key, value in request.options.items() if key != "prefix"}
    files = []
    for seed in request.seeds:
        name = song.name if len(request.seeds) == 1 else f"{song.name}_{seed}"
        make = partial(generation.dance, model, music, seed, song.style, **request.options)
        how = {"seed": seed, "style": song.style} | recorded
        files.append(write(request.folder / f"{name}.npz", make, how, parents, request.endings, song.sound, inputs))
    return files


def analyse(sound: Path, name: str) -> dict:
    """Return the music features of an audio file."""
    log.info("%s: analysing the music", sound)
    return features.features(audio.load(sound), name)


def write(
    target: Path,
    make: Callable[[], dict],
    how: dict,
    parents: dict[str, str],
    endings: tuple[str, ...],
    sound: Path | None,
    inputs: Iterable[Path | None],
) -> Path:
    """Write a dance (`generation.write`), and files with these endings beside it (`generation.show`); return its path.

    Raises a UserError if one of the ``inputs`` would be overwritten.
    """
    shown = [target.with_suffix(ending) for ending in endings]
    for source in filter(None, inputs):
        if source.resolve() in (path.resolve() for path in (target, *shown)):
            raise UserError(f"{source}: would be overwritten by the dance; give another --out")
    generation.write(target, make, how, parents)
    generation.show(target, shown, sound)
    log.info("%s", ", ".join(map(str, [target, *shown])))
    return target
