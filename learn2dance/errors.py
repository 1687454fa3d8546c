"""What the user can mend, and how it is told in one line."""


class UserError(ValueError):
    """Something that the user can mend; its one line names file, expectation, finding and likely cause."""


def one_line(error: UserError | OSError) -> str:
    """Say in one line what is wrong; an ``OSError`` with the file that it names."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
