"""Programs that come in wheels without a module of their own, such as hadolint's."""

from __future__ import annotations

import importlib.metadata
import pathlib
import sysconfig


def find(distribution: str, program: str) -> pathlib.Path:
    """The path of a distribution's program: beside its own files as Bazel lays them, or where pip puts scripts.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    beside = pathlib.Path(str(importlib.metadata.distribution(distribution).locate_file(f"bin/{program}")))
    for path in (beside, pathlib.Path(sysconfig.get_path("scripts"), program)):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{distribution} has no {program} in {beside.parent}")
