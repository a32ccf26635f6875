"""A task's work directory: marked as its own, locked while in use, and safe to delete."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from humain import errors
from humain.files import file_lock, records
from tasks.harness import paths

MARKER = ".humain_workdir.json"
_LOCK = ".humain_lock"
# What a process that was killed while it made the directory may have left there.
_BEGINNINGS = {_LOCK, MARKER + ".tmp"}


@dataclasses.dataclass(frozen=True)
class Identity:
    """All that decides a run's outcome; two runs of equal identity are the same run.

    Attributes:
        task: the task's name.
        config: the whole config, as plain JSON.
        seed: the root of all randomness.
        flags: the task's own flags, by name.
        inputs: SHA-256 of the files that the user brought, by flag.
    """

    task: str
    config: Mapping[str, Any]
    seed: int
    flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A digest of it all."""
        return hashlib.sha256(records.dump_sorted(self).encode()).hexdigest()


@contextlib.contextmanager
def opened(path: pathlib.Path, identity: Identity) -> Iterator[pathlib.Path]:
    """Makes or reopens a work directory, and keeps other processes out of it.

    Args:
        path: absolute path.
        identity: what is to be run there.

    Yields:
        The path.

    Raises:
        UserError: when the directory is in use, is not a work directory, or holds another run.
    """
    with contextlib.ExitStack() as stack:
        with _explained(f"{path} can't be a work directory"):
            if path.is_dir() and not (path / MARKER).exists():
                foreign = sorted({entry.name for entry in path.iterdir()} - _BEGINNINGS)
                if foreign:
                    raise errors.UserError(
                        f"{path} holds {foreign[0]} and is no work directory; pass another --workdir, or empty it"
                    )
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(path))
            # A run that is refused before it does anything leaves only the marker: once mended it may take its place.
            if {entry.name for entry in path.iterdir()} - _BEGINNINGS - {MARKER} and (path / MARKER).exists():
                _check_identity(path, identity)
            else:
                records.write_json(path / MARKER, identity)
        yield path


def clear(path: pathlib.Path, task: str) -> str:
    """Deletes a task's work directory, and nothing else.

    Args:
        path: absolute path.
        task: whose work directory it has to be.

    Returns:
        One line that says what went.

    Raises:
        UserError: when it is not a directory with this task's marker, is in use, has a place that is never deleted, or
            can't be deleted.
    """
    with _explained(f"{path} can't be cleared"):
        return _clear(path, task)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns the operating system's refusal into one line."""
    try:
        yield
    except OSError as error:
        raise errors.UserError(f"{what} ({error.strerror or error}); pass another --workdir") from error


def _clear(path: pathlib.Path, task: str) -> str:
    if path.is_symlink():
        raise errors.UserError(f"{path} is a symbolic link; --clear deletes only a directory itself: pass its own path")
    if not path.exists():
        return f"nothing to clear: {path} does not exist"
    protected = {pathlib.Path.home(), pathlib.Path.cwd(), paths.user_directory(), paths.workspace_root()}
    real = path.resolve()
    if any(real == place or real in place.parents for place in (place.resolve() for place in protected)):
        raise errors.UserError(f"{path} is or holds your home, workspace or current directory; --clear leaves it alone")
    if not path.is_dir() or (path / MARKER).is_symlink() or not (path / MARKER).is_file():
        raise errors.UserError(f"{path} has no {MARKER}, so it is no work directory; --clear leaves it alone")
    owner = _read_marker(path).get("task")
    if owner != task:
        raise errors.UserError(f"{path} is the work directory of {owner!r}, not of {task!r}; --clear leaves it alone")
    with _locked(path) as let_go:
        files = [entry for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink()]
        size = sum(entry.stat().st_size for entry in files)
        # The marker goes last: a deletion that was cut short can be repeated.
        for entry in sorted(path.iterdir(), key=lambda entry: (entry.name == MARKER, entry.name == _LOCK)):
            if entry.name == _LOCK and file_lock.OPEN_FILES_STAY:
                let_go()
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        path.rmdir()
    return f"removed {path} ({len(files)} files, {size / 1e6:.1f} MB)"


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[Callable[[], None]]:
    """Holds the directory's lock; the system lets go of it when the process ends, however it does.

    Yields:
        What lets go of it before the end of the block.
    """
    lock = path / _LOCK
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        if not file_lock.acquire(descriptor):
            os.close(descriptor)
            raise errors.UserError(
                f"{path} is in use by another process; wait for it, stop it, or pass another --workdir"
            )
        # The file may have been deleted by a --clear between the two calls: then this is no lock on the directory.
        try:
            current = os.stat(lock).st_ino == os.fstat(descriptor).st_ino
        except FileNotFoundError:
            current = False
        if current:
            break
        os.close(descriptor)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        yield stack.close


def _check_identity(path: pathlib.Path, identity: Identity) -> None:
    found = _read_marker(path)
    wanted = records.to_json(identity)
    if found == wanted:
        return
    difference = next(_differences(found, wanted))
    raise errors.UserError(
        f"{path} holds another run: {difference}; pass the same again, --clear to delete it, or another --workdir"
    )


def _read_marker(path: pathlib.Path) -> dict[str, Any]:
    try:
        marker = records.read_json(path / MARKER)
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path / MARKER} can't be read ({error}); pass another --workdir") from error
    if not isinstance(marker, dict):
        raise errors.UserError(f"{path / MARKER} is no marker of a work directory; pass another --workdir")
    return marker


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            absent = "absent"
            yield from _differences(found.get(key, absent), wanted.get(key, absent), f"{name}.{key}" if name else key)
    elif found != wanted:
        yield f"{name} is {found} there and {wanted} here"
