"""The settings and the rows of the results, and the peaks that bound them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.benchmarks.timing import Effort, Interval, Rounds, Timing, median_interval


@dataclasses.dataclass(frozen=True)
class PeakSizes:
    """The sizes of the operations that a device's peaks are measured by.

    Attributes:
        matmul_size: rows and columns of the two matrices that are multiplied.
        copy_size: the number of floats copied; 0 for as many as SELU is applied to.
    """

    matmul_size: int
    copy_size: int = 0

    def __post_init__(self) -> None:
        for name, least in (("matmul_size", 1), ("copy_size", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class RowSettings:
    """What to measure, and how thoroughly.

    Attributes:
        size: the number of elements that SELU is applied to.
        applications: how often each row that calls SELU applies it, over all repeats.
        loop_steps: the applications of SELU in a compiled loop.
        peaks: the sizes of the operations that measure the peaks, by device.
        effort: how much time measuring may take.
        seed: the seed of the values that SELU is applied to.
    """

    size: int
    applications: int
    loop_steps: int
    peaks: Mapping[str, PeakSizes]
    effort: Effort
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "applications", "loop_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: the name of what was measured.
        framework: `jax` or `torch`.
        device: `cpu` or `gpu`.
        size: the number of elements, or of examples in a batch.
        work: how much one call does besides its size: steps of a loop, updates in a chunk, nodes of a plan, iterations
            of k-means; else 1.
        compile_seconds: the time of compilation, or of the first call if the two can't be separated.
        dispatch_seconds: the time of the same function on one element, the cost of a call without work; None if there
            is no such function.
        median_seconds: the median time of one call.
        low: the lower end of the median's 95 % confidence interval.
        high: its upper end.
        repeats: the number of repeats that the median is over.
        calls: the number of calls in each repeat.
        gbytes_per_second: 10^9 bytes read and written per second; None if they are not counted, as for all except SELU.
        gflops: 10^9 floating-point operations per second; None likewise.
        share_of_peak: the share of the machine's peak, see `with_shares`.
    """

    name: str
    framework: str
    device: str
    size: int
    work: int
    compile_seconds: float | None
    dispatch_seconds: float | None
    median_seconds: float
    low: float
    high: float
    repeats: int
    calls: int
    gbytes_per_second: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = None


@dataclasses.dataclass(frozen=True)
class Peak:
    """The measured peaks of a device, in the fastest repeat.

    Attributes:
        framework: the framework that measured it.
        device: `cpu` or `gpu`.
        gbytes_per_second: read and written by a copy.
        gflops: 10^9 operations per second of a product of two square float32 matrices, counted as `2 n^3`.
    """

    framework: str
    device: str
    gbytes_per_second: float
    gflops: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The ratio of the time of a kernel's updates one by one to that of a chunk, within rounds."""

    kernel: str
    device: str
    ratio: float
    low: float
    high: float
    rounds: int


@dataclasses.dataclass(frozen=True)
class Found:
    """The results of one part of the run.

    Attributes:
        rows: the measurements.
        peaks: the peaks of the device.
        ratios: the ratios of chunks.
        threads: the number of threads on the CPU, by framework.
        notes: remarks for the reader.
    """

    rows: Sequence[Row] = ()
    peaks: Sequence[Peak] = ()
    ratios: Sequence[Ratio] = ()
    threads: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()


def make(
    name: str,
    timing: Timing,
    *,
    framework: str,
    device: str,
    size: int,
    work: int = 1,
    dispatch: Timing | None = None,
    moved: int | None = None,
    flops: int | None = None,
) -> Row:
    """Makes a row from times.

    Args:
        name: the row's name.
        timing: the times of a call.
        framework: `jax` or `torch`.
        device: `cpu` or `gpu`.
        size: the number of elements, or of examples in a batch.
        work: see `Row`.
        dispatch: the times of the same function on one element.
        moved: the bytes that a call reads and writes.
        flops: the floating-point operations of a call.
    """
    return _row(
        name,
        timing.seconds,
        framework=framework,
        device=device,
        size=size,
        work=work,
        compile_seconds=timing.first_seconds,
        dispatch_seconds=None if dispatch is None else dispatch.seconds.median,
        repeats=timing.repeats,
        calls=timing.calls,
        gbytes_per_second=None if moved is None else moved / timing.seconds.median / 1e9,
        gflops=None if flops is None else flops / timing.seconds.median / 1e9,
    )


def of_selu(row: Row, settings: RowSettings) -> Found:
    """Returns a row of SELU, with a note if time ran out before all applications."""
    made = row.repeats * row.calls
    # One call of a loop makes all its steps, and it has as many calls as other rows.
    if row.work > 1 or made >= settings.applications:
        return Found(rows=[row])
    which = f"{row.name} of {row.framework} on {row.device}"
    return Found(rows=[row], notes=[f"{which}: {made} of {settings.applications} applications, by max_row_seconds"])


def from_rounds(name: str, rounds: Rounds, *, device: str, size: int, work: int, compile_seconds: float) -> Row:
    """Makes a row of a function that was compiled ahead and took turns with others."""
    return _row(
        name,
        median_interval(rounds.seconds),
        framework="jax",
        device=device,
        size=size,
        work=work,
        compile_seconds=compile_seconds,
        dispatch_seconds=None,
        repeats=len(rounds.seconds),
        calls=rounds.calls,
    )


def with_shares(rows: Iterable[Mapping[str, Any]], peaks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Adds to rows their share of the device's peak.

    The share is the larger one of bytes per second and of operations per second. Either is relative to the best that
    any framework of this run reached on the device, and the larger one shows what bounds the row (S. Williams and
    others, "Roofline", 2009). It may exceed 1, since copies and products do not always reach the hardware's limit.

    Args:
        rows: the rows in their JSON form.
        peaks: likewise.
    """
    best: dict[str, dict[str, float]] = {}
    for peak in peaks:
        device = best.setdefault(peak["device"], {"gbytes_per_second": 0.0, "gflops": 0.0})
        for unit in device:
            device[unit] = max(device[unit], peak[unit])
    shared = []
    for row in rows:
        shares = [
            row[unit] / bound for unit, bound in best.get(row["device"], {}).items() if row[unit] is not None and bound
        ]
        shared.append({**row, "share_of_peak": max(shares, default=None)})
    return shared


def _row(name: str, seconds: Interval, **values: Any) -> Row:
    return Row(name=name, median_seconds=seconds.median, low=seconds.low, high=seconds.high, **values)
