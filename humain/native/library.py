"""Libraries of C++ operations, which Bazel builds beside the Python files that call them.

A library is compiled against one jaxlib and carries its version; it is not used with another one, as the layout of what
XLA passes to an operation may differ.
"""

import ctypes
import pathlib

import jaxlib.version

from humain import errors


def missing(path: pathlib.Path) -> str:
    """Why the library at a path can't be used, and the remedy; "" where it can. It is loaded to find out."""
    try:
        load(path)
    except errors.UserError as error:
        return str(error)
    return ""


def load(path: pathlib.Path) -> ctypes.CDLL:
    """Loads a library.

    Args:
        path: of the library, which exports `HumainJaxlibVersion`.

    Raises:
        UserError: if it is not built, can't be loaded, or was built against another jaxlib.
    """
    if not path.exists():
        raise errors.UserError(f"{path.name} is not built: run through Bazel, on Linux (tools/bazelw run //tasks:NAME)")
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
