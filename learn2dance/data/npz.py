"""Save and load the stages' ``.npz`` files, checked against their schemas."""

import hashlib
import io
import json
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from learn2dance.cli import log
from learn2dance.data.schemas import SCHEMA, SCHEMAS, Array
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError


def save(path: str | Path, kind: str, stage: str, arguments: dict, parents: dict[str, str], **arrays) -> None:
    """Save a .npz of this kind atomically; the same content gives the same bytes.

    Parameters
    ----------
    path : path
        The file to write; its folder is created.
    kind : str
        A key of `schemas.SCHEMAS`.
    stage : str
        The stage that writes it, e.g. ``"parse.py"``.
    arguments : dict
        The stage's arguments on which the content depends (JSON).
    parents : dict of str to str
        Name of each input and its `digest`.
    **arrays
        The arrays of the schema. They are cast to its dtypes; other shapes or keys are refused.

    Raises
    ------
    UserError
        If the arrays do not match the schema.
    """
    arrays = {key: np.asarray(value) for key, value in arrays.items()}
    arrays = {k: v.astype(SCHEMAS[kind][k].dtype) if k in SCHEMAS[kind] else v for k, v in arrays.items()}
    _check(path, kind, arrays)
    unknown = sorted(set(arrays) - set(SCHEMAS[kind]))
    if unknown:
        raise UserError(f"{path}: {', '.join(unknown)} not in the schema of '{kind}'")
    meta = {"kind": kind, "schema": SCHEMA, "stage": stage, "arguments": arguments, "parents": parents}
    buffer = io.BytesIO()  # written in one call: on a full disk, closing an unfinished zip file would raise again
    np.savez(buffer, **arrays, meta=np.array(json.dumps(meta, sort_keys=True)))
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | Path, kind: str) -> dict:
    """Load a .npz of this kind and check it against the schema.

    A file without ``meta``, saved by somebody else with the keys of the schema, is accepted; its numbers are cast.

    Returns
    -------
    dict
        The schema's arrays (those of shape () as Python numbers), and ``meta`` as a dict, which may be empty.

    Raises
    ------
    UserError
        If it is missing, incomplete, pickled, of another kind or version, or if a key, shape, dtype or value is wrong.
    """
    arrays = read_npz(path)
    meta = _meta(arrays)
    if meta and meta.get("kind") != kind:
        raise UserError(
            f"{path}: expected a '{kind}' file, found a '{meta.get('kind')}' file; was it written by another stage?"
        )
    if not meta:  # not written by a stage
        arrays = {key: _cast(array, SCHEMAS[kind].get(key)) for key, array in arrays.items()}
    elif meta.get("schema") != SCHEMA:
        raise UserError(
            f"{path}: schema {meta.get('schema')}, expected {SCHEMA}; written by another version, make it anew"
        )
    _check(path, kind, arrays)
    result = {key: arrays[key].item() if arrays[key].ndim == 0 else arrays[key] for key in SCHEMAS[kind]}
    return result | {"meta": meta}


def _cast(array: np.ndarray, spec: Array | None) -> np.ndarray:
    """Convert an array to the dtype in the schema, if it holds numbers of the same kind."""
    with np.errstate(over="ignore"):  # infinite numbers are reported by `_check`
        return array.astype(spec.dtype) if spec and np.can_cast(array.dtype, spec.dtype, "same_kind") else array


def load_poses(path: str | Path) -> dict:
    """Load the poses of any .npz, written by a stage or by any other ``np.savez(poses=…)``.

    Returns
    -------
    dict
        ``poses`` float32 (T, J, 2), NaN where missing; ``fps`` float, or None if the file has none; ``y_up`` bool,
        whether y points up; ``beats`` (B,) seconds, or None if the file has none.

    Raises
    ------
    UserError
        If there are no poses of that shape, or infinite ones, or if fps or beats are not valid numbers.
    """
    arrays = read_npz(path)
    kind = _meta(arrays).get("kind")
    poses = arrays.get("poses")
    if poses is None:
        raise UserError(
            f"{path}: no key 'poses', found {', '.join(sorted(arrays)) or 'nothing'}; is it another stage's file?"
        )
    if poses.ndim != 3 or poses.shape[-1] != 2 or 0 in poses.shape or poses.dtype.kind not in "fiu":
        raise UserError(f"{path}: 'poses' is {poses.dtype} {poses.shape}, expected numbers (frames, joints, 2)")
    with np.errstate(over="ignore"):
        poses = poses.astype(np.float32)
    if np.isinf(poses).any():
        raise UserError(f"{path}: 'poses' holds infinite numbers; was a division by zero saved?")
    fps = arrays["fps"].item() if "fps" in arrays and arrays["fps"].size == 1 else None
    if fps is not None and not (isinstance(fps, (int, float)) and 0 < fps < 1e4):
        raise UserError(f"{path}: 'fps' is {fps}, expected frames a second")
    beats = arrays.get("beats")
    if beats is not None and (beats.ndim != 1 or beats.dtype.kind not in "fiu"):
        raise UserError(f"{path}: 'beats' is {beats.dtype} {beats.shape}, expected seconds (beats,)")
    fps = None if fps is None else float(fps)
    return {"poses": poses, "fps": fps, "y_up": kind == "dance", "beats": beats}


# Exceptions that zipfile and numpy raise for damaged files and damaged arrays in them.
DAMAGED = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, TypeError, NotImplementedError, RuntimeError)
DAMAGED += (OverflowError, MemoryError, SyntaxError, tokenize.TokenError)


class DamagedError(UserError):
    """A file that is not a complete .npz."""


def read_npz(path: str | Path, data: bytes | None = None) -> dict[str, np.ndarray]:
    """Read all arrays of a .npz of any kind, from its bytes if ``data`` is given; pickled objects are refused.

    Raises
    ------
    UserError
        If it is missing, not a .npz, incomplete, or holds pickled objects.
    """
    try:
        with open(path, "rb") if data is None else io.BytesIO(data) as file:
            if file.read(2) not in (b"PK", b"\x93N"):  # zip or .npy; numpy takes anything else for a pickle
                raise ValueError("no zip file")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise UserError(f"{path}: a single array, expected an .npz; save it with np.savez(path, poses=array)")
            arrays = {key: arrays[key] for key in arrays.files}
        if other := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise UserError(f"{path}: '{other[0]}' is no array; is it another program's zip file?")
        return arrays
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the stage before writes it (make help)") from None
    except DAMAGED as error:
        if "Object arrays" in str(error):
            raise UserError(f"{path}: holds pickled objects, which could run code; save plain arrays instead") from None
        raise DamagedError(f"{path}: not a whole .npz file ({str(error)[:80]!r}); was its writing cut short?") from None


def _meta(arrays: dict[str, np.ndarray]) -> dict:
    """Return ``meta`` as a stage has written it, or an empty dict if it is missing or somebody else's."""
    try:
        meta = json.loads(arrays["meta"].item())
    except (KeyError, ValueError, TypeError):
        return {}
    ours = isinstance(meta, dict) and meta.keys() >= {"kind", "schema", "stage", "arguments", "parents"}
    return meta if ours else {}


POSITIVE = ("fps", "duration", "tempo")  # keys


def _check(path: str | Path, kind: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise a UserError for the first array that does not match the schema."""
    sizes: dict[str, int] = {}
    for key, spec in SCHEMAS[kind].items():
        if key not in arrays:
            raise UserError(
                f"{path}: no key '{key}' ({spec.unit}), which a '{kind}' file has; found {', '.join(arrays)}"
            )
        array = arrays[key]
        fits = array.ndim == len(spec.shape) and all(
            size == (sizes.setdefault(letter, size) if isinstance(letter, str) else letter)
            for letter, size in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != spec.dtype:
            expected = f"{spec.dtype} {spec.shape}".replace("'", "")
            raise UserError(
                f"{path}: '{key}' is {array.dtype} {array.shape}, expected {expected} ({spec.unit}) with {sizes}"
            )
        if array.dtype.kind == "f" and not (np.isfinite(array) | (np.isnan(array) & spec.nan)).all():
            raise UserError(f"{path}: '{key}' holds numbers that are not finite ({spec.unit})")
        if key in POSITIVE and not array > 0:
            raise UserError(f"{path}: '{key}' is {array}, expected a number above 0 ({spec.unit})")
        if key == "beats_per_bar" and array not in (3, 4):
            raise UserError(f"{path}: 'beats_per_bar' is {array}, expected 3 or 4")
        if key == "beats" and (np.diff(array) <= 0).any():
            raise UserError(f"{path}: 'beats' do not increase (seconds)")


def digest(*paths: str | Path) -> str:
    """Hash files and folders (bytes, and names inside folders), to detect changes: 16 hex digits."""
    total = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            total.update(str(file.relative_to(path)).encode() + b"\0")
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


def is_up_to_date(path: str | Path, kind: str, arguments: dict, parents: dict[str, str]) -> bool:
    """Tell whether this file is complete and was made with the same arguments from the same parents.

    A file without ``meta`` was not written by a stage: it counts as up to date, so that no stage replaces it.

    Raises
    ------
    UserError
        If a file without ``meta`` does not fit the schema.
    """
    if not Path(path).exists():
        return False
    try:
        by_a_stage = _meta(read_npz(path))
    except DamagedError:  # its writing was cut short
        return False
    if not by_a_stage:
        load(path, kind)
        log.info("%s: not written by a stage, left as it is", path)
        return True
    try:
        meta = load(path, kind)["meta"]
    except UserError:
        return False
    return meta["arguments"] == json.loads(json.dumps(arguments)) and meta["parents"] == parents
