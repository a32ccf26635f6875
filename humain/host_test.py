"""Tests of what is said of the machine."""

import os

import pytest

from humain import host


def test_the_cores_are_counted_where_the_system_keeps_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.num_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert host.num_cores() == 3
