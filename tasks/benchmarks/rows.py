"""What is measured and found: the rows of the results, and what bounds them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.benchmarks.timing import Effort, Interval, Rounds, Timing, median_interval


@dataclasses.dataclass(frozen=True)
class PeakSizes:
    """Sizes of what stands for a device's peaks.

    Attributes:
        matmul_size: rows and columns of the two matrices whose product is taken.
        copy_size: floats that are copied; 0 for as many as SELU is applied to.
    """

    matmul_size: int
    copy_size: int = 0

    def __post_init__(self) -> None:
        for name, least in (("matmul_size", 1), ("copy_size", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured, and how thoroughly.

    Attributes:
        size: elements that SELU is applied to.
        applications: of SELU by each of the rows that call it, over all repeats.
        loop_steps: of SELU in a compiled loop.
        peaks: sizes of what stands for the peaks, by device.
        effort: of measuring.
        seed: of the values that SELU is applied to.
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
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        framework: `jax` or `torch`.
        device: `cpu` or `gpu`.
        size: elements, or examples in a batch.
        work: how much one call does where that is not its size alone: steps of a loop, updates in a chunk, nodes of a
            plan, iterations of k-means; else 1.
        compile_seconds: the first call, or where it could be told apart, compilation.
        dispatch_seconds: the same function on one element: what a call costs before any work; None where there is no
            such function.
        median_seconds: of one call.
        low: end of the median's 95 % confidence interval.
        high: the other end.
        repeats: that the median was taken over.
        calls: in each repeat.
        gbytes_per_second: None where bytes are not counted, as in all but SELU.
        gflops: 10^9 floating-point operations a second, None as for bytes.
        share_of_peak: of what the machine can do, see `with_shares`.
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
    """What a device was seen to do at best, in the fastest repeat.

    Attributes:
        framework: by which it was measured.
        device: `cpu` or `gpu`.
        gbytes_per_second: read and written by a copy.
        gflops: of a product of two square float32 matrices, `2 n^3` operations.
    """

    framework: str
    device: str
    gbytes_per_second: float
    gflops: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times as long a kernel's updates take one by one as in a chunk, over rounds that had both."""

    kernel: str
    device: str
    ratio: float
    low: float
    high: float
    rounds: int


@dataclasses.dataclass(frozen=True)
class Found:
    """What one part of the run found.

    Attributes:
        rows: figures.
        peaks: of the device.
        ratios: of chunks.
        threads: that the framework computes with on the CPU, by framework.
        notes: what the reader has to know.
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
    """A row from what was timed.

    Args:
        name: of the row.
        timing: of a call.
        framework: `jax` or `torch`.
        device: `cpu` or `gpu`.
        size: elements or batch.
        work: see `Row`.
        dispatch: the same on one element.
        moved: bytes that a call reads and writes.
        flops: floating-point operations of a call.
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


def of_selu(row: Row, settings: Settings) -> Found:
    """A row of SELU; with a note where its applications took too long for all of them."""
    made = row.repeats * row.calls
    # A loop's steps are in one call, and its calls are as many as any other row's.
    if row.work > 1 or made >= settings.applications:
        return Found(rows=[row])
    which = f"{row.name} of {row.framework} on {row.device}"
    return Found(rows=[row], notes=[f"{which}: {made} of {settings.applications} applications, by max_row_seconds"])


def from_rounds(name: str, rounds: Rounds, *, device: str, size: int, work: int, compile_seconds: float) -> Row:
    """A row of what was compiled ahead and took turns."""
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
    """Rows with their share of what the device can do.

    The share is the larger of two: of the bytes a second, and of the operations a second. Either is against the best
    that any framework of this run reached on the device, and the larger one names what bounds the row (S. Williams and
    others, "Roofline", 2009). It may exceed 1, as copies and products are no laws of nature.

    Args:
        rows: in their JSON form.
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
