"""A task's work directory: marked as the task's, locked while in use, and safe to delete."""

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
# Files that a process may leave behind if it is killed while it creates the directory.
_BEGINNINGS = {_LOCK, MARKER + ".tmp"}


@dataclasses.dataclass(frozen=True)
class Identity:
    """Everything that determines a run's outcome; two runs with equal identity are the same run.

    Attributes:
        task: the task's name.
        config: the whole config, of JSON types.
        seed: the seed of all randomness.
        flags: the task's own flags, by name.
        inputs: the SHA-256 of the user's input files, by flag.
    """

    task: str
    config: Mapping[str, Any]
    seed: int
    flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A digest of all attributes."""
        return hashlib.sha256(records.dump_sorted(self).encode()).hexdigest()


@contextlib.contextmanager
def opened(path: pathlib.Path, identity: Identity) -> Iterator[pathlib.Path]:
    """Creates or reopens a work directory, and locks it against other processes.

    Args:
        path: the absolute path of the directory.
        identity: the identity of the run.

    Yields:
        The path.

    Raises:
        UserError: if the directory is in use, is not a work directory, or has another run in it.
    """
    with contextlib.ExitStack() as stack:
        # Refuse a directory with other people's files, before anything is written to it; then lock, so that the check
        # of the marker and all that follows is this process's alone.
        with _explained(f"{path} can't be a work directory"):
            if path.is_dir() and not (path / MARKER).exists():
                foreign = sorted({entry.name for entry in path.iterdir()} - _BEGINNINGS)
                if foreign:
                    raise errors.UserError(
                        f"{path} contains {foreign[0]} and is not a work directory; pass another --workdir, or empty it"
                    )
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(path))
            # A run that failed before it did anything leaves only the marker, which a corrected command may replace.
            if {entry.name for entry in path.iterdir()} - _BEGINNINGS - {MARKER} and (path / MARKER).exists():
                _check_identity(path, identity)
            else:
                records.write_json(path / MARKER, identity)
        yield path


def clear(path: pathlib.Path, task: str) -> str:
    """Deletes a task's work directory, and nothing else.

    Args:
        path: the absolute path of the directory.
        task: the task that the work directory must belong to.

    Returns:
        One line that says what was deleted.

    Raises:
        UserError: if it is not a directory with this task's marker, is in use, is or contains a directory that must not
            be deleted, or can't be deleted.
    """
    with _explained(f"{path} can't be cleared"):
        return _clear(path, task)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns an operating system's error into a one-line UserError."""
    try:
        yield
    except OSError as error:
        raise errors.UserError(f"{what} ({error.strerror or error}); pass another --workdir") from error


def _clear(path: pathlib.Path, task: str) -> str:
    # Check: only a real directory, with this task's marker, that contains none of the user's own places, is deleted.
    if path.is_symlink():
        raise errors.UserError(f"{path} is a symbolic link; --clear deletes only a directory itself: pass its own path")
    if not path.exists():
        return f"nothing to clear: {path} does not exist"
    protected = {pathlib.Path.home(), pathlib.Path.cwd(), paths.user_directory(), paths.workspace_root()}
    real = path.resolve()
    if any(real == place or real in place.parents for place in (place.resolve() for place in protected)):
        raise errors.UserError(
            f"{path} is or contains your home, workspace or current directory; --clear leaves it alone"
        )
    if not path.is_dir() or (path / MARKER).is_symlink() or not (path / MARKER).is_file():
        raise errors.UserError(f"{path} has no {MARKER}, so it is not a work directory; --clear leaves it alone")
    owner = _read_marker(path).get("task")
    if owner != task:
        raise errors.UserError(f"{path} is the work directory of {owner!r}, not of {task!r}; --clear leaves it alone")
    # Delete, under the lock: a process that is about to open the directory fails, or finds it gone and makes a new one.
    with _locked(path) as let_go:
        files = [entry for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink()]
        size = sum(entry.stat().st_size for entry in files)
        # The marker is deleted last, so that an interrupted deletion can be repeated.
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
    """Holds the directory's lock, which the system releases when the process ends, in whatever way.

    Yields:
        A function that releases the lock before the end of the block.
    """
    lock = path / _LOCK
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        if not file_lock.acquire(descriptor):
            os.close(descriptor)
            raise errors.UserError(
                f"{path} is in use by another process; wait for it, stop it, or pass another --workdir"
            )
        # A --clear may have deleted the file between the two calls; then this lock is not on the directory's file, and
        # the loop tries again.
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
        f"{path} contains another run: {difference}; pass the same again, --clear to delete it, or another --workdir"
    )


def _read_marker(path: pathlib.Path) -> dict[str, Any]:
    try:
        marker = records.read_json(path / MARKER)
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path / MARKER} can't be read ({error}); pass another --workdir") from error
    if not isinstance(marker, dict):
        raise errors.UserError(f"{path / MARKER} is not the marker of a work directory; pass another --workdir")
    return marker


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            absent = "absent"
            yield from _differences(found.get(key, absent), wanted.get(key, absent), f"{name}.{key}" if name else key)
    elif found != wanted:
        yield f"{name} is {found} there and {wanted} here"
