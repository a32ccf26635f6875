"""A world in which depth matters: communities joined by few bridges, and regions of communities joined by fewer."""

import numpy as np

from humain import errors
from tasks.graphs.world import Graph


def community_graph(
    rng: np.random.Generator, *, num_regions: int, region_communities: int, community_nodes: int, num_bridges: int
) -> Graph:
    """A graph in which every edge leads both ways; the nodes' numbers say nothing of where they lie.

    Nodes, communities and regions are each joined alike: in a ring, with half as many chords between any two of it.

    Args:
        rng: drawn from.
        num_regions: 1 or more, as are the numbers below.
        region_communities: communities in a region.
        community_nodes: nodes in a community, at least 2.
        num_bridges: edges between two communities, or regions, that are joined, each between nodes drawn at random.
    """
    for name, value, least in (
        ("num_regions", num_regions, 1),
        ("region_communities", region_communities, 1),
        ("community_nodes", community_nodes, 2),
        ("num_bridges", num_bridges, 1),
    ):
        if value < least:
            raise errors.UserError(f"{name} must be {least} or more, not {value}")
    numbers = rng.permutation(num_regions * region_communities * community_nodes)
    nodes = numbers.reshape(num_regions, region_communities, community_nodes)
    edges = []
    for region in nodes:
        for community in region:
            edges += [(community[a], community[b]) for a, b in _ring_with_chords(rng, community_nodes)]
        for a, b in _ring_with_chords(rng, region_communities):
            edges += [(rng.choice(region[a]), rng.choice(region[b])) for _ in range(num_bridges)]
    for a, b in _ring_with_chords(rng, num_regions):
        edges += [(rng.choice(nodes[a].ravel()), rng.choice(nodes[b].ravel())) for _ in range(num_bridges)]
    one_way = np.array(edges, np.int32)
    both_ways = np.unique(np.concatenate([one_way, one_way[:, ::-1]]), axis=0)
    return Graph(names=tuple(str(node) for node in range(nodes.size)), edges=both_ways)


def _ring_with_chords(rng: np.random.Generator, size: int) -> list[tuple[int, int]]:
    """Which of so many are joined."""
    joined = {(number, number + 1) for number in range(size - 1)}
    if size > 2:
        joined.add((0, size - 1))
    wanted = min(len(joined) + size // 2, size * (size - 1) // 2)
    while len(joined) < wanted:
        first, second = sorted(rng.choice(size, 2, replace=False).tolist())
        joined.add((first, second))
    return sorted(joined)
