"""Graphs drawn and read, against networkx and by hand; walks and demonstrations against what they promise."""

import pathlib
import random

import networkx as nx
import numpy as np
import pytest

from humain import errors
from tasks.graphs import world
from tasks.graphs.world import UNREACHABLE, Graph

# 0 -> 1 -> 2 -> 3, 0 -> 2, 3 -> 0; 4 -> 0, and nothing leads to 4.
_HAND = Graph(
    names=("a", "b", "c", "d", "e"), edges=np.array([[0, 1], [0, 2], [1, 2], [2, 3], [3, 0], [4, 0]], np.int32)
)
_GRAPHML = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <graph edgedefault="{kind}">
    <node id="home"/><node id="work"/><node id="park"/><node id="island"/>
    <edge source="home" target="work"/><edge source="work" target="park"/><edge source="park" target="park"/>
  </graph>
</graphml>
"""


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _random(num_nodes: int = 20, edge_probability: float = 0.12, seed: int = 0) -> Graph:
    return world.random_graph(_rng(seed), num_nodes=num_nodes, edge_probability=edge_probability)


def _network(graph: Graph) -> nx.DiGraph:
    network = nx.DiGraph()
    network.add_nodes_from(range(graph.num_nodes))
    network.add_edges_from(graph.edges.tolist())
    return network


def _edge_set(graph: Graph) -> set[tuple[int, int]]:
    return {(int(source), int(target)) for source, target in graph.edges}


def _named_edges(graph: Graph) -> list[tuple[str, str]]:
    return [(graph.names[source], graph.names[target]) for source, target in graph.edges]


def test_neighbors_and_distances_by_hand():
    assert _HAND.num_nodes == 5
    # The largest out-degree is 2; shorter rows are filled with 5.
    assert _HAND.neighbors.tolist() == [[1, 2], [2, 5], [3, 5], [0, 5], [0, 5]]
    away = UNREACHABLE
    assert _HAND.distances.tolist() == [
        [0, 1, 1, 2, away],
        [3, 0, 1, 2, away],  # 1 -> 2 -> 3 -> 0
        [2, 3, 0, 1, away],  # 2 -> 3 -> 0 -> 1
        [1, 2, 2, 0, away],
        [1, 2, 2, 3, 0],  # 4 -> 0 -> 2 -> 3
    ]
    assert _HAND.distances_from(np.array([4, 1])).tolist() == [[1, 2, 2, 3, 0], [3, 0, 1, 2, away]]
    assert (_HAND.neighbors.dtype, _HAND.distances.dtype) == (np.int32, np.int32)


def test_a_node_without_ways_out_has_no_neighbors():
    graph = Graph(names=("0", "1", "2"), edges=np.array([[0, 1]], np.int32))
    assert graph.neighbors.tolist() == [[1], [3], [3]]
    assert graph.distances[1].tolist() == [UNREACHABLE, 0, UNREACHABLE]


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_networkx(seed):
    graph = _random(seed=seed)
    lengths = dict(nx.all_pairs_shortest_path_length(_network(graph)))
    expected = [[lengths[a].get(b, UNREACHABLE) for b in range(20)] for a in range(20)]
    assert graph.distances.tolist() == expected
    # There is something to tell apart.
    assert UNREACHABLE in graph.distances or graph.distances.max() > 3


def test_neighbors_hold_the_edges_and_nothing_else():
    graph = _random()
    listed = {(node, int(other)) for node, row in enumerate(graph.neighbors) for other in row if other < 20}
    assert listed == _edge_set(graph)


def test_random_graphs_have_the_share_of_edges_asked_for():
    graph = _random(num_nodes=200, edge_probability=0.1)
    # 200 * 199 = 39,800 draws: mean 3,980, standard deviation sqrt(39,800 * 0.1 * 0.9) = 60; four of them either way.
    assert abs(len(graph.edges) - 3980) < 240
    assert np.all(graph.edges[:, 0] != graph.edges[:, 1])
    assert len(_edge_set(graph)) == len(graph.edges)
    assert graph.edges.tolist() == sorted(graph.edges.tolist())
    assert graph.names[:3] == ("0", "1", "2")


def test_random_graphs_are_those_of_their_generator():
    assert np.array_equal(_random(seed=3).edges, _random(seed=3).edges)
    assert not np.array_equal(_random(seed=3).edges, _random(seed=4).edges)


def test_probability_1_gives_every_edge():
    assert len(_random(num_nodes=5, edge_probability=1.0).edges) == 5 * 4


@pytest.mark.parametrize(("num_nodes", "probability"), [(1, 0.5), (0, 0.5), (5, 0.0), (5, -0.1), (5, 1.1)])
def test_random_graphs_that_make_no_sense_are_refused(num_nodes, probability):
    with pytest.raises(errors.UserError, match=f"num_nodes={num_nodes}, edge_probability={probability}: expected"):
        _random(num_nodes=num_nodes, edge_probability=probability)


def test_a_random_graph_without_edges_is_refused():
    with pytest.raises(errors.UserError, match="has no edge; raise edge_probability"):
        _random(num_nodes=2, edge_probability=1e-9)


def test_the_diameter_is_the_longest_of_the_shortest_paths():
    assert _HAND.diameter == 3  # 1 -> 2 -> 3 -> 0


def test_graphs_that_are_too_large_are_refused(tmp_path):
    with pytest.raises(errors.UserError, match="the graph has 1025 nodes, and 1024 is the most that fits"):
        _random(num_nodes=1025, edge_probability=0.5)
    (tmp_path / "ring.txt").write_text("".join(f"{node} {(node + 1) % 1025}\n" for node in range(1025)))
    with pytest.raises(errors.UserError, match="the graph has 1025 nodes, and 1024 is the most that fits"):
        world.read_graph(tmp_path / "ring.txt")


def test_demonstrations_that_would_not_fit_are_refused():
    # A ring of 600: 600 * 599 pairs, up to 599 steps, so 600 nodes, of 4 bytes: 0.80 GB.
    ring = Graph(
        names=tuple(str(node) for node in range(600)),
        edges=np.array([(node, (node + 1) % 600) for node in range(600)], np.int32),
    )
    with pytest.raises(errors.UserError, match="the 359400 pairs of this graph, up to 599 steps long, .* 0.8 GB"):
        world.demonstrations(_rng(), ring)


def test_nodes_are_found_by_name():
    assert _HAND.node("c") == 2
    with pytest.raises(errors.UserError, match="no node 'x'; there are 5, such as a, b, c, d, e"):
        _HAND.node("x")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("edges.txt", "a b\nb c\n"),
        ("edges", "# from to\na b\n\n  b   c  # the last\n"),
        ("weighted.txt", "a b 0.5\nb c 2\n"),
        ("windows.txt", "\ufeffa b\r\nb c\r\n"),
        ("duplicates.txt", "b c\na b\na b\nb b\nc c\n"),
        ("plain.csv", "a,b\nb,c\n"),
        ("header.csv", "source,target\na,b\nb,c\n"),
        ("other_header.csv", "From,To,weight\na,b,1\nb,c,2\n"),
        ("windows.csv", "\ufeffSource,Target\r\na,b\r\nb,c\r\n"),
        ("messy.csv", "# roads\n\n a , b\n , ,\nb,c\na,b\na,a\n"),
        ("quoted.csv", '"a","b"\n"b","c"\n'),
    ],
)
def test_edge_lists_and_csv_files_are_read(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    graph = world.read_graph(tmp_path / name)
    assert graph.names == ("a", "b", "c")
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert graph.edges.dtype == np.int32


def test_graphml_is_read_in_its_directions(tmp_path):
    path = tmp_path / "town.graphml"
    path.write_text(_GRAPHML.format(kind="directed"))
    # The self loop goes, and with it nothing else; a node without edges is no part of the world.
    assert _named_edges(world.read_graph(path)) == [("home", "work"), ("work", "park")]
    path.write_text(_GRAPHML.format(kind="undirected"))
    both_ways = {("home", "work"), ("work", "home"), ("work", "park"), ("park", "work")}
    assert set(_named_edges(world.read_graph(path))) == both_ways


def test_a_written_graphml_file_comes_back(tmp_path):
    graph = _random(num_nodes=12, edge_probability=0.3)
    nx.write_graphml(_network(graph), tmp_path / "g.graphml")
    again = world.read_graph(tmp_path / "g.graphml")
    assert again.names == graph.names
    assert np.array_equal(again.edges, graph.edges)


def test_numbers_are_ordered_by_value_and_before_words(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("10 9\n9 2\nb 10\nB b\n")
    assert world.read_graph(path).names == ("2", "9", "10", "B", "b")


def test_the_order_of_names_does_not_depend_on_the_order_of_lines(tmp_path):
    """Two spellings of one number are two names, whose order must be the same in every process."""
    lines = [f"{'0' * zeros}1 x{zeros}" for zeros in range(20)] + ["9" * 5000 + " 1"]
    path = tmp_path / "edges.txt"
    found = set()
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        path.write_text("\n".join(lines))
        found.add(world.read_graph(path).names)
    assert len(found) == 1
    assert found.pop()[18:21] == ("0" * 1 + "1", "1", "9" * 5000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("garbage.txt", b"\xff\xfe\x00\x01\x80", "can't read the graph .*garbage.txt: .*can't decode byte 0xff"),
        ("garbage.csv", b"\xff\xfe\x00\x01\x80", "can't read the graph .*garbage.csv: .*can't decode byte 0xff"),
        ("garbage.graphml", b"\xff\xfe\x00\x01\x80", "can't read the graph .*garbage.graphml: "),
        ("empty.txt", b"", "empty.txt has no edges; expected lines of two"),
        ("empty.csv", b"", "empty.csv has no edges; expected lines of two"),
        ("empty.graphml", b"", "can't read the graph .*empty.graphml: no element found"),
        ("other.graphml", b"<svg/>", "can't read the graph .*other.graphml: file not successfully read as graphml"),
        ("comments.txt", b"# nothing\n", "comments.txt has no edges"),
        ("loops.txt", b"a a\nb b\n", "loops.txt has no edges"),
        ("word.txt", b"a b\n\nc\n", "not a graph in the format of its ending: line 3 is 'c'; expected two node names"),
        ("commas.txt", b"a,b\n", "line 1 is 'a,b'; expected two node names"),
        ("word.csv", b"a,b\nc\n", "line 2 is 'c'; expected two node names with a comma between"),
        ("blank.csv", b"a,\n", "line 1 is 'a,'; expected two node names with a comma"),
        ("semicolons.csv", b"a;b\n", "line 1 is 'a;b'; expected two node names with a comma"),
        ("header.csv", b"source,target\n", "header.csv has no edges"),
    ],
)
def test_what_is_no_graph_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.UserError, match=message) as caught:
        world.read_graph(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="can't read the graph .*absent: .*No such file"):
        world.read_graph(tmp_path / "absent")
    with pytest.raises(errors.UserError, match="can't read the graph .*: .*directory"):
        world.read_graph(tmp_path)


def test_walks_take_edges_and_visit_no_node_twice():
    graph = _random()
    nodes, lengths = world.random_walks(_rng(), graph, num_walks=100, max_steps=30)
    edges = _edge_set(graph)
    assert nodes.shape[0] == len(lengths) == 100
    assert nodes.shape[1] == lengths.max()
    assert (nodes.dtype, lengths.dtype) == (np.int32, np.int32)
    for walk, length in zip(nodes.tolist(), lengths.tolist(), strict=True):
        steps = list(zip(walk[: length - 1], walk[1:length], strict=True))
        assert set(steps) <= edges
        assert len(set(walk[:length])) == length
        assert set(walk[length:]) <= {walk[length - 1]}
        # It ended where every next node had been visited: the longest walk visits 20 nodes, so 30 steps never bound it.
        assert {target for source, target in edges if source == walk[length - 1]} <= set(walk[:length])


def test_walks_are_bounded():
    nodes, lengths = world.random_walks(_rng(), _random(), num_walks=50, max_steps=3)
    assert nodes.shape[1] == 4
    assert lengths.max() == 4


def test_walks_start_evenly():
    nodes, _ = world.random_walks(_rng(), _random(num_nodes=20), num_walks=50, max_steps=5)
    # 50 starts on 20 nodes: each node two or three times, ten of them three times.
    counts = np.bincount(nodes[:, 0], minlength=20)
    assert sorted(counts.tolist()) == [2] * 10 + [3] * 10


def test_walks_choose_evenly():
    # From 0 two ways lead on. 4,000 walks, one in five starts at 0: 800 choices, mean 400, deviation sqrt(200) = 14.
    nodes, _ = world.random_walks(_rng(), _HAND, num_walks=4000, max_steps=1)
    chosen = nodes[nodes[:, 0] == 0, 1]
    assert len(chosen) == 800
    assert abs(int((chosen == 1).sum()) - 400) < 57


@pytest.mark.parametrize("total_steps", [1, 40, 137])
def test_walks_take_as_many_steps_as_are_wanted(total_steps):
    nodes, lengths = world.random_walks(_rng(), _random(), num_walks=137, max_steps=20, total_steps=total_steps)
    assert int((lengths - 1).sum()) == total_steps
    assert lengths.min() >= 2
    # They are the first of those that would have been taken anyway, less the ones that could take no step.
    free, free_lengths = world.random_walks(_rng(), _random(), num_walks=137, max_steps=20)
    free = free[free_lengths > 1]
    for row in range(len(lengths)):
        assert nodes[row, : lengths[row]].tolist() == free[row, : lengths[row]].tolist()
        assert set(nodes[row, lengths[row] :].tolist()) <= {int(nodes[row, lengths[row] - 1])}


def test_more_steps_than_the_walks_can_take_are_refused():
    graph = Graph(names=("0", "1"), edges=np.array([[0, 1]], np.int32))
    # Walks start at 0 and 1 in turn; those from 0 take one step, those from 1 none.
    with pytest.raises(errors.UserError, match="4 walks took 2 steps together and 3 were asked for"):
        world.random_walks(_rng(), graph, num_walks=4, max_steps=9, total_steps=3)


def test_walks_are_those_of_their_generator():
    first, again, other = (world.random_walks(_rng(seed), _random(), num_walks=9, max_steps=9)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(3))
def test_demonstrations_are_shortest_ways_between_all_pairs(seed):
    graph = _random(seed=seed, edge_probability=0.1)
    nodes, lengths = world.demonstrations(_rng(), graph)
    edges, shortest = _edge_set(graph), dict(nx.all_pairs_shortest_path_length(_network(graph)))
    pairs = []
    for walk, length in zip(nodes.tolist(), lengths.tolist(), strict=True):
        start, goal = walk[0], walk[length - 1]
        pairs.append((start, goal))
        assert set(zip(walk[: length - 1], walk[1:length], strict=True)) <= edges
        assert length - 1 == shortest[start][goal]
        assert set(walk[length:]) <= {goal}
    assert sorted(pairs) == sorted((a, b) for a in shortest for b in shortest[a] if a != b)


def test_demonstrations_of_some_pairs_are_of_these_alone():
    graph = _random()
    starts, goals = world.reachable_pairs(graph)
    shown = np.arange(len(starts)) % 3 == 0
    nodes, lengths = world.demonstrations(_rng(), graph, shown)
    assert np.array_equal(nodes[:, 0], starts[shown])
    assert np.array_equal(nodes[np.arange(len(nodes)), lengths - 1], goals[shown])
    assert np.array_equal(lengths, graph.distances[starts, goals][shown] + 1)


def test_demonstrations_are_drawn_among_the_shortest_ways():
    # Two ways of two steps lead from 0 to 3.
    graph = Graph(names=tuple("0123"), edges=np.array([[0, 1], [0, 2], [1, 3], [2, 3]], np.int32))
    middles = []
    for seed in range(40):
        nodes, lengths = world.demonstrations(_rng(seed), graph)
        middles += [walk[1] for walk, length in zip(nodes.tolist(), lengths, strict=True) if length == 3]
    assert set(middles) == {1, 2}
    assert 8 <= middles.count(1) <= 32


def test_reachable_pairs_by_hand():
    starts, goals = world.reachable_pairs(_HAND)
    # Every ordered pair but those that end at 4: 4 * 3 among the first four, and 4 from node 4.
    pairs = list(zip(starts.tolist(), goals.tolist(), strict=True))
    assert pairs == [(a, b) for a in range(5) for b in range(4) if a != b]
    assert (starts.dtype, goals.dtype) == (np.int32, np.int32)


def test_a_graph_is_read_where_it_is(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "edges.txt").write_text("a b\n")
    monkeypatch.chdir(tmp_path)
    assert world.read_graph(pathlib.Path("edges.txt")).names == ("a", "b")


def test_places_come_with_a_graphml_file(tmp_path):
    network = nx.DiGraph()
    for name, place in {"b": (1.0, 2.0), "a": (3.0, -4.5), "c": (0.0, 0.0)}.items():
        network.add_node(name, x=place[0], y=place[1])
    network.add_edges_from([("a", "b"), ("b", "c")])
    nx.write_graphml(network, tmp_path / "placed.graphml")
    places = world.read_graph(tmp_path / "placed.graphml").places
    assert places is not None
    assert places.coordinates == ((3.0, -4.5), (1.0, 2.0), (0.0, 0.0))
    # A node without a place leaves the others' without use.
    network.add_node("d")
    network.add_edge("c", "d")
    nx.write_graphml(network, tmp_path / "partly.graphml")
    assert world.read_graph(tmp_path / "partly.graphml").places is None
