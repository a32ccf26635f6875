"""What this process may use of the machine it runs on."""

import os


def num_cores() -> int:
    """Returns the number of cores that this process may use; on Windows and macOS, all cores of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
