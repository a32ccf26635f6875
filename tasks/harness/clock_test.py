"""Tests of the wall clock."""

import json
import pathlib
import time

from tasks.harness import clock


def _stored(workdir: pathlib.Path) -> float:
    path = workdir / ".humain_wall_seconds.json"
    return json.loads(path.read_text())["seconds"] if path.exists() else -1.0


def test_time_adds_up_over_runs(tmp_path: pathlib.Path) -> None:
    with clock.WallClock(tmp_path):
        time.sleep(0.05)
    first = _stored(tmp_path)
    assert first >= 0.05
    with clock.WallClock(tmp_path) as wall:
        time.sleep(0.05)
        assert wall.seconds >= first + 0.05
    assert _stored(tmp_path) >= first + 0.05


def test_time_is_kept_while_it_runs(tmp_path: pathlib.Path) -> None:
    with clock.WallClock(tmp_path, seconds=0.01):
        deadline = time.monotonic() + 20
        while _stored(tmp_path) < 0.02:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_broken_record_counts_as_none(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".humain_wall_seconds.json").write_text("{")
    assert clock.WallClock(tmp_path).seconds < 20
