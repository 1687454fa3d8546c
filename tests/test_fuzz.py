"""Changed input is read or refused; `make fuzz` tries far more of it."""

import sys

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("the limits of the campaign are Linux's", allow_module_level=True)

import fuzz
from fuzzing import readers
from fuzzing.reader import Reader

from learn2dance.errors import UserError


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's, on fork in a process with threads
def test_changed_input_is_read_or_refused(trained, gan, tmp_path):
    counts, notes = {}, {}
    for index, (name, reader) in enumerate(readers.every(trained, gan, tmp_path).items()):
        counts[name], found = fuzz.campaign(reader, range(10), [1, index])
        notes |= {f"{name}, input {number}": note for note, number in found.items()}
    assert not notes
    assert all(sum(count.values()) == 10 for count in counts.values())
    assert sum(count["accepted"] > 0 for count in counts.values()) > 15  # else it is not read at all


def _outside(box):
    (box.parent / "elsewhere").write_text("x")


def _hangs(box):
    while True:
        pass


def _fills_memory(box):
    return bytearray(3 << 30).count(1)


def _runs_a_program(box):
    import subprocess

    subprocess.run(["true"], check=True)


def _fails(box):
    raise KeyError("x")


def _says_much(box):
    error = UserError()
    error.__class__ = type("Loud", (UserError,), {"__str__": lambda self: "a\nb"})
    raise error


@pytest.mark.parametrize(
    ("read", "column"),
    [(_outside, "outside"), (_hangs, "hang"), (_fills_memory, "memory"), (_runs_a_program, "code"),
     (_fails, "traceback"), (_says_much, "traceback")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_wrong_is_counted(monkeypatch, read, column):
    monkeypatch.setattr(fuzz, "SECONDS", 1.0 if column == "hang" else 60.0)
    counts, notes = fuzz.campaign(Reader(lambda rng: {"file": b"x"}, read), range(1), [0])
    assert counts[column] == 1 and notes
