"""The memory used by this process."""

import sys

if sys.platform != "win32":
    import resource


def peak_rss_mb() -> float | None:
    """Returns the peak of this process's main memory, in MB (2^20 bytes); None on Windows."""
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The unit is 1,024 bytes on Linux and a byte on macOS.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
