"""Metrics of training: one JSON object a line, and the same numbers as TensorBoard events.

Both hold only numbers that the seed determines (no clock), so that an interrupted and continued run writes the same
lines as an uninterrupted one. tensorboardX is imported where it is used: it brings PyTorch with it
where that is installed, and programs that write no events need neither.
"""

import json
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from humain.files import records

_RESERVED = ("name", "step")


class MetricsWriter:
    """Appends to `<directory>/metrics.jsonl` and to event files under `<directory>/tensorboard/<name>`.

    Every line is `{"name": ..., "step": ..., <metric>: <number or null>}`. When `write` returns, the operating system
    has the line and the event, so they survive the process. That is why tensorboardX's own SummaryWriter is not used:
    it writes in a thread, and its `flush` does not wait for that thread.
    """

    def __init__(self, directory: pathlib.Path, *, tensorboard: bool = True):
        """Opens nothing yet; the first line creates the files.

        Args:
            directory: the work directory.
            tensorboard: whether to write event files too.
        """
        self._path = directory / "metrics.jsonl"
        self._events_directory = directory / "tensorboard" if tensorboard else None
        self._events: dict[str, Any] = {}

    @property
    def path(self) -> pathlib.Path:
        """The JSON lines file."""
        return self._path

    def resume(self, name: str, step: int) -> None:
        """Removes what was written under `name` after `step`, and a last line that a crash left incomplete.

        Args:
            name: the run within the task.
            step: the last step to keep; 0 removes all lines of that name.
        """
        # The lines: rewritten in one step, and only if some are to go.
        self._close_events(name)
        if self._path.exists():
            text = self._path.read_text(encoding="utf-8")
            kept = "".join(
                line
                for line in text.splitlines(keepends=True)
                if (record := _parse(line)) is not None and not (record["name"] == name and record["step"] > step)
            )
            if kept != text:
                records.write_text(self._path, kept)
        if self._events_directory is not None:
            from tensorboardX import event_file_writer
            from tensorboardX.proto import event_pb2

            # The events: older files stay as they are, and a new file says from where it replaces them.
            directory = self._events_directory / name
            fresh = not directory.exists()
            # The default file name has a resolution of one second; the suffix keeps a quick restart from overwriting.
            suffix = f".{step:012d}.{os.getpid()}.{len(list(directory.glob('*'))) if not fresh else 0}"
            directory.mkdir(parents=True, exist_ok=True)
            events = self._events[name] = event_file_writer.EventsWriter(os.fspath(directory / "events"), suffix)
            if not fresh:
                # Tells TensorBoard to drop what older files have from this step on.
                start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
                events.write_event(event_pb2.Event(wall_time=time.time(), step=step + 1, session_log=start))
            events.flush()

    def write(self, name: str, step: int, metrics: Mapping[str, Any]) -> None:
        """Appends one line.

        Args:
            name: the run within the task.
            step: the number of updates done.
            metrics: numbers by name; NaN and infinities are written as null.

        Raises:
            ValueError: if a metric is called "name" or "step".
        """
        taken = [key for key in _RESERVED if key in metrics]
        if taken:
            raise ValueError(f"a metric can't be called {taken[0]!r}: the line has a field of that name; rename it")
        if self._events_directory is not None and name not in self._events:
            self.resume(name, step - 1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(records.dump_line({"name": name, "step": int(step), **metrics}) + "\n")
        if self._events_directory is not None:
            from tensorboardX.proto import event_pb2, summary_pb2

            values = [summary_pb2.Summary.Value(tag=key, simple_value=float(value)) for key, value in metrics.items()]
            event = event_pb2.Event(wall_time=time.time(), step=int(step), summary=summary_pb2.Summary(value=values))
            self._events[name].write_event(event)
            self._events[name].flush()

    def close(self) -> None:
        """Closes the event files; the writer can be used again after `resume`."""
        for name in list(self._events):
            self._close_events(name)

    def _close_events(self, name: str) -> None:
        events = self._events.pop(name, None)
        if events is not None:
            events.close()


def read_metrics(path: pathlib.Path, *, name: str | None = None) -> list[dict[str, Any]]:
    """Reads a metrics file, without an incomplete last line.

    Args:
        path: the JSON lines file; if it does not exist, there are no lines.
        name: return only the lines of this run; all lines by default.

    Returns:
        One dictionary per line, in order.
    """
    if not path.exists():
        return []
    lines = (_parse(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True))
    return [line for line in lines if line is not None and name in (None, line["name"])]


def _parse(line: str) -> dict[str, Any] | None:
    """Returns the record of a complete line, or None for any other text."""
    if not line.endswith("\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"name", "step"} <= record.keys() else None
