"""What is found out about the machine, and what is refused."""

import os
import pathlib

import pytest

from humain import errors
from tasks.benchmarks import machine


def _threads(root: pathlib.Path, names: list[str]) -> pathlib.Path:
    for number, name in enumerate(names):
        (root / str(number)).mkdir()
        (root / str(number) / "comm").write_text(f"{name}\n")
    return root


def test_threads_of_xla_are_counted(tmp_path: pathlib.Path):
    assert machine.xla_threads(_threads(tmp_path, ["python", "tf_XLAEigen", "tf_XLAEigen", "other"])) == 2


def test_threads_that_can_not_be_seen_are_unknown(tmp_path: pathlib.Path):
    assert machine.xla_threads(tmp_path / "absent") is None
    assert machine.xla_threads(_threads(tmp_path, ["python"])) is None


def test_the_processor_is_named_as_the_system_names_it(tmp_path: pathlib.Path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t: sse\n")
    assert machine.processor(tmp_path / "cpuinfo") == "AMD EPYC 7B13"
    assert machine.processor(tmp_path / "absent")


def test_a_run_is_confined_to_its_cores(monkeypatch: pytest.MonkeyPatch):
    confined = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5, 3, 4})
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: confined.append((process, cores)))
    machine.use_cores(2)
    assert confined == [(0, [3, 4])]
    # All of them, whether by name or by number: nothing is to be done.
    machine.use_cores(0)
    machine.use_cores(3)
    assert len(confined) == 1
    with pytest.raises(errors.UserError, match="threads is 4, but there are 3 cores to use"):
        machine.use_cores(4)


def test_a_system_that_can_not_confine_takes_all_its_cores(monkeypatch: pytest.MonkeyPatch):
    # As on Windows and macOS.
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    machine.use_cores(0)
    machine.use_cores(3)
    with pytest.raises(errors.UserError, match=r"confine a process to 2 of its 3 cores; pass --config\.threads=0"):
        machine.use_cores(2)
    with pytest.raises(errors.UserError, match="threads is 4, but there are 3 cores to use"):
        machine.use_cores(4)
