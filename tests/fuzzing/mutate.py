"""Small changes to good input: of its bytes, of the values and parts of a structure, and of the cells of a table.

Every function draws from the generator that it is given, so that a seed gives the same input again.
"""

import copy
import io
import tarfile
import zipfile

import numpy as np
import torch

DIGITS = "9" * 5000  # Python refuses to convert numbers of more than 4,300 digits
NUMBERS = [0, -0.0, 1, -1, 3, 2**31, -(2**31), 2**63, 2**64, 10**40, 0.5, -1e-300, 1e308, float("nan"), float("inf")]
TEXTS = ["", "x", "a\nb", "\x00", "\u202e\u0663", DIGITS, "x" * 5000, "../../canary", "/etc/passwd", "1e999", "nan"]
ODD = [*NUMBERS, *TEXTS, None, True, [], {}, (), [[]], [1, [2]], {"a": 1}, b"bytes", 1j]
DTYPES = ["bool", "int8", "uint8", "int64", "float16", "float32", "float64", "complex64"]
BYTES = [b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\n", b'"', b"9" * 5000, b"\0" * 64, b"\xff" * 64, b"[" * 300]
NAMES = [
    "clip.json",
    f"c_{DIGITS}_keypoints.json",
    "c_\u00b2.json",
    "a\nb_000001_keypoints.json",
    "../../canary_1.json",
]
NAMES += ["/tmp/canary_1.json", "c_000000000001_keypoints.json", "c_-1_keypoints.json", "x" * 4000 + "_7.json", ""]


def pick(rng: np.random.Generator, items: list) -> object:
    """Draw one of the items, unchanged."""
    return items[int(rng.integers(len(items)))]


def data(rng: np.random.Generator, good: bytes) -> bytes:
    """Return bytes with one to four changes: flipped, overwritten, inserted, removed, repeated or cut off."""
    found = bytearray(good)
    for _ in range(int(rng.integers(1, 5))):
        near_start = rng.random() < 0.4  # headers say most
        most = min(len(found), 256) if near_start else len(found)
        at, size = int(rng.integers(most + 1)), int(2 ** rng.integers(0, 10))
        change = pick(rng, ["flip", "flip", "write", "insert", "remove", "repeat", "end", "random"])
        if change == "flip" and at < len(found):
            found[at] ^= 1 << int(rng.integers(8))
        elif change == "write":
            odd = pick(rng, BYTES)
            found[at : at + len(odd)] = odd
        elif change == "insert":
            found[at:at] = pick(rng, BYTES)
        elif change == "remove":
            del found[at : at + size]
        elif change == "repeat":
            found[at:at] = found[at : at + size]
        elif change == "random":
            found[at : at + size] = rng.bytes(size)
        elif change == "end" and rng.random() < 0.3:
            del found[at:]
    return bytes(found)


def array(rng: np.random.Generator, good: np.ndarray) -> np.ndarray:
    """Return an array with another dtype, shape or values."""
    found, change = np.array(good), int(rng.integers(10))
    if found.dtype.kind not in "biufc":
        return np.array(pick(rng, TEXTS))
    if change == 0:
        with np.errstate(all="ignore"):
            return found.astype(pick(rng, DTYPES))
    if change == 1:
        return found[..., None] if rng.random() < 0.5 else found[None]
    if change == 2:
        return (
            found.reshape(-1) if found.ndim > 1 else found.reshape(())[()] * np.ones(3) if not found.ndim else found.T
        )
    if change == 3 and found.ndim:
        return found[: int(rng.integers(0, 3))]
    if change == 4 and found.ndim:
        return np.concatenate([found, found[:1]])
    if change == 5 and found.ndim:
        return found[..., : int(rng.integers(0, 2))]
    if change == 6:
        return np.zeros(tuple(pick(rng, [0, 1, 2, 7]) for _ in range(found.ndim)), found.dtype)
    places = rng.random(found.shape) < pick(rng, [0.01, 0.5, 1.1])
    if change == 7 and found.dtype.kind in "fc":
        return np.where(places, pick(rng, [np.nan, np.inf, 1e30, -1e4, 0.0]), found).astype(found.dtype)
    if found.dtype.kind == "b":
        return np.where(places, ~found, found)
    with np.errstate(all="ignore"):
        value = np.float64(pick(rng, [0, -1, 1, 2, 100, -1000, 2.0**31, -(2.0**62), 1e-9, 1e5]))
        return np.where(places, value, found.astype(np.float64)).astype(found.dtype)


def tensor(rng: np.random.Generator, good: torch.Tensor) -> torch.Tensor:
    """Return a tensor with another dtype, shape, layout or values; some claim far more elements than they store."""
    change = int(rng.integers(12))
    if change == 0:
        return torch.zeros(1, dtype=good.dtype).expand(2**30)
    if change == 1:
        return torch.zeros(1, dtype=good.dtype).expand(*good.shape[:-1], 2**28)
    if change == 2 and good.ndim:
        return good.to_sparse()
    if change == 3 and good.is_floating_point():
        return good.detach().float().clone().requires_grad_()
    return torch.from_numpy(np.ascontiguousarray(array(rng, good.to_dense().numpy())))


def tree(rng: np.random.Generator, good: object) -> object:
    """Return nested dicts and lists with one to three changes: of values, arrays and tensors, keys and lengths."""
    found = {"root": copy.deepcopy(good)}
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = list(_places(found, rng))
        parent, key = pick(rng, places)
        value, change = parent[key], rng.random()
        if change < 0.15 and isinstance(parent, dict) and parent is not found:
            del parent[key]
        elif change < 0.25 and isinstance(parent, dict) and parent is not found:
            parent[pick(rng, [*TEXTS, "more"])] = parent.pop(key)
        elif change < 0.3 and isinstance(value, list) and value:
            parent[key] = pick(rng, [value * 2, value[:-1], value[1:], value[:1]])
        elif change < 0.8 and isinstance(value, torch.Tensor):
            parent[key] = tensor(rng, value.detach())
        elif change < 0.85 and isinstance(value, np.ndarray):
            parent[key] = array(rng, value)
        elif change < 0.7 and isinstance(value, (int, float)):
            parent[key] = pick(rng, NUMBERS)
        else:
            parent[key] = pick(rng, ODD)
    return found["root"]


def _places(node: object, rng: np.random.Generator, depth: int = 0):
    """Yield places of a tree as (parent, key); of long lists only some."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if len(keys) > 20:
        keys = [keys[i] for i in rng.choice(len(keys), 20, replace=False)]
    for key in keys:
        yield node, key
        if isinstance(node[key], (dict, list)) and depth < 8:
            yield from _places(node[key], rng, depth + 1)


def table(rng: np.random.Generator, good: str) -> bytes:
    """Return a table with other cells, delimiters or lines, in UTF-8 or not."""
    rows = [line.split(",") for line in good.splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        row = pick(rng, rows)
        change, at = int(rng.integers(6)), int(rng.integers(len(row)))
        if change == 0 and len(row) > 1:
            del row[at]
        elif change == 1:
            rows.append(list(row))
        elif change == 2 and len(rows) > 1:
            rows.remove(row)
        else:
            odd = ["", '"', '"a', "\r", "1e999", "nan", "-1", "٢٥", "²", "1,5", ";", "\t", "x" * 200_000, *TEXTS]
            row[at] = str(pick(rng, odd))
    line, delimiter = pick(rng, ["\n", "\n", "\r\n", "\r"]), pick(rng, [",", ",", ",", ",", ",", ",", ";", "\t"])
    text = line.join(delimiter.join(row) for row in rows)
    packed = text.encode(pick(rng, ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"]), "surrogatepass")
    return data(rng, packed) if rng.random() < 0.3 else packed


def archive(rng: np.random.Generator, files: dict[str, bytes], ending: str) -> bytes:
    """Pack files as .zip or .tar.gz, some with an odd name, type, size or content; the archive may be damaged."""
    files = dict(files)
    for _ in range(int(rng.integers(0, 3))):
        old = pick(rng, list(files))
        content = files.pop(old) if rng.random() < 0.7 else files[old]
        name = pick(rng, [old, *NAMES])
        files[name] = data(rng, content) if name == old else content
    file, link = io.BytesIO(), rng.random() < 0.1
    if ending == ".zip":
        method = pick(rng, [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
        with zipfile.ZipFile(file, "w", method) as target:
            for name, content in files.items():
                name = name or " "  # zipfile cannot write an empty name
                target.writestr(zipfile.ZipInfo(name) if link else name, content, method)
    else:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as target:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                if link:
                    member.type, member.linkname = pick(rng, [tarfile.SYMTYPE, tarfile.FIFOTYPE]), "../canary"
                target.addfile(member, io.BytesIO(content))
    packed = file.getvalue()
    return data(rng, packed) if rng.random() < 0.4 else packed
