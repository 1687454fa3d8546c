"""What a reader of the campaign is."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from learn2dance.errors import UserError


@dataclass(frozen=True)
class Reader:
    """How to make and read input of one kind, in a folder."""

    change: Callable[[np.random.Generator], dict[str, bytes]]  # changed files, by their paths in the folder
    read: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda box: None  # done once in a new folder
    removed: tuple[str, ...] = ()  # paths in the folder that are removed before each input


class HostilePickle:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> tuple:
        """Return the call."""
        return os.system, ("touch canary",)


def each(uses: Iterable[Callable]) -> None:
    """Call all of them; raise the first UserError at the end."""
    errors = []
    for use in uses:
        try:
            use()
        except UserError as error:
            errors.append(error)
    if errors:
        raise errors[0]
