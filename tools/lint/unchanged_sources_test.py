"""A check whose sources were changed under it fails, and says why; one whose sources stayed passes."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

from tools.lint import unchanged_sources

_STATE = "STABLE_PYTHON_DIGEST {}\n"
_DIGEST_COMMAND = "echo STABLE_PYTHON_DIGEST $(sha256sum < source.txt | cut -d ' ' -f 1)"


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(name="check")
def _check(tmp_path):
    """Runs a check that changes, or does not, a repository whose digest is that of one file."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "source.txt").write_text("before")
    folder = tmp_path / "tools" / "lint"
    folder.mkdir(parents=True)
    for name, line in ("list_sources", "true"), ("source_digest", _DIGEST_COMMAND):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    (folder / "python_state.txt").write_text(_STATE.format(_digest("before")))

    def check(body):
        (tmp_path / "some_test.py").write_text(f"import pathlib\n\n\ndef test_a():\n    {body}\n")
        env = {name: value for name, value in os.environ.items() if not name.startswith(("TEST", "BUILD_", "XML_"))}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tools.lint.unchanged_sources", "some_test.py"],
            cwd=tmp_path,
            env={**env, "PYTHONPATH": os.pathsep.join([str(pathlib.Path.cwd()), *sys.path])},
            capture_output=True,
            text=True,
            check=False,
        )

    return check


def test_a_check_whose_sources_stay_passes(check):
    done = check("pass")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_check_whose_sources_are_changed_fails(check):
    done = check("pathlib.Path('source.txt').write_text('after')")
    assert done.returncode == 1
    assert "the sources were changed while they were checked: run this again" in done.stdout


def test_only_the_kinds_that_a_check_reads_are_compared():
    now = "STABLE_PYTHON_DIGEST 1\nSTABLE_BAZEL_DIGEST 2\n"
    assert unchanged_sources.differences([_STATE.format(1)], now) == []
    assert unchanged_sources.differences([_STATE.format(2)], now) == ["STABLE_PYTHON_DIGEST 2"]
