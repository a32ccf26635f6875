"""Tests of secrets.env: what a line means, who wins, and what is refused without a word of its content."""

import os
import pathlib

import pytest

from humain import errors
from tasks.harness import secrets_file

_SECRET = "sk-never-shown"


@pytest.fixture(name="path")
def _path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where a workspace has its secrets; there is no such file yet."""
    return tmp_path / "secrets.env"


def _write(path: pathlib.Path, text: str, mode: int = 0o600) -> None:
    path.write_bytes(text.encode())
    path.chmod(mode)


def test_every_kind_of_line(path: pathlib.Path) -> None:
    _write(
        path,
        "\ufeff# keys\n"
        "\n"
        "PLAIN=a=b#c\r\n"
        "export EXPORTED=1\n"
        "  SINGLE='one two \"three\"'  \n"
        'DOUBLE="it\'s # four"\n'
        "EMPTY=\n"
        "QUOTED_EMPTY=''\n"
        "TWICE=first\n"
        "TWICE=second\n",
    )
    assert secrets_file.read(path) == {
        "PLAIN": "a=b#c",
        "EXPORTED": "1",
        "SINGLE": 'one two "three"',
        "DOUBLE": "it's # four",
        "TWICE": "second",
    }


def test_no_file_holds_nothing(path: pathlib.Path) -> None:
    assert secrets_file.read(path) == {}


def test_the_environment_wins(path: pathlib.Path) -> None:
    _write(path, "A=file\nB=file\nC=file\n")
    environment = {"BUILD_WORKSPACE_DIRECTORY": str(path.parent), "A": "environment", "B": ""}
    assert secrets_file.load(environment) == ("A", "B", "C")
    assert (environment["A"], environment["B"], environment["C"]) == ("environment", "", "file")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o601])
def test_a_file_that_is_open_to_others_is_refused(path: pathlib.Path, mode: int) -> None:
    _write(path, f"A={_SECRET}\n", mode)
    with pytest.raises(errors.UserError) as caught:
        secrets_file.read(path)
    assert str(caught.value) == f"{path} is accessible to others than its owner (mode {mode:o}); run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_the_owner_may_do_all(path: pathlib.Path, mode: int) -> None:
    _write(path, "A=1\n", mode)
    assert secrets_file.read(path) == {"A": "1"}


def test_on_windows_the_bits_mean_nothing(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(path, "A=1\n", 0o666)
    monkeypatch.setattr(os, "name", "nt")
    assert secrets_file.read(path) == {"A": "1"}


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_only_a_regular_file_is_read(path: pathlib.Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir(mode=0o700)
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(errors.UserError) as caught:
        secrets_file.read(path)
    assert str(caught.value) == f"{path} is not a regular file; replace it by one, or remove it"


def test_a_link_to_a_file_elsewhere_is_followed(path: pathlib.Path) -> None:
    _write(path.with_name("elsewhere"), "A=1\n")
    path.symlink_to("elsewhere")
    assert secrets_file.read(path) == {"A": "1"}
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(errors.UserError, match="can't be read .*correct that, or remove it"):
        secrets_file.read(path)


@pytest.mark.parametrize(
    "line",
    [
        _SECRET,
        f"1A={_SECRET}",
        f"A = {_SECRET}",
        f"A={_SECRET} # mine",
        f"A='{_SECRET}",
        f'A="{_SECRET}" rest',
        f"A-B={_SECRET}",
        f"A={_SECRET}\0",
    ],
)
def test_a_malformed_line_is_named_by_its_number_alone(path: pathlib.Path, line: str) -> None:
    _write(path, f"# first\nB=2\n{line}\n")
    with pytest.raises(errors.UserError) as caught:
        secrets_file.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 3, is not KEY=VALUE")
    assert _SECRET not in message and "\n" not in message


def test_what_is_no_text_is_refused_without_its_bytes(path: pathlib.Path) -> None:
    path.write_bytes(b"A=\xff\xfe\n")
    path.chmod(0o600)
    with pytest.raises(errors.UserError) as caught:
        secrets_file.read(path)
    assert str(caught.value) == f"{path} is not UTF-8 text; write it again"
    assert caught.value.__cause__ is None
