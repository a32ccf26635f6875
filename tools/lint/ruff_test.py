"""Every Python file of the repository passes ruff: its rules and its format, as pyproject.toml sets them."""

import subprocess

from ruff.__main__ import find_ruff_bin

from tools.lint import sources


def _ruff(*arguments):
    command = [find_ruff_bin(), *arguments, "--no-cache", *sources.list_sources(".py", ".pyi")]
    return subprocess.run(command, cwd=sources.workspace(), capture_output=True, text=True, check=False)


def test_the_repository_has_python_files():
    assert "tools/lint/ruff_test.py" in sources.list_sources(".py")


def test_rules():
    done = _ruff("check", "--output-format=concise")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nMend what can be: tools/bazelw run //tools/lint:fix"


def test_format():
    done = _ruff("format", "--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nFormat it: tools/bazelw run //tools/lint:fix"
