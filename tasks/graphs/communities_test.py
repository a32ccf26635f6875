"""The world of communities: its size, its joints by hand, and that its ways are long."""

import networkx as nx
import numpy as np
import pytest

from configs import simple
from humain import errors
from tasks.graphs import communities, layers
from tasks.graphs.world import Graph


def _graph(seed: int = 0, **sizes: int) -> tuple[Graph, nx.DiGraph]:
    graph = communities.community_graph(
        np.random.default_rng(seed),
        **{"num_regions": 3, "region_communities": 4, "community_nodes": 5, "num_bridges": 1} | sizes,
    )
    return graph, nx.DiGraph(graph.edges.tolist())


def test_every_edge_leads_both_ways_and_every_node_to_every_other():
    graph, network = _graph()
    assert graph.num_nodes == network.number_of_nodes() == 3 * 4 * 5
    assert nx.is_strongly_connected(network)
    assert {(b, a) for a, b in network.edges} == set(network.edges)
    assert len(np.unique(graph.edges, axis=0)) == len(graph.edges)


def test_as_many_are_joined_as_a_ring_with_chords_has():
    # A community: 5 edges of the ring and 2 chords. A region: 4 + 2 of them. The world: 3 in a ring, and no more.
    graph, _ = _graph()
    assert len(graph.edges) == 2 * (12 * 7 + 3 * 6 + 3)
    # Two and one: nothing to go round. 2 nodes are one edge, 2 communities one bridge.
    alone, _ = _graph(num_regions=1, region_communities=2, community_nodes=2)
    assert len(alone.edges) == 2 * (2 * 1 + 1)


def test_a_few_bridges_hold_it_together():
    # Without its 18 bridges within regions and the 3 between them it falls apart into 12 communities.
    rng = np.random.default_rng(0)
    numbers = rng.permutation(60).reshape(12, 5)
    graph, network = _graph()
    community = {int(node): number for number, nodes in enumerate(numbers) for node in nodes}
    crossing = [(a, b) for a, b in graph.edges.tolist() if community[a] != community[b]]
    assert len(crossing) == 2 * (3 * 6 + 3)
    network.remove_edges_from(crossing)
    assert nx.number_weakly_connected_components(network) == 12


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ways_through_the_large_world_are_long(seed):
    config = simple.get_config("layers")
    graph, trajectories = layers.make_world(config, seed)
    figures = layers.describe(graph, trajectories, seed, num_starts=1024)
    assert figures["nodes"] == 1024
    assert figures["mean_shortest"] >= 12
    assert figures["edges_seen"] == 1


def test_what_can_not_be_joined_is_refused():
    with pytest.raises(errors.UserError, match="community_nodes must be 2 or more, not 1"):
        _graph(community_nodes=1)
