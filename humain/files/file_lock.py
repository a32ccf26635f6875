"""A lock on an open file that one process at a time can hold; the system releases it when that process ends."""

import os
import sys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The highest file offset that the call on Windows accepts.
_FAR = 2**31 - 2
OPEN_FILES_STAY = os.name == "nt"
"""Whether a file that is open can't be deleted, as on Windows."""


def acquire(descriptor: int) -> bool:
    """Takes the lock on a file, without waiting; closing the file releases it.

    On Windows the lock is on a byte far beyond the file's end: other processes can neither read nor write a locked
    range.

    Args:
        descriptor: the file's descriptor, open for writing.

    Returns:
        True if this call took the lock; False if another process, or another descriptor of this one, holds it.
    """
    if sys.platform == "win32":
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
