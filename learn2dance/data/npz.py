"""Save and load the stages' ``.npz`` files, checked against their schemas."""

import hashlib
import io
import json
import os
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from learn2dance.cli import log, refuse_special, warn_once
from learn2dance.data.schemas import BEATS, FPS, SCHEMA, SCHEMAS, Array, check
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError
from learn2dance.motion import plausibility


def save(path: str | Path, kind: str, stage: str, arguments: dict, parents: dict[str, str], **arrays) -> None:
    """Save a .npz of a kind in `schemas.SCHEMAS` atomically; the same content gives the same bytes.

    ``stage`` writes it, e.g. ``"parse.py"``; its content depends on ``arguments`` (JSON) and ``parents``: name of each
    input and its `digest`. Arrays are cast to the schema's dtypes. Raises a UserError if they do not match the schema.
    """
    arrays = {key: np.asarray(value) for key, value in arrays.items()}
    arrays = {k: v.astype(SCHEMAS[kind][k].dtype) if k in SCHEMAS[kind] else v for k, v in arrays.items()}
    check(path, kind, arrays)
    if unknown := sorted(set(arrays) - set(SCHEMAS[kind])):
        raise UserError(f"{path}: {', '.join(unknown)} not in the schema of '{kind}'")
    meta = {"kind": kind, "schema": SCHEMA, "stage": stage, "arguments": arguments, "parents": parents}
    buffer = io.BytesIO()  # written in one call: on a full disk, closing an unfinished zip file would raise again
    np.savez(buffer, **arrays, meta=np.array(json.dumps(meta, sort_keys=True)))
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | Path, kind: str) -> dict:
    """Load a .npz of this kind and check it against the schema.

    Returns the schema's arrays (those of shape () as Python numbers; optional ones that are missing, as their default),
    and ``meta`` as a dict. A file without ``meta``, saved by another program with the keys of the schema, is accepted:
    its numbers are cast, and ``meta`` is empty.

    Raises a UserError if it is missing, incomplete, pickled, of another kind or version, or if a key, shape, dtype
    or value is wrong.
    """
    return _validated(path, kind, read_npz(path))


def _validated(path: str | Path, kind: str, arrays: dict[str, np.ndarray]) -> dict:
    """Check arrays against the schema, and convert them as `load` returns them."""
    meta = _meta(arrays)
    if not meta:  # not written by a stage
        arrays = {key: _cast(array, SCHEMAS[kind].get(key)) for key, array in arrays.items()}
    elif meta["kind"] != kind:
        found = f"expected a '{kind}' file, found a '{meta['kind']}' file"
        raise UserError(f"{path}: {found}; was it written by another stage?")
    elif meta["schema"] != SCHEMA:
        hint = "another version wrote it; run the stage again"
        raise UserError(f"{path}: found schema {meta['schema']}, expected {SCHEMA}; {hint}")
    check(path, kind, arrays)
    arrays = {key: np.array(spec.default) for key, spec in SCHEMAS[kind].items()} | arrays
    result = {key: arrays[key].item() if arrays[key].ndim == 0 else arrays[key] for key in SCHEMAS[kind]}
    return result | {"meta": meta}


def _cast(array: np.ndarray, spec: Array | None) -> np.ndarray:
    """Convert an array to the dtype in the schema, if it holds numbers of the same kind."""
    with np.errstate(over="ignore"):  # infinite numbers are reported by `_check`
        return array.astype(spec.dtype) if spec and np.can_cast(array.dtype, spec.dtype, "same_kind") else array


def load_poses(path: str | Path) -> dict:
    """Load the poses of any .npz, written by a stage or by any other ``np.savez(poses=…)``.

    Returns ``poses`` float32 (T, J, 2), NaN where missing; ``y_up``, whether y points up; ``fps``, ``beats`` (B,) in
    seconds, ``downbeats`` and ``phrases``, bool (B,), and a dance's ``nearer`` (T,), or None if the file has none; and
    ``travel``, False if the camera moved. Poses that no stage wrote go through `plausibility.mark_missing` and
    `plausibility.checked`. Raises a UserError if there are no poses of that shape, or infinite ones, if they are not
    plausible, or if fps, beats, downbeats or phrases are not valid.
    """
    arrays = read_npz(path)
    poses, beats, fps = (arrays.get(key) for key in ("poses", "beats", "fps"))
    if poses is None:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise UserError(f"{path}: no key 'poses', found {found}; is it another stage's file?")
    if poses.ndim != 3 or poses.shape[-1] != 2 or 0 in poses.shape or poses.dtype.kind not in "fiu":
        hint = plausibility.axes_problem(poses.shape)
        found = f"'poses' is {poses.dtype} {poses.shape}, expected numbers (frames, joints, 2)"
        raise UserError(f"{path}: {found}" + (f"; {hint}" if hint else ""))
    with np.errstate(over="ignore"):
        poses = poses.astype(np.float32)
    if np.isinf(poses).any():
        raise UserError(f"{path}: 'poses' contains infinite numbers; was a division by zero saved?")
    if poses.shape[1] > plausibility.MOST_JOINTS:
        raise UserError(f"{path}: 'poses' is {poses.shape}, expected at most {plausibility.MOST_JOINTS} joints")
    if not (np.abs(poses) <= LARGEST)[np.isfinite(poses)].all():
        raise UserError(f"{path}: 'poses' contains {np.nanmax(np.abs(poses)):g}, expected at most {LARGEST:g}")
    fps = fps.item() if fps is not None and fps.size == 1 else None
    if fps is not None and not (isinstance(fps, (int, float)) and FPS.least <= fps <= FPS.most):
        raise UserError(f"{path}: 'fps' is {fps}, expected frames per second")
    if beats is not None and (beats.ndim != 1 or beats.dtype.kind not in "fiu"):
        raise UserError(f"{path}: 'beats' is {beats.dtype} {beats.shape}, expected seconds (beats,)")
    if beats is not None and not ((np.abs(beats) <= BEATS.most).all() and (np.diff(beats) > 0).all()):
        raise UserError(f"{path}: 'beats' contains numbers that are no increasing seconds")
    marks = {key: arrays.get(key) for key in ("downbeats", "phrases")}
    for key, mark in marks.items():
        if mark is not None and (mark.dtype != bool or beats is None or mark.shape != beats.shape):
            raise UserError(f"{path}: '{key}' is {mark.dtype} {mark.shape}, expected bool, one for each of 'beats'")
    fps = None if fps is None else float(fps)
    if not (meta := _meta(arrays)):
        poses = plausibility.mark_missing(poses)
        if hint := plausibility.axes_problem(poses.shape, poses):
            raise UserError(f"{path}: 'poses' is {poses.shape}, expected (frames, joints, 2); {hint}")
        poses, notes = plausibility.checked(path, poses)
        for note in notes:
            warn_once(f"{path}: {note}")
    found = {"poses": poses.astype(np.float32), "fps": fps, "y_up": meta.get("kind") == "dance", "beats": beats}
    travel = arrays.get("travel", np.True_)
    if travel.dtype != bool or travel.size != 1:
        raise UserError(f"{path}: 'travel' is {travel.dtype} {travel.shape}, expected bool ()")
    nearer = arrays.get("nearer") if found["y_up"] else None
    if nearer is not None:
        check(path, "dance", arrays)
    return found | marks | {"travel": bool(travel.item()), "nearer": nearer}


LARGEST = 1e6  # number in poses of any unit; the squares of much larger ones are infinite
LARGEST_FILE = 1 << 29  # bytes, limit for a file's arrays; the music file of an hour has half of that
# Exceptions that zipfile and numpy raise for damaged files and damaged arrays in them.
DAMAGED = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, TypeError, NotImplementedError, RuntimeError)
DAMAGED += (OverflowError, MemoryError, SyntaxError, tokenize.TokenError)


class DamagedError(UserError):
    """A file that is not a complete .npz."""


def read_npz(path: str | Path, data: bytes | None = None) -> dict[str, np.ndarray]:
    """Read all arrays of a .npz of any kind, from its bytes if ``data`` is given.

    Raises a UserError if it is missing, incomplete, not a file or not a .npz, or contains pickled objects.
    """
    refuse_special(path)
    try:
        with open(path, "rb") if data is None else io.BytesIO(data) as file:
            if file.read(2) not in (b"PK", b"\x93N"):  # zip or .npy; numpy takes anything else for a pickle
                raise ValueError("no zip file")
            file.seek(0)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    size = sum(member.file_size for member in archive.infolist())
                if size > LARGEST_FILE:
                    raise UserError(f"{path}: unpacks to {size >> 20} MiB, expected at most {LARGEST_FILE >> 20}")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.ndarray):
                arrays = {key: arrays[key] for key in arrays.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the stage before writes it (make help)") from None
    except UserError:
        raise
    except DAMAGED as error:
        if "Object arrays" in str(error):
            raise UserError(f"{path}: contains pickled objects, which could run code; save plain arrays") from None
        hint = "was writing it interrupted?"
        raise DamagedError(f"{path}: incomplete or damaged .npz file ({str(error)[:80]!r}); {hint}") from None
    if isinstance(arrays, np.ndarray):
        raise UserError(f"{path}: a single array, expected an .npz; save it with np.savez(path, poses=array)")
    if other := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise UserError(f"{path}: '{other[0]}' is not an array; is it another program's zip file?")
    return arrays


def _meta(arrays: dict[str, np.ndarray]) -> dict:
    """Return ``meta`` as a stage wrote it, or an empty dict if it is missing or another program's."""
    try:
        meta = json.loads(arrays["meta"].item())
    except (KeyError, ValueError, TypeError):
        return {}
    ours = isinstance(meta, dict) and meta.keys() >= {"kind", "schema", "stage", "arguments", "parents"}
    if not ours or not isinstance(meta["parents"], dict):
        return {}
    names = [name for value in meta["parents"].values() for name in (value if isinstance(value, list) else [value])]
    return meta if all(isinstance(name, str) for name in names) else {}


def digest(*paths: str | Path) -> str:
    """Hash files and folders (bytes, and names inside folders), to detect changes: 16 hex digits."""
    total = hashlib.sha256()
    for path in map(Path, paths):
        refuse_special(path)
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            total.update(os.fsencode(file.relative_to(path)) + b"\0")
            with file.open("rb") as stream:
                while part := stream.read(1 << 20):  # a video may be larger than memory
                    total.update(part)
    return total.hexdigest()[:16]


def is_up_to_date(path: str | Path, kind: str, arguments: dict, parents: dict[str, str]) -> bool:
    """Tell whether this file is complete, and was written with these arguments from these parents.

    A file without ``meta`` was not written by a stage: it counts as up to date, so that no stage replaces it. Raises a
    UserError if it does not match the schema.
    """
    if not Path(path).exists():
        return False
    try:
        arrays = read_npz(path)
    except DamagedError:
        return False
    meta = _meta(arrays)
    try:
        _validated(path, kind, arrays)
    except UserError:
        if meta:
            return False
        raise
    if not meta:
        log.info("%s: not written by a stage, so it is kept", path)
        return True
    return meta["arguments"] == json.loads(json.dumps(arguments)) and meta["parents"] == parents
