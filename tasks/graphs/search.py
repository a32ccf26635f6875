"""The rival that learns nothing: breadth-first search over the steps seen, anew for each pair, in three forms.

Which one is fastest depends on the graph: SciPy's is compiled and visits all that can be reached; the others, in plain
Python, stop at the goal.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from humain.types import Trajectories
from tasks.graphs.world import Pairs

_TIMED = 256
_REPEATS = 5

Neighbors = Sequence[Sequence[int]]
"""For each node, the nodes that an edge leads to; or those that one comes from."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What search finds.

    Attributes:
        ways: for each pair the nodes after its start; empty where there is no way.
        form: the fastest one.
        microseconds: of the processor for one way, by form: median of some rounds over the first pairs.
        rows: steps that the fastest form stores.
    """

    ways: list[list[int]]
    form: str
    microseconds: dict[str, float]
    rows: int


def measure(steps: np.ndarray, num_nodes: int, pairs: Pairs) -> SearchResult:
    """Searches for a way for each pair, by the steps `[E, 2]`, in the form that takes the least time for the first."""
    after, before = neighbors(steps, num_nodes), neighbors(steps[:, ::-1], num_nodes)
    matrix = scipy.sparse.csr_array((np.ones(len(steps), np.int8), steps.T), shape=(num_nodes, num_nodes))
    forms: dict[str, Callable[[int, int], list[int]]] = {
        "whole": lambda start, goal: whole(matrix, start, goal),
        "from_start": lambda start, goal: from_start(after, start, goal),
        "from_both_ends": lambda start, goal: from_both_ends(after, before, start, goal),
    }
    asked = list(zip(pairs.starts.tolist(), pairs.goals.tolist(), strict=True))
    microseconds = {name: _microseconds(form, asked[:_TIMED]) for name, form in forms.items()}
    fastest = min(microseconds, key=lambda name: microseconds[name])
    return SearchResult(
        ways=[forms[fastest](start, goal) for start, goal in asked],
        form=fastest,
        microseconds=microseconds,
        rows=len(steps) * (2 if fastest == "from_both_ends" else 1),
    )


def steps_seen(trajectories: Trajectories) -> np.ndarray:
    """The different steps of walks, `[E, 2]`."""
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    there = np.arange(states.shape[1] - 1)[None] < lengths[:, None] - 1
    return np.unique(np.stack([states[:, :-1][there], states[:, 1:][there]], axis=1), axis=0)


def neighbors(steps: np.ndarray, num_nodes: int) -> Neighbors:
    """The nodes after each, by steps `[E, 2]`; of `steps[:, ::-1]` those before it."""
    found: list[list[int]] = [[] for _ in range(num_nodes)]
    for source, target in steps.tolist():
        found[source].append(target)
    return found


def whole(matrix: scipy.sparse.csr_array, start: int, goal: int) -> list[int]:
    """The nodes of a shortest way after its start, by the edges of a sparse matrix; empty where there is none.

    It visits all that can be reached: SciPy's search doesn't stop at a goal.
    """
    _, parents = scipy.sparse.csgraph.breadth_first_order(matrix, start, return_predecessors=True)
    way, node = [], goal
    while node != start and node >= 0:
        way.append(node)
        node = int(parents[node])
    return way[::-1] if node == start else []


def from_start(after: Neighbors, start: int, goal: int) -> list[int]:
    """As `whole`, but it stops at the goal."""
    parents = {start: start}
    reached = [start]
    for node in reached:
        for other in after[node]:
            if other not in parents:
                parents[other] = node
                if other == goal:
                    return _follow(parents, goal)[-2::-1]
                reached.append(other)
    return []


def from_both_ends(after: Neighbors, before: Neighbors, start: int, goal: int) -> list[int]:
    """As `from_start`, but searched from both ends, always on from the fewer nodes."""
    if start == goal:
        return []
    parents, children = {start: start}, {goal: goal}
    front, back = [start], [goal]
    while front and back:
        forward = len(front) <= len(back)
        ends, links, seen, others = (front, after, parents, children) if forward else (back, before, children, parents)
        found = []
        for node in ends:
            for other in links[node]:
                if other in seen:
                    continue
                seen[other] = node
                if other in others:
                    # Both sides have taken whole steps, so that no shorter way is left.
                    return (_follow(parents, other)[::-1] + _follow(children, other)[1:])[1:]
                found.append(other)
        front, back = (found, back) if forward else (front, found)
    return []


def _follow(links: dict[int, int], node: int) -> list[int]:
    """The node and those that it leads to, up to the one that leads to itself."""
    way = [node]
    while links[node] != node:
        node = links[node]
        way.append(node)
    return way


def _microseconds(form: Callable[[int, int], list[int]], asked: Sequence[tuple[int, int]]) -> float:
    """Median processor time for one way."""
    seconds = []
    for _ in range(_REPEATS):
        started = time.process_time()
        for start, goal in asked:
            form(start, goal)
        seconds.append(time.process_time() - started)
    return float(np.median(seconds)) / len(asked) * 1e6
