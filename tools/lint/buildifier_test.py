"""Every BUILD, .bzl, WORKSPACE and MODULE file of the repository passes buildifier: its format and its warnings."""

import os
import pathlib
import subprocess

import pytest

from tools.lint import sources


@pytest.fixture(name="buildifier")
def _buildifier():
    """The program out of its npm package; without it the test is skipped, and says so."""
    (found,) = os.environ["BUILDIFIER"].split()
    path = pathlib.Path(found)
    if path.name == "missing.txt":
        pytest.skip(f"no buildifier, so Bazel files are not checked: {path.read_text().strip()}")
    return str(path.absolute())


def test_format_and_warnings(buildifier):
    paths = sources.bazel_files()
    assert {"BUILD.bazel", "MODULE.bazel", "WORKSPACE.bazel", "tools/lint/defs.bzl"} <= set(paths)
    done = subprocess.run(
        [buildifier, "-mode=check", "-lint=warn", *paths],
        cwd=sources.workspace(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nMend what can be: tools/bazelw run //tools/lint:fix"
