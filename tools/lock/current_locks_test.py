"""The locks in the repository are current: each fits its requirements, and the CUDA lock fits the other one."""

import ast
import pathlib
import types
from typing import Any

import pytest

from third_party.pypi import prefetch
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


def _index_of_the_rules(text, environment):
    """What pypi.bzl reads in a requirements file: its own function, as Starlark's grammar is part of Python's."""
    tree = ast.parse((_ROOT / "third_party" / "pypi" / "pypi.bzl").read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "_extra_index"]
    names: dict[str, Any] = {}
    exec(compile(tree, "pypi.bzl", "exec"), names)  # noqa: S102
    context = types.SimpleNamespace(
        attr=types.SimpleNamespace(requirements="requirements.in"),
        os=types.SimpleNamespace(environ=environment),
        read=lambda _: text,
    )
    return names["_extra_index"](context)


@pytest.mark.parametrize(
    "line",
    [
        None,  # the repository's own
        "--extra-index-url https://index.example/cpu",
        "--extra-index-url=https://index.example/cpu",
        "--extra-index-url  https://index.example/cpu  # why",
        "# --extra-index-url https://index.example/cpu",
    ],
)
def test_all_read_the_same_index_for_local_builds(tmp_path, monkeypatch, line):
    (tmp_path / "ensurepip" / "_bundled").mkdir(parents=True)
    (tmp_path / "ensurepip" / "_bundled" / "pip-1-py3-none-any.whl").touch()
    monkeypatch.setattr(prefetch.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.delenv("BAZEL_TORCH_INDEX", raising=False)
    text = (_ROOT / "requirements.in").read_text() if line is None else f"torch\n{line}\n"
    (tmp_path / "requirements.in").write_text(text)
    addresses = lock_file.extra_indexes(tmp_path / "requirements.in") or [""]
    settled = prefetch.environment(tmp_path)
    assert settled is not None
    assert [settled["BAZEL_TORCH_INDEX"]] == addresses
    assert [_index_of_the_rules(text, {})] == addresses


def test_the_user_s_index_holds_in_the_rules():
    assert _index_of_the_rules("--extra-index-url https://index.example/cpu\n", {"BAZEL_TORCH_INDEX": ""}) == ""


def test_the_index_for_local_builds_is_named_in_one_place():
    (address,) = lock_file.extra_indexes(_ROOT / "requirements_cuda.in")  # those of requirements.in among them
    assert address.startswith("https://") and address.endswith("/cpu")
    for reader in ("prefetch.py", "pypi.bzl"):
        assert "https://" not in (_ROOT / "third_party" / "pypi" / reader).read_text()
