"""Rates and shares by hand."""

import dataclasses

import pytest

from tasks.benchmarks import rows
from tasks.benchmarks.rows import Peak, PeakSizes, Row, RowSettings
from tasks.benchmarks.timing import Effort, Interval, Rounds, Timing

_TIMING = Timing(first_seconds=3.0, seconds=Interval(0.5, 0.4, 0.8), best_seconds=0.3, repeats=30, calls=7)


def _row(**values: float | None) -> dict:
    whole = {"name": "selu_jit", "device": "cpu", "gbytes_per_second": None, "gflops": None, "share_of_peak": None}
    return whole | values


def _settings(**values: int) -> RowSettings:
    whole = {"size": 1, "applications": 1, "loop_steps": 1}
    return RowSettings(**{**whole, **values}, peaks={}, effort=Effort())


def test_rates_are_work_over_the_median():
    made = rows.make("selu_jit", _TIMING, framework="jax", device="cpu", size=10, moved=4 * 10**9, flops=3 * 10**9)
    # 4 GB and 3 GFLOP in half a second.
    assert (made.gbytes_per_second, made.gflops) == (8.0, 6.0)
    assert (made.compile_seconds, made.median_seconds, made.low, made.high) == (3.0, 0.5, 0.4, 0.8)
    assert (made.repeats, made.calls, made.dispatch_seconds, made.work) == (30, 7, None, 1)


def test_a_row_that_was_cut_short_is_said():
    row = rows.make("selu_jit", _TIMING, framework="jax", device="cpu", size=10)
    # 7 calls in each of 30 repeats.
    (note,) = rows.of_selu(row, _settings(applications=211)).notes
    assert note == "selu_jit of jax on cpu: 210 of 211 applications, by max_row_seconds"
    assert rows.of_selu(row, _settings(applications=210)) == rows.Found(rows=[row])
    loop = dataclasses.replace(row, name="selu_loop", work=1000)
    assert not rows.of_selu(loop, _settings(applications=10_000)).notes


def test_what_is_not_counted_is_null():
    made = dataclasses.asdict(rows.make("react_1", _TIMING, framework="jax", device="cpu", size=1))
    assert (made["gbytes_per_second"], made["gflops"], made["share_of_peak"]) == (None, None, None)
    required = ("name", "framework", "device", "size", "compile_seconds", "median_seconds", "low", "high", "repeats")
    assert set(required) <= set(made)


def test_the_dispatch_is_the_median_on_one_element():
    one = Timing(first_seconds=1.0, seconds=Interval(2e-6, 1e-6, 3e-6), best_seconds=1e-6, repeats=30, calls=9)
    made = rows.make("selu_jit", _TIMING, framework="jax", device="cpu", size=10, dispatch=one)
    assert made.dispatch_seconds == 2e-6


def test_a_row_of_rounds_keeps_what_was_compiled_ahead():
    # Ten figures: the interval ends at the second lowest and the second highest.
    rounds = Rounds([1.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 4.0], calls=3)
    made = rows.from_rounds("update_table", rounds, device="gpu", size=4, work=200, compile_seconds=5.0)
    assert isinstance(made, Row)
    assert (made.framework, made.device, made.size, made.work) == ("jax", "gpu", 4, 200)
    assert (made.compile_seconds, made.median_seconds, made.low, made.high) == (5.0, 2.0, 1.5, 3.0)
    assert (made.repeats, made.calls) == (10, 3)


def test_a_share_is_the_larger_one_and_of_the_best_peak_of_the_device():
    peaks = [
        dataclasses.asdict(Peak("jax", "cpu", gbytes_per_second=10.0, gflops=100.0)),
        dataclasses.asdict(Peak("torch", "cpu", gbytes_per_second=20.0, gflops=50.0)),
        dataclasses.asdict(Peak("jax", "gpu", gbytes_per_second=1000.0, gflops=1000.0)),
    ]
    (row,) = rows.with_shares([_row(gbytes_per_second=5.0, gflops=10.0)], peaks)
    # 5 of 20 GB/s, 10 of 100 GFLOP/s.
    assert row["share_of_peak"] == 0.25
    (row,) = rows.with_shares([_row(gbytes_per_second=5.0, gflops=40.0)], peaks)
    assert row["share_of_peak"] == 0.4


def test_there_is_no_share_without_a_rate_or_a_peak():
    (row,) = rows.with_shares([_row()], [dataclasses.asdict(Peak("jax", "cpu", 1.0, 1.0))])
    assert row["share_of_peak"] is None
    (row,) = rows.with_shares([_row(gflops=1.0)], [])
    assert row["share_of_peak"] is None


@pytest.mark.parametrize("name", ["size", "applications", "loop_steps"])
def test_settings_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        _settings(**{name: 0})


def test_sizes_of_peaks_are_checked():
    with pytest.raises(ValueError, match="matmul_size must be at least 1, not 0"):
        PeakSizes(matmul_size=0)
    with pytest.raises(ValueError, match="copy_size must be at least 0, not -1"):
        PeakSizes(matmul_size=1, copy_size=-1)
