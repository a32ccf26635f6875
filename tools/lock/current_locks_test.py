"""The locks in the repository are current: each fits its requirements, and the CUDA lock fits the other one."""

import pathlib

import pytest

from tools.lock import entries, lock_file

# Tests start in the runfiles of the repository, where Bazel's test protocol says so.
_ROOT = pathlib.Path.cwd()


def test_the_lock_fits_its_requirements():
    assert lock_file.problems(_ROOT / "requirements.in", _ROOT / "requirements_lock.txt") == []


def test_the_cuda_lock_fits_its_requirements_and_the_lock():
    lock = _ROOT / "requirements_lock.txt"
    assert lock_file.problems(_ROOT / "requirements_cuda.in", _ROOT / "requirements_cuda_lock.txt", lock) == []


def test_only_the_cuda_lock_has_cuda_wheels():
    def cuda(lock):
        return sorted(name for name in lock_file.pins(_ROOT / lock) if name.startswith(("nvidia-", "jax-cuda")))

    assert cuda("requirements_lock.txt") == []
    assert "jax-cuda13-plugin" in cuda("requirements_cuda_lock.txt")


@pytest.mark.parametrize("lock", ["requirements_lock.txt", "requirements_cuda_lock.txt"])
def test_a_lock_is_written_as_the_tool_writes_it(lock):
    text = (_ROOT / lock).read_text()
    body = text[text.index("\n", text.index(lock_file.DIGEST_LINE)) + 1 :]
    assert entries.render(entries.parse(text)) == body


@pytest.mark.parametrize("lock", ["requirements_lock.txt", "requirements_cuda_lock.txt"])
def test_other_systems_have_what_they_need(lock):
    marked = {name: entry.marker for name, entry in entries.parse((_ROOT / lock).read_text()).items() if entry.marker}
    assert marked["colorama"] == "sys_platform == 'win32'"  # pytest and tqdm require it there
    assert marked["uvloop"] == "sys_platform != 'win32'"  # which has no such wheel


def test_the_index_for_local_builds_is_named_in_one_place():
    (address,) = lock_file.extra_indexes(_ROOT / "requirements_cuda.in")  # those of requirements.in among them
    assert address.startswith("https://") and address.endswith("/cpu")
    for reader in ("prefetch.py", "pypi.bzl"):
        text = (_ROOT / "third_party" / "pypi" / reader).read_text()
        assert "requirements.in" in text and "--extra-index-url" in text and "https://" not in text
