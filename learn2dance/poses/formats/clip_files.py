"""Read the pose files of one clip into memory from a folder or an archive, without unpacking to disk."""

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

BLOCK = 1 << 16  # bytes per read: more than a frame usually has
LARGEST_FILE = 16 << 20  # bytes, limit for one file; a frame of a hundred people with hands and faces has 2 MB
LARGEST_CLIP = 1 << 30  # bytes, limit for an unpacked clip; half an hour of one person's body is 50 MB
FORMATS = ("openpose", "coco", "mmpose", "brace", "aist", "array")  # see `other_tools`


def read(path: Path) -> tuple[list[tuple[str, bytes]], str]:
    """Read the files of one clip into memory.

    Parameters
    ----------
    path : Path
        A folder of JSON files or, if it has none, of arrays; an archive ``.tar``, ``.tar.gz``, ``.tgz`` or ``.zip`` of
        JSON files, which may be in subfolders; or a single file.

    Returns
    -------
    files : list of (str, bytes)
        Names and contents, sorted by name.
    digest : str
        Hash for noticing changes: `npz.digest` of the archive or file, or of those files of the folder that are read.

    Raises
    ------
    UserError
        If it cannot be read, is too large or holds no poses, or if it is a damaged or unsafe archive.
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
    """Return name and content of the files in a folder, or in its only subfolder if it holds nothing else.

    With one file a frame, reading takes half of the run time. So this uses `os.open`, without a Path or file object
    for each file.
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
            # A file shorter than BLOCK that ends like JSON is complete. A second read would double the cost.
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
    """Yield name and content of the JSON files in an archive; check every member."""
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
    except (RuntimeError, NotImplementedError) as error:  # from zipfile: a password, or an unsupported compression
        raise UserError(f"{path}: {error}; pack it as a .tar.gz") from None


def _tar(packed: bytes) -> Iterator[tuple[str, int, int, bool]]:
    """Yield each member of a tar: name, offset and size in bytes, and whether it is a plain file or folder.

    tarfile needs three times as long for a header as orjson for the frame. So headers of the common kind are parsed
    here (POSIX.1-1988, "ustar Interchange Format"); from the first other header on, tarfile reads the archive.
    """
    at = 0
    while any(header := packed[at : at + 512]):  # a block of zeros ends the archive
        try:
            size, checksum = (int(header[a:b].rstrip(b"\0 "), 8) for a, b in ((124, 136), (148, 156)))
        except ValueError:  # not octal: a very large size, or not a tar file
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
    """Raise a UserError for a link, a path that leaves the archive, or a file too large for a frame's JSON."""
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
