"""The files of one clip's poses, read into memory from a folder or an archive; nothing is unpacked to disk."""

import functools
import gzip
import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from learn2dance.data.data_root import ARRAYS, SINGLE
from learn2dance.errors import UserError

BLOCK = 1 << 16  # bytes read at once: more than a frame usually takes
LARGEST_FILE = 16 << 20  # bytes; a frame of a hundred people with hands and faces takes 2 MB
LARGEST_CLIP = 1 << 30  # bytes, unpacked; half an hour of one person's body is 50 MB
FORMATS = ("openpose", "coco", "mmpose", "brace", "aist", "array")  # see `other_tools`


def read(path: Path) -> tuple[list[tuple[str, bytes]], str]:
    """Read the files of one clip into memory.

    Parameters
    ----------
    path : Path
        A folder of JSON files, or, if it has none, of arrays; an archive ``.tar``, ``.tar.gz``, ``.tgz`` or ``.zip`` of
        JSON files, which may lie in folders; or a single file.

    Returns
    -------
    files : list of (str, bytes)
        Names and contents, sorted by name.
    digest : str
        The hash by which a change is noticed: `npz.digest` of the archive or file, or of the folder's files read.

    Raises
    ------
    UserError
        If it cannot be read, is too large, holds no poses, or is an archive that is damaged or not to be trusted.
    """
    total = hashlib.sha256()
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
            single = path.suffix.lower() in SINGLE
            files = [(path.name, packed)] if single else sorted(_archive(path, packed))
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from None
    if not files:
        others = ", ".join(ARRAYS)
        raise UserError(f"{path}: no .json files, nor {others}; OpenPose's --write_json writes one for each frame")
    return files, total.hexdigest()[:16]


def _folder(path: Path) -> list[tuple[str, bytes]]:
    """Return name and content of the files in a folder, or in the one folder that it holds instead.

    With a file for every frame, this is half of all the work: `os.open` and no Path, no file object for each.
    """
    names = os.listdir(path)
    if len(names) == 1 and (path / names[0]).is_dir():  # an archive unpacked into a folder of its own name
        path, names = path / names[0], os.listdir(path / names[0])
    base, flags = f"{path}{os.sep}", os.O_RDONLY | getattr(os, "O_BINARY", 0)
    files = []
    wanted = list(filter(_wanted, names)) or [n for n in names if n.lower().endswith(ARRAYS) and n[0] != "."]
    for name in wanted:
        descriptor = os.open(base + name, flags)
        try:
            data = os.read(descriptor, BLOCK)
            # A file read in one go that ends as JSON does is whole: no need to ask for more, which costs as much again.
            if len(data) >= BLOCK or not data.endswith(b"}"):
                size = os.fstat(descriptor).st_size
                if size > LARGEST_CLIP:
                    raise _too_large(path / name)
                data += b"".join(iter(functools.partial(os.read, descriptor, max(size, BLOCK)), b""))
        finally:
            os.close(descriptor)
        files.append((name, data))
    return files


def _wanted(name: str) -> bool:
    return name.endswith(".json") and name[name.rfind("/") + 1] != "."  # macOS packs ._x.json beside x.json


def _archive(path: Path, packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the JSON files in an archive, after a look at every name in it."""
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                members = archive.infolist()
                for member in members:
                    _trust(path, member.filename, member.file_size, link=member.external_attr >> 28 == 0xA)
                if sum(member.file_size for member in members) > LARGEST_CLIP:
                    raise _too_large(path)
                for member in members:
                    if _wanted(member.filename):
                        yield member.filename, archive.read(member)
            return
        if not path.name.lower().endswith(".tar"):
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacking:
                packed = unpacking.read(LARGEST_CLIP + 1)
        if len(packed) > LARGEST_CLIP:
            raise _too_large(path)
        for name, begin, size, plain in _tar(packed):
            _trust(path, name, size, link=not plain)
            if begin + size > len(packed):
                raise EOFError(f"{name} is cut off")
            if _wanted(name):
                yield name, packed[begin : begin + size]
        if any(packed[-1024:]):
            raise EOFError("the zeros that end an archive are missing")
    except UserError:
        raise
    except (EOFError, ValueError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a whole archive ({error}); was its copying cut short?") from None
    except (RuntimeError, NotImplementedError) as error:  # zipfile's, for a password and for methods it lacks
        raise UserError(f"{path}: {error}; pack it as a .tar.gz") from None


def _tar(packed: bytes) -> Iterator[tuple[str, int, int, bool]]:
    """Yield name, first byte, size, and whether it is a plain file or folder, of each member of a tar.

    tarfile takes three times as long over a header as orjson over the frame behind it. So the headers of the common
    kind are read here (POSIX.1-1988, "ustar Interchange Format"), and from the first other one on it is tarfile's turn.
    """
    at = 0
    while any(header := packed[at : at + 512]):  # zeros end the archive
        try:
            size, checksum = (int(header[a:b].rstrip(b"\0 "), 8) for a, b in ((124, 136), (148, 156)))
        except ValueError:  # large sizes are no octal numbers; nor is anything in a file that is no tar
            break
        common = header[156:157] in (b"0", b"5") and header[257:262] == b"ustar" and header[345:346] == b"\0"
        if not common or sum(header) - sum(header[148:156]) + 8 * ord(" ") != checksum:
            break
        yield header[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape"), at + 512, size, True
        at += 512 + -(-size // 512) * 512
    else:
        return
    with tarfile.open(fileobj=io.BytesIO(packed[at:]), mode="r:") as archive:
        for member in archive:
            yield member.name, at + member.offset_data, member.size, member.isfile() or member.isdir()


def _trust(path: Path, name: str, size: int, link: bool) -> None:
    """Refuse a member that points out of the archive, or that no frame's JSON can be."""
    parts = name.replace("\\", "/").split("/")
    if link or parts[0] == "" or ".." in parts or ":" in parts[0]:
        what = "a link or device" if link else "a path that leads out of it"
        raise UserError(
            f"{path}: holds {name!r}, {what}; expected plain files only: pack it anew, if you trust its source"
        )
    if not 0 <= size <= LARGEST_FILE:
        raise UserError(f"{path}: {name!r} unpacks to {size >> 20} MiB, expected the JSON of one frame; is it damaged?")


def _too_large(path: Path) -> UserError:
    return UserError(f"{path}: unpacks to more than {LARGEST_CLIP >> 20} MiB, expected the poses of one clip; split it")
