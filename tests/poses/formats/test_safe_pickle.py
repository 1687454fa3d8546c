import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from learn2dance.errors import UserError
from learn2dance.poses.formats import safe_pickle

HERE = Path("dance.pkl")
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
ARRAYS = {
    "keypoints2d": np.random.default_rng(0).normal(size=(9, 40, 17, 3)).astype(np.float32),
    "det_scores": np.linspace(0, 1, 360).reshape(9, 40),
    "timestamps": np.arange(40),
    "fps": 60,
    "rate": np.float64(59.94),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12, dtype=np.int16).reshape(3, 4)[:, ::2],
    "swapped": np.arange(3, dtype=">f4"),
    "half": np.arange(3, dtype=np.float16),
    "true": np.array([True, False]),
    "one": np.array(3.5),
    "none": None,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_and_numbers_come_out_as_pickle_itself_gives_them(protocol):
    found = safe_pickle.load(HERE, pickle.dumps(ARRAYS, protocol))
    assert list(found) == list(ARRAYS)
    for key, value in ARRAYS.items():
        np.testing.assert_array_equal(found[key], value)
        assert not isinstance(value, np.ndarray) or found[key].dtype == value.dtype
    alone = safe_pickle.load(HERE, pickle.dumps(ARRAYS["det_scores"], protocol))
    np.testing.assert_array_equal(alone["poses"], ARRAYS["det_scores"])


def test_what_numpy_1_wrote_is_read_too():
    """Version 2 moved its modules from numpy.core to numpy._core; published pickles have the older name."""
    new = pickle.dumps(ARRAYS, 2)
    old = new.replace(b"cnumpy._core.", b"cnumpy.core.")
    assert old != new or not np.__version__.startswith("2")
    np.testing.assert_array_equal(safe_pickle.load(HERE, old)["keypoints2d"], ARRAYS["keypoints2d"])


def reduce_to(function, *arguments):
    """Return an object whose pickle calls this function."""

    class Hostile:
        def __reduce__(self):
            return function, arguments

    return Hostile()


def touch(path):
    return f"open({str(path)!r}, 'w')"


def hostile(mark):
    """Yield objects whose unpickling would make the file ``mark``, or load or run something."""
    import builtins
    import subprocess

    shell = f"echo > '{mark}'"
    yield "os.system", reduce_to(os.system, shell)
    yield "eval", reduce_to(builtins.eval, touch(mark))
    yield "exec", reduce_to(builtins.exec, touch(mark))
    yield "open", reduce_to(open, str(mark), "w")
    yield "getattr", reduce_to(getattr, 1, "real")
    yield "Popen", reduce_to(subprocess.Popen, ["touch", str(mark)])
    yield "numpy.load", reduce_to(np.load, str(mark))
    yield "numpy.save", reduce_to(np.save, str(mark), 1)
    yield "rundocs", reduce_to(np.testing.rundocs, str(mark))
    yield "assert_raises", reduce_to(np.testing.assert_raises, Exception, os.system, shell)
    yield "fromfile", reduce_to(np.fromfile, str(mark))
    yield "memmap", reduce_to(np.memmap, str(mark), "u1", "w+", 0, (8,))
    yield "frompyfunc", reduce_to(np.frompyfunc, os.system, 1, 1)


def nestings(bad):
    """Yield where in a pickle it may lie."""
    yield bad
    yield {"keypoints2d": bad}
    yield {"keypoints2d": ARRAYS["one"], "det_scores": {"deep": (bad,)}}
    yield (bad, ARRAYS["one"])
    yield {"keypoints2d": np.array([1, bad], object)}  # in an array of objects
    yield {"keypoints2d": np.array([(1, bad)], [("a", "f4"), ("b", "O")])}  # in a record


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, protocol):
    mark = tmp_path / "ran"
    refused = 0
    for name, bad in hostile(mark):
        for nested in nestings(bad):
            with pytest.raises(UserError, match="expected numpy arrays only: other pickles can run code") as fault:
                safe_pickle.load(HERE, pickle.dumps(nested, protocol))
            assert "\n" not in str(fault.value) and len(str(fault.value)) < 250, name
            refused += 1
    assert refused >= 60
    assert not mark.exists()
    with pytest.raises(TypeError):  # the test's own pickles do call: this one calls open() wrongly
        pickle.loads(pickle.dumps(reduce_to(open), protocol))


def test_the_oldest_protocols_and_written_by_hand(tmp_path):
    mark = tmp_path / "ran"
    shell = f"echo > '{mark}'".encode()
    by_hand = [
        b"cos\nsystem\n(V" + shell + b"\ntR.",  # protocol 0
        b"\x80\x02cposix\nsystem\n(X" + struct.pack("<I", len(shell)) + shell + b"tR.",
        b"\x80\x02(cos\nsystem\nX" + struct.pack("<I", len(shell)) + shell + b"o.",  # OBJ
        b"\x80\x02(X" + struct.pack("<I", len(shell)) + shell + b"ios\nsystem\n.",  # INST
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(shell)]) + shell + b"\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x12testing.runstring_\x93.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\n\x85R.",  # as what numpy is to make
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x02cnumpy\nndarray\n}(X\x0c\x00\x00\x00__setstate__K\x01ub.",  # a class's attributes changed
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"\x80\x02X\x02\x00\x00\x00idQ.",  # a persistent id
        b"\x80\x02\x82\x01.",  # the registry of extensions
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x0b\x00\x00\x00unicode_escape\x86R.",
    ]
    for data in by_hand:
        with pytest.raises(UserError, match="numpy arrays only|damaged pickle"):
            safe_pickle.load(HERE, data)
    assert not mark.exists()


def array_pickle(code="f4", shape=(2, 3), data=bytes(24)):
    """Write an array's pickle by hand, with whatever numbers."""
    kind = b"cnumpy\ndtype\nX" + struct.pack("<I", len(code)) + code.encode() + b"K\x00K\x01\x87R"
    order = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    size = pickle.dumps(shape, 2)[2:-1]  # the tuple, without what begins and ends a pickle
    begin = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    return begin + b"(K\x01" + size + kind + order + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb."


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (array_pickle(shape=(2, 4)), "size 6 into shape .2,4."),
        (array_pickle(shape=(1 << 40, 1 << 40)), "size 6 into shape"),
        (array_pickle(shape=(1 << 70, 0)), "incomplete or damaged pickle"),
        (array_pickle(shape=(-2, -3)), "incomplete or damaged pickle"),
        (array_pickle(shape=(1,) * 400 + (6,)), "incomplete or damaged pickle"),
        (array_pickle(code="O8"), "an array of 'O8'"),
        (array_pickle(code="V4"), "an array of 'V4'"),
        (array_pickle(code="U6"), "an array of 'U6'"),
        (array_pickle(code="f4,f4"), "an array of 'f4,f4'"),
        (b"", "incomplete or damaged pickle"),
        (b"\x80\x04", "incomplete or damaged pickle"),
        (pickle.dumps(ARRAYS)[:-100], "incomplete or damaged pickle"),
        (pickle.dumps(ARRAYS)[:5000], "incomplete or damaged pickle"),
        (b"\x80\x04.", "incomplete or damaged pickle"),
        (b"\x80\x04R.", "incomplete or damaged pickle"),
        (b"\x80\x04h\x07.", "incomplete or damaged pickle"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 1 << 60) + b"few.", "incomplete or damaged pickle"),  # claims 2^60 bytes
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"few.", "incomplete or damaged pickle"),
        (b"\x80\x02" + b"}" * 20_000 + b".", "more than 10000 instructions"),
        (pickle.dumps([1.0, 2.0]), "found the instruction APPENDS"),
        (pickle.dumps({1: 2}), "a int as a name"),
        (pickle.dumps((1.0, 2.0)), "found a tuple"),
        (pickle.dumps({"a": {1.0}}), "found the instruction ADDITEMS"),
        (b"\x80\x02cnumpy\nndarray\n.", "found a function"),
    ],
)
def test_damaged_and_lying_pickles(data, says):
    with pytest.raises(UserError, match=says) as fault:
        safe_pickle.load(HERE, data)
    assert "\n" not in str(fault.value)


def test_the_hand_written_pickle_is_one():
    """So that the lies above are refused for their lies alone."""
    data = array_pickle(data=np.arange(6, dtype="<f4").tobytes())
    pickletools.dis(data, io.StringIO())
    np.testing.assert_array_equal(safe_pickle.load(HERE, data)["poses"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(pickle.loads(data), np.arange(6.0).reshape(2, 3))


def test_bytes_are_not_taken_for_addresses_of_objects():
    """Its state can tell numpy's own dtype that objects are none; reading the array then ends the process, or worse."""
    lying = (4, "|", None, None, None, -1, -1, 0, None)
    array = array_pickle("O8", (1,), bytes(8)).replace(b"(K\x03X\x01\x00\x00\x00<NNNJ", b"(K\x03X\x01\x00\x00\x00|NNNJ")
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R" + pickle.dumps(lying, 2)[2:-1] + b"b"
    for data in (
        array,
        array_pickle("f4", (6,)).replace(b"X\x02\x00\x00\x00f4", b"X\x01\x00\x00\x00O"),
        b"\x80\x02" + kind + b".",
    ):
        with pytest.raises(UserError, match="an array of 'O"):
            safe_pickle.load(HERE, data)
    # nor is what merely has a dtype taken for one: here a name, given the attribute
    named = b"cnumpy\nndarray\n}X\x05\x00\x00\x00dtypeX\x01\x00\x00\x00Osb"
    filled = b"cnumpy\nndarray\n)R(K\x01K\x01\x85" + named + b"\x89C\x08" + bytes(8) + b"tb."
    with pytest.raises(UserError, match="an array without a dtype"):
        safe_pickle.load(HERE, b"\x80\x03" + filled)


def test_what_a_pickle_sets_is_gone_with_it():
    named = b"cnumpy\nndarray\n}X\x0c\x00\x00\x00__setstate__K\x01sb0"
    slots = b"cnumpy\ndtype\nN}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b0"
    assert safe_pickle.load(HERE, b"\x80\x02" + named + slots + b"}.") == {}
    test_arrays_and_numbers_come_out_as_pickle_itself_gives_them(4)


def test_bombs_end_at_once():
    """A memo index of 2^31 takes pickle 16 GB; a tuple of tuples, doubled 60 times, is hashed and printed for ever."""
    doubled = b"K\x01" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    hidden = doubled.replace(b"\x86", b"\x86Nb")  # to set nothing leaves the tuple there
    sly = doubled.replace(b"\x86", b"\x86\x80\x02")
    poses = array_pickle(shape=(1, 15, 2), data=bytes(120))[2:-1]
    with pytest.raises(UserError, match="more than 10000 instructions"):
        safe_pickle.load(HERE, b"\x80\x02}r\xff\xff\xff\x7f.")
    for bomb in (doubled, hidden, sly, b"K\x01" + b"2\x86" * 60):
        for data in (
            b"}" + bomb + b"K\x01s.",  # a key, which is hashed
            bomb + b".",
            b"cnumpy\ndtype\n" + bomb + b"\x85R.",
            b"}(X\x05\x00\x00\x00poses" + poses + b"X\x03\x00\x00\x00fps" + bomb + b"u.",
        ):
            with pytest.raises(UserError, match="twice|instruction"):
                safe_pickle.load(HERE, b"\x80\x02" + data)
    deep = b"K\x01" + b"\x85" * 9_000
    for data in (b"}" + deep + b"K\x01s.", deep + b".", b"cnumpy\ndtype\n" + deep + b"\x85R."):
        with pytest.raises(UserError, match="a tuple"):
            safe_pickle.load(HERE, b"\x80\x02" + data)
    for shape in (deep, b"(" + b"K\x01" * 9_000 + b"t"):
        with pytest.raises(UserError, match="incomplete or damaged pickle") as fault:
            safe_pickle.load(HERE, array_pickle(shape="here").replace(pickle.dumps("here", 2)[2:-1], shape))
        assert len(str(fault.value)) < 250
