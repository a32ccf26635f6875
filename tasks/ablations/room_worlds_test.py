"""Worlds of rooms, and the ways through them."""

import numpy as np
import pytest

from tasks.ablations import room_worlds
from tasks.graphs.world import UNREACHABLE


@pytest.mark.parametrize(
    ("build", "num_doors", "num_rooms"), [(room_worlds.two_rooms, 1, 2), (room_worlds.four_rooms, 4, 4)]
)
@pytest.mark.parametrize("seed", range(5))
def test_doors_alone_join_the_rooms(build, num_doors, num_rooms, seed):
    world = build(np.random.default_rng(seed), smallest=3, largest=5)
    assert world.doors.shape == (num_doors,)
    assert np.max(world.graph.distances) < UNREACHABLE
    # Without doors what can be reached falls into as many parts as there are rooms.
    inside = np.setdiff1d(np.arange(len(world.places)), world.doors)
    parts: list[list[int]] = []
    for state in inside:
        near = [part for part in parts if any(max(abs(world.places[state] - world.places[o])) == 1 for o in part)]
        parts = [part for part in parts if part not in near] + [sum(near, [int(state)])]
    assert len(parts) == num_rooms


def test_a_step_leads_to_the_eight_cells_around():
    world = room_worlds.two_rooms(np.random.default_rng(0), smallest=3, largest=3)
    assert world.floor.shape == (3, 7)
    corner = world.graph.node("0,0")
    around = [world.graph.names[node] for node in world.graph.neighbors[corner] if node < world.graph.num_nodes]
    assert around == ["0,1", "1,0", "1,1"]
    assert world.floor[:, 3].sum() == 1


def test_doors_do_not_touch():
    for seed in range(20):
        world = room_worlds.four_rooms(np.random.default_rng(seed), smallest=3, largest=4)
        gaps = np.abs(world.places[world.doors][:, None] - world.places[world.doors][None]).max(-1)
        assert np.min(gaps[np.triu_indices(4, 1)]) >= 3


def test_ways_are_shortest_and_of_all_kinds():
    rng = np.random.default_rng(0)
    world = room_worlds.four_rooms(rng, smallest=3, largest=4)
    ways = room_worlds.shortest_ways(rng, world, 400)
    edges = set(map(tuple, world.graph.edges.tolist()))
    for states, length in zip(ways.states, ways.lengths, strict=True):
        assert length == world.graph.distances[states[0], states[length - 1]] + 1 >= 2
        assert all(step in edges for step in zip(states[: length - 1].tolist(), states[1:length].tolist(), strict=True))
        assert (states[length:] == states[length - 1]).all()
    # Of equally short ways between two cells several are taken.
    by_pair: dict[tuple[int, int], set[tuple[int, ...]]] = {}
    for states, length in zip(ways.states.tolist(), ways.lengths, strict=True):
        by_pair.setdefault((states[0], states[length - 1]), set()).add(tuple(states[:length]))
    assert max(map(len, by_pair.values())) > 1


def test_small_rooms_would_have_touching_doors():
    with pytest.raises(ValueError, match="smallest must be at least 3"):
        room_worlds.four_rooms(np.random.default_rng(0), smallest=2, largest=5)
