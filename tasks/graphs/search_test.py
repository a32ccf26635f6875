"""Three forms of search: by hand, against NetworkX on graphs of many kinds, and the one that is fastest."""

import jax.numpy as jnp
import networkx
import numpy as np
import pytest
import scipy.sparse

from humain.types import Trajectories
from tasks.graphs import search
from tasks.graphs.world import Pairs

_FORMS = ("whole", "from_start", "from_both_ends")


def _find(form, steps, num_nodes):
    """The function of one form, `find(start, goal)`."""
    after, before = search.neighbors(steps, num_nodes), search.neighbors(steps[:, ::-1], num_nodes)
    matrix = scipy.sparse.csr_array((np.ones(len(steps), np.int8), steps.T), shape=(num_nodes, num_nodes))
    return {
        "whole": lambda start, goal: search.whole(matrix, start, goal),
        "from_start": lambda start, goal: search.from_start(after, start, goal),
        "from_both_ends": lambda start, goal: search.from_both_ends(after, before, start, goal),
    }[form]


def test_the_steps_of_walks():
    walks = Trajectories(states=jnp.array([[0, 1, 2, 0], [3, 4, 4, 4]]), lengths=jnp.array([3, 2]))
    assert search.steps_seen(walks).tolist() == [[0, 1], [1, 2], [3, 4]]


@pytest.mark.parametrize("form", _FORMS)
def test_a_way_by_hand(form):
    # 0 -> 1 -> 2 -> 5, a way about by 3 and 4, and nothing leads back.
    find = _find(form, np.array([[0, 1], [1, 2], [2, 5], [0, 3], [3, 4], [4, 2]]), 6)
    assert find(0, 5) == [1, 2, 5]
    assert find(0, 1) == [1]
    assert find(3, 5) == [4, 2, 5]
    assert find(5, 0) == find(1, 3) == []
    assert find(2, 2) == []


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_ways_are_as_short_as_networkx_finds_them(form, share):
    num_nodes = 30
    for seed in range(5):
        graph = networkx.gnp_random_graph(num_nodes, share, seed=seed, directed=True)
        find = _find(form, np.array(graph.edges), num_nodes)
        shortest = dict(networkx.all_pairs_shortest_path_length(graph))
        for start in range(num_nodes):
            for goal in range(num_nodes):
                way = find(start, goal)
                assert len(way) == shortest[start].get(goal, 0)
                assert all(graph.has_edge(*step) for step in zip([start, *way], way, strict=False))
                assert not way or way[-1] == goal


def test_the_fastest_form_is_taken(monkeypatch):
    pairs = Pairs(np.array([0, 2], np.int32), np.array([2, 0], np.int32), np.array([2, 1], np.int32))
    times = iter([30.0, 20.0, 10.0])
    monkeypatch.setattr(search, "_microseconds", lambda form, asked: next(times))
    found = search.measure(np.array([[0, 1], [1, 2]]), 3, pairs)
    assert found == search.SearchResult(
        # It stores the steps in both directions.
        ways=[[1, 2], []],
        form="from_both_ends",
        microseconds={"whole": 30.0, "from_start": 20.0, "from_both_ends": 10.0},
        rows=4,
    )
    times = iter([30.0, 20.0, 40.0])
    found = search.measure(np.array([[0, 1], [1, 2]]), 3, pairs)
    assert (found.form, found.rows, found.ways) == ("from_start", 2, [[1, 2], []])


def test_times_are_for_one_way(monkeypatch):
    clock, asked = [0.0], []

    def form(start, goal):
        asked.append((start, goal))
        clock[0] += 0.25
        return []

    monkeypatch.setattr(search.time, "process_time", lambda: clock[0])
    assert search._microseconds(form, [(0, 1), (1, 2)]) == 250_000
    assert set(asked) == {(0, 1), (1, 2)}
