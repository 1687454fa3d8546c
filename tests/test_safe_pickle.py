import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from learn2dance import pose_arrays, safe_pickle
from learn2dance.stage import Fault

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
    np.testing.assert_array_equal(
        safe_pickle.load(HERE, pickle.dumps(ARRAYS["det_scores"], protocol)), ARRAYS["det_scores"]
    )


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
            with pytest.raises(Fault, match="expected numpy arrays alone: other pickles can run code") as fault:
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
        with pytest.raises(Fault, match="expected numpy arrays alone"):
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
        (array_pickle(shape=(2, 4)), "24 bytes for an array .2, 4. of float32"),
        (array_pickle(shape=(1 << 40, 1 << 40)), "24 bytes for an array"),
        (array_pickle(shape=(-2, -3)), "without a shape"),
        (array_pickle(shape=(1,) * 40 + (6,)), "24 bytes for an array"),
        (array_pickle(code="O8"), "an array of objects"),
        (array_pickle(code="V4"), "an array of 'V4'"),
        (array_pickle(code="U6"), "an array of 'U6'"),
        (array_pickle(code="f4,f4"), "an array of 'f4,f4'"),
        (b"", "not a whole pickle"),
        (b"\x80\x04", "not a whole pickle"),
        (pickle.dumps(ARRAYS)[:-100], "not a whole pickle"),
        (pickle.dumps(ARRAYS)[:5000], "not a whole pickle"),
        (b"\x80\x04.", "not a whole pickle"),
        (b"\x80\x04R.", "not a whole pickle"),
        (b"\x80\x04h\x07.", "not a whole pickle"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 1 << 60) + b"few.", "not a whole pickle"),  # claims 2^60 bytes
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"few.", "not a whole pickle"),
        (b"\x80\x02" + b"}" * 20_000 + b".", "more than 10000 instructions"),
        (pickle.dumps([1.0, 2.0]), "holds a list"),
        (pickle.dumps({1: 2}), "keys are no strings"),
        (pickle.dumps("text"), "a pickled str, expected a dict of arrays"),
    ],
)
def test_damaged_and_lying_pickles(data, says):
    with pytest.raises(Fault, match=says) as fault:
        safe_pickle.load(HERE, data)
    assert "\n" not in str(fault.value)


def test_the_hand_written_pickle_is_one():
    """So that the lies above are refused for their lies alone."""
    data = array_pickle(data=np.arange(6, dtype="<f4").tobytes())
    pickletools.dis(data, io.StringIO())
    np.testing.assert_array_equal(safe_pickle.load(HERE, data), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(pickle.loads(data), np.arange(6.0).reshape(2, 3))


def test_bombs_end_at_once():
    """A memo index of 2^31 takes pickle 16 GB; a key of tuples of tuples, doubled 60 times, is hashed for ever."""
    doubled = b"K\x01" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    assert safe_pickle.load(HERE, b"\x80\x02}r\xff\xff\xff\x7f.") == {}
    with pytest.raises(Fault, match="keys are no strings"):
        safe_pickle.load(HERE, b"\x80\x02}" + doubled + b"K\x01s.")
    with pytest.raises(Fault, match="a pickled tuple"):
        safe_pickle.load(HERE, b"\x80\x02" + doubled + b".")
    with pytest.raises(Fault, match="what is no name"):
        safe_pickle.load(HERE, b"\x80\x04" + doubled + b"\x8c\x01x\x93.")
    with pytest.raises(Fault, match="an array of a tuple"):
        safe_pickle.load(HERE, b"\x80\x02cnumpy\ndtype\n" + doubled + b"\x85R.")
    poses = array_pickle(shape=(1, 15, 2), data=bytes(120))[2:-1]
    fps = b"\x80\x02}(X\x05\x00\x00\x00poses" + poses + b"X\x03\x00\x00\x00fps"
    with pytest.raises(Fault, match="'fps' is a tuple"):
        pose_arrays.detect(HERE, fps + doubled + b"u.")
