"""Tests of work directories: what is kept apart, and what is never deleted."""

import errno
import os
import pathlib

import pytest

from humain import errors
from humain.files import file_lock, records
from tasks.harness import workdir


def _identity(**changes: object) -> workdir.Identity:
    fields: dict[str, object] = {"task": "toy", "config": {"rate": 0.1, "model": {"size": 4}}, "seed": 0}
    return workdir.Identity(**(fields | changes))  # type: ignore[arg-type]


def _make(path: pathlib.Path, **changes: object) -> pathlib.Path:
    with workdir.opened(path, _identity(**changes)):
        (path / "sub").mkdir(exist_ok=True)
        (path / "sub" / "file").write_text("12345")
    return path


@pytest.fixture(autouse=True)
def stand_elsewhere(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workspace, home and current directory are temporary ones: a failing test can delete no others."""
    root = tmp_path / "workspace"
    (root / "here").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(root))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(root / "here"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(root / "here")


def test_the_same_run_is_let_in_again(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "w")
    _make(tmp_path / "w")
    assert (tmp_path / "w" / workdir.MARKER).is_file()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"config": {"rate": 0.2, "model": {"size": 4}}}, "config.rate is 0.1 there and 0.2 here"),
        ({"config": {"rate": 0.1, "model": {"size": 5}}}, "config.model.size is 4 there and 5 here"),
        ({"config": {"rate": 0.1}}, "config.model is {'size': 4} there and absent here"),
        ({"flags": {"graph": "x"}}, "flags.graph is absent there and x here"),
        ({"inputs": {"graph": "abc"}}, "inputs.graph is absent there and abc here"),
        ({"task": "other"}, "task is toy there and other here"),
    ],
)
def test_another_run_is_refused_with_the_difference(
    tmp_path: pathlib.Path, changes: dict[str, object], difference: str
) -> None:
    _make(tmp_path / "w")
    assert _identity().fingerprint != _identity(**changes).fingerprint
    with pytest.raises(errors.UserError) as caught:
        _make(tmp_path / "w", **changes)
    assert difference in str(caught.value)
    assert "--clear to delete it, or another --workdir" in str(caught.value)


def test_a_run_that_did_nothing_gives_way(tmp_path: pathlib.Path) -> None:
    for seed in (7, 0):
        with workdir.opened(tmp_path / "w", _identity(seed=seed)) as path:
            marker = records.read_json(path / workdir.MARKER)
            assert isinstance(marker, dict) and marker["seed"] == seed


def test_a_directory_of_others_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(errors.UserError, match="is not a work directory; pass another --workdir"):
        _make(tmp_path)
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(errors.UserError, match="can't be a work directory"):
            _make(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/proc/x", "No such file or directory"), ("/proc/self/x/y", "No such file or directory")]
    + [("/tmp/" + "x" * 300, "File name too long"), ("/dev/null", "File exists")],
)
def test_a_place_where_nothing_can_be_made_is_refused(path: str, reason: str) -> None:
    with pytest.raises(errors.UserError) as caught:
        _make(pathlib.Path(path))
    assert str(caught.value) == f"{path} can't be a work directory ({reason}); pass another --workdir"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_directory_that_can_not_be_written_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    _make(tmp_path / "w")

    def refuse(*arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(workdir.os, "open", refuse)
    reason = f"({os.strerror(code)}); pass another --workdir"
    for act in (lambda: _make(tmp_path / "w"), lambda: workdir.clear(tmp_path / "w", "toy")):
        with pytest.raises(errors.UserError) as caught:
            act()
        assert str(caught.value).endswith(reason)


def test_clearing_a_name_that_can_not_be_is_refused() -> None:
    with pytest.raises(errors.UserError, match=r"can't be cleared \(File name too long\); pass another --workdir"):
        workdir.clear(pathlib.Path("/tmp") / ("x" * 300), "toy")


def test_an_empty_directory_or_a_killed_beginning_will_do(tmp_path: pathlib.Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / (workdir.MARKER + ".tmp")).write_text("{")
    (tmp_path / "w" / ".humain_lock").touch()
    _make(tmp_path / "w")


def test_a_directory_in_use_is_refused_to_others_and_not_deleted(tmp_path: pathlib.Path) -> None:
    with workdir.opened(tmp_path / "w", _identity()):
        with pytest.raises(errors.UserError, match="in use by another process"):
            _make(tmp_path / "w")
        with pytest.raises(errors.UserError, match="in use by another process"):
            workdir.clear(tmp_path / "w", "toy")
    _make(tmp_path / "w")


def test_clear_deletes_the_directory_and_says_so(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "w")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (tmp_path / "w" / "link").symlink_to(outside)
    (tmp_path / "w" / "sub" / "link").symlink_to(outside / "kept")
    # Marker, lock and one file.
    assert workdir.clear(tmp_path / "w", "toy") == f"removed {tmp_path / 'w'} (3 files, 0.0 MB)"
    assert not (tmp_path / "w").exists()
    assert (outside / "kept").read_text() == "x"
    assert workdir.clear(tmp_path / "w", "toy") == f"nothing to clear: {tmp_path / 'w'} does not exist"


def _refused(path: pathlib.Path, message: str) -> None:
    before = sorted(path.rglob("*")) if path.is_dir() else []
    with pytest.raises(errors.UserError, match=message):
        workdir.clear(path, "toy")
    assert path.exists()
    assert (sorted(path.rglob("*")) if path.is_dir() else []) == before


def test_clear_closes_the_lock_first_where_an_open_file_stays(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where deleting an open file is refused."""
    path, unlink, order = _make(tmp_path / "w"), pathlib.Path.unlink, []

    def refuse_open_files(self: pathlib.Path) -> None:
        order.append(self.name)
        if self.name == ".humain_lock" and any(
            link.is_symlink() and os.readlink(link) == str(self) for link in pathlib.Path("/proc/self/fd").iterdir()
        ):
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(self)

    monkeypatch.setattr(pathlib.Path, "unlink", refuse_open_files)
    with pytest.raises(errors.UserError, match="Permission denied"):
        workdir.clear(path, "toy")
    assert order == [".humain_lock"]  # the marker is still there, to try again
    monkeypatch.setattr(file_lock, "OPEN_FILES_STAY", True)
    assert workdir.clear(path, "toy").startswith(f"removed {path}")
    assert order[1:] == [".humain_lock", ".humain_workdir.json"]


def test_clear_leaves_what_it_did_not_make(tmp_path: pathlib.Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "file").write_text("x")
    _refused(foreign, "has no .humain_workdir.json")
    _refused(foreign / "file", "has no .humain_workdir.json")
    (foreign / workdir.MARKER).symlink_to(_make(tmp_path / "w") / workdir.MARKER)
    _refused(foreign, "has no .humain_workdir.json")
    (foreign / workdir.MARKER).unlink()
    (foreign / workdir.MARKER).write_text("{")
    _refused(foreign, "can't be read")


def test_clear_leaves_another_tasks_directory(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "w", task="other")
    _refused(tmp_path / "w", "is the work directory of 'other', not of 'toy'")


def test_clear_does_not_follow_a_link(tmp_path: pathlib.Path) -> None:
    _make(tmp_path / "w")
    (tmp_path / "link").symlink_to(tmp_path / "w")
    _refused(tmp_path / "link", "is a symbolic link")


@pytest.mark.parametrize("place", ["workspace", "workspace/here", "home", "."])
def test_clear_leaves_protected_places_even_if_marked(tmp_path: pathlib.Path, place: str) -> None:
    marker = _make(tmp_path / "w") / workdir.MARKER
    (tmp_path / place / workdir.MARKER).write_bytes(marker.read_bytes())
    _refused(tmp_path / place, "is or contains your home, workspace or current directory")


def test_clear_leaves_the_root() -> None:
    with pytest.raises(errors.UserError, match="is or contains your home"):
        workdir.clear(pathlib.Path("/"), "toy")
