"""Answers by way of gates: two triangles by hand, and communities of communities against Floyd and Warshall."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from humain import acting, answering, learning, planning
from humain.abstraction.bridges import find_bridges, num_pairs
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.testing.probe import Probe
from humain.types import Answer, Context, Examples, Trajectories

_LONGEST = 64
# Two triangles and a bridge, both ways: 0 1 2 - 3 4 5.
_EDGES = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]


def _walks(edges: list[tuple[int, int]]) -> Trajectories:
    return Trajectories.from_arrays([list(step) for edge in edges for step in (edge, edge[::-1])])


def _model(num_states: int, num_layers: int) -> Model:
    space = Discrete(num_states)
    cortex = Cortex(TableConfig(num_slots=1).build(space, space), Linear(_LONGEST))
    return Model((Layer(cortex, max_sub_steps=32),) * num_layers, space, group_layers=False)


def _context(states: list[int]) -> Context:
    ids = jnp.array(states, jnp.int32)[:, None]
    return Context(states=ids, features=jnp.zeros((*ids.shape, 1)), mask=jnp.ones(ids.shape, bool))


def _teach(model: Model, state: ModelState, number: int, ways: list[tuple[int, int, int, int]]) -> ModelState:
    """Of each way: from, to, the answer and the steps."""
    starts, goals, targets, steps = (list(column) for column in zip(*ways, strict=True))
    examples = Examples(
        context=_context(starts),
        goals=jnp.array(goals, jnp.int32),
        targets=jnp.array(targets, jnp.int32),
        scores=1 - jnp.array(steps) / _LONGEST,
        mask=jnp.ones(len(ways), bool),
    )
    return model.learn(state, {number: examples})[0]


@pytest.fixture(scope="module", name="taught")
def _taught() -> tuple[Model, ModelState]:
    """Knows both triangles at the bottom, and above it the bridge from 2 to 3."""
    model = _model(6, 2)
    gates = find_bridges(_walks(_EDGES), 6)[0]
    state = model.init(jax.random.key(0), (gates, gates))
    near = [(a, b, b, 1) for a in range(6) for b in range(6) if a != b and a // 3 == b // 3]
    state = _teach(model, state, 0, [*near, (2, 3, 3, 1)])
    return model, _teach(model, state, 1, [(2, 3, 3, 1)])


def _ask(taught: tuple[Model, ModelState], starts: list[int], goals: list[int]) -> Answer:
    model, state = taught
    return answering.answerer(model, state, 1)(_context(starts), jnp.array(goals, jnp.int32), None)


@pytest.mark.parametrize("alone", [False, True])
def test_the_way_leads_from_gate_to_gate(taught, alone):
    # 0 -> 2 is one step, 2 -> 3 one, 3 -> 5 one: 1 - 3 / 64. At the gate 2 it goes on to 3, and at 3 to the goal, which
    # the bottom layer knows; as it does 0 -> 1. From 5 to 0 nobody knows the bridge.
    starts, goals = [0, 2, 3, 0, 5], [5, 5, 5, 1, 0]
    values, scores = [2, 3, 5, 1, 0], [1 - 3 / 64, 1 - 2 / 64, 1 - 1 / 64, 1 - 1 / 64, -np.inf]
    if alone:
        # One by one those at a gate take the other branch.
        found = [_ask(taught, [start], [goal]) for start, goal in zip(starts, goals, strict=True)]
        answer = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *found)
    else:
        answer = _ask(taught, starts, goals)
    assert answer.value.tolist() == values
    np.testing.assert_allclose(answer.score, scores, atol=1e-6)
    assert answer.known.tolist() == [True] * 4 + [False]


@pytest.mark.parametrize("company", [[], [0]])
def test_an_answer_does_not_depend_on_the_others_of_the_batch(company):
    # Two triangles and two bridges: the gates of the first one are 1 and 2, of the other one 3 and 4.
    gates = find_bridges(_walks([*_EDGES[:6], (1, 3), (2, 4)]), 6)[0]
    assert gates.gate_ids.tolist() == [[1, 2], [3, 4]]
    model = _model(6, 2)
    state = model.init(jax.random.key(0), (gates, gates))
    state = _teach(model, state, 0, [(0, 1, 1, 1), (0, 2, 2, 1), (2, 1, 1, 1), (3, 5, 5, 1), (4, 5, 5, 1)])
    state = _teach(model, state, 1, [(1, 3, 3, 1), (2, 4, 4, 2)])
    # From 2 to 5 it is 2 + 1 by 4, and by 1 and 3 as many. From 2 to 3 the layer has no row, nor can it be reached by
    # 4. At the goal there is nothing to do. Who is at a gate goes on from it, and not by another one: 0 goes by 1, and
    # takes 1 + 1 + 1.
    starts, goals = [2, 2, 5, *company], [5, 3, 5, *[5] * len(company)]
    answer = _ask((model, state), starts, goals)
    assert answer.value.tolist() == [4, 3, 5, *[1] * len(company)]
    by_hand = [1 - 3 / 64, -np.inf, 1, *[1 - 3 / 64] * len(company)]
    np.testing.assert_allclose(answer.score, by_hand, atol=1e-6)
    assert answer.known.tolist() == [True, False, True, *[True] * len(company)]
    one_by_one = [_ask((model, state), [start], [goal]) for start, goal in zip(starts, goals, strict=True)]
    found = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *one_by_one)
    jax.tree.map(np.testing.assert_array_equal, answer, found)


def test_a_plan_has_the_gates_above_its_steps(taught):
    model, state = taught
    plan = planning.think(model, state, [0, 5], [5, 0])
    assert plan.complete.tolist() == [True, False]
    assert plan.layers[1].states[0][plan.layers[1].valid[0]].tolist() == [2, 3, 5]
    assert plan.layers[0].states[0][plan.layers[0].valid[0]].tolist() == [2, 3, 5]


def test_ranks_are_refused_above_gates(taught):
    model, state = taught
    message = r"ranks are given, and the top layer stands above gates \(Bridges\), where .*; leave ranks out"
    with pytest.raises(ValueError, match=message):
        planning.think(model, state, [0], [5], ranks=[0])
    # Without layers above the gates they are what they always were.
    alone = ModelState(kernels=state.kernels, abstractions=(Skip(2), state.abstractions[1]))
    assert bool(planning.think(model, alone, [0], [1], ranks=[0]).complete.all())


def test_what_is_stored_of_a_state_for_itself_is_having_arrived(taught):
    model, state = taught
    values, scores = answering.stored(
        model.layers[0], model.kernel_state(state, 0), jnp.array([[1, 0]]), jnp.array([[1, 4]])
    )
    assert int(values[0, 0]) == 1
    assert scores.tolist() == [[1.0, -np.inf]]


def test_layers_below_no_gates_answer_by_their_cortex(taught):
    model, state = taught
    plain = ModelState(kernels=state.kernels, abstractions=(Skip(2), Skip(2)))
    answer = _ask((model, plain), [2, 0], [3, 5])
    assert answer.known.tolist() == [True, False]


@pytest.fixture(scope="module", name="region")
def _region() -> tuple[nx.Graph, Trajectories]:
    """Two regions of three communities of four, 24 nodes."""
    edges = [(a, b) for a in range(24) for b in range(a + 1, 24) if a // 4 == b // 4 and (a + b) % 5]
    edges += [(0, 4), (5, 8), (9, 1), (12, 16), (17, 20), (21, 13), (2, 14)]
    return nx.Graph(edges), _walks(edges)


@pytest.mark.parametrize("num_layers", [2, 3])
def test_every_way_is_a_shortest_one(region, num_layers):
    graph, walks = region
    model = _model(24, num_layers)
    gates = find_bridges(walks, 24, num_levels=num_layers - 1)
    config = LearningConfig(batch_size=16, replay=ReplayConfig(sweep_batch_size=64))
    learner = learning.begin(model, config, (*gates, gates[-1]), jax.random.key(0))
    data = learning.gather(model, config, learner.state, walks)
    update = jax.jit(learning.build_update(model, config))
    for step in range(100):
        learner, metrics = update(learner, data, jnp.int32(step))
        if step and not int(metrics["sweep/waiting"]):
            break
    assert int(metrics["sweep/waiting"]) == int(metrics["sweep/dropped"]) == 0
    starts, goals = np.nonzero(~np.eye(24, dtype=bool))
    plan = planning.think(model, learner.state, starts, goals)
    lengths = np.asarray(plan.layers[0].valid.sum(axis=1))
    expected = [nx.shortest_path_length(graph, a, b) for a, b in zip(starts.tolist(), goals.tolist(), strict=True)]
    assert bool(plan.complete.all())
    assert lengths.tolist() == expected
    # Each layer stores what it has to and nothing else: the pairs of its communities, and the bottom one the steps that
    # lead from one of the smallest communities to another, both ways.
    used = [int((kernel.packed > 0).any(axis=1).sum()) for kernel in learner.state.kernels]
    communities = np.asarray(gates[0].communities)
    crossing = 2 * sum(communities[a] != communities[b] for a, b in graph.edges)
    levels = [(np.asarray(level.communities), np.asarray(level.is_gate)) for level in gates]
    bottom, *upper = num_pairs(levels)
    assert used == [bottom + crossing, *upper]
    # A step at a time it goes the same number of steps.
    here, episode, count = jnp.asarray(starts), acting.begin(model, len(starts)), np.zeros(len(starts), int)
    for _ in range(max(expected)):
        count += np.asarray(here != goals)
        episode, reaction = acting.react(model, learner.state, episode, here, goals)
        here = reaction.action
    assert np.all(here == goals)
    assert count.tolist() == expected


def test_stacks_that_can_not_go_by_gates_are_refused(region):
    _, walks = region
    gates = find_bridges(walks, 24)[0]
    space = Discrete(24)
    kernel = TableConfig(num_slots=1).build(space, space, context_length=2)
    layers = (Layer(Cortex(kernel, Linear(8)), context_length=2),) * 2
    with pytest.raises(
        ValueError, match="1 of the 2 abstractions below layer 2 have gates; all must have them, or none"
    ):
        learning.check(_model(24, 3), LearningConfig(), (gates, Skip(2), gates))
    with pytest.raises(ValueError, match=r"candidates \(3\) would count what .*; set candidates to 1"):
        learning.check(_model(24, 2), LearningConfig(candidates=3), (gates, gates))
    imagining = LearningConfig(replay=ReplayConfig(imagine_batch_size=8))
    with pytest.raises(ValueError, match="set compose_batch_size and imagine_batch_size to 0, and sweep"):
        learning.check(_model(24, 2), imagining, (gates, gates))
    with pytest.raises(ValueError, match="layer 0 sees 2; set its context_length to 1"):
        learning.check(Model(layers, space, group_layers=False), LearningConfig(), (gates, gates))


@pytest.mark.parametrize("number", [0, 1])
def test_a_kernel_that_answers_all_alike_is_refused_above_gates(taught, number):
    # What a network has not learned it answers all the same, and pairs far out of reach would count as known.
    model, state = taught
    cortex = Cortex(Probe(Discrete(6), Discrete(6)), Linear(_LONGEST))
    layers = [*model.layers]
    layers[number] = Layer(cortex)
    network = Model(tuple(layers), model.space, group_layers=False)
    message = f"layer {number} has Probe; take `TableConfig` for it, or abstractions without gates"
    with pytest.raises(ValueError, match=message):
        learning.check(network, LearningConfig(), state.abstractions)
    with pytest.raises(ValueError, match=message):
        learning.begin(network, LearningConfig(), state.abstractions, jax.random.key(0))
    # Without gates it may be.
    learning.check(network, LearningConfig(), (Skip(2), Skip(2)))
