"""Tests of the metrics files."""

import pathlib
from typing import Any

import pytest
from tensorboardX.proto import event_pb2

from humain.training import metrics


def _events(directory: pathlib.Path) -> list[Any]:
    """Reads the event files of a directory, oldest first (record: length 8, checksum 4, data, checksum 4)."""
    events = []
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            events.append(event_pb2.Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return events


def _write(writer: metrics.MetricsWriter, name: str, steps: range) -> None:
    for step in steps:
        writer.write(name, step, {"loss": 1.0 / step})


def test_a_line_is_one_json_object(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path)
    writer.write("skip", 4, {"loss": 0.25, "ratio": float("nan")})
    # Readable before the writer is closed: a killed process has lost nothing.
    assert (tmp_path / "metrics.jsonl").read_text() == '{"name": "skip", "step": 4, "loss": 0.25, "ratio": null}\n'
    assert metrics.read_metrics(writer.path) == [{"name": "skip", "step": 4, "loss": 0.25, "ratio": None}]
    writer.close()


def test_a_resumed_file_equals_that_of_an_uninterrupted_run(tmp_path: pathlib.Path) -> None:
    whole = metrics.MetricsWriter(tmp_path / "whole")
    for name in ("first", "second"):
        whole.resume(name, 0)
        _write(whole, name, range(1, 7))
    whole.close()

    crashed = metrics.MetricsWriter(tmp_path / "crashed")
    crashed.resume("first", 0)
    _write(crashed, "first", range(1, 7))
    crashed.resume("second", 0)
    _write(crashed, "second", range(1, 6))
    with crashed.path.open("a") as file:
        file.write('{"name": "second", "st')  # killed in the middle of a line, its last checkpoint at step 3
    crashed.close()
    assert len(metrics.read_metrics(crashed.path)) == 11
    again = metrics.MetricsWriter(tmp_path / "crashed")
    again.resume("second", 3)
    assert len(metrics.read_metrics(again.path, name="second")) == 3
    _write(again, "second", range(4, 7))
    again.close()

    assert again.path.read_bytes() == whole.path.read_bytes()


def test_resuming_at_zero_forgets_a_run_and_no_other(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path, tensorboard=False)
    _write(writer, "first", range(1, 3))
    _write(writer, "second", range(1, 3))
    writer.resume("second", 0)
    assert [line["name"] for line in metrics.read_metrics(writer.path)] == ["first", "first"]


def test_events_hold_the_same_numbers_and_a_resume_purges_later_ones(tmp_path: pathlib.Path) -> None:
    for first in (1, 3):  # the second writer starts at once, in the same second, from a checkpoint at step 2
        writer = metrics.MetricsWriter(tmp_path)
        writer.resume("run", first - 1)
        _write(writer, "run", range(first, 5))
        writer.close()
    events = _events(tmp_path / "tensorboard" / "run")
    scalars = [event for event in events if event.summary.value]
    assert [event.step for event in scalars] == [1, 2, 3, 4, 3, 4]
    values = [event.summary.value[0].simple_value for event in scalars]
    assert values == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 3, 1 / 4])
    starts = [event.step for event in events if event.session_log.status == event_pb2.SessionLog.START]
    assert starts == [3]  # TensorBoard drops what the first file has from step 3 on


def test_events_survive_a_process_that_is_killed(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path)
    _write(writer, "run", range(1, 4))
    # Not closed, and nothing waited for.
    scalars = [event for event in _events(tmp_path / "tensorboard" / "run") if event.summary.value]
    assert [event.step for event in scalars] == [1, 2, 3]
    writer.close()


def test_the_names_of_the_line_itself_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="can't be called 'step'"):
        metrics.MetricsWriter(tmp_path).write("run", 1, {"step": 1.0})


def test_a_last_line_without_its_end_does_not_count(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path, tensorboard=False)
    writer.write("run", 1, {"loss": 1.0})
    with writer.path.open("a") as file:
        file.write('{"name": "run", "step": 2, "loss": 1.0}')  # another line would run into it
    assert [line["step"] for line in metrics.read_metrics(writer.path)] == [1]
    writer.resume("run", 2)
    writer.write("run", 3, {"loss": 1.0})
    assert [line["step"] for line in metrics.read_metrics(writer.path)] == [1, 3]


def test_a_missing_file_has_no_lines(tmp_path: pathlib.Path) -> None:
    assert metrics.read_metrics(tmp_path / "metrics.jsonl") == []


def test_events_are_written_unless_they_are_not_asked_for(tmp_path: pathlib.Path) -> None:
    assert metrics.MetricsWriter.__init__.__kwdefaults__ == {"tensorboard": True}
    writer = metrics.MetricsWriter(tmp_path, tensorboard=False)
    writer.write("a", 1, {"loss": 0.5})
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_what_came_after_a_step_is_removed_of_one_name_alone(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path, tensorboard=False)
    for step in (1, 2, 3):
        for name in ("a", "b"):
            writer.write(name, step, {"loss": float(step)})
    writer.resume("a", 2)
    found = [(line["name"], line["step"]) for line in metrics.read_metrics(writer.path)]
    assert found == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3)]
    assert [line["step"] for line in metrics.read_metrics(writer.path, name="a")] == [1, 2]
    writer.resume("a", 0)
    assert metrics.read_metrics(writer.path, name="a") == []


def test_lines_that_are_no_record_are_passed_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"name": "a", "step": 1}\n[1]\n{"name": "a"}\n{"step": 2}\nnothing\n{"name": "a", "step": 3}')
    assert metrics.read_metrics(path) == [{"name": "a", "step": 1}]
    assert metrics.read_metrics(tmp_path / "missing.jsonl") == []
