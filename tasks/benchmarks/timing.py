"""Time taken by calls: the first one apart, then the median over repeats and how sure it is."""

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

MIN_REPEATS = 6
"""With fewer, not even the lowest and the highest of them hold the median with 95 % confidence."""

Block: TypeAlias = Callable[[int], None]
"""Makes so many calls of what is measured, and waits until the device has done all of them."""

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
        repeats: figures that a median is taken over, `MIN_REPEATS` or more.
        min_seconds: a repeat makes so many calls that it takes at least this long, and the clock's resolution and its
            own cost do not count.
        max_seconds: of all repeats of a row together, as far as one call a repeat allows.
        pulse: called between repeats; may raise to stop.
        clock: of seconds.
    """

    repeats: int = 30
    min_seconds: float = 5e-3
    max_seconds: float = 120.0
    pulse: Callable[[], None] = lambda: None
    clock: Clock = time.perf_counter

    def __post_init__(self) -> None:
        if self.repeats < MIN_REPEATS:
            raise ValueError(f"repeats must be {MIN_REPEATS} or more for an interval of 95 %, not {self.repeats}")
        for name in ("min_seconds", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Timing:
    """What was measured.

    Attributes:
        first_seconds: of the first call, with all that has to be compiled for it.
        seconds: of a call, over repeats.
        best_seconds: of a call in the fastest repeat.
        repeats: that the median was taken over.
        calls: in each repeat.
    """

    first_seconds: float
    seconds: Interval
    best_seconds: float
    repeats: int
    calls: int


@dataclasses.dataclass(frozen=True)
class Rounds:
    """What was measured of a run that took turns with others.

    Attributes:
        seconds: of one run, in each round.
        calls: runs in each round.
    """

    seconds: Sequence[float]
    calls: int


def median_interval(samples: Sequence[float]) -> Interval:
    """The median of independent samples, and an interval that holds the true one with at least 95 % confidence.

    The interval ends at the k-th lowest and the k-th highest sample, k being the largest for which either end misses
    with a probability of 2.5 % at most; that follows from the binomial distribution, whatever that of the samples is
    (H. A. David and H. N. Nagaraja, "Order Statistics", section 7.1).

    Args:
        samples: `MIN_REPEATS` or more.

    Raises:
        ValueError: for fewer.
    """
    count = len(samples)
    if count < MIN_REPEATS:
        raise ValueError(f"an interval of 95 % needs {MIN_REPEATS} samples or more, not {count}")
    ordered = sorted(samples)
    rank, below = 0, 0
    # `below` of the 2**count equally likely outcomes have at most `rank` samples under the true median.
    while 40 * (below := below + math.comb(count, rank)) <= 2**count:
        rank += 1
    middle = ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2
    return Interval(median=middle, low=ordered[rank - 1], high=ordered[count - rank])


def measure(block: Block, effort: Effort, *, applications: int | None = None) -> Timing:
    """Measures a call.

    Args:
        block: makes calls and waits for them.
        effort: how much time to take.
        applications: calls in all, spread evenly over the repeats; fewer where they would take longer than
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
    """Measures several runs, one after the other in every round, so that all of them meet the same noise.

    Each is repeated within its turn, so that the turn lasts `effort.min_seconds`; how often is found out beforehand,
    after one run to warm up.

    Args:
        runs: each does its work and waits for it; compiled already.
        effort: how many rounds to take, and how long a turn lasts.
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
    """How many times as long the slow ones took, each against the fast one of its own round."""
    return median_interval([one / other for one, other in zip(slow, fast, strict=True)])


def _again(run: Callable[[], None]) -> Block:
    def block(calls: int) -> None:
        for _ in range(calls):
            run()

    return block


def _settle(block: Block, effort: Effort) -> int:
    """Calls that take `effort.min_seconds` together; warms up on the way."""
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
    """Keeps the collector from running in the midst of a repeat, as `timeit` does."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
