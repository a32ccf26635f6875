"""Bridges: spans by hand and against a search, and two triangles that one edge joins."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from humain.abstraction import bridges
from humain.types import Trajectories

_TRIANGLES = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]


def _both_ways(edges: list[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted([*edges, *[(b, a) for a, b in edges]]))


def _walks(steps: np.ndarray) -> Trajectories:
    return Trajectories.from_arrays(steps.astype(np.int32))


def test_the_span_of_a_step_is_the_shortest_other_way():
    # Around a triangle are 2 steps. Without the bridge there is no way: 14 steps, and one more.
    steps = _both_ways([*_TRIANGLES, (2, 3)])
    expected = [15 if set(step) == {2, 3} else 2 for step in steps.tolist()]
    assert bridges.spans(steps).tolist() == expected
    # One way around: 0 -> 1 -> 2 is the other way of 0 -> 2, and the others have none.
    assert bridges.spans(np.array([[0, 1], [0, 2], [1, 2], [2, 0]])).tolist() == [5, 2, 5, 5]


def test_spans_are_those_of_a_search_without_the_step():
    steps = np.array(sorted(nx.gnp_random_graph(30, 0.12, seed=3, directed=True).edges))
    expected = []
    for source, target in steps.tolist():
        graph = nx.DiGraph(steps.tolist())
        graph.remove_edge(source, target)
        joined = nx.has_path(graph, source, target)
        expected.append(nx.shortest_path_length(graph, source, target) if joined else len(steps) + 1)
    assert bridges.spans(steps).tolist() == expected
    assert len(set(expected)) > 3


def test_two_triangles_are_two_communities_and_the_ends_of_their_bridge_the_gates():
    (found,) = bridges.find_bridges(_walks(_both_ways([*_TRIANGLES, (2, 3)])), 6)
    assert found.communities.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.is_gate.tolist() == [False, False, True, True, False, False]
    ids, valid = found.gates(jnp.array([1, 5]))
    assert (ids.tolist(), valid.tolist()) == ([[2], [3]], [[True], [True]])
    assert found.together(jnp.array([0, 0]), jnp.array([2, 3])).tolist() == [True, False]


def test_the_pairs_of_each_layer_are_counted():
    # 3 * 2 in each triangle, and above both ways between the gates.
    communities, gates = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 0], bool)
    assert bridges.num_pairs([(communities, gates)]) == [6 + 6, 2]
    # Above, one community with both gates, and no gate of its own: nothing to learn for a third layer.
    assert bridges.num_pairs([(communities, gates), (np.zeros(6, int), np.zeros(6, bool))]) == [6 + 6, 2, 0]


def test_levels_are_nested():
    # Four communities of four, all joined within; two and two of them by two bridges, and both pairs by one.
    edges = [(a, b) for a in range(16) for b in range(a + 1, 16) if a // 4 == b // 4]
    edges += [(0, 4), (1, 5), (8, 12), (9, 13), (2, 10)]
    small, large = bridges.find_bridges(_walks(_both_ways(edges)), 16, num_levels=2)
    # Two steps within; from 0 to 4 the other way is by 1 and 5, three; from 2 to 10 there is none. So there are
    # 4 * 4 * 3, 2 * 5 * 4 and 2 pairs, 90 in all; with every state a community of its own they would be
    # 2 * 8 * 7 + 2 = 114.
    assert small.communities.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert np.flatnonzero(small.is_gate).tolist() == [0, 1, 2, 4, 5, 8, 9, 10, 12, 13]
    assert large.communities.tolist() == [0] * 8 + [1] * 8
    assert np.flatnonzero(large.is_gate).tolist() == [2, 10]
    levels = [(np.asarray(level.communities), np.asarray(level.is_gate)) for level in (small, large)]
    assert bridges.num_pairs(levels) == [48, 40, 2]


def test_padding_and_states_that_stay_are_no_steps():
    # 0 1 1 2 0 with a length of 4: 1 -> 1 stays, and 2 -> 0 lies behind the end.
    trajectories = Trajectories(states=jnp.array([[0, 1, 1, 2, 0]]), lengths=jnp.array([4]))
    assert bridges._steps(trajectories).tolist() == [[0, 1], [1, 2]]


def test_a_bridge_is_as_long_as_its_level_asks_for_or_longer():
    steps = _both_ways([*_TRIANGLES, (2, 3)])
    lengths = bridges.spans(steps)
    # The longest span is 15: asked for that the bridge still is one, and asked for 16 nothing is.
    communities, gates = bridges._split(steps, lengths, 15, 6)
    assert communities.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.flatnonzero(gates).tolist() == [2, 3]
    communities, gates = bridges._split(steps, lengths, 16, 6)
    assert communities.tolist() == [0] * 6
    assert not gates.any()


def test_states_that_no_step_touches_have_communities_without_gates():
    (found,) = bridges.find_bridges(_walks(_both_ways([*_TRIANGLES, (2, 3)])), 8)
    assert found.communities.tolist() == [0, 0, 0, 1, 1, 1, 2, 3]
    assert found.gate_valid.tolist() == [[True], [True], [False], [False]]
    # Nor has one that is all there is.
    alone = bridges.gate_table(np.zeros(3, int), np.zeros(3, bool))
    assert (alone.gate_ids.shape, alone.gate_valid.tolist()) == ((1, 1), [[False]])


def test_gates_stand_in_the_rows_of_their_communities():
    found = bridges.gate_table(np.array([1, 0, 1, 1, 0]), np.array([True, True, False, True, False]))
    assert found.gate_ids.tolist() == [[1, 0], [0, 3]]
    assert found.gate_valid.tolist() == [[True, False], [True, True]]


def test_a_step_counts_once_however_often_it_was_taken():
    trajectories = Trajectories(states=jnp.array([[0, 1, 0, 1, 0]]), lengths=jnp.array([5]))
    assert bridges._steps(trajectories).tolist() == [[0, 1], [1, 0]]


def test_gates_are_pivots_and_states_and_goals_pass_unchanged():
    (found,) = bridges.find_bridges(_walks(_both_ways([*_TRIANGLES, (2, 3)])), 6)
    states = jnp.array([1, 2, 3])
    assert found.is_pivot(states, states, states, states).tolist() == [False, True, True]
    assert found.lift(states).tolist() == [1, 2, 3]
    assert found.specify(states, states + 1).tolist() == [1, 2, 3]


def test_the_largest_id_is_named_where_it_is_too_large():
    with pytest.raises(ValueError, match="ids of 5 states lie between 0 and 4, and the trajectories have 5"):
        bridges.find_bridges(_walks(_both_ways([*_TRIANGLES, (2, 3)])), 5)


def test_what_can_not_be_is_refused():
    walks = _walks(_both_ways(_TRIANGLES))
    with pytest.raises(ValueError, match="num_levels must be 1 or more, not 0"):
        bridges.find_bridges(walks, 6, num_levels=0)
    with pytest.raises(ValueError, match="steps of 1 different spans make no 2 levels"):
        bridges.find_bridges(walks, 6, num_levels=2)
    for states in (jnp.zeros((1, 3, 2), jnp.int32), jnp.zeros((1, 3))):
        with pytest.raises(ValueError, match=r"bridges are found between ids \[W, T\], not (int32|float32)\["):
            bridges.find_bridges(Trajectories(states=states, lengths=jnp.array([3])), 6)
    stays = Trajectories(states=jnp.zeros((1, 3), jnp.int32), lengths=jnp.array([3]))
    with pytest.raises(ValueError, match="steps of 0 different spans make no 1 levels"):
        bridges.find_bridges(stays, 6)


@pytest.mark.parametrize(("shift", "wrong"), [(1, 6), (-1, -1)])
def test_ids_that_there_are_not_are_refused(shift, wrong):
    # The triangles have the ids 0 to 5.
    walks = _walks(_both_ways([*_TRIANGLES, (2, 3)]) + shift)
    message = f"ids of 6 states lie between 0 and 5, and the trajectories have {wrong}; raise num_states, or number"
    with pytest.raises(ValueError, match=message):
        bridges.find_bridges(walks, 6)
