"""A small graph, and models that know ways through it by heart, for tests."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from humain.abstraction.skip import Skip
from humain.cortex import scores
from humain.cortex.cortex import Cortex
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Context, Examples
from tasks.graphs.world import Graph

Ways = Mapping[tuple[str, str], str]
"""What a layer answers, by name, where it stands at the first of a pair and is asked for the second."""


def graph() -> Graph:
    """a -> b -> c -> d -> a, a -> c, and e -> a; nothing leads to e."""
    edges = [[0, 1], [0, 2], [1, 2], [2, 3], [3, 0], [4, 0]]
    return Graph(names=("a", "b", "c", "d", "e"), edges=np.array(edges, np.int32))


def model(num_layers: int = 1, *, max_sub_steps: int = 4) -> Model:
    """A stack of tables of two slots."""
    space = Discrete(graph().num_nodes)
    kernel = TableConfig(num_slots=2).build(space, space)
    cortex = Cortex(kernel=kernel, score_rule=scores.Linear(10))
    layer = Layer(cortex=cortex, max_sub_steps=max_sub_steps, max_nodes=16)
    return Model(layers=(layer,) * num_layers, space=space, group_layers=False)


def taught(stack: Model, *ways: Ways, score: float = 0.5, state: ModelState | None = None) -> ModelState:
    """What a stack knows after being told what to answer.

    Args:
        stack: from `model`.
        ways: for each layer, bottom first.
        score: of what it is told.
        state: what it knew before; nothing by default.
    """
    if state is None:
        state = stack.init(jax.random.key(0), (Skip(2),) * len(stack.layers))
    learned, _ = stack.learn(state, {layer: _examples(told, score) for layer, told in enumerate(ways) if told})
    return learned


def _examples(ways: Ways, score: float) -> Examples:
    node = graph().node
    starts, goals = (jnp.array([node(pair[place]) for pair in ways], jnp.int32) for place in (0, 1))
    targets = jnp.array([node(target) for target in ways.values()], jnp.int32)
    features = jax.nn.one_hot(starts, graph().num_nodes)[:, None]
    present = jnp.ones((len(ways), 1), bool)
    return Examples(
        context=Context(states=starts[:, None], features=features, mask=present),
        goals=goals,
        targets=targets,
        scores=jnp.full(len(ways), score),
        mask=present[:, 0],
    )
