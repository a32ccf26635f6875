"""Intervals by hand, and timing by a clock that the test winds."""

from collections.abc import Callable

import numpy as np
import pytest

from tasks.benchmarks import timing
from tasks.benchmarks.timing import Effort, Interval


class _Work:
    """Calls that take a time of their own on a clock of their own."""

    def __init__(self, seconds: float, *, first: float | None = None):
        self.now = 0.0
        self.blocks: list[int] = []
        self._seconds = seconds
        self._first = seconds if first is None else first

    def clock(self) -> float:
        return self.now

    def block(self, calls: int) -> None:
        self.now += calls * (self._seconds if self.blocks else self._first)
        self.blocks.append(calls)


def _effort(work: _Work, pulse: Callable[[], None] = lambda: None, **settings: float) -> Effort:
    return Effort(repeats=10, clock=work.clock, pulse=pulse, **settings)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        # 1/64 of all outcomes have no sample below the median, 7/64 at most one: the ends are lowest and highest.
        (6, 1, 6),
        # P(X <= 1) = 11/1024 = 1.1 %, P(X <= 2) = 56/1024 = 5.5 % for X ~ B(10, 1/2): second lowest and second highest.
        (10, 2, 9),
        # The tabled ranks for 30 samples; P(X <= 9) = 2.1 %, P(X <= 10) = 4.9 %.
        (30, 10, 21),
    ],
)
def test_an_interval_ends_at_the_ranks_of_the_binomial_distribution(count, low, high):
    samples = np.random.default_rng(0).permutation(np.arange(1.0, count + 1)).tolist()
    assert timing.median_interval(samples) == Interval(median=(count + 1) / 2, low=low, high=high)


def test_the_median_of_an_odd_number_is_the_middle_one():
    assert timing.median_interval([9.0, 1.0, 5.0, 7.0, 3.0, 2.0, 8.0]).median == 5.0


def test_an_interval_holds_the_true_median_as_often_as_it_says():
    draws = np.random.default_rng(1).exponential(size=(2000, 30))
    intervals = [timing.median_interval(samples.tolist()) for samples in draws]
    held = np.mean([interval.low <= np.log(2) <= interval.high for interval in intervals])
    # 95.7 % by the binomial distribution; the standard error of 2,000 trials is 0.5 %.
    assert 0.94 < held < 0.975


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="needs at least 6 samples, not 5"):
        timing.median_interval([1.0] * 5)
    with pytest.raises(ValueError, match="repeats must be at least 6 for an interval of 95 %, not 5"):
        Effort(repeats=5)
    with pytest.raises(ValueError, match=r"min_seconds must be greater than 0, not 0\.0"):
        Effort(min_seconds=0.0)


def test_the_first_call_stands_apart():
    work = _Work(2.0, first=100.0)
    measured = timing.measure(work.block, _effort(work))
    assert measured == timing.Timing(
        first_seconds=100.0, seconds=Interval(2.0, 2.0, 2.0), best_seconds=2.0, repeats=10, calls=1
    )


def test_the_best_repeat_is_the_fastest():
    work = _Work(1.0)

    def block(calls: int) -> None:
        work.block(calls)
        # The first call, one to settle, then repeats of 3, 4, 5 ... seconds.
        work.now += len(work.blocks) - 1

    measured = timing.measure(block, _effort(work))
    assert (measured.best_seconds, measured.seconds.median) == (3.0, 7.5)


def test_a_short_call_is_repeated_until_the_clock_can_tell():
    work = _Work(1e-6)
    measured = timing.measure(work.block, _effort(work, min_seconds=5e-3))
    assert measured.calls * 1e-6 >= 5e-3
    # No more than ten times what is needed.
    assert measured.calls * 1e-6 < 5e-2
    assert measured.seconds.median == pytest.approx(1e-6)
    assert work.blocks[-10:] == [measured.calls] * 10


def test_applications_are_spread_over_the_repeats():
    work = _Work(1e-3)
    # 95 over 10 repeats: 10 in each.
    assert timing.measure(work.block, _effort(work), applications=95).calls == 10
    assert sum(work.blocks[-10:]) == 100


def test_a_row_that_would_take_too_long_makes_fewer_calls():
    work = _Work(1.0)
    # 35 s for 10 repeats leave 3 calls of 1 s in each.
    assert timing.measure(work.block, _effort(work, max_seconds=35.0), applications=10_000).calls == 3
    assert timing.measure(work.block, _effort(work, max_seconds=0.5), applications=10_000).calls == 1


def test_measuring_stops_between_repeats_when_it_is_asked_to():
    work = _Work(1.0)

    def stop() -> None:
        if len(work.blocks) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        timing.measure(work.block, _effort(work, stop))
    assert len(work.blocks) == 5


def test_runs_take_turns_in_every_round():
    work = _Work(1.0)
    order = []

    def run(name: str, seconds: float) -> Callable[[], None]:
        def go() -> None:
            order.append(name)
            # The first time takes longer, and does not count.
            work.now += seconds if len(order) > 2 else 100.0

        return go

    found = timing.in_turn({"slow": run("slow", 3.0), "fast": run("fast", 1.0)}, _effort(work))
    # Once to warm up, once to find out how often, then ten rounds.
    assert order == ["slow", "fast"] * 12
    assert found == {"slow": timing.Rounds([3.0] * 10, calls=1), "fast": timing.Rounds([1.0] * 10, calls=1)}


def test_a_short_run_is_repeated_within_its_turn():
    works = {"slow": 8.0, "fast": 1.0}
    work = _Work(1.0)
    order = []

    def run(name: str) -> Callable[[], None]:
        def go() -> None:
            order.append(name)
            work.now += works[name]

        return go

    found = timing.in_turn({name: run(name) for name in works}, _effort(work, min_seconds=5.0))
    # A turn of either lasts 5 s or more, and its seconds are those of one run.
    assert (found["slow"].calls, found["fast"].calls) == (1, 6)
    assert order[-14:] == ["slow", *["fast"] * 6] * 2
    for name, seconds in works.items():
        assert found[name].seconds == [seconds] * 10


def test_ratios_are_those_of_each_round():
    # 2, 3, 4, 5, 6, 7: median 4.5, ends 2 and 7; the ratio of the medians would be 1.
    ratio = timing.ratio_interval([2.0, 6.0, 12.0, 20.0, 30.0, 42.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert ratio == Interval(median=4.5, low=2.0, high=7.0)
    with pytest.raises(ValueError, match="shorter"):
        timing.ratio_interval([1.0] * 7, [1.0] * 6)
