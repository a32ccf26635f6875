"""Every Python file of the repository passes mypy, as pyproject.toml sets it.

Test modules come second and may leave their own signatures open; what the first run learned serves the second.
"""

import os

import mypy.api
import pytest

from tools.lint import sources

_FLAGS = {
    "code": [],
    "tests": ["--allow-untyped-defs", "--allow-incomplete-defs"],
}


@pytest.mark.parametrize("part", ["code", "tests"])
def test_types(part, monkeypatch):
    cache = os.path.join(os.environ["TEST_TMPDIR"], "mypy")
    paths = sources.list_sources(".py")
    tests = [path for path in paths if path.endswith(("_test.py", "conftest.py"))]
    checked = tests if part == "tests" else sorted(set(paths) - set(tests))
    assert checked
    monkeypatch.chdir(sources.workspace())
    output, errors, status = mypy.api.run(
        ["--config-file=pyproject.toml", f"--cache-dir={cache}", *_FLAGS[part], *checked]
    )
    assert status == 0, output + errors
