"""Updates per second in chunks, compared with the same update called once per step from Python.

    bazel run //tasks/benchmarks:chunks
    bazel run //tasks/benchmarks:chunks -- --kernels=table --repeats=9

Three forms of the same training take turns, so that all of them see the same noise: the jitted update called from
Python step by step (without waiting between steps), a chunk that scans it, and a chunk whose loop is unrolled. Ratios
are taken within each round; their medians are over rounds. Compilation is timed separately.
"""

import dataclasses
import time
from collections.abc import Sequence

import jax
import numpy as np
from absl import app, flags

from humain.viewing.tables import ReportTable
from tasks.benchmarks import chunk_forms
from tasks.benchmarks.chunk_forms import KERNELS, ChunkSizes

_UNROLL = 4
_DEFAULT_REPEATS = 7


@dataclasses.dataclass(frozen=True)
class ChunkRow:
    """The speed of one form of one kernel's training.

    Attributes:
        kernel: the kernel's name.
        form: the name of the form.
        compile_seconds: the time to trace and compile it.
        updates_per_second: the median over the rounds.
        ratio: the median ratio of its updates per second to those of the one-by-one form in the same round; 1 for that
            form.
        lowest: the smallest of these ratios.
        highest: the largest of these ratios.
    """

    kernel: str
    form: str
    compile_seconds: float
    updates_per_second: float
    ratio: float
    lowest: float
    highest: float


def measure(name: str, sizes: ChunkSizes, *, repeats: int = _DEFAULT_REPEATS) -> list[ChunkRow]:
    """Measures every form of one kernel's training.

    Args:
        name: the kernel's name, one of `KERNELS`.
        sizes: the sizes of the model and its training.
        repeats: the number of rounds, after compilation and one round to warm up.

    Raises:
        ValueError: if the kernel is unknown.
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
            ChunkRow(
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


def to_table(rows: Sequence[ChunkRow]) -> ReportTable:
    """Returns the rows as a table."""
    return ReportTable(
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
    defaults = ChunkSizes()
    for name, default, meaning in (
        ("batch_size", defaults.batch_size, "Examples per layer in an update."),
        ("chunk_steps", defaults.chunk_steps, "Updates per chunk."),
        ("repeats", _DEFAULT_REPEATS, "Rounds to measure."),
    ):
        flags.DEFINE_integer(name, default, meaning, lower_bound=1, flag_values=values)


def main(arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"this program takes only flags; got the argument {arguments[1]!r}")
    sizes, repeats = ChunkSizes(batch_size=values.batch_size, chunk_steps=values.chunk_steps), values.repeats
    print(f"{sizes}, {repeats} rounds on {jax.devices()[0].device_kind}; ratio: to 'one by one' in the same round")
    print(to_table([row for name in values.kernels for row in measure(name, sizes, repeats=repeats)]).to_text())


if __name__ == "__main__":
    define_flags()
    app.run(main)
