"""Communities grown over the graph of steps, for worlds in which no step is a bridge: balanced, with few gates.

`find_bridges` needs single steps that join what is dense; a maze has none. Here every state starts as a community of
its own. Again and again the two are merged that have the most steps between them for their sizes, as long as both
together are within a bound; so a community grows around what hangs together, and its gates are few. The communities of
one level are what the next level grows from, with a bound on how many of their gates lie in one.

Sources: Daniel Delling, Andrew Goldberg, Thomas Pajor and Renato Werneck, "Customizable Route Planning" (2011), for
nested partitions of bounded size whose gates carry all long ways; merging by weight over sizes follows Jianbo Shi and
Jitendra Malik, "Normalized Cuts and Image Segmentation" (2000), for what is to be kept together.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from humain.abstraction.bridges import Bridges, gate_table


def grow_communities(
    steps: np.ndarray, num_states: int, sizes: Sequence[int], *, together: np.ndarray | None = None
) -> tuple[Bridges, ...]:
    """Nested abstractions, the smallest communities first. Not for jit.

    Args:
        steps: `[E, 2]` ids, from and to.
        num_states: size of the id space.
        sizes: for each level, how many states a community may have, at the lowest level, and above it how many gates of
            the level below.
        together: `[P, 2]` ids that must lie in one community, such as all states that one choice may lead to.

    Returns:
        One for each size; for a stack of one layer more.

    Raises:
        ValueError: if there are no sizes, one is below 2, ids are not below `num_states`, or a size does not hold what
            must lie together.
    """
    edges = np.asarray(steps, np.int64).reshape(-1, 2)
    if not sizes or min(sizes) < 2:
        raise ValueError(f"sizes must be at least one, of 2 or more each, not {list(sizes)}")
    groups = np.zeros((0, 2), np.int64) if together is None else np.asarray(together, np.int64).reshape(-1, 2)
    for ids in (edges, groups):
        if ids.size and (ids.min() < 0 or ids.max() >= num_states):
            raise ValueError(
                f"ids of {num_states} states lie between 0 and {num_states - 1}, not {ids.min()} to {ids.max()}"
            )
    edges = edges[edges[:, 0] != edges[:, 1]]
    labels = _joined(groups, num_states)
    weights = np.ones(num_states, np.int64)
    levels = []
    for size in sizes:
        labels = _grown(edges, labels, weights, size)
        crossing = labels[edges[:, 0]] != labels[edges[:, 1]]
        gates = np.zeros(num_states, bool)
        gates[edges[crossing]] = True
        levels.append(gate_table(labels, gates))
        weights = gates.astype(np.int64)
    return tuple(levels)


def _joined(pairs: np.ndarray, num_states: int) -> np.ndarray:
    """The group of each state `[N]`, of those that pairs join."""
    roots = np.arange(num_states)

    def root(state: int) -> int:
        while roots[state] != state:
            roots[state] = roots[roots[state]]
            state = int(roots[state])
        return state

    for first, second in pairs.tolist():
        roots[root(first)] = root(second)
    members = np.unique(pairs).tolist()
    labels = np.arange(num_states)
    for state in members:
        labels[state] = root(state)
    return np.unique(labels, return_inverse=True)[1]


def _grown(edges: np.ndarray, labels: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Communities `[N]` made of those that there are, of a weight of at most `size` each."""
    count = int(labels.max()) + 1
    held = np.bincount(labels, weights, minlength=count).astype(np.int64).tolist()
    if max(held) > size:
        raise ValueError(f"{max(held)} must lie in one community, which may hold {size}; raise its size")
    ends = labels[edges]
    ends = np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1)
    pairs, strengths = np.unique(ends, axis=0, return_counts=True)
    links: list[dict[int, int]] = [{} for _ in range(count)]
    for (first, second), strength in zip(pairs.tolist(), strengths.tolist(), strict=True):
        links[first][second] = links[second][first] = strength
    into = list(range(count))

    def worth(first: int, second: int) -> tuple[float, int, int, int]:
        # A community without gates weighs nothing, and joins whatever is near. Equal ones in order of their numbers.
        strength = links[first][second]
        return (-strength / (max(held[first], 1) * max(held[second], 1)), -strength, first, second)

    waiting = [worth(first, second) for first, second in pairs.tolist()]
    heapq.heapify(waiting)
    while waiting:
        entry = heapq.heappop(waiting)
        strength, one, other = -entry[1], entry[2], entry[3]
        if into[one] != one or into[other] != other or links[one].get(other) != strength:
            continue
        if held[one] + held[other] > size or entry != worth(one, other):
            continue
        # The one with fewer neighbours is merged into the other.
        if len(links[one]) < len(links[other]):
            one, other = other, one
        into[other] = one
        held[one] += held[other]
        del links[one][other], links[other][one]
        for near, strength in links[other].items():
            del links[near][other]
            links[one][near] = links[near][one] = links[one].get(near, 0) + strength
        links[other] = {}
        for near in links[one]:
            if held[one] + held[near] <= size:
                heapq.heappush(waiting, worth(min(one, near), max(one, near)))
    for number in range(count):
        root = number
        while into[root] != root:
            root = into[root]
        into[number] = root
    return np.unique(np.asarray(into)[labels], return_inverse=True)[1]
