"""The time that a run has taken so far, over all interruptions."""

import pathlib
import threading
import time
from types import TracebackType
from typing import Self

from humain.files import records

_FILE_NAME = ".humain_wall_seconds.json"


class WallClock:
    """Context manager that counts a run's seconds, and keeps the sum in the work directory.

    A thread writes the sum every few seconds, so that a killed process loses no more than that.
    """

    def __init__(self, workdir: pathlib.Path, *, seconds: float = 5.0):
        self._path = workdir / _FILE_NAME
        self._seconds = seconds
        self._before = self._read()
        self._started = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="wall clock", daemon=True)

    @property
    def seconds(self) -> float:
        """The run's seconds so far."""
        return self._before + time.monotonic() - self._started

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._write()

    def _keep(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._write()

    def _write(self) -> None:
        records.write_json(self._path, {"seconds": self.seconds})

    def _read(self) -> float:
        try:
            record = records.read_json(self._path)
        except (FileNotFoundError, ValueError):
            return 0.0
        seconds = record.get("seconds") if isinstance(record, dict) else None
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0
