"""A pytest plugin that makes a check of all sources fail if they changed while it read them.

Its result stands for the sources as they were when the build began, whose digest is what Bazel knows (see defs.bzl).
If it passed on others, the cache would reuse that result for sources that were not checked.
"""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from tools.lint import sources


def differences(states: list[str], now: str) -> list[str]:
    """Returns the lines of the build's digests that are not among those of `now`."""
    return [line for state in states for line in state.splitlines() if line not in now.splitlines()]


@pytest.fixture(scope="session", autouse=True)
def _sources_stay_as_they_are() -> Iterator[None]:
    """Compares the digests at the end with those from the start of the build."""
    states = [path.read_text(encoding="utf-8") for path in pathlib.Path("tools/lint").glob("*_state.txt")]
    if not states:
        pytest.fail("no state of the sources among the inputs: this plugin is for the targets of source_check")
    yield
    root = sources.workspace()
    now = subprocess.run(
        [str(root / "tools" / "lint" / "source_digest")], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    if differences(states, now):
        pytest.fail("the sources were changed while they were checked: run this again", pytrace=False)
