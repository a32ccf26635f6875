"""A pytest plugin that has tests share the compiled programs in the folder that the environment names, if any."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest

VARIABLE = "MUTATION_PROGRAMS"
_SETTINGS = "humain.testing.settings"
"""The plugin that shares programs."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Names the folder, before the plugin `_SETTINGS` looks for it."""
    settings: Any = config.pluginmanager.get_plugin(_SETTINGS)
    if settings is not None and (folder := os.environ.get(VARIABLE)):
        settings.SHARED_PROGRAMS = pathlib.Path(folder)
