"""The number of threads that numpy, scikit-learn and torch use: one, unless a stage sets another number.

If another process uses one of the cores, each operation waits for its slowest thread, and small operations become many
times slower than with a single thread.
"""

import os
import sys
import time
from functools import cache

MOST = 1024  # threads
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit(threads: int) -> None:
    """Use this number of threads, in this process and those that it starts; 0: one for each `spare` core."""
    import threadpoolctl

    threads = min(threads or spare(), MOST)
    for variable in VARIABLES:  # for libraries that are loaded later, such as torch
        os.environ[variable] = str(threads)
    threadpoolctl.threadpool_limits(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spare() -> int:
    """Count the cores that other processes leave idle, measured since the last call, at first over 0.2 s; at least 1.

    Later calls do not wait, since trainers call it again and again.
    """
    import psutil

    own = _own_process()
    busy = psutil.cpu_percent() * psutil.cpu_count() - own.cpu_percent()
    return max(1, int(cores() - busy / 100 + 0.25))


@cache
def _own_process():
    """Return this process, after a first measurement of its use of the cores, and of everyone's."""
    import psutil

    own = psutil.Process()
    own.cpu_percent()
    psutil.cpu_percent()
    time.sleep(0.2)
    return own
