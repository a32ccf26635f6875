"""Scores of planners by hand arithmetic on a graph of five nodes, and Dijkstra's against networkx."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from humain import planning
from humain.types import Plan, PlanLayer, Trajectories
from tasks.graphs import evaluation, known_ways, world
from tasks.graphs.world import Graph, Pairs

# a -> b -> c -> d -> a, a -> c, e -> a.
_GRAPH = known_ways.graph()
_WAYS = {
    # a -> b -> c -> d: three steps where two are enough.
    ("a", "d"): "b",
    ("b", "d"): "c",
    ("c", "d"): "d",
    # e -> a: one step, as many as are needed.
    ("e", "a"): "a",
    # b -> c -> d -> a: three steps, as many as are needed.
    ("b", "a"): "c",
    ("c", "a"): "d",
    ("d", "a"): "a",
    # c -> e -> a -> b: as many steps as are needed, but there is no edge c -> e.
    ("c", "b"): "e",
    ("e", "b"): "a",
    ("a", "b"): "b",
    # d -> a, and from there nothing is known.
    ("d", "c"): "a",
}

_approx: Any = pytest.approx  # compares with a number, and is none


def _pairs(*names: str) -> Pairs:
    starts, goals = (np.array([_GRAPH.node(pair[place]) for pair in names], np.int32) for place in (0, 1))
    return Pairs(starts, goals, _GRAPH.distances[starts, goals])


_TRIED = _pairs("ad", "ea", "ba", "cb", "dc")


def _cycle() -> tuple[Graph, Pairs]:
    """0 -> 1 -> 2 -> 0: three pairs lie one step apart, three lie two."""
    graph = Graph(names=tuple("012"), edges=np.array([[0, 1], [1, 2], [2, 0]], np.int32))
    starts, goals = world.reachable_pairs(graph)
    return graph, Pairs(starts, goals, graph.distances[starts, goals])


def _without_time(score: evaluation.Score) -> evaluation.Score:
    assert score.seconds >= 0
    return dataclasses.replace(score, seconds=0.0)


def test_edges_are_told_from_what_is_none():
    neighbors = jnp.asarray(_GRAPH.neighbors)
    sources, targets = np.meshgrid(np.arange(5), np.arange(5), indexing="ij")
    found = evaluation.is_edge(neighbors, jnp.asarray(sources), jnp.asarray(targets))
    assert np.argwhere(found).tolist() == _GRAPH.edges.tolist()


def test_react_by_hand():
    model = known_ways.model()
    score = evaluation.score_react(model, known_ways.taught(model, _WAYS), _GRAPH, _TRIED, max_steps=6)
    assert _without_time(score) == evaluation.Score(
        pairs=5,
        arrived=3 / 5,  # a -> d, e -> a, b -> a
        optimal=2 / 5,  # e -> a, b -> a
        mean_length=_approx((3 + 1 + 3) / 3),
        ratio_to_optimal=_approx((3 / 2 + 1 + 1) / 3),
        # c -> b: the same in all six steps. d -> c: one good step to a, then five times "stay": nothing is stored.
        invalid_steps=6 + 5,
        seconds=0.0,
    )


def test_think_by_hand():
    model = known_ways.model(max_sub_steps=4)
    score = evaluation.score_think(model, known_ways.taught(model, _WAYS), _GRAPH, _TRIED)
    assert _without_time(score) == evaluation.Score(
        pairs=5,
        arrived=3 / 5,
        optimal=2 / 5,
        mean_length=_approx((3 + 1 + 3) / 3),
        ratio_to_optimal=_approx((3 / 2 + 1 + 1) / 3),
        # c -> b: the first of three steps. d -> c: one step to a, and there the plan ends, for nothing is stored.
        invalid_steps=1,
        seconds=0.0,
    )


def test_the_better_way_is_taken_once_it_is_known():
    model = known_ways.model()
    state = known_ways.taught(model, {("a", "d"): "c"}, score=0.75, state=known_ways.taught(model, _WAYS))
    for score in (
        evaluation.score_react(model, state, _GRAPH, _pairs("ad"), max_steps=6),
        evaluation.score_think(model, state, _GRAPH, _pairs("ad")),
    ):
        assert (score.mean_length, score.optimal, score.ratio_to_optimal) == (2, 1, 1)


def test_lookup_by_hand():
    # a -> b -> c -> d and d -> a -> c; what follows the second one's end is padding.
    walks = Trajectories(states=jnp.array([[0, 1, 2, 3], [3, 0, 2, 2]]), lengths=jnp.array([4, 3]))
    score = evaluation.score_lookup(walks, _GRAPH, _pairs("ad", "dc", "ac", "bd", "ca", "ba"))
    assert _without_time(score) == evaluation.Score(
        pairs=6,
        # a -> d by b and c, d -> a -> c, a -> c, b -> c -> d; from c or b none leads to a.
        arrived=4 / 6,
        # a -> c -> d, whose two steps are on two walks, would be shorter.
        optimal=3 / 6,
        mean_length=_approx((3 + 2 + 1 + 2) / 4),
        ratio_to_optimal=_approx((3 / 2 + 1 + 1 + 1) / 4),
        invalid_steps=0,
        seconds=0.0,
    )


def test_lookup_of_all_shortest_ways_is_optimal():
    graph = world.random_graph(np.random.default_rng(0), num_nodes=12, edge_probability=0.2)
    starts, goals = world.reachable_pairs(graph)
    nodes, lengths = world.demonstrations(np.random.default_rng(1), graph)
    walks = Trajectories(states=jnp.asarray(nodes), lengths=jnp.asarray(lengths))
    score = evaluation.score_lookup(walks, graph, Pairs(starts, goals, graph.distances[starts, goals]))
    assert (score.pairs, score.optimal) == (len(starts), 1)


def test_search_by_hand():
    # a -> b -> c -> d and d -> a; what follows the second one's end is padding. No walk takes a -> c or e -> a.
    walks = Trajectories(states=jnp.array([[0, 1, 2, 3], [3, 0, 4, 0]]), lengths=jnp.array([4, 2]))
    score = evaluation.score_search(walks, _GRAPH, _pairs("ad", "dc", "ac", "bd", "ea"))
    assert _without_time(score) == evaluation.Score(
        pairs=5,
        arrived=4 / 5,
        # b -> c -> d. By a -> c the others would be shorter by one; d -> a -> b -> c is composed of two walks.
        optimal=1 / 5,
        mean_length=_approx((3 + 3 + 2 + 2) / 4),
        ratio_to_optimal=_approx((3 / 2 + 3 / 2 + 2 + 1) / 4),
        invalid_steps=0,
        seconds=0.0,
    )


def test_an_invalid_step_leaves_the_agent_where_it_is():
    model = known_ways.model()
    state = known_ways.taught(model, {("c", "b"): "b"})
    arguments = (jnp.asarray(_GRAPH.neighbors), jnp.array([2], jnp.int32), jnp.array([1], jnp.int32))
    arrived, lengths, invalid = evaluation.react_to_goals(model, state, *arguments, max_steps=3)
    assert (bool(arrived[0]), int(lengths[0]), int(invalid[0])) == (False, 3, 3)


def test_a_sub_goal_off_the_way_is_paid_for():
    """The layer above asks for b on the way from a to c, though a -> c is an edge."""
    model = known_ways.model(num_layers=2)
    bottom = {("a", "c"): "c", ("a", "b"): "b", ("b", "c"): "c"}
    state = known_ways.taught(model, bottom, {("a", "c"): "b", ("b", "c"): "c"})
    for score in (
        evaluation.score_react(model, state, _GRAPH, _pairs("ac"), max_steps=6),
        evaluation.score_think(model, state, _GRAPH, _pairs("ac")),
    ):
        assert (score.arrived, score.optimal, score.ratio_to_optimal, score.invalid_steps) == (1, 0, 2, 0)


def test_a_sub_goal_that_is_not_reached_spoils_the_plan():
    model = known_ways.model(num_layers=2)
    # The way to the sub-goal b goes round in circles (a -> c -> d -> a); d -> a -> c would be known.
    state = known_ways.taught(
        model, {("d", "b"): "a", ("a", "b"): "c", ("c", "b"): "d", ("d", "c"): "a"}, {("d", "c"): "b", ("b", "c"): "c"}
    )
    score = evaluation.score_think(model, state, _GRAPH, _pairs("dc"))
    assert (score.arrived, score.optimal, score.invalid_steps) == (0, 0, 0)
    assert math.isnan(score.mean_length)
    assert math.isnan(score.ratio_to_optimal)


def _flat_plan(states, valid, *, complete) -> Plan:
    """Two plans of one layer, from a (0) to d (3)."""
    states, valid = jnp.array(states, jnp.int32), jnp.array(valid, bool)
    zeros = jnp.zeros(states.shape, jnp.int32)
    done = jnp.ones((len(states), 1), bool)
    layer = PlanLayer(states, parents=zeros, scores=zeros * 0.5, valid=valid, reached=done, attempted=done)
    ends = (jnp.zeros(len(states), jnp.int32), jnp.full(len(states), 3, jnp.int32))
    return Plan(*ends, layers=(layer,), complete=jnp.array(complete))


def test_plans_are_checked_step_by_step():
    plan = _flat_plan(
        [
            [2, 3, 0],  # a -> c -> d, then padding
            [1, 2, 3],  # a -> b -> c -> d
            [2, 3, 0],  # the same as the first, of a plan that says it is not complete
            [2, 3, 0],  # a -> c -> d -> a: runs past the goal
            [1, 3, 0],  # b -> d is no edge
            [3, 0, 0],  # neither is a -> d
            [0, 0, 0],  # nothing at all
        ],
        [[1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]],
        complete=[True, True, False, True, True, True, True],
    )
    arrived, lengths, invalid = evaluation.check_plans(plan, jnp.asarray(_GRAPH.neighbors))
    assert arrived.tolist() == [True, True, False, False, False, False, False]
    assert lengths.tolist() == [2, 3, 2, 3, 2, 1, 0]
    assert invalid.tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_nothing_is_compiled_twice():
    model = known_ways.model()
    state, other = known_ways.taught(model, _WAYS), known_ways.taught(model, {("a", "b"): "b"})
    evaluation.score_react(model, state, _GRAPH, _TRIED, max_steps=6)
    evaluation.score_think(model, state, _GRAPH, _TRIED)
    functions: tuple[Any, ...] = (evaluation.react_to_goals, evaluation.check_plans, planning._think)
    before = [function._cache_size() for function in functions]
    evaluation.score_react(model, other, _GRAPH, _pairs("ab", "ac", "ad", "ca", "da"), max_steps=6)
    evaluation.score_think(model, other, _GRAPH, _pairs("ab", "ac", "ad", "ca", "da"))
    assert [function._cache_size() for function in functions] == before
    assert min(before) > 0


def test_jit_changes_nothing():
    model = known_ways.model()
    state = known_ways.taught(model, _WAYS)
    arguments = (jnp.asarray(_GRAPH.neighbors), jnp.asarray(_TRIED.starts), jnp.asarray(_TRIED.goals))
    compiled = evaluation.react_to_goals(model, state, *arguments, max_steps=6)
    with jax.disable_jit():
        plain = evaluation.react_to_goals(model, state, *arguments, max_steps=6)
    for first, second in zip(compiled, plain, strict=True):
        assert first.tolist() == second.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_dijkstra_finds_what_networkx_finds(seed):
    graph = world.random_graph(np.random.default_rng(seed), num_nodes=20, edge_probability=0.1)
    starts, goals = world.reachable_pairs(graph)
    score = evaluation.score_dijkstra(graph, Pairs(starts, goals, graph.distances[starts, goals]))
    network = nx.DiGraph(graph.edges.tolist())
    lengths = [nx.dijkstra_path_length(network, int(a), int(b)) for a, b in zip(starts, goals, strict=True)]
    assert (score.pairs, score.arrived, score.optimal, score.invalid_steps) == (len(starts), 1, 1, 0)
    assert score.mean_length == pytest.approx(np.mean(lengths))
    assert score.ratio_to_optimal == 1


def test_dijkstra_on_a_few_pairs_by_hand():
    score = evaluation.score_dijkstra(_GRAPH, _pairs("ea", "ba", "ad"))
    assert _without_time(score) == evaluation.Score(3, 1.0, 1.0, (1 + 3 + 2) / 3, 1.0, 0, 0.0)


def test_the_random_planner_has_no_choice_on_a_cycle():
    graph, pairs = _cycle()
    score = evaluation.score_random(np.random.default_rng(0), graph, pairs, max_steps=9)
    assert _without_time(score) == evaluation.Score(6, 1.0, 1.0, (3 * 1 + 3 * 2) / 6, 1.0, 0, 0.0)


def test_the_random_planner_is_bounded():
    graph, pairs = _cycle()
    score = evaluation.score_random(np.random.default_rng(0), graph, pairs, max_steps=1)
    assert (score.arrived, score.optimal, score.mean_length) == (0.5, 0.5, 1.0)


def test_the_random_planner_takes_any_edge_and_stays_at_a_dead_end():
    # From 0 to 1 or to 2, neither of which leads on: half of the 4,000 arrive, deviation sqrt(1,000) = 32.
    graph = Graph(names=tuple("012"), edges=np.array([[0, 1], [0, 2]], np.int32))
    zeros = np.zeros(4000, np.int32)
    pairs = Pairs(zeros, zeros + 1, zeros + 1)
    score = evaluation.score_random(np.random.default_rng(0), graph, pairs, max_steps=5)
    assert abs(score.arrived * 4000 - 2000) < 128
    assert (score.mean_length, score.invalid_steps) == (1.0, 0)
    again = evaluation.score_random(np.random.default_rng(0), graph, pairs, max_steps=5)
    assert _without_time(again) == _without_time(score)
    assert np.array_equal(pairs.starts, zeros)
