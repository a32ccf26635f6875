"""The same training in several forms, to be timed side by side: called step by step, and in chunks.

`//tasks/benchmarks:chunks` and `//tasks:benchmark` time them.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import learning
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels import configs
from humain.layer import Layer
from humain.learning import Learner, LearningConfig, TrainingData
from humain.model import Model
from humain.spaces import Discrete
from humain.training import loop
from humain.types import Trajectories

KERNELS = ("table", "linear", "transformer")
"""Those that learn ids."""
_STRIDE = 4
_NUM_WALKS, _WALK_STATES = 256, 64
_LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class ChunkSizes:
    """The sizes of the model and its training.

    Attributes:
        batch_size: examples per layer in an update.
        chunk_steps: updates per chunk, and per call of every form.
        num_layers: the number of layers of the model.
        num_states: the number of ids.
        num_keys: the number of keys of the linear kernel.
        width: the width of the transformer.
        hidden: the width of its feed-forward layer.
        num_heads: the number of its attention heads.
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
                raise ValueError(f"{field.name} must be at least 1, not {getattr(self, field.name)}")


@dataclasses.dataclass(frozen=True)
class ChunkForm:
    """A compiled way to do the updates.

    Attributes:
        compile_seconds: the time to trace and compile it.
        run: does the next `chunk_steps` updates, and waits for them.
    """

    compile_seconds: float
    run: Callable[[], None]


def build(kernel: str, sizes: ChunkSizes, *, unrolls: Sequence[int] = (1,)) -> Mapping[str, ChunkForm]:
    """Returns the forms of one kernel's training, by name.

    Args:
        kernel: the kernel's name, one of `KERNELS`.
        sizes: the sizes of the model and its training.
        unrolls: for each number, a chunk whose compiled loop is unrolled by it.

    Returns:
        `one by one`, which calls the compiled update from Python once per step without waiting in between; then
        `chunk`, or `chunk, unrolled by N` for N above 1. Each trains its own learner; all begin with equal states.

    Raises:
        ValueError: if the kernel is unknown.
    """
    space = Discrete(sizes.num_states)
    of_kernels = {name: getattr(sizes, name) for name in ("num_keys", "width", "hidden", "num_heads")}
    config = configs.read({"name": kernel, "learning_rate": _LEARNING_RATE, **of_kernels})
    layer = Layer(cortex=Cortex(config.build(space, space), Linear(64)))
    model = Model(layers=(layer,) * sizes.num_layers, space=space, group_layers=kernel != "table")
    abstractions = tuple(Skip(_STRIDE) for _ in model.layers)
    walks = np.random.default_rng(0).integers(0, sizes.num_states, (_NUM_WALKS, _WALK_STATES))
    lengths = jnp.full(_NUM_WALKS, _WALK_STATES, jnp.int32)
    walked = Trajectories(states=jnp.asarray(walks, jnp.int32), lengths=lengths)
    how = LearningConfig(batch_size=sizes.batch_size)
    training_data = learning.gather(model, how, model.init(jax.random.key(0), abstractions), walked)
    update = learning.build_update(model, how)

    functions: dict[str, tuple[loop.Chunk, int]] = {"one by one": (update, 1)}
    for unroll in unrolls:
        name = "chunk" if unroll == 1 else f"chunk, unrolled by {unroll}"
        functions[name] = loop.make_chunk(update, sizes.chunk_steps, unroll=unroll), sizes.chunk_steps
    forms = {}
    for name, (function, steps) in functions.items():
        learner = learning.begin(model, how, abstractions, jax.random.key(0))
        started = time.perf_counter()
        compiled = jax.jit(function, donate_argnums=0).lower(learner, training_data, jnp.int32(0)).compile()
        seconds = time.perf_counter() - started
        forms[name] = ChunkForm(
            seconds, _runner(compiled, learner, training_data, steps=steps, total=sizes.chunk_steps)
        )
    return forms


def _runner(
    compiled: Any, learner: Learner, training_data: TrainingData, *, steps: int, total: int
) -> Callable[[], None]:
    """Returns a function that does `total` updates by calls of `steps` updates each."""
    carried = [learner]
    starts = [jnp.int32(first) for first in range(0, total, steps)]

    def run() -> None:
        learner = carried.pop()
        for first in starts:
            learner, _ = compiled(learner, training_data, first)
        carried.append(jax.block_until_ready(learner))

    return run
