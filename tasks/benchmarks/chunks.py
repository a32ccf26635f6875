"""Updates a second of the chunked learner, beside the same update called once per step from Python.

    bazel run //tasks/benchmarks:chunks
    bazel run //tasks/benchmarks:chunks -- --kernels=table --repeats=9

Three forms of the same training, taken in turn so that all of them meet the same noise: the jitted update called from
Python step by step (steps are dispatched without waiting for one another), a chunk that scans it, and a chunk whose
loop is unrolled. Ratios are medians over rounds, each within one round. Compilation is timed apart.
"""

import dataclasses
import time
from collections.abc import Sequence

import jax
import numpy as np
from absl import app, flags

from humain.viewing.tables import Table
from tasks.benchmarks import chunk_forms
from tasks.benchmarks.chunk_forms import KERNELS, Sizes

_UNROLL = 4
_DEFAULT_REPEATS = 7


@dataclasses.dataclass(frozen=True)
class Row:
    """One form of one kernel's training.

    Attributes:
        kernel: its name.
        form: how the updates are made.
        compile_seconds: to trace and compile, before the first update.
        updates_per_second: median over the rounds.
        ratio: updates a second over those of the one-by-one form in the same round, median; 1 for that form itself.
        lowest: the smallest of these ratios.
        highest: the largest.
    """

    kernel: str
    form: str
    compile_seconds: float
    updates_per_second: float
    ratio: float
    lowest: float
    highest: float


def measure(name: str, sizes: Sizes, *, repeats: int = _DEFAULT_REPEATS) -> list[Row]:
    """Measures every form of one kernel's training.

    Args:
        name: of the kernel, one of `KERNELS`.
        sizes: of what is measured.
        repeats: rounds after the compilation and one more to warm up.

    Raises:
        ValueError: for an unknown kernel.
    """
    built = chunk_forms.build(name, sizes, unrolls=(1, _UNROLL))
    seconds: dict[str, list[float]] = {form: [] for form in built}
    for number in range(repeats + 1):
        for form, made in built.items():
            started = time.perf_counter()
            made.run()
            if number:
                seconds[form].append(time.perf_counter() - started)
    slow = np.array(seconds["one by one"])
    rows = []
    for form, made in built.items():
        ratios = slow / np.array(seconds[form])
        rows.append(
            Row(
                kernel=name,
                form=form,
                compile_seconds=made.compile_seconds,
                updates_per_second=sizes.chunk_steps / float(np.median(seconds[form])),
                ratio=float(np.median(ratios)),
                lowest=float(ratios.min()),
                highest=float(ratios.max()),
            )
        )
    return rows


def to_table(rows: Sequence[Row]) -> Table:
    """The rows, to print."""
    return Table(
        columns=("kernel", "form", "updates/s", "ratio", "lowest", "highest", "compile s"),
        rows=[
            (row.kernel, row.form, row.updates_per_second, row.ratio, row.lowest, row.highest, row.compile_seconds)
            for row in rows
        ],
        formats={"updates/s": ",.0f", "ratio": ".2f", "lowest": ".2f", "highest": ".2f", "compile s": ".1f"},
    )


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_multi_enum("kernels", list(KERNELS), KERNELS, "Kernels to measure.", flag_values=values)
    defaults = Sizes()
    for name, default, meaning in (
        ("batch_size", defaults.batch_size, "Examples of each layer in an update."),
        ("chunk_steps", defaults.chunk_steps, "Updates in a chunk."),
        ("repeats", _DEFAULT_REPEATS, "Rounds that count."),
    ):
        flags.DEFINE_integer(name, default, meaning, lower_bound=1, flag_values=values)


def main(arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"there are no arguments but flags; got {arguments[1]!r}")
    sizes, repeats = Sizes(batch_size=values.batch_size, chunk_steps=values.chunk_steps), values.repeats
    print(f"{sizes}, {repeats} rounds on {jax.devices()[0].device_kind}; ratio: to one by one, in the same round")
    print(to_table([row for name in values.kernels for row in measure(name, sizes, repeats=repeats)]).to_text())


if __name__ == "__main__":
    define_flags()
    app.run(main)
