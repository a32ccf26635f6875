"""One and the same training in several forms, to be timed side by side: called step by step, and in chunks.

`//tasks/benchmarks:chunks` and `//tasks:benchmark` time them.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
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

KERNELS = ("table", "linear", "transformer")
_STRIDE = 4
_NUM_WALKS, _WALK_STATES = 256, 64
_LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of what is trained.

    Attributes:
        batch_size: examples of each layer in an update.
        chunk_steps: updates in a chunk, and in one call of every form.
        num_layers: of the stack.
        num_states: ids.
        num_keys: of the linear kernel.
        width: of the transformer.
        hidden: of its feed-forward layer.
        num_heads: of its attention.
    """

    batch_size: int = 64
    chunk_steps: int = 200
    num_layers: int = 3
    num_states: int = 32
    num_keys: int = 128
    width: int = 32
    hidden: int = 64
    num_heads: int = 4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} must be 1 or more, not {getattr(self, field.name)}")


@dataclasses.dataclass(frozen=True)
class Form:
    """A way to make the updates, compiled.

    Attributes:
        compile_seconds: to trace and compile it.
        run: makes `chunk_steps` updates, going on from those before, and waits for them.
    """

    compile_seconds: float
    run: Callable[[], None]


@struct.dataclass
class _Learner:
    state: ModelState
    key: jax.Array


def build(kernel: str, sizes: Sizes, *, unrolls: Sequence[int] = (1,)) -> Mapping[str, Form]:
    """The forms of one kernel's training.

    Args:
        kernel: its name, one of `KERNELS`.
        sizes: of what is trained.
        unrolls: a chunk for each, whose compiled loop lays out so many updates one after the other.

    Returns:
        `one by one`, where the compiled update is called from Python once per step without waiting in between; then
        `chunk`, or `chunk, unrolled by N` for N above 1. Each trains a learner of its own, that begins like the others.

    Raises:
        ValueError: for an unknown kernel.
    """
    layer = Layer(cortex=Cortex(_kernel(kernel, sizes), Linear(64)))
    model = Model(layers=(layer,) * sizes.num_layers, space=Discrete(sizes.num_states), group_layers=kernel != "table")
    abstractions = tuple(Skip(_STRIDE) for _ in model.layers)
    walks = np.random.default_rng(0).integers(0, sizes.num_states, (_NUM_WALKS, _WALK_STATES))
    lengths = jnp.full(_NUM_WALKS, _WALK_STATES, jnp.int32)
    experience = hindsight.gather(Trajectories(states=jnp.asarray(walks, jnp.int32), lengths=lengths), abstractions)

    def update(learner: _Learner, experience: hindsight.Experience, step: jax.Array) -> tuple[_Learner, loop.Metrics]:
        key = jax.random.fold_in(learner.key, step)
        state, metrics = model.observe(learner.state, experience, key, sizes.batch_size)
        return _Learner(state=state, key=learner.key), metrics

    functions: dict[str, tuple[loop.Chunk, int]] = {"one by one": (update, 1)}
    for unroll in unrolls:
        name = "chunk" if unroll == 1 else f"chunk, unrolled by {unroll}"
        functions[name] = loop.make_chunk(update, sizes.chunk_steps, unroll=unroll), sizes.chunk_steps
    forms = {}
    for name, (function, steps) in functions.items():
        learner = _Learner(state=model.init(jax.random.key(0), abstractions), key=jax.random.key(1))
        started = time.perf_counter()
        compiled = jax.jit(function, donate_argnums=0).lower(learner, experience, jnp.int32(0)).compile()
        seconds = time.perf_counter() - started
        forms[name] = Form(seconds, _runner(compiled, learner, experience, steps=steps, total=sizes.chunk_steps))
    return forms


def _runner(
    compiled: Any, learner: _Learner, experience: hindsight.Experience, *, steps: int, total: int
) -> Callable[[], None]:
    """A function that makes `total` updates by calls of `steps` updates each."""
    carried = [learner]
    starts = [jnp.int32(first) for first in range(0, total, steps)]

    def run() -> None:
        learner = carried.pop()
        for first in starts:
            learner, _ = compiled(learner, experience, first)
        carried.append(jax.block_until_ready(learner))

    return run


def _kernel(name: str, sizes: Sizes) -> Kernel:
    space = Discrete(sizes.num_states)
    if name == "table":
        return table(state_space=space, target_space=space, num_slots=4, context_length=1)
    optimizer = optax.adam(_LEARNING_RATE)
    if name == "linear":
        size = LinearConfig(num_keys=sizes.num_keys)
        return linear(size, state_space=space, target_space=space, optimizer=optimizer)
    if name == "transformer":
        shape = TransformerConfig(width=sizes.width, hidden=sizes.hidden, num_heads=sizes.num_heads)
        return transformer(shape, state_space=space, target_space=space, optimizer=optimizer)
    raise ValueError(f"kernel {name!r} is none of {', '.join(KERNELS)}")
