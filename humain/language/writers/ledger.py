"""A ledger of written texts, one line per text, so that a resumed run does not pay for any text twice."""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Self

from humain import errors
from humain.files import file_lock, records
from humain.language.writers.writer import Writer


class Ledger:
    """Texts by writer and goal, in a file of JSON lines.

    When `add` returns, the text is on disk. Only one process at a time may have the file open.
    """

    def __init__(self, path: pathlib.Path, descriptor: int, texts: dict[str, str]):
        """Used by `opened`."""
        self._path = path
        self._descriptor = descriptor
        self._texts = texts

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: pathlib.Path) -> Iterator[Self]:
        """Opens the ledger in a file within the `with` block; creates the file if it does not exist.

        A last line that a crash left incomplete is removed.

        Raises:
            UserError: if another process has the file open, a line other than the last is damaged (the message names
                it), or the file can't be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise errors.UserError(f"{path} can't be written ({error.strerror}); name another directory") from error
        try:
            if not file_lock.acquire(descriptor):
                raise errors.UserError(f"{path} is in use by another run; wait for its end or name another directory")
            yield cls(path, descriptor, _repaired(path, descriptor))
        finally:
            os.close(descriptor)

    def find(self, writer: Writer, goal: str) -> str | None:
        """Returns the text that a writer with equal settings has written for the goal, or None."""
        return self._texts.get(_key(writer, goal))

    def add(self, writer: Writer, goal: str, text: str) -> None:
        """Stores a text.

        Raises:
            UserError: if it can't be written.
        """
        key = _key(writer, goal)
        line = records.dump_line({"key": key, "writer": writer.name, "goal": goal, "text": text}) + "\n"
        try:
            _write_all(self._descriptor, line.encode())
            os.fsync(self._descriptor)
        except OSError as error:
            raise errors.UserError(
                f"{self._path} can't be written ({error.strerror}); make room, and run it again to continue from there"
            ) from error
        self._texts[key] = text


def _key(writer: Writer, goal: str) -> str:
    """Returns the SHA-256 of everything that determines a text."""
    return hashlib.sha256(records.dump_sorted({"settings": writer.settings, "goal": goal}).encode()).hexdigest()


def _repaired(path: pathlib.Path, descriptor: int) -> dict[str, str]:
    """Returns the texts in a ledger by key, after mending or removing an incomplete last line."""
    content = path.read_bytes()
    *lines, last = content.split(b"\n")
    texts = {}
    for number, line in enumerate(lines, 1):
        entry = _parse(line)
        if entry is None:
            raise errors.UserError(f"{path}, line {number}, is damaged; repair or delete that line, and run it again")
        texts[entry[0]] = entry[1]
    if last:
        entry = _parse(last)
        if entry is None:
            os.ftruncate(descriptor, len(content) - len(last))
        else:  # Everything except the line feed was written.
            texts[entry[0]] = entry[1]
            _write_all(descriptor, b"\n")
        os.fsync(descriptor)
    return texts


def _parse(line: bytes) -> tuple[str, str] | None:
    """Returns the key and text of a line; None if the line is not valid."""
    try:
        entry = json.loads(line)
        key, text = entry["key"], entry["text"]
    except (KeyError, TypeError, ValueError):
        return None
    return (key, text) if isinstance(key, str) and isinstance(text, str) else None


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
