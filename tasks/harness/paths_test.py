"""Tests of paths."""

import pathlib

import pytest

from tasks.harness import paths


def test_under_bazel_run_the_user_stands_where_bazel_says(tmp_path: pathlib.Path) -> None:
    environment = {"BUILD_WORKING_DIRECTORY": str(tmp_path / "here"), "BUILD_WORKSPACE_DIRECTORY": str(tmp_path)}
    assert paths.user_directory(environment) == tmp_path / "here"
    assert paths.workspace_root(environment) == tmp_path
    assert paths.resolve("a/../b.txt", environment) == tmp_path / "here" / "b.txt"
    assert paths.resolve("/b.txt", environment) == pathlib.Path("/b.txt")
    assert paths.resolve("~/b.txt", environment) == pathlib.Path.home() / "b.txt"


def test_without_bazel_the_workspace_is_around_the_current_directory(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert paths.user_directory({}) == deep
    (tmp_path / "MODULE.bazel").touch()
    assert paths.workspace_root({}) == tmp_path


def test_a_file_is_looked_for_here_then_in_the_workspace_then_with_the_program(tmp_path: pathlib.Path) -> None:
    here, root = tmp_path / "root" / "here", tmp_path / "root"
    here.mkdir(parents=True)
    environment = {"BUILD_WORKING_DIRECTORY": str(here), "BUILD_WORKSPACE_DIRECTORY": str(root)}
    assert paths.find_file("x.py", environment) is None
    (root / "x.py").touch()
    assert paths.find_file("x.py", environment) == root / "x.py"
    (here / "x.py").touch()
    assert paths.find_file("x.py", environment) == here / "x.py"
    own = "tasks/harness/paths.py"
    assert paths.find_file(own, environment) == paths.runfiles_root() / own


def test_runfiles_are_known_by_name() -> None:
    assert paths.in_runfiles(pathlib.Path("/x/simple.runfiles/main/artifacts"))
    assert not paths.in_runfiles(pathlib.Path("/x/runfiles/main"))
