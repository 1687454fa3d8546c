"""What the stages leave on disk: checked saving and loading of .npz."""

import hashlib
import io
import json
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from learn2dance.data.schemas import SCHEMA, SCHEMAS
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError


def save(path: str | Path, kind: str, stage: str, arguments: dict, parents: dict[str, str], **arrays) -> None:
    """Save one .npz of this kind, atomically; the same content gives the same bytes.

    Parameters
    ----------
    path : path
        Where to; its folder is made.
    kind : str
        A key of `schemas.SCHEMAS`.
    stage : str
        Which stage writes, e.g. ``"parse.py"``.
    arguments : dict
        Those of the stage's arguments that the content depends on (JSON).
    parents : dict of str to str
        Name of each input and its `digest`.
    **arrays
        The arrays of the schema: cast to its dtypes, refused where shapes or keys differ.

    Raises
    ------
    UserError
        If the arrays do not fit the schema.
    """
    arrays = {key: np.asarray(value) for key, value in arrays.items()}
    arrays = {k: v.astype(SCHEMAS[kind][k].dtype) if k in SCHEMAS[kind] else v for k, v in arrays.items()}
    _check(path, kind, arrays)
    unknown = sorted(set(arrays) - set(SCHEMAS[kind]))
    if unknown:
        raise UserError(f"{path}: {', '.join(unknown)} not in the schema of '{kind}'")
    meta = {"kind": kind, "schema": SCHEMA, "stage": stage, "arguments": arguments, "parents": parents}
    buffer = io.BytesIO()  # written at once: on a full disk, a half-written zip file would complain when it is closed
    np.savez(buffer, **arrays, meta=np.array(json.dumps(meta, sort_keys=True)))
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | Path, kind: str) -> dict:
    """Load one .npz of this kind and check it against the schema.

    Returns
    -------
    dict
        The schema's arrays (numbers of no dimension as Python numbers), and ``meta`` as a dict.

    Raises
    ------
    UserError
        If it is missing, cut short, pickled, of another kind or version, or if a key, shape, dtype or value is off.
    """
    arrays = read_npz(path)
    meta = _meta(arrays)
    if meta.get("kind") != kind:
        found = f"a '{meta['kind']}' file" if "kind" in meta else f"keys {', '.join(sorted(arrays)) or 'none'}"
        raise UserError(f"{path}: expected a '{kind}' file, found {found}; was it written by another stage?")
    if meta.get("schema") != SCHEMA:
        raise UserError(
            f"{path}: schema {meta.get('schema')}, expected {SCHEMA}; written by another version, make it anew"
        )
    _check(path, kind, arrays)
    result = {key: arrays[key].item() if arrays[key].ndim == 0 else arrays[key] for key in SCHEMAS[kind]}
    return result | {"meta": meta}


def load_poses(path: str | Path) -> dict:
    """Load the poses of any .npz: a stage's, or a stranger's bare ``np.savez(poses=…)``.

    Returns
    -------
    dict
        ``poses`` float32 (T, J, 2), NaN where not known; ``fps`` float, or None where the file does not say;
        ``y_up`` bool, the direction of the y axis; ``beats`` float64 (B,) seconds, where the file has them.

    Raises
    ------
    UserError
        If there are no poses of that shape, or infinite ones, or if fps or beats are no numbers.
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


# What zipfile and numpy make of damaged files, and of damaged numbers in them.
DAMAGED = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, TypeError, NotImplementedError, RuntimeError)
DAMAGED += (OverflowError, MemoryError, SyntaxError, tokenize.TokenError)


def read_npz(path: str | Path, data: bytes | None = None) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz whatever its kind, or of its bytes where they are given; never pickled ones.

    Raises
    ------
    UserError
        If it is missing, no .npz, cut short, or holds pickled objects.
    """
    try:
        with open(path, "rb") if data is None else io.BytesIO(data) as file:
            if file.read(2) not in (b"PK", b"\x93N"):  # a zip file or a single array; numpy takes all else for pickled
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
        raise UserError(f"{path}: not a whole .npz file ({str(error)[:80]!r}); was its writing cut short?") from None


def _meta(arrays: dict[str, np.ndarray]) -> dict:
    """Read ``meta``; an empty dict where there is none or it is not ours."""
    try:
        meta = json.loads(arrays["meta"].item())
    except (KeyError, ValueError, TypeError):
        return {}
    return meta if isinstance(meta, dict) else {}


def _check(path: str | Path, kind: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise a UserError at the first array that is not as the schema says."""
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


def digest(*paths: str | Path) -> str:
    """Hash the content of files and folders (names and bytes, in order of name), to tell whether they changed."""
    total = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            total.update(str(file.relative_to(path)).encode() + b"\0")
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


def is_up_to_date(path: str | Path, kind: str, arguments: dict, parents: dict[str, str]) -> bool:
    """Tell whether this output exists, whole, made by the same arguments from the same parents."""
    if not Path(path).exists():
        return False
    try:
        meta = load(path, kind)["meta"]
    except UserError:
        return False
    return meta["arguments"] == json.loads(json.dumps(arguments)) and meta["parents"] == parents
