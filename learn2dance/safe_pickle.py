"""Pickles of numpy arrays, read without running what else a pickle may hold.

A pickle is a program, and loading one calls whatever it names. Here nothing is loaded: `pickletools` takes the pickle
apart, and the few instructions with which arrays, and dicts of arrays and numbers, are written (protocols 2 to 5) are
followed on plain values. Names are compared with those below, never looked up, and nothing from the file is called.
Not even numpy's own `__setstate__`, which trusts what it is given: sizes are checked here first.
"""

import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from learn2dance.stage import Fault

LONGEST = 10_000  # instructions; a dict of three arrays takes some sixty
CODES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()  # dtypes: no objects, no records, no text

# What numpy writes arrays with, by its modules' older and newer names.
_NAMES = {"numpy.ndarray", "numpy.dtype", "_codecs.encode"} | {
    f"numpy.{core}.{name}"
    for core in ("core", "_core")
    for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
}

_VALUES = set(
    "NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES "
    "BINBYTES8 BYTEARRAY8 BINUNICODE SHORT_BINUNICODE BINUNICODE8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Name(NamedTuple):
    """What the pickle would look up and call."""

    name: str


@dataclass
class _Type:
    """A dtype on its way: its code, and the order of its bytes, which comes later."""

    code: str
    order: str = "|"


@dataclass
class _Array:
    """An array on its way: it is named first, and filled later."""

    array: np.ndarray | None = None


class _Refused(ValueError):
    """What is not an array, a dict, a string or a number."""


def load(path: Path, data: bytes) -> dict | np.ndarray:
    """Read a pickled array, or a pickled dict of arrays and numbers.

    Parameters
    ----------
    path : Path
        Where it comes from, for the fault's line.
    data : bytes
        The pickle.

    Returns
    -------
    dict of str or np.ndarray
        The arrays are bool, int, unsigned or float, and may be read-only.

    Raises
    ------
    Fault
        If it is cut short, or holds anything else: it may then be a program that does harm.
    """
    try:
        found = _follow(data)
    except _Refused as refusal:
        raise Fault(f"{path}: holds {refusal}, expected numpy arrays alone: other pickles can run code") from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        said = " ".join(str(error).split())[:80]
        raise Fault(f"{path}: not a whole pickle of arrays ({said}); was its copying cut short?") from None
    if isinstance(found, _Array):
        return found.array
    if not isinstance(found, dict):
        raise Fault(f"{path}: a pickled {type(found).__name__}, expected a dict of arrays; is it another data set's?")
    return {key: value.array if isinstance(value, _Array) else value for key, value in found.items()}


def _follow(data: bytes) -> object:
    """Follow the pickle's instructions and return what it leaves."""
    stack, marks, memo = [], [], {}

    def since_mark() -> list:
        at = marks.pop()
        taken = stack[at:]
        del stack[at:]
        return taken

    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if count > LONGEST:
            raise _Refused(f"more than {LONGEST} instructions")
        if name in _VALUES:
            stack.append(_CONSTANTS.get(name, argument))
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "STOP":
            (found,) = stack
            return found
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in _TUPLES:
            at = len(stack) - _TUPLES[name]
            stack[at:] = [tuple(stack[at:])]
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name in ("SETITEM", "SETITEMS"):
            pairs = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            _set(stack[-1], pairs)
        elif name == "GLOBAL":
            stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            last = stack.pop()
            stack.append(_name(stack.pop(), last))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_call(stack.pop(), arguments))
        elif name == "BUILD":
            state = stack.pop()
            _fill(stack[-1], state)
        else:
            raise _Refused("a list" if "LIST" in name else f"the instruction {name}")
    raise ValueError("it does not end")


def _name(module: object, name: object) -> _Name:
    """Return a name, if it is one of numpy's."""
    if type(module) is not str or type(name) is not str:  # a tuple of itself twice, and so on, prints for ever
        raise _Refused("a call of what is no name")
    full = f"{module.replace('__builtin__', 'builtins')}.{name}"
    if full not in _NAMES:
        raise _Refused(f"a call of {full[:60]!r}")
    return _Name(full)


def _set(target: object, pairs: list) -> None:
    """Put keys and values into a dict; keys are strings, for the hash of a cunning one takes for ever."""
    if type(target) is not dict or not all(type(key) is str for key in pairs[::2]):
        raise _Refused("a dict whose keys are no strings")
    target.update(zip(pairs[::2], pairs[1::2], strict=True))


def _call(function: object, arguments: tuple) -> object:
    """Do what one of numpy's functions would do."""
    if not isinstance(function, _Name) or type(arguments) is not tuple:
        raise _Refused(f"a call of a {type(function).__name__}")
    if function.name.endswith("._reconstruct"):
        if arguments[0] != _Name("numpy.ndarray"):
            raise _Refused("an array that is none")
        return _Array()
    if function.name.endswith("._frombuffer"):
        buffer, kind, shape, order = arguments
        return _Array(_array(buffer, kind, shape, order == "F"))
    if function.name.endswith(".scalar"):
        kind, buffer = arguments
        return _array(buffer, kind, (), False).item()
    code, *more = arguments
    if function.name == "numpy.dtype":
        if type(code) is not str or code not in CODES:
            odd = repr(code[:20]) if type(code) is str else f"a {type(code).__name__}"
            raise _Refused("an array of objects" if odd[:2] == "'O" else f"an array of {odd}")
        return _Type(code)
    if function.name == "_codecs.encode" and isinstance(code, str) and more == ["latin1"]:  # protocol 2 writes bytes so
        return code.encode("latin1")
    raise _Refused(f"a call of {function.name!r}")


def _fill(target: object, state: object) -> None:
    """Fill an array or a dtype with what numpy's `__setstate__` would be given."""
    if isinstance(target, _Type) and type(state) is tuple and state[2:5] == (None, None, None):
        target.order = state[1]
    elif isinstance(target, _Array) and type(state) is tuple:
        _, shape, kind, fortran, buffer = state
        target.array = _array(buffer, kind, shape, fortran)
    else:
        raise _Refused(f"a state of a {type(target).__name__.strip('_').lower()}")


def _array(buffer: object, kind: object, shape: object, fortran: object) -> np.ndarray:
    """Make an array of plain numbers of so many bytes."""
    if not isinstance(kind, _Type) or kind.order not in ("|", "<", ">", "="):
        raise _Refused("an array without a dtype")
    if isinstance(buffer, str):
        buffer = buffer.encode("latin1")  # Python 2's strings were bytes
    if not isinstance(buffer, (bytes, bytearray)):
        raise _Refused(f"an array made of a {type(buffer).__name__}")
    dtype = np.dtype(kind.order + kind.code)
    if type(shape) is not tuple or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("an array without a shape")
    if len(shape) > 8 or math.prod(shape) * dtype.itemsize != len(buffer):
        raise ValueError(f"{len(buffer)} bytes for an array {str(shape)[:60]} of {dtype}")
    return np.ndarray(shape, dtype, buffer, order="F" if fortran else "C")
