"""The readers of users' files: for each, how changed input is made, and how the program reads it.

Input is read as a stage reads it, and what was accepted is used, so that values which pass the checks and break what
comes after them are found too.
"""

import functools
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzzing import models, mutate, samples
from fuzzing.reader import HostilePickle, Reader, each

import train
from learn2dance import generation
from learn2dance.data import clips_table, data_root, npz
from learn2dance.evaluation import preference
from learn2dance.gan import pose_folder
from learn2dance.media import audio, ffmpeg, video_reader
from learn2dance.music2pose import generate
from learn2dance.poses import parsing
from learn2dance.render import inputs, player
from learn2dance.tokens import tokenize

SETTINGS = {"start": 0.0, "end": None, "joints": 15, "min_confidence": 0.25, "max_gap": 0.5, "person": 1}
SETTINGS |= {"travel": "on"}
SHORT = "--steps 2 --every 1 --width 8 --batch 16 --warmup 1".split()


def keypoints(change: Callable[[np.random.Generator], dict[str, bytes]]) -> Reader:
    """Return the reader of parse.py's input, for changed files in ``keypoints/``."""

    def read(box: Path) -> None:
        root = data_root.open_root(box / "root")
        each(functools.partial(parsing.parse_clip, (root, clip, 25.0, SETTINGS, {})) for clip in root.keypoints)

    def changed(rng: np.random.Generator) -> dict[str, bytes]:
        return {f"root/keypoints/{name}": content for name, content in change(rng).items()}

    return Reader(changed, read, removed=("root",))


def clip_folder(rng: np.random.Generator) -> dict[str, bytes]:
    """Return a folder of OpenPose's JSON."""
    files = dict(samples.openpose())
    for _ in range(int(rng.integers(1, 4))):
        old = mutate.pick(rng, list(files))
        frame = json.dumps(
            mutate.tree(rng, json.loads(mutate.pick(rng, list(samples.openpose().values())))), default=repr
        ).encode()
        content = mutate.pick(rng, [files.pop(old), frame, mutate.data(rng, frame)])
        files[mutate.pick(rng, [old, old, *mutate.NAMES])] = content
    return {f"clip/{name}": content for name, content in files.items() if name and "/" not in name and len(name) < 200}


def pose_file(rng: np.random.Generator) -> dict[str, bytes]:
    """Return a clip in one file: JSON, pickle, .npy or .npz."""
    ending, good = mutate.pick(rng, list(samples.pose_files().items()))
    kind = ending.rpartition(".")[2]
    if rng.random() < 0.03:
        return {f"clip.{kind}": pickle.dumps(HostilePickle())}
    odd = mutate.tree(rng, good)
    if kind == "npy":
        found = samples.npy(odd)
    elif kind == "npz":
        found = samples.npz(odd)
    else:
        found = pickle.dumps(odd, 2) if kind == "pkl" else json.dumps(odd, default=repr).encode()
    return {f"clip.{kind}": mutate.data(rng, found) if rng.random() < 0.4 else found}


def arrays(rng: np.random.Generator, good: Path) -> bytes:
    """Return a changed .npz, with or without ``meta``."""
    found = dict(np.load(good))
    if rng.random() < 0.7:
        found.pop("meta", None)
    if rng.random() < 0.2:
        return mutate.data(rng, good.read_bytes())
    return samples.npz(mutate.tree(rng, found))


def every(trained: Path, gan: Path, room: Path) -> dict[str, Reader]:
    """Return all readers by name; ``trained`` and ``gan`` are those of conftest; samples are put into ``room``."""
    root = data_root.open_root(trained)
    clip = root.have("poses", "music", "tokens")[0]
    music = npz.load(root.file("music", clip), "music")
    model = generation.load(trained / "models" / "music2pose.pt")
    dance = samples.dance(model, music, room / "dance.npz")

    def use_poses(box: Path) -> None:
        path, folder = box / "root" / "poses" / f"{clip}.npz", pose_folder.open_folder
        opened = data_root.open_root(box / "root")
        each([lambda: tokenize.cut_clip(opened, clip, tokenize.Settings()),
              lambda: pose_folder.read(folder(path.parent), clip), lambda: use_dance(path),
              lambda: generate.cut_prefix(model.codebook, path, music)])  # fmt: skip

    def use_dance(path: Path) -> None:
        found = inputs.read([path], None, 0.0, None)
        found.poses([path])
        player.marks(found.dances[0], 0.0)

    def use_music(box: Path) -> None:
        generation.dance(model, npz.load(box / "song.npz", "music"), 0)

    def copy_root(box: Path) -> None:
        shutil.copytree(trained, box / "root", ignore=shutil.ignore_patterns("models", "audio", "notebooks"))
        for path in (box / "root" / "tokens").glob("*.npz"):
            found = dict(np.load(path))
            found.pop("meta")  # else they would not belong to changed clusters
            path.write_bytes(samples.npz(found))

    def tables(box: Path) -> None:
        found = data_root.open_root(box / "root")
        clips_table.note_fps(found.path, clip, 25.0, found.have("poses"))
        each(functools.partial(found.split, name, found.have("poses")) for name in ("train", "val"))

    def in_training(rng: np.random.Generator) -> dict[str, bytes]:
        if rng.random() < 0.5:
            return {"root/clusters.npz": arrays(rng, trained / "clusters.npz")}
        good = {"root/clusters.npz": (trained / "clusters.npz").read_bytes()}
        names = root.split("train", root.have("tokens"))
        return good | {f"root/tokens/{name}.npz": arrays(rng, root.file("tokens", name)) for name in names[:1]}

    def texts(rng: np.random.Generator) -> dict[str, bytes]:
        table, train_split = (trained / "clips.csv").read_text(), (trained / "splits" / "train.txt").read_text()
        found = {"root/clips.csv": table.encode(), "root/splits/train.txt": train_split.encode()}
        which = mutate.pick(rng, list(found))
        return found | {which: mutate.table(rng, found[which].decode())}

    def poses_only(box: Path) -> None:
        shutil.copytree(trained / "poses", box / "root" / "poses")
        shutil.copytree(trained / "splits", box / "root" / "splits")

    def named(name: str, good: Path) -> Callable[[np.random.Generator], dict[str, bytes]]:
        return lambda rng: {name: arrays(rng, good)}

    def media(kinds: dict[str, bytes]) -> Callable[[np.random.Generator], dict[str, bytes]]:
        def change(rng: np.random.Generator) -> dict[str, bytes]:
            ending = mutate.pick(rng, list(kinds))
            return {f"file.{ending}": mutate.data(rng, kinds[ending])}

        return change

    def look(box: Path) -> None:
        (path,) = box.glob("file.*")
        each([lambda: audio.load(path), lambda: ffmpeg.probe(path)])

    def watch(box: Path) -> None:
        (path,) = box.glob("file.*")
        video_reader.look(path)

    def packed(ending: str) -> Reader:
        return keypoints(lambda rng: {f"clip{ending}": mutate.archive(rng, samples.openpose(), ending)})

    readers = {f"keypoints {ending}": packed(ending) for ending in (".tar.gz", ".zip")}
    readers |= {"keypoints, a folder": keypoints(clip_folder), "poses of other tools": keypoints(pose_file)}
    readers["poses .npz"] = Reader(named(f"root/poses/{clip}.npz", root.file("poses", clip)), use_poses, copy_root)
    readers["dance .npz"] = Reader(named("d.npz", dance), lambda box: use_dance(box / "d.npz"))
    readers["music .npz"] = Reader(named("song.npz", root.file("music", clip)), use_music)
    readers["tokens, clusters in training"] = Reader(
        in_training, lambda box: train.main([str(box / "root"), "--quiet", *SHORT]), copy_root, ("root/models",)
    )
    readers["clips.csv, splits"] = Reader(texts, tables, poses_only)
    readers |= models.readers(trained, gan, music, room)
    readers["audio"] = Reader(media(samples.sounds()), look, removed=samples.ANY_FILE)
    readers["video"] = Reader(media(samples.films()), watch, removed=samples.ANY_FILE)
    readers["text as audio"] = Reader(samples.playlist, look, removed=samples.ANY_FILE)
    answers = samples.answers()
    readers["answers of raters"] = Reader(
        lambda rng: {"a.csv": mutate.table(rng, answers)}, lambda box: preference.main([str(box / "a.csv")])
    )
    return readers
