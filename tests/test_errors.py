import pickle

from learn2dance.errors import UserError, one_line, printable


def test_a_message_is_one_line_that_can_be_printed():
    assert str(UserError("a\nb\x1b[2J\udcff.csv: ö")) == r"a\nb\x1b[2J\udcff.csv: ö"
    assert one_line(FileNotFoundError(2, "No such file", "a\nb")) == r"a\nb: No such file"


def test_of_a_long_message_the_middle_is_left_out():
    assert printable("x" * 300) == "x" * 300
    for text in ("file: " + "x" * 10**7 + "; hint", "file: " + "\n" * 299 + "; hint"):
        line = printable(text)
        assert len(line) == 300 and line.startswith("file: ") and line.endswith("; hint") and " … " in line


def test_a_process_hands_its_error_to_another():
    assert str(pickle.loads(pickle.dumps(UserError("a\nb")))) == r"a\nb"
