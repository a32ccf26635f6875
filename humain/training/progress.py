"""Progress shown to the user: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

import tqdm


class Progress(Protocol):
    """Receives from the training loop how far it is."""

    def start(self, name: str, first_step: int, num_steps: int) -> None:
        """Called when a run begins, at `first_step` of `num_steps`."""

    def note(self, text: str) -> None:
        """Shows a line of text, such as the time of a compilation."""

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Called when `step` updates are done; `metrics` are the latest values read."""

    def close(self) -> None:
        """Called when the run ends, finished or not."""


def make_progress(stream: TextIO | None = None) -> Progress:
    """Returns a `BarProgress` if `stream` (standard error by default) is a terminal, else a `LineProgress`."""
    stream = stream or sys.stderr
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)


class BarProgress:
    """A tqdm bar with rate, time left and the latest metrics."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._bar: tqdm.tqdm | None = None

    def start(self, name: str, first_step: int, num_steps: int) -> None:
        """See Progress."""
        self.close()
        self._bar = tqdm.tqdm(
            total=num_steps, initial=first_step, desc=name, unit="step", file=self._stream, dynamic_ncols=True
        )

    def note(self, text: str) -> None:
        """See Progress."""
        tqdm.tqdm.write(text, file=self._stream)

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """See Progress."""
        if self._bar is not None:
            self._bar.set_postfix_str(_format(metrics), refresh=False)
            self._bar.update(step - self._bar.n)

    def close(self) -> None:
        """See Progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class LineProgress:
    """A plain line at the start, one at most every `seconds`, and one at the end."""

    def __init__(self, stream: TextIO, *, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic):
        self._stream = stream
        self._seconds = seconds
        self._clock = clock
        self._name = ""
        self._first_step = self._num_steps = 0
        self._started = self._last_line = 0.0

    def start(self, name: str, first_step: int, num_steps: int) -> None:
        """See Progress."""
        self._name, self._first_step, self._num_steps = name, first_step, num_steps
        self._started = self._last_line = self._clock()
        self._print(f"{name}: step {first_step} of {num_steps}" + (" (resumed)" if first_step else ""))

    def note(self, text: str) -> None:
        """See Progress."""
        self._print(text)

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """See Progress."""
        now = self._clock()
        if now - self._last_line < self._seconds and step < self._num_steps:
            return
        self._last_line = now
        line = f"{self._name}: step {step} of {self._num_steps}"
        rate = (step - self._first_step) / max(now - self._started, 1e-9)
        if step < self._num_steps and rate > 0:
            line += f", {rate:.3g} steps/s, {(self._num_steps - step) / rate:.0f} s left"
        if metrics:
            line += ", " + _format(metrics)
        self._print(line)

    def close(self) -> None:
        """See Progress."""

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class NoProgress:
    """Shows nothing."""

    def start(self, name: str, first_step: int, num_steps: int) -> None:
        """See Progress."""

    def note(self, text: str) -> None:
        """See Progress."""

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """See Progress."""

    def close(self) -> None:
        """See Progress."""


def _format(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
