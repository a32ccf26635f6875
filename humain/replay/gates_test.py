"""Sweeping above gates: one step of two triangles by hand. That it ends at shortest ways is in `answering_test`."""

import jax
import jax.numpy as jnp
import numpy as np

from humain.abstraction.bridges import find_bridges
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.replay import gates, sweeping
from humain.spaces import Discrete
from humain.types import Context, Examples, Trajectories

_LONGEST = 64
# Three triangles in a row, both ways: 0 1 2 - 3 4 5 - 6 7 8.
_EDGES = [(n, m) for n in range(9) for m in range(n + 1, 9) if n // 3 == m // 3] + [(2, 3), (5, 6)]
_SPACE = Discrete(9)


def _ids(ids: list[int]) -> jax.Array:
    return jnp.array(ids, jnp.int32)


def _model() -> Model:
    kernel = TableConfig(num_slots=1).build(_SPACE, _SPACE)
    return Model((Layer(Cortex(kernel, Linear(_LONGEST))),) * 2, _SPACE, group_layers=False)


def _examples(states: list[int], goals: list[int], targets: list[int], steps: int = 1) -> Examples:
    return Examples(
        context=Context(_ids(states)[:, None], jnp.zeros((len(states), 1, 9)), jnp.ones((len(states), 1), bool)),
        goals=_ids(goals),
        targets=_ids(targets),
        scores=jnp.full(len(states), 1 - steps / _LONGEST),
        mask=jnp.ones(len(states), bool),
    )


def test_a_gate_is_joined_with_those_of_its_community_and_over_the_bridge():
    walks = Trajectories.from_arrays([list(step) for edge in _EDGES for step in (edge, edge[::-1])])
    model = _model()
    abstraction = find_bridges(walks, 9)[0]
    assert np.flatnonzero(abstraction.is_gate).tolist() == [2, 3, 5, 6]
    state = model.init(jax.random.key(0), (abstraction, abstraction))
    # The bottom knows 3 -> 5 and 5 -> 3, the layer above nothing.
    state = model.learn(state, {0: _examples([3, 5], [5, 3], [5, 3])})[0]
    experience = model.gather(state, walks)
    queue = sweeping.begin(_SPACE, 32)
    before = sweeping.predecessors(experience, _SPACE)
    examples, queue = gates.sweep_layer(
        model,
        state,
        number=1,
        experience=experience,
        before=before,
        queue=queue,
        batch_size=9,
        resolution=1e-5,
    )
    # To each gate from the other one of its community, as far as that is known, and from over the bridge: one step.
    used = np.asarray(examples.mask)
    ways = np.stack([examples.context.states[:, 0], examples.goals, examples.targets], axis=1)[used]
    assert sorted(map(tuple, ways.tolist())) == [(2, 3, 3), (3, 2, 2), (3, 5, 5), (5, 3, 3), (5, 6, 6), (6, 5, 5)]
    np.testing.assert_allclose(np.asarray(examples.scores)[used], 1 - 1 / _LONGEST, atol=1e-6)
    assert int(queue.size) == 6
    # Once that is learned, the next batch joins two steps: 2 and 5 by 3, 3 and 6 by 5.
    state = model.learn(state, {1: examples})[0]
    examples, _ = gates.sweep_layer(
        model,
        state,
        number=1,
        experience=experience,
        before=before,
        queue=queue,
        batch_size=9,
        resolution=1e-5,
    )
    used = np.asarray(examples.mask)
    ways = np.stack([examples.context.states[:, 0], examples.goals, examples.targets], axis=1)[used]
    assert sorted(map(tuple, ways.tolist())) == [(2, 5, 3), (3, 6, 5), (5, 2, 3), (6, 3, 5)]
    np.testing.assert_allclose(np.asarray(examples.scores)[used], 1 - 2 / _LONGEST, atol=1e-6)


def test_a_layer_learns_what_lies_within_its_reach():
    walks = Trajectories.from_arrays([list(step) for edge in _EDGES for step in (edge, edge[::-1])])
    abstraction = find_bridges(walks, 9)[0]
    state = _model().init(jax.random.key(0), (abstraction, abstraction))
    # At the bottom within the triangle, and the single step over the bridge; above it from gate to gate.
    examples = _examples([0, 0, 2, 2, 2], [1, 3, 3, 4, 6], [1, 2, 3, 3, 3])
    assert sweeping.within_reach(state, 0, examples).mask.tolist() == [True, False, True, False, False]
    assert sweeping.within_reach(state, 1, examples).mask.tolist() == [False, False, True, False, True]


def test_the_lowest_layer_for_which_pairs_wait_is_swept_first():
    full = sweeping.begin(Discrete(2), 4)
    _, _, _, empty = sweeping.take(full, 2)
    assert int(empty.size) == 0
    assert int(gates.lowest_waiting((full, full))) == 0
    assert int(gates.lowest_waiting((empty, full))) == 1
    # Where nothing waits, nothing is taken from the top layer's queue.
    assert int(gates.lowest_waiting((empty, empty))) == 1
