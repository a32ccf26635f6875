"""Ctrl-C and SIGTERM: save, print a line, and exit in bounded time.

Python runs signal handlers between two bytecodes of the main thread, so a handler alone does not run while the main
thread is inside a long call such as an XLA compilation. Here the interpreter's C-level handler also writes to a socket
(`signal.set_wakeup_fd`; Windows can wait only for sockets) that a watcher thread reads. The main thread is asked to
stop at its next safe point; if it has not reached one when the grace time is over, the watcher ends the process. The
last checkpoint is complete at any time, so the next run continues from it.
"""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from humain.training.processes import Processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REPEAT_SECONDS = 1.0  # `timeout` and shells deliver one request as two signals; closer than this they are one


class Interrupted(BaseException):
    """Raised at a safe point, after everything was saved; not an `Exception`, so that no broad handler swallows it.

    Attributes:
        signal_number: the signal that was received.
        exit_code: 130 for SIGINT, 143 for SIGTERM.
        abandoned: a thread still inside a call that can't be stopped; the process must then end through `os._exit`.
    """

    def __init__(self, signal_number: int, *, abandoned: threading.Thread | None = None):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
        self.abandoned = abandoned


class Interruption:
    """Context manager that turns SIGINT and SIGTERM into a request to save and stop.

    The first signal sets `requested`. A second one, or the end of the grace time outside of `hold()`, ends the process
    with 130 or 143. The previous handlers are restored on exit. Enter it in the main thread only.
    """

    def __init__(
        self,
        *,
        grace_seconds: float = 4.0,
        before_forced_exit: Callable[[], None] | None = None,
        processes: Processes | None = None,
    ):
        """Prepares the context manager; handlers are installed when it is entered.

        Args:
            grace_seconds: time that the main thread has, from the first signal, to reach a safe point.
            before_forced_exit: called by the watcher thread before it ends the process; it must be short and take no
                locks.
            processes: the processes of the run; a signal to any of them stops all. By default, only this process.

        Raises:
            ValueError: if the grace time is not positive.
        """
        if grace_seconds <= 0:
            raise ValueError(f"grace_seconds is {grace_seconds}; expected a positive number of seconds")
        self._grace_seconds = grace_seconds
        self._before_forced_exit = before_forced_exit
        self._processes = processes or Processes()
        self._requested: int | None = None
        self._holds = 0
        self._previous_handlers: dict[int, Any] = {}
        self._previous_wakeup = -1
        self._watcher: threading.Thread | None = None

    @property
    def requested(self) -> int | None:
        """The number of the signal that asked to stop, or None."""
        return self._requested

    def check(self) -> None:
        """Raises Interrupted if a signal was received; call it where everything worth keeping is saved.

        If the run has several processes, all of them must call it: it raises in all if any received a signal.
        """
        (number,) = self._processes.agree(self._requested or 0)
        if number:
            raise Interrupted(number)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keeps the process alive past the grace time, for the length of a save."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def __enter__(self) -> Self:
        self._read_end, self._write_end = socket.socketpair()
        self._write_end.setblocking(False)
        self._stop_read, self._stop_write = socket.socketpair()
        self._watcher = threading.Thread(target=self._watch, name="interruption", daemon=True)
        for number in _SIGNALS:
            self._previous_handlers[number] = signal.signal(number, self._handle)
        self._previous_wakeup = signal.set_wakeup_fd(self._write_end.fileno(), warn_on_full_buffer=False)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
        self._previous_handlers = {}
        self._stop_write.close()
        if self._watcher is not None:
            self._watcher.join()
        for end in (self._read_end, self._write_end, self._stop_read):
            end.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # The watcher gets the same signal through the socket. An Event can't be used here: its lock is not reentrant,
        # and a handler may run while the main thread holds it.
        if self._requested is None:
            self._requested = number

    def _watch(self) -> None:
        first: float | None = None
        number = 0
        while True:
            # Give up on a main thread that has not reached a safe point in time, unless it is saving.
            overdue = first is not None and time.monotonic() - first > self._grace_seconds
            if overdue and not self._holds:
                self._leave(number, "interrupted: exiting with what was saved; the same command continues from there")
            # Wait for a signal or the end; from the first signal on, look at the clock in between.
            ready, _, _ = select.select([self._read_end, self._stop_read], [], [], None if first is None else 0.05)
            stopping = self._stop_read in ready
            # A signal received just before the exit is still handled.
            for received in self._read_end.recv(64) if self._read_end in ready else b"":
                if received not in _SIGNALS:
                    continue
                now = time.monotonic()
                if first is None:
                    first, number = now, received
                    if self._requested is None:
                        self._requested = received
                    _say("interrupted: saving ... (a second signal exits at once)")
                elif now - first > _REPEAT_SECONDS and not stopping:
                    self._leave(received, "interrupted again: exiting at once")
            if stopping:
                return

    def _leave(self, number: int, line: str) -> None:
        _say(line)
        if self._before_forced_exit is not None:
            with contextlib.suppress(Exception):
                self._before_forced_exit()
        os._exit(128 + number)


def _say(line: str) -> None:
    # Directly to the descriptor: the main thread may hold the lock of sys.stderr.
    with contextlib.suppress(OSError):
        os.write(2, (line + "\n").encode())
