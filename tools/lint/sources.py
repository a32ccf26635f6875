"""The source files of the repository, for the checks; see defs.bzl for why and how."""

from __future__ import annotations

import os
import pathlib
import subprocess


def workspace() -> pathlib.Path:
    """Returns the root of the repository's checkout, not that of the runfiles."""
    if started_in := os.environ.get("BUILD_WORKSPACE_DIRECTORY"):  # bazel run
        return pathlib.Path(started_in)
    root = pathlib.Path("pyproject.toml").resolve(strict=True).parent
    if not (root / "tools" / "lint" / "list_sources").exists():
        raise RuntimeError(f"{root} is not the repository: these checks need a sandbox whose inputs are links to it")
    return root


def list_sources(*suffixes: str) -> list[str]:
    """Returns the paths, from the root, of all source files whose names end in one of `suffixes`."""
    root = workspace()
    command = [str(root / "tools" / "lint" / "list_sources"), str(root)]
    paths = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in paths if path.endswith(suffixes)]


def bazel_files() -> list[str]:
    """Returns the paths, from the root, of all files in Bazel's language."""
    return list_sources(".bazel", ".bzl", ".bzlmod")
