"""A pytest plugin that notes which test was the first to fail, in the file that the environment names."""

from __future__ import annotations

import os
import pathlib

import pytest

VARIABLE = "MUTATION_FIRST_FAILURE"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Writes down the test's name, once."""
    path = pathlib.Path(os.environ[VARIABLE])
    if report.failed and not path.exists():
        path.write_text(report.nodeid)
