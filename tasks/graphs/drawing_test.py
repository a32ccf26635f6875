"""Pictures are PNG files, the same for the same graph, whatever its nodes are called."""

import pathlib

import numpy as np
import pytest

from humain.viewing.plan_tree import PlanNode
from tasks.graphs import drawing, known_ways
from tasks.graphs.world import Graph


def _step(state: str) -> PlanNode:
    return PlanNode(state, 0, 0.5, reached=True, attempted=True, children=())


def _tree(graph: Graph) -> PlanNode:
    """From a to d by the sub-goal c."""
    names = graph.names
    below = PlanNode(names[2], 1, 0.5, reached=True, attempted=True, children=(_step(names[2]),))
    above = PlanNode(names[3], 1, 0.5, reached=True, attempted=True, children=(_step(names[3]),))
    return PlanNode(names[3], 2, None, reached=True, attempted=True, children=(below, above))


def _size(path: pathlib.Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def test_a_graph_is_laid_out_in_the_same_way_each_time():
    places = drawing.layout(known_ways.graph())
    assert places.shape == (5, 2)
    assert np.isfinite(places).all()
    assert np.array_equal(places, drawing.layout(known_ways.graph()))


def test_linked_nodes_are_near_each_other():
    # Two rings of six, with one edge between them.
    rings = [[base + place, base + (place + 1) % 6] for base in (0, 6) for place in range(6)]
    graph = Graph(names=tuple(map(str, range(12))), edges=np.array([*rings, [0, 6]], np.int32))
    places = drawing.layout(graph)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    linked = np.zeros((12, 12), bool)
    linked[graph.edges[:, 0], graph.edges[:, 1]] = True
    assert distances[linked].mean() < 0.5 * distances[~linked & ~np.eye(12, dtype=bool)].mean()


def test_a_graph_is_drawn_with_equal_bytes(tmp_path):
    graph = known_ways.graph()
    for name in ("first.png", "again.png"):
        drawing.draw_graph(tmp_path / name, graph, drawing.layout(graph))
    assert min(_size(tmp_path / "first.png")) > 400
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    other = Graph(names=graph.names, edges=graph.edges[:-1])
    drawing.draw_graph(tmp_path / "other.png", other, drawing.layout(graph))
    assert (tmp_path / "other.png").read_bytes() != (tmp_path / "first.png").read_bytes()


def test_a_plan_is_drawn_with_equal_bytes(tmp_path):
    graph = known_ways.graph()
    places, tree = drawing.layout(graph), _tree(graph)
    for name in ("first.png", "again.png"):
        drawing.draw_plan(tmp_path / name, graph, places, 0, tree, title="a to d")
    assert min(_size(tmp_path / "first.png")) > 400
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    drawing.draw_plan(tmp_path / "other.png", graph, places, 1, tree, title="a to d")
    assert (tmp_path / "other.png").read_bytes() != (tmp_path / "first.png").read_bytes()


@pytest.mark.parametrize("tree", [PlanNode("d", 2, None, reached=False, attempted=True, children=()), _step("a")])
def test_a_plan_with_nothing_in_it_is_drawn_too(tmp_path, tree):
    graph = known_ways.graph()
    drawing.draw_plan(tmp_path / "p.png", graph, drawing.layout(graph), 0, tree, title="")
    assert min(_size(tmp_path / "p.png")) > 400


def test_names_are_not_read_as_formulas(tmp_path):
    names = (r"$\oops$", "$", "<b>&amp;</b>", "a" * 40, "ä")
    graph = Graph(names=names, edges=known_ways.graph().edges)
    places = drawing.layout(graph)
    drawing.draw_graph(tmp_path / "g.png", graph, places)
    drawing.draw_plan(tmp_path / "p.png", graph, places, 0, _tree(graph), title=rf"from {names[0]} to $x_$")
    assert min(_size(tmp_path / "p.png")) > 400
