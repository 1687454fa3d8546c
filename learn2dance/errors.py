"""Errors that the user can fix, and their one-line messages."""

MOST = 300  # characters of a message


class UserError(ValueError):
    """An error that the user can fix; its one-line message gives file, expected, found and likely cause."""

    def __str__(self) -> str:
        """Return the message, fit to be printed (`printable`)."""
        return printable(super().__str__())


def one_line(error: UserError | OSError) -> str:
    """Return the message of an error in one line; for an ``OSError`` with the file that it names."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return printable(f"{where}{error.strerror or error}")


def printable(text: str) -> str:
    """Return text as one line of at most `MOST` characters: file names, and what files hold, may be anything.

    Line breaks and other characters that are not printable are escaped as in Python. Of a longer text the middle is
    left out, as the file comes first and the hint comes last.
    """
    half = MOST // 2 - 1
    text = text if len(text) <= 2 * MOST else text[:MOST] + text[-MOST:]  # escaping all of a long one would take long
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= MOST else f"{text[:half]} … {text[-half + 1 :]}"
