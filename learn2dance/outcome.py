"""What a job came to: how a worker reports it (`attempt`), and what the parent makes of the report (`settle`)."""

import errno
import pickle
import traceback
from collections.abc import Callable

from learn2dance.errors import UserError, one_line

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # codes of an OSError that would also stop all other jobs


class WorkerTraceback(Exception):
    """The traceback of an exception in a worker: the cause of the exception that the parent raises."""

    def __str__(self) -> str:
        """Return the worker's traceback."""
        return f"\n{self.args[0]}"


def attempt(function: Callable, job: object) -> tuple[object, str]:
    """Call ``function(job)`` in a worker; return what it returned or raised, and for a bug its traceback, else ``""``.

    A `UserError` or an ``OSError`` of this clip is returned as a UserError, one of the disk as it is.
    """
    try:
        return function(job), ""
    except MemoryError as error:
        return error, ""
    except (UserError, OSError) as error:
        return (error if getattr(error, "errno", None) in DISK else UserError(one_line(error))), ""
    except Exception as error:
        return _picklable(error), traceback.format_exc()


def settle(name: str, result: object, text: str) -> object:
    """Return the result of the clip ``name`` in the parent, or a UserError; raise bugs and errors of the disk.

    ``result`` and ``text`` come from `attempt`.
    """
    if text:
        raise result from WorkerTraceback(text)
    if isinstance(result, MemoryError):
        return UserError(f"{name}: memory ran out; try fewer processes (jobs 1)")
    if isinstance(result, OSError):
        raise result
    return result


def _picklable(error: Exception) -> Exception:
    """Return the exception, or a RuntimeError with the same text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # pickling can raise anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
