"""Metrics of training: one JSON object a line, and the same numbers as TensorBoard events.

Both hold only what the seed decides (no clock), so that a run that was interrupted and went on writes the same
lines as one that was not.
"""

import json
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from tensorboardX import event_file_writer
from tensorboardX.proto import event_pb2, summary_pb2

from humain.files import records

_RESERVED = ("name", "step")


class MetricsWriter:
    """Appends to `<directory>/metrics.jsonl` and to event files under `<directory>/tensorboard/<name>`.

    Every line is `{"name": ..., "step": ..., <metric>: <number or null>}`. Lines and events are handed to the operating
    system when `write` returns, so that they survive the process. That is why tensorboardX's own SummaryWriter is not
    used: it writes in a thread, and its `flush` does not wait for what that thread has not written yet.
    """

    def __init__(self, directory: pathlib.Path, *, tensorboard: bool = True):
        """Opens nothing yet; files appear with the first line.

        Args:
            directory: the work directory.
            tensorboard: whether to write event files too.
        """
        self._path = directory / "metrics.jsonl"
        self._events_directory = directory / "tensorboard" if tensorboard else None
        self._events: dict[str, event_file_writer.EventsWriter] = {}

    @property
    def path(self) -> pathlib.Path:
        """The JSON lines file."""
        return self._path

    def resume(self, name: str, step: int) -> None:
        """Forgets what was written under `name` after `step`, and a last line that a crash left torn.

        Args:
            name: the run within the task.
            step: the last step to keep; 0 forgets all of that name.
        """
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
            directory = self._events_directory / name
            fresh = not directory.exists()
            # The default file name has a resolution of one second; the suffix keeps a quick restart from overwriting.
            suffix = f".{step:012d}.{os.getpid()}.{len(list(directory.glob('*'))) if not fresh else 0}"
            directory.mkdir(parents=True, exist_ok=True)
            events = self._events[name] = event_file_writer.EventsWriter(os.fspath(directory / "events"), suffix)
            if not fresh:
                # TensorBoard drops what older files have from this step on.
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
            ValueError: for a metric called "name" or "step".
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
    """Reads a metrics file, without a torn last line.

    Args:
        path: the JSON lines file; a missing one has no lines.
        name: only the lines of this run; all by default.

    Returns:
        One dictionary a line, in order.
    """
    if not path.exists():
        return []
    lines = (_parse(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True))
    return [line for line in lines if line is not None and name in (None, line["name"])]


def _parse(line: str) -> dict[str, Any] | None:
    """Returns the record of a whole line, else None."""
    if not line.endswith("\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"name", "step"} <= record.keys() else None
