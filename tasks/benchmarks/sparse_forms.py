"""Compares lookups and insertions of the sparse table in JAX and in C++, which take turns.

    bazel run //tasks/benchmarks:sparse_forms
    bazel run //tasks/benchmarks:sparse_forms -- --capacity=65536 --batch_size=256

A call processes a chunk of batches in a compiled loop, as training does. The table is filled to about two fifths
beforehand, and the queries are drawn from the same ids, so that about two in five are stored.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from humain.kernels.table import Table, TableConfig, TableState
from humain.native import sparse_rows
from humain.spaces import Discrete
from humain.types import Array, Context, Examples
from humain.viewing import tables
from tasks.benchmarks.timing import MIN_REPEATS, Effort, Interval, in_turn, median_interval, ratio_interval

_CHUNK_STEPS = 20
_NUM_SLOTS = 4


@dataclasses.dataclass(frozen=True)
class SparseLine:
    """The measurements of one operation, per batch.

    Attributes:
        name: `find`, `recall` or `learn`.
        jax_seconds: the time in JAX.
        native_seconds: the time in C++.
        ratio: the time in JAX over that in C++, in the same rounds.
    """

    name: str
    jax_seconds: Interval
    native_seconds: Interval
    ratio: Interval


def measure(*, capacity: int, batch_size: int, effort: Effort) -> list[SparseLine]:
    """Measures lookups alone, recall and learning.

    Args:
        capacity: the number of rows, a power of two.
        batch_size: the number of queries in a batch.
        effort: how much time measuring may take; its repeats are rounds.
    """
    num_ids = math.isqrt(capacity) + 1
    space = Discrete(num_ids)
    plain = TableConfig(num_slots=_NUM_SLOTS, sparse_capacity=capacity).build(space, space)
    native = dataclasses.replace(plain, rows=sparse_rows.NativeSparseRows(capacity))
    random = np.random.default_rng(0)

    def questions(*shape: int) -> tuple[Array, Array]:
        drawn = random.integers(0, num_ids, (2, *shape)).astype(np.int32)
        return jnp.asarray(drawn[0]), jnp.asarray(drawn[1])

    filling = questions(capacity // 2)
    index, _ = jax.jit(plain.rows.locate)(plain.rows.init(), *filling, jnp.ones(capacity // 2, bool))
    state = TableState(index=index, packed=jnp.zeros((capacity, _NUM_SLOTS), jnp.int32))
    asked = questions(_CHUNK_STEPS, batch_size)
    pairs = zip(_runs(plain, state, asked).items(), _runs(native, state, asked).values(), strict=True)
    lines = []
    for (name, in_jax), in_cpp in pairs:
        rounds = in_turn({"jax": in_jax, "native": in_cpp}, effort)
        slow, fast = ([seconds / _CHUNK_STEPS for seconds in rounds[form].seconds] for form in ("jax", "native"))
        lines.append(SparseLine(name, median_interval(slow), median_interval(fast), ratio_interval(slow, fast)))
    return lines


def _runs(table: Table, state: TableState, asked: tuple[Array, Array]) -> Mapping[str, Callable[[], None]]:
    """Returns the calls of one table, by name, each on all batches."""
    batch_size = asked[0].shape[1]
    everywhere = jnp.ones(batch_size, bool)

    def context(states: Array) -> Context:
        return Context(states=states[:, None], features=jnp.zeros((batch_size, 1, 1)), mask=everywhere[:, None])

    @jax.jit
    def find(state: TableState, asked: tuple[Array, Array]) -> Array:
        return jax.lax.map(lambda pair: table.rows.find(state.index, *pair), asked)

    @jax.jit
    def recall(state: TableState, asked: tuple[Array, Array]) -> Array:
        return jax.lax.map(lambda pair: table.recall(state, context(pair[0]), pair[1]).scores, asked)

    def learn(state: TableState, asked: tuple[Array, Array]) -> TableState:
        def step(state: TableState, pair: tuple[Array, Array]) -> tuple[TableState, None]:
            states, goals = pair
            scores = jnp.linspace(0, 1, batch_size)
            examples = Examples(context=context(states), goals=goals, targets=states, scores=scores, mask=everywhere)
            return table.learn(state, examples)[0], None

        return jax.lax.scan(step, state, asked)[0]

    compiled = jax.jit(learn, donate_argnums=0)
    # Learning gets the state donated, and continues from what it has learned: only the first call inserts entries.
    carried = [jax.tree.map(jnp.copy, state)]

    def learn_on() -> None:
        carried.append(jax.block_until_ready(compiled(carried.pop(), asked)))

    return {
        "find": lambda: _wait(find(state, asked)),
        "recall": lambda: _wait(recall(state, asked)),
        "learn": learn_on,
    }


def _wait(answer: Array) -> None:
    jax.block_until_ready(answer)


def to_table(lines: Sequence[SparseLine]) -> tables.ReportTable:
    """Returns the lines as a table, with times in microseconds."""

    def cells(interval: Interval, factor: float) -> list[float]:
        return [factor * value for value in dataclasses.astuple(interval)]

    return tables.ReportTable(
        columns=(
            *("operation", "JAX us", "95 % low", "95 % high", "C++ us", "C++ low", "C++ high"),
            *("x faster", "x low", "x high"),
        ),
        rows=[
            [line.name, *cells(line.jax_seconds, 1e6), *cells(line.native_seconds, 1e6), *cells(line.ratio, 1)]
            for line in lines
        ],
    )


def main(arguments: Sequence[str]) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"this program takes only flags; got the argument {arguments[1]!r}")
    if fault := sparse_rows.missing():
        raise SystemExit(f"sparse_forms: {fault}")
    values = flags.FLAGS
    effort = Effort(repeats=values.rounds)
    print(to_table(measure(capacity=values.capacity, batch_size=values.batch_size, effort=effort)).to_text())


if __name__ == "__main__":
    flags.DEFINE_integer("capacity", 2**22, "Rows of the table, a power of two.", lower_bound=2)
    flags.DEFINE_integer("batch_size", 4096, "Queries in a batch.", lower_bound=1)
    flags.DEFINE_integer("rounds", 30, "Rounds that medians are taken over.", lower_bound=MIN_REPEATS)
    app.run(main)
