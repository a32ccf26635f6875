"""Sweeping by steps with costs above gates, against Dijkstra's algorithm and plain value iteration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.csgraph

from humain import answering, learning
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.communities import grow_communities
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model, ModelState
from humain.planning import think
from humain.replay.steps import Steps, make_steps, step_graph
from humain.spaces import Discrete
from humain.training import loop
from humain.types import Trajectories

_LONGEST = 128
_SIDE = 6
_PLACES = _SIDE**2


def grid_choices(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The steps `[E, 2]` of a grid, some of them missing, and what they cost `[E]`, another amount each way."""
    rng = np.random.default_rng(seed)
    ids = np.arange(_PLACES).reshape(_SIDE, _SIDE)
    pairs = [np.stack([a.ravel(), b.ravel()], 1) for a, b in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:]))]
    edges = np.concatenate([*pairs, *[pair[:, ::-1] for pair in pairs]])
    edges = edges[rng.random(len(edges)) < 0.85]
    return edges, rng.uniform(0.5, 3, len(edges))


def swept(steps: Steps, sizes: list[int], *, sweep_goals: int = 16) -> tuple[Model, ModelState, np.ndarray]:
    """A stack over communities that has learned all that the steps allow, and the goals that wait after each update."""
    pairs, joined = step_graph(steps)
    levels: tuple[Abstraction, ...] = grow_communities(pairs, _PLACES, sizes, together=joined)
    abstractions = (*levels, Skip(1))
    space = Discrete(_PLACES)
    layers = [Layer(Cortex(TableConfig(num_slots=1).build(space, space), Linear(_LONGEST)))] * len(abstractions)
    model = Model(tuple(layers), space, group_layers=False)
    config = LearningConfig(batch_size=1, replay=ReplayConfig(sweep_goals=sweep_goals))
    learner = learning.begin(model, config, abstractions, jax.random.key(0))
    data = learning.gather(model, config, learner.state, Trajectories.from_arrays([[0, 1]]), steps=steps)
    chunk = jax.jit(loop.make_chunk(learning.build_update(model, config), 60))
    learner, metrics = chunk(learner, data, jnp.int32(0))
    return model, learner.state, np.asarray(metrics["sweep/waiting"])


def answered(model: Model, state: ModelState) -> np.ndarray:
    """The top layer's scores `[N, N]` for all pairs."""
    here, goals = (ids.ravel() for ids in jnp.meshgrid(jnp.arange(_PLACES), jnp.arange(_PLACES), indexing="ij"))
    layer = model.layers[-1]
    context = layer.context(layer.begin(here.size), here, goals)
    answer = jax.jit(answering.answerer(model, state, len(model.layers) - 1))(context, goals, None)
    return np.asarray(jnp.where(answer.known, answer.score, 0)).reshape(_PLACES, _PLACES)


@pytest.mark.parametrize("sizes", [[6], [5, 8]])
def test_certain_steps_give_dijkstra_s_ways_through_all_layers(sizes):
    edges, costs = grid_choices(len(sizes))
    steps = make_steps(_PLACES, edges[:, 0], edges[:, 1], costs)
    model, state, waiting = swept(steps, sizes)
    # Several updates for each layer, and at last nothing waits.
    assert np.count_nonzero(waiting) > len(sizes) + 2
    assert waiting[-1] == 0
    matrix = scipy.sparse.csr_array((costs, edges.T), shape=(_PLACES, _PLACES))
    reference = scipy.sparse.csgraph.dijkstra(matrix)
    scores = answered(model, state)
    assert np.mean(scores > 0) > 0.9
    np.testing.assert_allclose(np.where(scores > 0, (1 - scores) * _LONGEST, np.inf), reference, atol=2e-4)
    # The plans are such ways.
    starts, goals = np.argwhere(np.isfinite(reference) & (reference > 8))[::7].T
    plan = think(model, state, starts, goals)
    assert bool(np.all(plan.complete))
    for number, (start, goal) in enumerate(zip(starts, goals, strict=True)):
        bottom = plan.layers[0]
        path = [start, *np.asarray(bottom.states[number])[np.asarray(bottom.valid[number])]]
        taken = sum(matrix[one, other] for one, other in zip(path[:-1], path[1:], strict=True))
        np.testing.assert_allclose(taken, reference[start, goal], atol=2e-4)


def test_what_chance_joins_lies_together_and_scores_never_promise_too_much():
    edges, costs = grid_choices(5)
    rng = np.random.default_rng(6)
    # Three choices may slip to another neighbour of their place.
    ends, shares = np.repeat(edges[:, 1:], 2, axis=1), np.tile([1.0, 0.0], (len(edges), 1))
    for choice in rng.choice(len(edges), 3, replace=False):
        others = edges[(edges[:, 0] == edges[choice, 0]) & (edges[:, 1] != edges[choice, 1]), 1]
        ends[choice, 1], shares[choice] = others[0], [0.7, 0.3]
    steps = make_steps(_PLACES, edges[:, 0], edges[:, 1], costs, successors=ends, probabilities=shares)
    pairs, joined = step_graph(steps)
    (level,) = grow_communities(pairs, _PLACES, [9], together=joined)
    assert len(joined) >= 6
    assert bool(jnp.all(level.together(jnp.asarray(joined[:, 0]), jnp.asarray(joined[:, 1]))))
    model, state, waiting = swept(steps, [9])
    assert waiting[-1] == 0
    reference = np.eye(_PLACES)
    for _ in range(200):
        offers = np.einsum("cs,csg->cg", shares, reference[ends]) - costs[:, None] / _LONGEST
        np.maximum.at(reference, edges[:, 0], offers)
        reference = np.clip(reference, 0, 1)
    scores = answered(model, state)
    # Gates are chosen before chance has had its say: a little is lost, and nothing is made up.
    assert np.all(scores <= reference + 1e-5)
    assert np.all((scores > 0) == (reference > 0))
    assert np.mean(reference - scores) * _LONGEST < 0.1
    assert np.max(reference - scores) * _LONGEST < 4
