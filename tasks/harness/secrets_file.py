"""`secrets.env` in the workspace: keys and tokens that a task finds in its environment.

A line is `KEY=VALUE`, with or without `export` before it; a value may be in quotes, and has to be where white space is
in it. Blank lines and lines that start with `#` mean nothing. `KEY=` without a value sets nothing.
"""

import os
import pathlib
import re
import stat
from collections.abc import MutableMapping

from humain import errors
from tasks.harness import paths

FILE_NAME = "secrets.env"
_LINE = re.compile(
    r"""(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|"""
    r"""(?P<bare>[^\s'"]*))"""
)
# Nobody but the owner may read the file, nor write into it where the keys are sent to.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load(environment: MutableMapping[str, str] = os.environ) -> tuple[str, ...]:
    """Adds what the workspace's `secrets.env` holds to an environment; what is set there already stays.

    Args:
        environment: what is added to; it also says where the workspace is.

    Returns:
        All names that the file gives a value, those that were set already among them.

    Raises:
        UserError: as `read` does.
    """
    values = read(paths.workspace_root(environment) / FILE_NAME)
    for key, value in values.items():
        environment.setdefault(key, value)
    return tuple(values)


def read(path: pathlib.Path) -> dict[str, str]:
    """Reads a file of secrets.

    Args:
        path: the file.

    Returns:
        The values that are not empty, by name; none where there is no such file.

    Raises:
        UserError: naming the file and never its content, where it is no regular file, anybody but its owner may read,
            write or execute it (not looked at on Windows, whose permissions these bits don't show), or a line isn't
            one.
    """
    try:
        # Without O_NONBLOCK, a pipe of that name would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.UserError(f"{path} can't be read ({error.strerror}); mend that, or remove it") from error
    try:
        _check(path, os.fstat(descriptor).st_mode)
        # A directory could not be opened as a file: it is refused before that.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read()
    finally:
        os.close(descriptor)
    return _parse(path, content)


def _check(path: pathlib.Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise errors.UserError(f"{path} is no regular file; replace it by one, or remove it")
    if os.name != "nt" and mode & _OTHERS:
        raise errors.UserError(
            f"{path} is open to others than its owner (mode {stat.S_IMODE(mode):03o}); run: chmod 600 {path}"
        )


def _parse(path: pathlib.Path, content: bytes) -> dict[str, str]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        # Without the error itself, which quotes the bytes.
        raise errors.UserError(f"{path} is no UTF-8 text; write it anew") from None
    values = {}
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise errors.UserError(
                f"{path}, line {number}, is not KEY=VALUE (a value with white space needs quotes); mend or delete it"
            )
        value = match["single"] or match["double"] or match["bare"]
        if value:
            values[match["key"]] = value
    return values
