"""Updates a second of the chunked learner, beside the same update called once per step from Python.

    bazel run //humain/training:benchmark
    bazel run //humain/training:benchmark -- --kernels=table --repeats=9

Three forms of the same training, taken in turn so that all of them meet the same noise: the jitted update called from
Python step by step (steps are dispatched without waiting for one another), a chunk that scans it, and a chunk whose
loop is unrolled. Ratios are medians over rounds, each within one round. Compilation is timed apart.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags
from flax import struct

from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.kernel import Kernel
from humain.kernels.linear import LinearConfig, linear
from humain.kernels.table import table
from humain.kernels.transformer import TransformerConfig, transformer
from humain.model import Layer, Model, ModelState
from humain.spaces import Discrete
from humain.training import loop
from humain.types import Trajectories
from humain.viewing.tables import Table

KERNELS = ("table", "linear", "transformer")
_NUM_STATES, _NUM_LAYERS, _STRIDE = 32, 3, 4
_UNROLL = 4


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        batch_size: examples of each layer in an update.
        chunk_steps: updates in a chunk, and in a round of every form.
        repeats: rounds after the compilation and one more to warm up.
    """

    batch_size: int = 64
    chunk_steps: int = 200
    repeats: int = 7

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} must be 1 or more, not {getattr(self, field.name)}")


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


@struct.dataclass
class _Learner:
    state: ModelState
    key: jax.Array


def measure(name: str, sizes: Sizes) -> list[Row]:
    """Measures every form of one kernel's training.

    Args:
        name: of the kernel, one of `KERNELS`.
        sizes: of what is measured.

    Raises:
        ValueError: for an unknown kernel.
    """
    layer = Layer(cortex=Cortex(_kernel(name), Linear(64)))
    model = Model(layers=(layer,) * _NUM_LAYERS, space=Discrete(_NUM_STATES), group_layers=name != "table")
    abstractions = tuple(Skip(_STRIDE) for _ in model.layers)
    walks = np.random.default_rng(0).integers(0, _NUM_STATES, (256, 64))
    experience = hindsight.gather(
        Trajectories(states=jnp.asarray(walks, jnp.int32), lengths=jnp.full(len(walks), 64, jnp.int32)), abstractions
    )

    def update(learner: _Learner, experience: hindsight.Experience, step: jax.Array) -> tuple[_Learner, loop.Metrics]:
        key = jax.random.fold_in(learner.key, step)
        state, metrics = model.observe(learner.state, experience, key, sizes.batch_size)
        return _Learner(state=state, key=learner.key), metrics

    forms: dict[str, tuple[loop.Chunk, int]] = {
        "one by one": (update, 1),
        "chunk": (loop.make_chunk(update, sizes.chunk_steps), sizes.chunk_steps),
        f"chunk, unrolled by {_UNROLL}": (
            loop.make_chunk(update, sizes.chunk_steps, unroll=_UNROLL),
            sizes.chunk_steps,
        ),
    }
    rounds, compile_seconds = {}, {}
    for form, (function, steps) in forms.items():
        learner = _Learner(state=model.init(jax.random.key(0), abstractions), key=jax.random.key(1))
        started = time.perf_counter()
        compiled = jax.jit(function, donate_argnums=0).lower(learner, experience, jnp.int32(0)).compile()
        compile_seconds[form] = time.perf_counter() - started
        rounds[form] = _rounds(compiled, learner, experience, steps=steps, total=sizes.chunk_steps)
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for number in range(sizes.repeats + 1):
        for form, run in rounds.items():
            spent = run()
            if number:
                seconds[form].append(spent)
    slow = np.array(seconds["one by one"])
    rows = []
    for form in forms:
        ratios = slow / np.array(seconds[form])
        rows.append(
            Row(
                kernel=name,
                form=form,
                compile_seconds=compile_seconds[form],
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


def _rounds(
    compiled: Any, learner: _Learner, experience: hindsight.Experience, *, steps: int, total: int
) -> Callable[[], float]:
    """A function that makes `total` updates, going on from those before, and returns the seconds that they took."""
    carried = [learner]
    starts = [jnp.int32(first) for first in range(0, total, steps)]

    def run() -> float:
        started = time.perf_counter()
        learner = carried.pop()
        for first in starts:
            learner, _ = compiled(learner, experience, first)
        carried.append(jax.block_until_ready(learner))
        return time.perf_counter() - started

    return run


def _kernel(name: str) -> Kernel:
    space = Discrete(_NUM_STATES)
    if name == "table":
        return table(state_space=space, target_space=space, num_slots=4, context_length=1)
    build = partial(_spaced, space, optax.adam(1e-3))
    if name == "linear":
        return build(linear, LinearConfig(num_keys=128))
    if name == "transformer":
        return build(transformer, TransformerConfig(width=32, hidden=64))
    raise ValueError(f"kernel {name!r} is none of {', '.join(KERNELS)}")


def _spaced(space: Discrete, optimizer: optax.GradientTransformation, make: Callable[..., Kernel], size: Any) -> Kernel:
    return make(size, state_space=space, target_space=space, optimizer=optimizer)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_multi_enum("kernels", list(KERNELS), KERNELS, "Kernels to measure.", flag_values=values)
    defaults = Sizes()
    for name, meaning in (
        ("batch_size", "Examples of each layer in an update."),
        ("chunk_steps", "Updates in a chunk."),
        ("repeats", "Rounds that count."),
    ):
        flags.DEFINE_integer(name, getattr(defaults, name), meaning, lower_bound=1, flag_values=values)


def main(arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"there are no arguments but flags; got {arguments[1]!r}")
    sizes = Sizes(batch_size=values.batch_size, chunk_steps=values.chunk_steps, repeats=values.repeats)
    print(f"{_NUM_LAYERS} layers, {sizes} on {jax.devices()[0].device_kind}; ratio: to one by one, in the same round")
    print(to_table([row for name in values.kernels for row in measure(name, sizes)]).to_text())


if __name__ == "__main__":
    define_flags()
    app.run(main)
