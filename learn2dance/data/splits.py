"""Training, validation and test splits: lists of clips, and how clips are dealt to them.

Clips with the same song go to the same side, so that a model is never validated or tested on a song that it was trained
on. The song is known from a name of AIST's data, or from the sound.
"""

import fnmatch
import hashlib
from pathlib import Path

from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.data.clip_names import aist_song, ignored
from learn2dance.data.clips_table import read_text
from learn2dance.errors import UserError


def deal(where: Path, songs: list[list[str]], *held_out: str) -> dict[str, list[str]]:
    """Deal clips to splits: a tenth, at least one, to each part held out, the rest to ``train``.

    ``songs`` lists the clips of each song, which stay together. Songs are dealt in the order of the hashes of their
    first clips' names. If there are too few songs, clips are dealt one by one; if there are too few clips, all parts
    are the same. A warning, which names ``where``, says so.
    """
    names = sorted(name for song in songs for name in song)
    if len(songs) <= len(held_out) < len(names):
        log.warning("%s: too few songs (%d), so clips with the same song are on both sides", where, len(songs))
        songs = [[name] for name in names]
    if len(names) <= len(held_out):
        parts = ("train", *held_out)
        log.warning("%s: %d clips cannot be split: %s are the same", where, len(names), " and ".join(parts))
        return {part: names for part in parts}
    rest = sorted(map(sorted, songs), key=lambda song: hashlib.sha256(song[0].encode()).digest())
    parts, size = {}, max(1, len(names) // 10)
    for part in held_out:
        chosen: list[list[str]] = []
        for song in rest:
            if sum(map(len, chosen)) + len(song) <= size:
                chosen.append(song)
        chosen = chosen or [min(rest, key=len)]
        rest = [song for song in rest if song not in chosen]
        parts[part] = sorted(name for song in chosen for name in song)
    if several := [", ".join(song[:4]) + (" …" if len(song) > 4 else "") for song in songs if len(song) > 1]:
        log.info("%s: clips with the same song are on one side: %s", where, "; ".join(several))
    return {"train": sorted(name for song in rest for name in song)} | parts


def by_song(clips: list[str], music: Path | None = None) -> list[list[str]]:
    """Group clips by song: by AIST's names and, if there is a folder of ``music`` files, by their sound.

    Sounds are compared by `fingerprint.same`, if `fingerprint.candidates` finds them similar. Clips without a
    ``music`` file are not compared, which is logged.
    """
    from learn2dance.data import fingerprint

    group = {clip: {clip} for clip in clips}

    def join(one: str, other: str) -> None:
        both = group[one] | group[other]
        group.update(dict.fromkeys(both, both))

    first: dict[str, str] = {}
    for clip in clips:
        if song := aist_song(clip):
            join(clip, first.setdefault(song, clip))
    files = {clip: music / f"{clip}.npz" for clip in clips if not aist_song(clip)} if music else {}
    prints = {}
    for clip, file in files.items():
        if file.exists():
            prints[clip] = fingerprint.fingerprint(npz.load(file, "music"))
    for one, other in fingerprint.candidates(prints):
        if group[one] is not group[other] and fingerprint.same(prints[one], prints[other]):
            join(one, other)
    if len(prints) < len(files):
        unheard = len(files) - len(prints)
        log.warning("%s: no music files of %d clips, so those with the same song may be on both sides", music, unheard)
    return sorted({id(song): sorted(song) for song in group.values()}.values())


def read(path: Path) -> list[str]:
    """Read the clips that a split's file lists."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def matching(clips: list[str], patterns: list[str] | None, where: str) -> list[str]:
    """Return the clips whose name matches one of these shell patterns (`fnmatch`); all if there are no patterns.

    Raises a UserError if no clip matches; ``where`` says in it what the clips are.
    """
    found = [clip for clip in clips if any(fnmatch.fnmatchcase(clip, p) for p in patterns or ["*"])]
    if not found:
        some = ", ".join(clips[:4]) + (" …" if len(clips) > 4 else "")
        raise UserError(f"--songs {' '.join(patterns)}: matches none of the {len(clips)} songs of {where} ({some})")
    return found


def files(folder: Path) -> list[Path]:
    """List the files of the splits in a folder."""
    return [path for path in sorted(folder.glob("*.txt")) if not ignored(path.name)]
