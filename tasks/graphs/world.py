"""The world of the graph planner: a directed graph, drawn at random or read from a file, and walks on it."""

import csv
import dataclasses
import pathlib
import xml.etree.ElementTree
from functools import cached_property

import networkx as nx
import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from humain import errors
from humain.hippocampus.location import PlacesOfIds

UNREACHABLE = np.iinfo(np.int32).max
"""Distance of a pair without a path."""
MAX_NODES = 1024
"""More are refused, as what is known of every pair is held in memory: twice as many took the sets `table` and `entropy`
6.5 GB."""
_MAX_DEMONSTRATED = 2**27
"""Most nodes that demonstrations may have together, 0.5 GB."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """A directed graph; every edge is one step.

    Attributes:
        names: of the nodes; a node's id is its place here.
        edges: `[E, 2]` int32, from and to, sorted, without duplicates and self loops.
        places: of the nodes, by id; None where they have none.
    """

    names: tuple[str, ...]
    edges: np.ndarray
    places: PlacesOfIds | None = None

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.names)

    @cached_property
    def neighbors(self) -> np.ndarray:
        """`[N, D]` int32, the nodes one step away, D the largest out-degree; short rows are filled with `num_nodes`."""
        degrees = np.bincount(self.edges[:, 0], minlength=self.num_nodes)
        table = np.full((self.num_nodes, max(1, degrees.max(initial=0))), self.num_nodes, np.int32)
        places = np.arange(len(self.edges)) - np.repeat(np.cumsum(degrees) - degrees, degrees)
        table[self.edges[:, 0], places] = self.edges[:, 1]
        return table

    @cached_property
    def distances(self) -> np.ndarray:
        """`[N, N]` int32, steps of the shortest paths by Dijkstra's algorithm; `UNREACHABLE` where there is no path."""
        return self.distances_from(np.arange(self.num_nodes))

    @cached_property
    def diameter(self) -> int:
        """Steps of the longest of the shortest paths, over the pairs that have one."""
        return int(np.max(self.distances, where=self.distances < UNREACHABLE, initial=0))

    def distances_from(self, sources: np.ndarray) -> np.ndarray:
        """Rows of `distances` for the given sources."""
        weights = np.ones(len(self.edges), np.int8)
        matrix = scipy.sparse.csr_array((weights, self.edges.T), shape=(self.num_nodes, self.num_nodes))
        steps = scipy.sparse.csgraph.dijkstra(matrix, unweighted=True, indices=sources)
        return np.where(np.isfinite(steps), steps, UNREACHABLE).astype(np.int32)

    def node(self, name: str) -> int:
        """The id of a node.

        Raises:
            UserError: if there is no node of that name.
        """
        if name not in self.names:
            some = ", ".join(self.names[:8])
            raise errors.UserError(f"the graph has no node {name!r}; there are {self.num_nodes}, such as {some}")
        return self.names.index(name)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What is tested.

    Attributes:
        starts: `[P]` int32.
        goals: `[P]` int32.
        shortest: `[P]` int32, steps of a shortest path, 1 or more.
    """

    starts: np.ndarray
    goals: np.ndarray
    shortest: np.ndarray


def random_graph(rng: np.random.Generator, *, num_nodes: int, edge_probability: float) -> Graph:
    """Each ordered pair of different nodes is an edge with `edge_probability`."""
    if num_nodes < 2 or not 0 < edge_probability <= 1:
        raise errors.UserError(
            f"num_nodes={num_nodes}, edge_probability={edge_probability}: expected 2 or more, and a number in (0, 1]"
        )
    _check_size(num_nodes)
    present = rng.random((num_nodes, num_nodes)) < edge_probability
    np.fill_diagonal(present, False)
    edges = np.argwhere(present).astype(np.int32)
    if len(edges) == 0:
        raise errors.UserError("the random graph has no edge; raise edge_probability or num_nodes")
    return Graph(names=tuple(str(node) for node in range(num_nodes)), edges=edges)


def read_graph(path: pathlib.Path) -> Graph:
    """Reads a graph, by the file's ending: GraphML (`.graphml`, `.xml`), CSV (`.csv`), else an edge list.

    A CSV row or a line of an edge list names two nodes; what follows on it is passed over, as are comments (`#`) and,
    in a CSV file, a first row `source,target`. An undirected GraphML graph has each edge both ways. Self loops are
    left out, weights are not used. Where all nodes of a GraphML file have the attribute `x`, or `x` and `y`, or `x`,
    `y` and `z`, those are their places.

    Raises:
        UserError: if the file can't be read, or holds no edge or more nodes than `MAX_NODES`.
    """
    coordinates: dict[str, tuple[float, ...]] = {}
    try:
        if path.suffix.lower() in (".graphml", ".xml"):
            network = nx.DiGraph(nx.read_graphml(path).to_directed())
            pairs = [(str(a), str(b)) for a, b in network.edges()]
            coordinates = _coordinates(network)
        elif path.suffix.lower() == ".csv":
            pairs = _read_csv(path)
        else:
            pairs = _read_edge_list(path)
    except (OSError, UnicodeDecodeError, nx.NetworkXError, xml.etree.ElementTree.ParseError, csv.Error) as error:
        raise errors.UserError(f"can't read the graph {path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path} is not a graph in the format of its ending: {error}") from error
    pairs = [(source, target) for source, target in pairs if source != target]
    if not pairs:
        raise errors.UserError(f"the graph {path} has no edges; expected lines of two different node names each")
    names = tuple(sorted({name for pair in pairs for name in pair}, key=_natural))
    _check_size(len(names))
    ids = {name: number for number, name in enumerate(names)}
    edges = np.unique(np.array([(ids[source], ids[target]) for source, target in pairs], np.int32), axis=0)
    places = PlacesOfIds(tuple(coordinates[name] for name in names)) if coordinates else None
    return Graph(names=names, edges=edges, places=places)


def random_walks(
    rng: np.random.Generator, graph: Graph, *, num_walks: int, max_steps: int, total_steps: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Self-avoiding random walks; each ends where every next node has been visited.

    Args:
        rng: drawn from.
        graph: walked on.
        num_walks: W; starts are spread evenly over the nodes.
        max_steps: of one walk.
        total_steps: if given, the walks are cut off when they have taken as many steps together; fewer may remain.

    Returns:
        Nodes `[W, T]` int32, padded with the last node, and lengths `[W]` int32 in nodes.
    """
    starts = rng.permutation(graph.num_nodes)[np.arange(num_walks) % graph.num_nodes]
    nodes = np.zeros((num_walks, max_steps + 1), np.int32)
    nodes[:, 0] = starts
    lengths = np.ones(num_walks, np.int32)
    walking = np.arange(num_walks)
    for step in range(max_steps):
        options = graph.neighbors[nodes[walking, step]]
        visited = (nodes[walking, : step + 1, None] == options[:, None, :]).any(axis=1)
        preference = np.where((options < graph.num_nodes) & ~visited, rng.random(options.shape), -1)
        chosen = preference.argmax(axis=1)
        rows = np.arange(len(walking))
        going = preference[rows, chosen] >= 0
        nodes[walking[going], step + 1] = options[rows, chosen][going]
        lengths[walking[going]] += 1
        walking = walking[going]
        if len(walking) == 0:
            break
    if total_steps is not None:
        taken = int((lengths - 1).sum())
        if taken < total_steps:
            raise errors.UserError(
                f"{num_walks} walks took {taken} steps together and {total_steps} were asked for; add edges or walks"
            )
        before = np.cumsum(lengths - 1) - (lengths - 1)
        lengths = np.clip(total_steps - before, 0, lengths - 1).astype(np.int32) + 1
        nodes, lengths = nodes[lengths > 1], lengths[lengths > 1]
    padding = np.arange(nodes.shape[1]) >= lengths[:, None]
    last = nodes[np.arange(len(nodes)), lengths - 1]
    nodes = np.where(padding, last[:, None], nodes)
    return nodes[:, : max(2, lengths.max(initial=2))], lengths


def demonstrations(
    rng: np.random.Generator, graph: Graph, shown: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One shortest path for every pair that has one, or for some of these, drawn at random among the shortest.

    Args:
        rng: drawn from.
        graph: walked on.
        shown: `[P]` bool, which of the pairs of `reachable_pairs`, at least one; all by default.

    Returns:
        As `random_walks`.

    Raises:
        UserError: see `check_demonstrations`.
    """
    check_demonstrations(graph)
    sources, targets = reachable_pairs(graph)
    if shown is not None:
        sources, targets = sources[shown], targets[shown]
    distances = graph.distances
    length = int(distances[sources, targets].max()) + 1
    nodes = np.zeros((len(sources), length), np.int32)
    nodes[:, 0] = sources
    padded = np.concatenate([distances, np.full((1, graph.num_nodes), UNREACHABLE, np.int32)])
    for step in range(1, length):
        options = graph.neighbors[nodes[:, step - 1]]
        to_go = padded[options, targets[:, None]].astype(np.int64)
        closer = to_go == (distances[nodes[:, step - 1], targets] - 1)[:, None]
        chosen = np.where(closer, rng.random(options.shape), -1).argmax(axis=1)
        there = nodes[:, step - 1] == targets
        nodes[:, step] = np.where(there, targets, options[np.arange(len(options)), chosen])
    return nodes, distances[sources, targets].astype(np.int32) + 1


def check_demonstrations(graph: Graph) -> None:
    """Refuses a graph whose demonstrations would not fit in memory.

    Raises:
        UserError: saying how large they would be.
    """
    sources, _ = reachable_pairs(graph)
    size = len(sources) * (graph.diameter + 1)
    if size > _MAX_DEMONSTRATED:
        raise errors.UserError(
            f"demonstrations for the {len(sources)} pairs of this graph, up to {graph.diameter} steps long, would take "
            f"{size * 4 / 2**30:.1f} GB; set demonstrations to False, or drop the sets that learn from them"
        )


def reachable_pairs(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """All ordered pairs of different nodes with a path, as two arrays `[P]`."""
    distances = graph.distances
    sources, targets = np.nonzero((distances > 0) & (distances < UNREACHABLE))
    return sources.astype(np.int32), targets.astype(np.int32)


def _check_size(num_nodes: int) -> None:
    if num_nodes > MAX_NODES:
        raise errors.UserError(
            f"the graph has {num_nodes} nodes, and {MAX_NODES} is the most that fits: what is known of every pair is "
            "held in memory; plan on a part of it"
        )


def _coordinates(network: nx.DiGraph) -> dict[str, tuple[float, ...]]:
    """Places of all nodes by their names, or nothing unless every node has one of as many coordinates."""
    found: dict[str, tuple[float, ...]] = {}
    for node, attributes in network.nodes(data=True):
        given = [name for name in "xyz" if name in attributes]
        if not given or given != list("xyz")[: len(given)]:
            return {}
        found[str(node)] = tuple(float(attributes[name]) for name in given)
    return found if len({len(place) for place in found.values()}) == 1 else {}


def _read_edge_list(path: pathlib.Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        # The parser passes over lines of a single word.
        if len(line.split("#")[0].split()) == 1:
            raise ValueError(f"line {number} is {line.strip()[:40]!r}; expected two node names")
    graph = nx.parse_edgelist(lines, create_using=nx.DiGraph, data=False, comments="#")
    return [(str(a), str(b)) for a, b in graph.edges()]


def _read_csv(path: pathlib.Path) -> list[tuple[str, str]]:
    pairs = []
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if len(cells) < 2 or not cells[0] or not cells[1]:
                text = ",".join(row)[:40]
                raise ValueError(f"line {reader.line_num} is {text!r}; expected two node names with a comma between")
            pairs.append((cells[0], cells[1]))
    if pairs and (pairs[0][0].lower(), pairs[0][1].lower()) in (("source", "target"), ("from", "to")):
        pairs = pairs[1:]
    return pairs


def _natural(name: str) -> tuple[int, int, str, str]:
    """Numbers by value, before words by letter; the order is total, for ids must not depend on the order of a set."""
    digits = name.lstrip("0")
    return (0, len(digits), digits, name) if name.isdecimal() else (1, 0, name, name)
