"""Programs in wheels that have no module, such as hadolint's."""

from __future__ import annotations

import importlib.metadata
import pathlib
import sysconfig


def find(distribution: str, program: str) -> pathlib.Path:
    """Returns the path of a distribution's program: beside its own files under Bazel, or where pip puts scripts.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    beside = pathlib.Path(str(importlib.metadata.distribution(distribution).locate_file(f"bin/{program}")))
    for path in (beside, pathlib.Path(sysconfig.get_path("scripts"), program)):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{distribution} has no {program} in {beside.parent}")
