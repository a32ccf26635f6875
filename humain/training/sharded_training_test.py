"""Tests that a stack learns on several devices what it learns on one: four virtual devices of the CPU.

A table holds the same bits, for what it stores does not depend on any order. A network's parameters are equal to 1e-5
after 20 updates of Adam, each of at most 0.01: gradients are added up over devices in another order, which changes
their last bits.
"""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.kernel import Kernel, Metrics
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.testing.probe import Probe
from humain.training import checkpoint, loop, sharding
from humain.types import Array, Examples, Trajectories

_SPACE = Discrete(6)
_NETWORK: dict[str, Any] = {"num_slots": 2, "learning_rate": 0.01}
_KERNELS: dict[str, Kernel] = {
    "dense_table": TableConfig().build(_SPACE, _SPACE),
    "sparse_table": TableConfig(sparse_capacity=64).build(_SPACE, _SPACE),
    "linear": LinearConfig(num_keys=8, **_NETWORK).build(_SPACE, _SPACE),
    "transformer": TransformerConfig(num_heads=2, width=8, hidden=8, **_NETWORK).build(_SPACE, _SPACE),
}
_TOLERANCE = {"dense_table": 0.0, "sparse_table": 0.0, "linear": 1e-5, "transformer": 1e-5}
_BATCH_SIZE = 32
_CHUNK_STEPS = 5
_EXECUTABLES = loop.Executables()


@pytest.fixture(scope="module")
def experience() -> hindsight.Experience:
    rng = np.random.default_rng(0)
    states = jnp.asarray([rng.permutation(6) for _ in range(8)], jnp.int32)
    return hindsight.gather(Trajectories(states=states, lengths=jnp.full(8, 6)), (Skip(2),) * 2)


_LAYERS = {"dense_table": 1, "sparse_table": 1, "linear": 2, "transformer": 1}


@functools.cache
def _model(name: str) -> Model:
    """Two layers of a network learn as one group."""
    return Model(layers=(Layer(Cortex(_KERNELS[name], Linear(8))),) * _LAYERS[name], space=_SPACE)


def _begin(model: Model) -> ModelState:
    return jax.jit(model.init)(jax.random.key(0), (Skip(2),) * len(model.layers))


def _update(model: Model, state: ModelState, data: hindsight.Experience, step: jax.Array) -> tuple[ModelState, Any]:
    return model.learn(state, model.sample(data, jax.random.fold_in(jax.random.key(1), step), _BATCH_SIZE))


@functools.cache
def _chunk(model: Model) -> loop.Chunk:
    return loop.make_chunk(functools.partial(_update, model), _CHUNK_STEPS)


def _train(
    model: Model,
    experience: hindsight.Experience,
    num_devices: int,
    *,
    chunk: loop.Chunk | None = None,
    num_steps: int = 20,
    executables: loop.Executables = _EXECUTABLES,
    checkpointer: checkpoint.Checkpointer | None = None,
) -> ModelState:
    result = loop.train(
        _begin(model),
        chunk or _chunk(model),
        data=experience,
        num_steps=num_steps,
        chunk_steps=_CHUNK_STEPS,
        host=loop.Host(mesh=sharding.data_mesh(num_devices), executables=executables, checkpointer=checkpointer),
    )
    assert {device for leaf in jax.tree.leaves(result.state) for device in leaf.devices()} == {jax.devices()[0]}
    return result.state


def _assert_close(found: ModelState, expected: ModelState, tolerance: float) -> None:
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=0, atol=tolerance), found, expected)


@pytest.mark.parametrize("name", list(_KERNELS))
def test_four_devices_learn_what_one_does(name: str, experience: hindsight.Experience) -> None:
    model = _model(name)
    begun = _begin(model)
    one = _train(model, experience, 1)
    changes = [
        np.max(np.abs(after - before), initial=0)
        for before, after in zip(jax.tree.leaves(begun.kernels), jax.tree.leaves(one.kernels), strict=True)
    ]
    # Adam moves a parameter by up to 0.01 in each of the 20 updates: far more than the tolerance.
    assert max(changes) > 0.05
    _assert_close(_train(model, experience, 4), one, _TOLERANCE[name])


def test_each_device_learns_from_its_own_part_of_the_batch(experience: hindsight.Experience) -> None:
    seen: list[Any] = []

    class Watching(Probe):
        def learn(self, state: Array, examples: Examples) -> tuple[Array, Metrics]:
            jax.debug.inspect_array_sharding(examples.scores, callback=seen.append)
            jax.debug.inspect_array_sharding(examples.context.features, callback=seen.append)
            return state + jnp.sum(examples.scores), {}

    model = Model(layers=(Layer(Cortex(Watching(_SPACE, _SPACE), Linear(8))),), space=_SPACE)
    _train(model, experience, 4, num_steps=5)
    # 32 examples, 8 for each of 4 devices; an id has 6 features.
    assert [found.shard_shape(shape) for found, shape in zip(seen, [(32,), (32, 1, 6)], strict=True)] == [
        (8,),
        (8, 1, 6),
    ]


def test_a_checkpoint_of_four_devices_goes_on_on_any_number(
    experience: hindsight.Experience, tmp_path: pathlib.Path
) -> None:
    model = _model("linear")
    whole = _train(model, experience, 1)
    for then in (1, 2):
        checkpointer = checkpoint.Checkpointer(tmp_path / str(then), fingerprint="f")
        half = _train(model, experience, 4, num_steps=10, checkpointer=checkpointer)
        assert checkpointer.latest_step() == 10
        with pytest.raises(AssertionError):
            _assert_close(half, whole, _TOLERANCE["linear"])
        _assert_close(_train(model, experience, then, checkpointer=checkpointer), whole, _TOLERANCE["linear"])


def test_learners_that_are_alike_are_compiled_once_for_each_mesh(experience: hindsight.Experience) -> None:
    model = _model("dense_table")
    traced: list[int] = []

    def update(state: ModelState, data: hindsight.Experience, step: jax.Array) -> tuple[ModelState, Any]:
        traced.append(1)
        return _update(model, state, data, step)

    chunk, executables = loop.make_chunk(update, _CHUNK_STEPS), loop.Executables()
    for num_devices in (1, 4, 1, 4, 2):
        _train(model, experience, num_devices, chunk=chunk, executables=executables)
    assert len(traced) == 3
