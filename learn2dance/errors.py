"""Errors that the user can fix, and their one-line messages."""


class UserError(ValueError):
    """An error that the user can fix; its one-line message gives file, expected, found and likely cause."""


def one_line(error: UserError | OSError) -> str:
    """Return the message of an error in one line; for an ``OSError`` with the file that it names."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
