"""The wheel, installed where nothing else of this repository is, learns, plans, saves and loads."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

_WHEEL = pathlib.Path(os.environ["WHEEL"]).resolve()
_PAGE = pathlib.Path(os.environ["LIBRARY_PAGE"]).resolve()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The variables of a process that finds the wheel, what the lock has for it, and nothing of the sources."""
    target = tmp_path_factory.mktemp("installed")
    outside = [entry for entry in sys.path if entry and not (pathlib.Path(entry) / "humain").exists()]
    variables = {"PATH": os.environ["PATH"], "HOME": str(target), "JAX_PLATFORMS": "cpu"}
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-cache-dir", "--target", str(target)]
    done = subprocess.run(
        [*pip, str(_WHEEL)],
        env={**variables, "PYTHONPATH": os.pathsep.join(outside)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**variables, "PYTHONPATH": os.pathsep.join([str(target), *outside]), "INSTALLED": str(target)}


def _run(environment, folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_found_where_it_was_installed_and_needs_no_more_than_it_names(environment, tmp_path):
    script = """
import importlib.metadata as metadata, os
from packaging.requirements import Requirement
import humain
assert humain.__file__.startswith(os.environ["INSTALLED"]), humain.__file__
for line in metadata.requires("humain"):
    requirement = Requirement(line)
    if requirement.marker is None:
        assert metadata.version(requirement.name) in requirement.specifier, line
print("ok")
"""
    assert _run(environment, tmp_path, "-c", script) == "ok\n"


def test_the_first_example_of_the_page_prints_what_the_page_says(environment, tmp_path):
    first = re.search(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", _PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert first is not None
    (tmp_path / "twenty_lines.py").write_text(first[1])
    assert _run(environment, tmp_path, "twenty_lines.py") == first[2]


def test_what_bazel_builds_in_c_is_missed_in_one_line(environment, tmp_path):
    script = "from humain.native import sparse_rows; print(sparse_rows.missing())"
    assert "is not built" in _run(environment, tmp_path, "-c", script)
