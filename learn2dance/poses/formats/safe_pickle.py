"""Read pickled numpy arrays with an unpickler that accepts only the names that numpy's pickles use.

Loading a pickle calls whatever it names. Even numpy's own functions trust their arguments: an object dtype with a
forged "holds no objects" flag makes numpy use any bytes as addresses. So each name is replaced by a few safe lines.
"""

import io
import pickle
import pickletools
import re
from pathlib import Path

import numpy as np

from learn2dance.errors import UserError

LONGEST = 10_000  # limit of instructions, and of memo indices; a dict of three arrays takes about sixty
CODES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()  # accepted dtypes: no objects, records or text
_UNNECESSARY = ("DUP", "PUT", "GET", "APPEND", "APPENDS", "ADDITEMS")  # not needed; could extend an array's own bytes
_REUSABLE = re.compile("BYTE|STRING|UNICODE|GLOBAL|REDUCE")  # instructions whose result may be used more than once

_DAMAGED = (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError)  # raised on damaged pickles
_DAMAGED += (IndexError, KeyError, OverflowError, MemoryError)


class _Refused(pickle.UnpicklingError):
    """The pickle holds something other than arrays, dicts, strings and numbers."""


class _Dtype:
    def __init__(self, code: str, *_) -> None:
        if code not in CODES:
            raise _Refused(f"an array of {repr(code[:20])[:30] if type(code) is str else _kind(code)}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:  # the pickle first creates an empty array, then sets its state
    array = None

    def __init__(self, *_) -> None: ...

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: bytes | str, dtype: _Dtype, shape: tuple, order: str = "C") -> np.ndarray:
    if type(dtype) is not _Dtype:
        raise _Refused("an array without a dtype")
    data = data.encode("latin1") if type(data) is str else data  # Python 2's strings were bytes
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def _kind(found: object) -> str:  # only the type: printing deeply nested objects may not end
    return f"a {type(found).__name__.strip('_').lower()}"


_STAND_INS = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": lambda dtype, data: _array(data, dtype, ()),
    "numpy.core.numeric._frombuffer": _array,
    "_codecs.encode": lambda text, _: text.encode("latin1"),  # protocol 2 stores bytes like this
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.")  # numpy 2's name
        if full not in _STAND_INS:
            raise _Refused(f"a call of {full[:60]!r:.70}")
        return lambda *arguments: _STAND_INS[full](*arguments)  # a new one each time: pickles can set attributes


def load(path: Path, data: bytes) -> dict:
    """Read a pickled dict of arrays, numbers and strings, or a single array, which gets the name ``poses``.

    Arrays are bool, int, unsigned or float, and may be read-only. Raises a UserError, which names ``path``, if the
    pickle is truncated, or holds anything else, which could run harmful code.
    """
    try:
        _check_instructions(data)
        found = _Unpickler(io.BytesIO(data), encoding="latin1").load()
        found = found if type(found) is dict else {"poses": found}
        found = {key: value.array if type(value) is _Array else value for key, value in found.items()}
        for key, value in found.items():
            if type(value) not in (np.ndarray, int, float, bool, str, type(None)):
                raise _Refused(_kind(value))
            if type(key) is not str:
                raise _Refused(f"{_kind(key)} as a name")
    except _Refused as refusal:
        raise UserError(f"{path}: found {refusal}, expected numpy arrays only: other pickles can run code") from None
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{path}: incomplete or damaged pickle ({reason}); was copying it interrupted?") from None
    return found


def _check_instructions(data: bytes) -> None:
    """Refuse pickles that could exhaust time or memory.

    These have too many instructions, memo indices up to 2^31, or nested tuples that double in size and are hashed.
    """
    last, reusable = "", {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if count > LONGEST or name in _UNNECESSARY or (name == "LONG_BINPUT" and argument > LONGEST):
            raise _Refused(f"the instruction {name}" if name in _UNNECESSARY else f"more than {LONGEST} instructions")
        if name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            reusable[len(reusable) if argument is None else argument] = bool(_REUSABLE.search(last))
        if name in ("BINGET", "LONG_BINGET") and not reusable.get(argument, True):
            raise _Refused("a tuple, list or dict twice")
        last = name
