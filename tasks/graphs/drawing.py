"""Pictures of graphs, and of plans on them with the sub-goals of each layer."""

import pathlib
from collections.abc import Sequence

import matplotlib.style
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from humain.viewing import plots
from humain.viewing.plan_tree import PlanNode
from tasks.graphs.world import Graph

MAX_NODES = 200
"""Graphs with more nodes are not drawn: nothing could be told apart."""


def layout(graph: Graph) -> np.ndarray:
    """Places `[N, 2]` of the nodes: linked ones near each other, the same for the same graph."""
    network = nx.Graph()
    network.add_nodes_from(range(graph.num_nodes))
    network.add_edges_from(graph.edges.tolist())
    places = nx.spring_layout(network, seed=0, iterations=200, k=2.2 / np.sqrt(graph.num_nodes))
    return np.array([places[node] for node in range(graph.num_nodes)])


def draw_graph(path: pathlib.Path, graph: Graph, places: np.ndarray) -> None:
    """Draws all nodes and edges."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(7, 6), layout="constrained")
        axes = figure.add_subplot()
        _draw_network(axes, graph, places, edge_alpha=0.35)
        plots.save(figure, path)


def draw_plan(path: pathlib.Path, graph: Graph, places: np.ndarray, start: int, root: PlanNode, *, title: str) -> None:
    """Draws a plan: its steps as arrows, and around each sub-goal a ring for each layer that asked for it."""
    ids = {name: node for node, name in enumerate(graph.names)}
    steps = [start, *(ids[node.state] for node in _nodes(root) if node.layer == 0)]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(7, 6), layout="constrained")
        axes = figure.add_subplot()
        _draw_network(axes, graph, places, edge_alpha=0.12)
        for source, target in zip(steps[:-1], steps[1:], strict=True):
            _arrow(axes, places[source], places[target], color="black", alpha=1.0, width=2.2)
        legend = [Line2D([], [], color="black", linewidth=2.2, label="steps (layer 0)")]
        for layer in range(1, root.layer + 1):
            asked = sorted({ids[node.state] for node in _nodes(root) if node.layer == layer})
            color = plots.PALETTE[(layer - 1) % len(plots.PALETTE)]
            kind = "goal" if layer == root.layer else f"sub-goals of layer {layer}"
            axes.scatter(
                places[asked, 0],
                places[asked, 1],
                s=260 + 190 * layer,
                facecolors="none",
                edgecolors=color,
                linewidths=2,
                zorder=4,
            )
            legend.append(
                Line2D([], [], marker="o", markersize=9, markerfacecolor="none", color=color, linestyle="", label=kind)
            )
        axes.scatter(places[[start], 0], places[[start], 1], s=240, color="#E69F00", zorder=3)
        legend.append(Line2D([], [], marker="o", markersize=9, color="#E69F00", linestyle="", label="start"))
        axes.legend(handles=legend, frameon=False, loc="lower center", ncols=3, bbox_to_anchor=(0.5, -0.08))
        axes.set_title(title, parse_math=False)
        plots.save(figure, path)


def _draw_network(axes: Axes, graph: Graph, places: np.ndarray, *, edge_alpha: float) -> None:
    for source, target in graph.edges:
        _arrow(axes, places[source], places[target], color="#555555", alpha=edge_alpha, width=0.8)
    axes.scatter(places[:, 0], places[:, 1], s=200, color="#DDE6EE", edgecolors="#444444", linewidths=0.8, zorder=2)
    for name, place in zip(graph.names, places, strict=True):
        axes.annotate(name, place, ha="center", va="center", fontsize=8, zorder=5, parse_math=False)
    axes.margins(0.08)
    axes.set_axis_off()


def _arrow(
    axes: Axes, source: Sequence[float], target: Sequence[float], *, color: str, alpha: float, width: float
) -> None:
    style = {"arrowstyle": "-|>", "color": color, "alpha": alpha, "linewidth": width, "shrinkA": 8, "shrinkB": 8}
    axes.annotate("", xy=(target[0], target[1]), xytext=(source[0], source[1]), arrowprops=style, zorder=1)


def _nodes(root: PlanNode) -> list[PlanNode]:
    """All nodes of a tree, a parent before its children, in time order."""
    return [root, *(node for child in root.children for node in _nodes(child))]
