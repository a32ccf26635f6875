"""`secrets.env` in the workspace: keys and tokens that are added to a task's environment.

A line is `KEY=VALUE`, optionally after `export`; a value may be in quotes, and must be if it has white space in it.
Blank lines and lines that start with `#` are ignored. `KEY=` without a value sets nothing.
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
# Only the owner may read the file, or write to it: a base URL in it says where keys are sent.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load(environment: MutableMapping[str, str] = os.environ) -> tuple[str, ...]:
    """Adds the variables of the workspace's `secrets.env` to an environment, except those that it has already.

    Args:
        environment: the environment variables, which also say where the workspace is.

    Returns:
        All names that have a value in the file, including those that were set already.

    Raises:
        UserError: as in `read`.
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
        The values that are not empty, by name; empty if there is no such file.

    Raises:
        UserError: if it is not a regular file, others than its owner may read, write or execute it (not checked on
            Windows, whose permissions these bits don't show), or a line is invalid; the message names the file, never
            its content.
    """
    try:
        # Without O_NONBLOCK, opening a pipe of that name would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise errors.UserError(f"{path} can't be read ({error.strerror}); correct that, or remove it") from error
    try:
        _check(path, os.fstat(descriptor).st_mode)
        # Checked first, since a directory can't be opened as a file.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read()
    finally:
        os.close(descriptor)
    return _parse(path, content)


def _check(path: pathlib.Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise errors.UserError(f"{path} is not a regular file; replace it by one, or remove it")
    if os.name != "nt" and mode & _OTHERS:
        raise errors.UserError(
            f"{path} is accessible to others than its owner (mode {stat.S_IMODE(mode):03o}); run: chmod 600 {path}"
        )


def _parse(path: pathlib.Path, content: bytes) -> dict[str, str]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        # Without the original error, which quotes the bytes.
        raise errors.UserError(f"{path} is not UTF-8 text; write it again") from None
    values = {}
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise errors.UserError(
                f"{path}, line {number}, is not KEY=VALUE (a value with white space needs quotes); correct or delete it"
            )
        value = match["single"] or match["double"] or match["bare"]
        if value:
            values[match["key"]] = value
    return values
