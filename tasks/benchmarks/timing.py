"""Times calls: the first one separately, then the median over repeats with its confidence interval."""

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

MIN_REPEATS = 6
"""With fewer, not even the interval from the lowest to the highest has 95 % confidence."""

Block: TypeAlias = Callable[[int], None]
"""Makes a number of calls of the measured function, and waits until the device has finished all of them."""

Clock: TypeAlias = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Interval:
    """A median and its 95 % confidence interval."""

    median: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much time measuring may take.

    Attributes:
        repeats: the number of repeats that a median is over, at least `MIN_REPEATS`.
        min_seconds: the smallest duration of a repeat, which makes enough calls for it, so that the resolution and the
            cost of the clock don't matter.
        max_seconds: the bound on all repeats of a row together; exceeded only if a repeat of one call takes too long.
        pulse: called between repeats; it may raise to stop.
        clock: returns the time in seconds.
    """

    repeats: int = 30
    min_seconds: float = 5e-3
    max_seconds: float = 120.0
    pulse: Callable[[], None] = lambda: None
    clock: Clock = time.perf_counter

    def __post_init__(self) -> None:
        if self.repeats < MIN_REPEATS:
            raise ValueError(f"repeats must be at least {MIN_REPEATS} for an interval of 95 %, not {self.repeats}")
        for name in ("min_seconds", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Timing:
    """The times of a call.

    Attributes:
        first_seconds: the time of the first call, including compilation.
        seconds: the median time of a call, over repeats.
        best_seconds: the time of a call in the fastest repeat.
        repeats: the number of repeats that the median is over.
        calls: the number of calls in each repeat.
    """

    first_seconds: float
    seconds: Interval
    best_seconds: float
    repeats: int
    calls: int


@dataclasses.dataclass(frozen=True)
class Rounds:
    """The times of a function that took turns with others.

    Attributes:
        seconds: the time of one run, in each round.
        calls: the number of runs in each round.
    """

    seconds: Sequence[float]
    calls: int


def median_interval(samples: Sequence[float]) -> Interval:
    """Returns the median of independent samples, and an interval for the true one with at least 95 % confidence.

    The interval is from the k-th lowest to the k-th highest sample, with the largest k for which the true median is
    beyond either end with a probability of at most 2.5 %; by the binomial distribution, this holds for any distribution
    of the samples (H. A. David and H. N. Nagaraja, "Order Statistics", section 7.1).

    Args:
        samples: at least `MIN_REPEATS` samples.

    Raises:
        ValueError: if there are fewer.
    """
    count = len(samples)
    if count < MIN_REPEATS:
        raise ValueError(f"an interval of 95 % needs at least {MIN_REPEATS} samples, not {count}")
    ordered = sorted(samples)
    rank, below = 0, 0
    # `below` of the 2**count equally likely outcomes have at most `rank` samples below the true median.
    while 40 * (below := below + math.comb(count, rank)) <= 2**count:
        rank += 1
    middle = ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2
    return Interval(median=middle, low=ordered[rank - 1], high=ordered[count - rank])


def measure(block: Block, effort: Effort, *, applications: int | None = None) -> Timing:
    """Times calls of a function.

    Args:
        block: makes a number of calls and waits for them.
        effort: how much time to take.
        applications: the total number of calls, spread evenly over the repeats; fewer if they would take longer than
            `effort.max_seconds`. By default as many as make a repeat long enough.
    """
    with _without_garbage_collection():
        first = _seconds(block, 1, effort.clock)
        effort.pulse()
        calls = _settle(block, effort)
        if applications is not None:
            per_call = _seconds(block, calls, effort.clock) / calls
            affordable = int(effort.max_seconds / effort.repeats / per_call) if per_call > 0 else applications
            calls = max(1, min(math.ceil(applications / effort.repeats), affordable))
        samples = []
        for _ in range(effort.repeats):
            effort.pulse()
            samples.append(_seconds(block, calls, effort.clock) / calls)
    return Timing(first, median_interval(samples), min(samples), effort.repeats, calls)


def in_turn(runs: Mapping[str, Callable[[], None]], effort: Effort) -> dict[str, Rounds]:
    """Times several functions, one after the other in every round, so that all of them see the same noise.

    Each is repeated within its turn, so that the turn lasts `effort.min_seconds`; how often is determined beforehand,
    after one run to warm up.

    Args:
        runs: compiled functions, each of which does its work and waits for it.
        effort: the number of rounds, and the duration of a turn.
    """
    with _without_garbage_collection():
        for run in runs.values():
            effort.pulse()
            run()
        blocks = {name: _again(run) for name, run in runs.items()}
        calls = {name: _settle(block, effort) for name, block in blocks.items()}
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(effort.repeats):
            for name, block in blocks.items():
                effort.pulse()
                seconds[name].append(_seconds(block, calls[name], effort.clock) / calls[name])
    return {name: Rounds(seconds[name], calls[name]) for name in runs}


def ratio_interval(slow: Sequence[float], fast: Sequence[float]) -> Interval:
    """Returns the ratio of the times of two functions, within each round."""
    return median_interval([one / other for one, other in zip(slow, fast, strict=True)])


def _again(run: Callable[[], None]) -> Block:
    def block(calls: int) -> None:
        for _ in range(calls):
            run()

    return block


def _settle(block: Block, effort: Effort) -> int:
    """Returns the number of calls that take `effort.min_seconds` together, after warming up."""
    calls = 1
    while (spent := _seconds(block, calls, effort.clock)) < effort.min_seconds:
        effort.pulse()
        wanted = math.ceil(1.2 * calls * effort.min_seconds / spent) if spent > 0 else 10 * calls
        calls = min(max(wanted, calls + 1), 10 * calls)
    return calls


def _seconds(block: Block, calls: int, clock: Clock) -> float:
    started = clock()
    block(calls)
    return clock() - started


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keeps the garbage collector from running during a repeat, as `timeit` does."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
