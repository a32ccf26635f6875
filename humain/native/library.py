"""Libraries of C++ operations, which Bazel builds beside the Python files that call them.

A library is compiled against one version of jaxlib and carries that version; it is not used with another one, since the
layout of what XLA passes to an operation may differ.
"""

import ctypes
import pathlib

import jaxlib.version

from humain import errors


def missing(path: pathlib.Path) -> str:
    """Loads the library at a path; returns why it can't be used, with the remedy, or "" if it can."""
    try:
        load(path)
    except errors.UserError as error:
        return str(error)
    return ""


def load(path: pathlib.Path) -> ctypes.CDLL:
    """Loads a library.

    Args:
        path: the library's file; the library exports `HumainJaxlibVersion`.

    Raises:
        UserError: if it is not built, can't be loaded, or was built against another jaxlib.
    """
    if not path.exists():
        raise errors.UserError(f"{path.name} is not built; run it by Bazel, on Linux (tools/bazelw run //tasks:NAME)")
    try:
        library = ctypes.CDLL(str(path))
        version = library.HumainJaxlibVersion
    except (OSError, AttributeError) as error:
        raise errors.UserError(f"{path.name} can't be loaded ({error}); build it again, through Bazel") from error
    version.restype = ctypes.c_char_p
    built, present = version().decode(), jaxlib.version.__version__
    if built != present:
        raise errors.UserError(
            f"{path.name} was built against jaxlib {built}, and this is jaxlib {present}; build it again, through Bazel"
        )
    return library
