"""Small models with table kernels, filled by hand, entry by entry."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear, ScoreRule
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Context, Examples

LONGEST = 16
"""The distance at which scores reach 0; a power of two, so that scores are exact."""

_BY_DISTANCE = Linear(LONGEST)


def table_stack(
    num_states: int,
    num_layers: int,
    *,
    score_rule: ScoreRule = _BY_DISTANCE,
    num_slots: int = 4,
    **layer_settings: Any,
) -> Model:
    """Returns a stack of equal layers with table kernels over `num_states` ids; other arguments go to `Layer`."""
    space = Discrete(num_states)
    context_length = layer_settings.get("context_length", 1)
    kernel = TableConfig(num_slots=num_slots).build(space, space, context_length=context_length)
    layer = Layer(cortex=Cortex(kernel, score_rule), **layer_settings)
    return Model(layers=(layer,) * num_layers, space=space, group_layers=False)


@partial(jax.jit, static_argnames=("model", "stride"))
def init(model: Model, stride: int = 2) -> ModelState:
    """Returns a state with empty tables, and `Skip(stride)` on all layers."""
    return model.init(jax.random.key(0), tuple(Skip(stride) for _ in model.layers))


def store(model: Model, state: ModelState, layer: int, entries: Iterable[tuple[int, int, int, float]]) -> ModelState:
    """Writes entries (state, goal, target, score) into a layer's table, in order, with just the state as context."""
    columns = [jnp.asarray(column) for column in zip(*entries, strict=True)]
    states, goals, targets = (column.astype(jnp.int32)[:, None] for column in columns[:3])
    return _store(model, state, layer, states, goals, targets, columns[3].astype(jnp.float32)[:, None])


def line_world(
    num_states: int, *, num_layers: int = 2, stride: int = 2, **layer_settings: Any
) -> tuple[Model, ModelState]:
    """Nodes in a row, with tables that know the way from each node to any other, in steps of `stride ** layer`.

    A layer answers the node that many steps towards the goal, or the goal if it is nearer, scored `1 - distance / 16`.
    """
    model = table_stack(num_states, num_layers, **layer_settings)
    state = init(model, stride)
    for layer in range(num_layers):
        reach = stride**layer
        entries = [
            (here, goal, here + max(-reach, min(reach, goal - here)), 1 - abs(goal - here) / LONGEST)
            for here in range(num_states)
            for goal in range(num_states)
            if here != goal
        ]
        state = store(model, state, layer, entries)
    return model, state


@partial(jax.jit, static_argnames=("model", "layer"))
def _store(
    model: Model, state: ModelState, layer: int, states: Array, goals: Array, targets: Array, scores: Array
) -> ModelState:
    """Does one update per row."""
    length = model.layers[layer].context_length

    def update(kernel_state: Any, row: tuple[Array, Array, Array, Array]) -> tuple[Any, None]:
        here, goal, target, score = row
        context_states = jnp.broadcast_to(here[:, None], (1, length))
        context = Context(
            states=context_states,
            features=model.space.encode(context_states),
            mask=jnp.arange(length)[None] == length - 1,
        )
        examples = Examples(context=context, goals=goal, targets=target, scores=score, mask=jnp.ones(1, bool))
        return model.layers[layer].cortex.kernel.learn(kernel_state, examples)[0], None

    kernels = list(state.kernels)
    kernels[layer], _ = jax.lax.scan(update, kernels[layer], (states, goals, targets, scores))
    return ModelState(kernels=tuple(kernels), abstractions=state.abstractions)
