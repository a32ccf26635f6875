"""How much memory this process has taken."""

import sys

if sys.platform != "win32":
    import resource


def peak_rss_mb() -> float | None:
    """Returns the most main memory that this process has held at once, in MB (2^20 bytes); None on Windows."""
    if sys.platform == "win32":
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in units of 1,024 bytes, macOS in bytes.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
