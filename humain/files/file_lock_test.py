"""A lock keeps others out until its file is closed; on Windows too, as far as a stand-in for its call can tell."""

import errno
import importlib
import os
import pathlib
import subprocess
import sys
import types

import pytest

from humain.files import file_lock


def _open(path: pathlib.Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT)


def test_one_holds_it_at_a_time(tmp_path: pathlib.Path) -> None:
    first, second = _open(tmp_path / "lock"), _open(tmp_path / "lock")
    assert file_lock.acquire(first)
    assert not file_lock.acquire(second)
    os.close(first)
    assert file_lock.acquire(second)
    os.close(second)


def test_the_end_of_a_process_lets_go(tmp_path: pathlib.Path) -> None:
    program = (
        "import os, sys\n"
        "from humain.files import file_lock\n"
        "print(file_lock.acquire(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "True\n"
    descriptor = _open(tmp_path / "lock")
    assert not file_lock.acquire(descriptor)
    process.kill()
    process.communicate()
    assert file_lock.acquire(descriptor)
    os.close(descriptor)


def test_windows_has_a_call_of_its_own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: set[int] = set()
    calls = []

    def locking(descriptor: int, mode: int, size: int) -> None:
        calls.append((mode, size, os.lseek(descriptor, 0, os.SEEK_CUR)))
        if held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.add(descriptor)

    stand_in = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    monkeypatch.setitem(sys.modules, "fcntl", None)  # importing it fails
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        importlib.reload(file_lock)
        (tmp_path / "lock").write_text("text")
        first, second = _open(tmp_path / "lock"), _open(tmp_path / "lock")
        os.lseek(second, 3, os.SEEK_SET)
        assert file_lock.acquire(first)
        assert not file_lock.acquire(second)
        assert calls == [(2, 1, 2**31 - 2)] * 2
        assert os.lseek(second, 0, os.SEEK_CUR) == 3
        os.close(first)
        os.close(second)
    monkeypatch.undo()
    importlib.reload(file_lock)
