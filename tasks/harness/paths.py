"""Paths: the user's current directory, the workspace, and the files that came with the binary."""

import os
import pathlib
from collections.abc import Mapping

_ROOT_FILES = ("MODULE.bazel", "WORKSPACE.bazel", "WORKSPACE", ".git")


def user_directory(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Returns the user's current directory, under `bazel run` too."""
    return pathlib.Path(environment.get("BUILD_WORKING_DIRECTORY") or os.getcwd())


def workspace_root(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Returns the workspace that `bazel run` names, else the one around the user's directory, else the latter."""
    named = environment.get("BUILD_WORKSPACE_DIRECTORY")
    if named:
        return pathlib.Path(named)
    here = user_directory(environment)
    for directory in (here, *here.parents):
        if any((directory / name).exists() for name in _ROOT_FILES):
            return directory
    return here


def runfiles_root() -> pathlib.Path:
    """Returns the root of this program's own files: its runfiles under Bazel, else the checkout."""
    return pathlib.Path(__file__).absolute().parents[2]


def in_runfiles(path: pathlib.Path) -> bool:
    """Whether a path is in a runfiles tree, which the next build may delete."""
    return any(part.endswith(".runfiles") for part in path.absolute().parts)


def resolve(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Makes a path from the command line absolute, relative to the user's current directory; `~` is the home."""
    # Unlike Path.expanduser, this leaves the home of an unknown user (~name) as it is.
    return pathlib.Path(os.path.normpath(user_directory(environment) / os.path.expanduser(path)))


def find_file(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> pathlib.Path | None:
    """Finds a file in the user's current directory, else in the workspace, else among the binary's own files."""
    relative = os.path.expanduser(path)
    for root in (user_directory(environment), workspace_root(environment), runfiles_root()):
        if (root / relative).is_file():
            return pathlib.Path(os.path.normpath(root / relative))
    return None
