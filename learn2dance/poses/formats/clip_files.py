"""Read the pose files of one clip into memory from a folder or an archive, without unpacking to disk."""

import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from learn2dance.cli import refuse_special
from learn2dance.data.clip_names import ARRAYS, SINGLE, ignored
from learn2dance.errors import UserError

BLOCK = 1 << 16  # bytes per read: more than a frame usually has
LARGEST_FILE = 16 << 20  # bytes, limit for one file; a frame of a hundred people with hands and faces has 2 MB
LARGEST_CLIP = 1 << 30  # bytes, limit for an unpacked clip; half an hour of one person's body is 50 MB
Files = list[tuple[str, bytes]]  # names and contents


# Exceptions that zipfile, gzip and tarfile raise for damaged archives.
DAMAGED = (EOFError, ValueError, OverflowError, IndexError, RecursionError, zlib.error, gzip.BadGzipFile)
DAMAGED += (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError)


def read(path: Path) -> tuple[Files, str]:
    """Read names and contents of one clip's files, sorted by name, and a hash for noticing changes.

    ``path`` is a folder of JSON files or, if it has none, of arrays; an archive ``.tar``, ``.tar.gz``, ``.tgz`` or
    ``.zip`` of JSON files, which may be in subfolders; or a single file. The hash is `npz.digest` of the archive or
    file, or of those files of the folder that are read. Raises a UserError if it cannot be read, is too large or holds
    no poses, or if it is a damaged or unsafe archive.
    """
    total = hashlib.sha256()
    refuse_special(path)
    try:
        if path.is_dir():
            files = sorted(_folder(path))
            for name, data in files:
                total.update(name.encode("utf-8", "surrogateescape") + b"\0")
                total.update(data)
        elif path.stat().st_size > LARGEST_CLIP:
            raise _too_large(path)
        else:
            packed = path.read_bytes()
            total.update(b".\0" + packed)
            unpack = _zip if path.name.lower().endswith(".zip") else _tar
            files = [(path.name, packed)] if path.suffix.lower() in SINGLE else sorted(unpack(path, packed))
    except UserError:
        raise
    except DAMAGED as error:
        raise UserError(f"{path}: damaged or incomplete archive ({error}); was copying it interrupted?") from None
    except RuntimeError as error:  # from zipfile: a password, or an unsupported compression
        raise UserError(f"{path}: {error}; pack it as a .tar.gz") from None
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from None
    if not files:
        others = ", ".join(ARRAYS)
        raise UserError(f"{path}: no .json files, nor {others}; OpenPose's --write_json writes one for each frame")
    return files, total.hexdigest()[:16]


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files in a folder, or in its only subfolder if it holds nothing else."""
    names = _listed(path)
    if len(names) == 1 and (path / names[0]).is_dir():  # an archive unpacked into a folder of its own name
        path, names = path / names[0], _listed(path / names[0])
    base = f"{path}{os.sep}"  # a Path for each of thousands of files would be slow
    for name in list(filter(_wanted, names)) or [name for name in names if name.lower().endswith(ARRAYS)]:
        with open(base + name, "rb", buffering=0) as file:
            data = file.read(BLOCK)
            # A file shorter than BLOCK that ends like JSON is complete. A second read would double the cost.
            if len(data) >= BLOCK or not data.endswith(b"}"):
                if os.fstat(file.fileno()).st_size > LARGEST_CLIP:
                    raise _too_large(path / name)
                data += file.read()
        yield name, data


def _listed(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not ignored(entry.name)]
    for entry in found:
        if not entry.is_file():  # which needs no further system call
            refuse_special(entry.path)
    return [entry.name for entry in found]


def _wanted(name: str) -> bool:
    return name.endswith(".json") and not ignored(name.removeprefix("./"))  # macOS packs ._x.json beside x.json


def _zip(path: Path, packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the JSON files in a .zip; check every member."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        members = archive.infolist()
        for member in members:
            _check_member(path, member.filename, member.file_size, plain=member.external_attr >> 28 != 0xA)
        if sum(member.file_size for member in members) > LARGEST_CLIP:
            raise _too_large(path)
        yield from ((m.filename, archive.read(m)) for m in members if _wanted(m.filename))


def _tar(path: Path, packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the JSON files in a .tar, .tar.gz or .tgz; check every member."""
    if not path.name.lower().endswith(".tar"):
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacking:
            packed = unpacking.read(LARGEST_CLIP + 1)
    if len(packed) > LARGEST_CLIP:
        raise _too_large(path)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:", encoding="utf-8") as archive:
        for member in archive:
            _check_member(path, member.name, member.size, plain=member.isfile() or member.isdir())
            if _wanted(member.name):
                yield member.name, packed[member.offset_data : member.offset_data + member.size]
        # tarfile takes a damaged header, or the end of the data, for the end of the archive, which is zeros.
        if any(packed[archive.offset : archive.offset + 512]) or any(packed[-1024:]):
            raise EOFError("a damaged header, or no zeros at its end")


def _check_member(path: Path, name: str, size: int, plain: bool) -> None:
    """Raise a UserError for a link, a path that leaves the archive, or a file too large for a frame's JSON."""
    parts = name.replace("\\", "/").split("/")
    if not plain or parts[0] == "" or ".." in parts or ":" in parts[0]:
        found = "a path that leads out of it" if plain else "a link or device"
        raise UserError(f"{path}: found {name!r}, {found}, expected files only; pack it again if you trust its source")
    if not 0 <= size <= LARGEST_FILE:
        raise UserError(f"{path}: {name!r} unpacks to {size >> 20} MiB, expected the JSON of one frame; is it damaged?")


def _too_large(path: Path) -> UserError:
    return UserError(f"{path}: unpacks to more than {LARGEST_CLIP >> 20} MiB, expected the poses of one clip; split it")
