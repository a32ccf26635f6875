"""Worlds of rooms with doors between them, and shortest ways through them.

Every cell is a state, and a step leads to any of the eight neighbours. With four neighbours, every way through a door
would also pass the cell in front of it, which the traffic within its room makes busier than the door, so that the cells
in front of the doors would be the crossroads.

Source of the four rooms: Richard S. Sutton, Doina Precup and Satinder Singh, "Between MDPs and semi-MDPs: A Framework
for Temporal Abstraction in Reinforcement Learning" (1999); here sizes and doors are random.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tasks.graphs.world import UNREACHABLE, Graph

_DOOR_GAP = 3
"""The smallest distance of two doors in rows or columns: adjacent doors would be one crossroads."""


@dataclasses.dataclass(frozen=True)
class FloorPlan:
    """A world of rooms.

    Attributes:
        floor: `[H, W]` bool, False for walls.
        places: `[N, 2]` int32, row and column of each state.
        doors: `[D]` int32, the states that are doors.
        graph: the possible steps between states.
    """

    floor: np.ndarray
    places: np.ndarray
    doors: np.ndarray
    graph: Graph


@dataclasses.dataclass(frozen=True)
class Ways:
    """Ways through a world.

    Attributes:
        states: `[P, T]` int32; a way's last state is repeated after its end.
        lengths: `[P]` int32, the number of states of each way.
    """

    states: np.ndarray
    lengths: np.ndarray


def two_rooms(rng: np.random.Generator, *, smallest: int, largest: int) -> FloorPlan:
    """Draws two rooms side by side, with a door between them.

    Args:
        rng: draws the sizes and the door.
        smallest: the smallest number of cells along a room's side, at least 1.
        largest: the largest number of cells along a room's side.
    """
    height, left, right = (int(size) for size in rng.integers(smallest, largest + 1, 3))
    floor = np.ones((height, left + 1 + right), bool)
    floor[:, left] = False
    return _with_doors(floor, [(int(rng.integers(height)), left)])


def four_rooms(rng: np.random.Generator, *, smallest: int, largest: int) -> FloorPlan:
    """Draws four rooms around a crossing of walls, with a door in each of its arms.

    Args:
        rng: draws the sizes and the doors.
        smallest: the smallest number of cells along a room's side, at least 3.
        largest: the largest number of cells along a room's side.
    """
    if smallest < _DOOR_GAP:
        raise ValueError(f"smallest must be at least {_DOOR_GAP}, not {smallest}, or doors would touch")
    above, below, left, right = (int(size) for size in rng.integers(smallest, largest + 1, 4))
    floor = np.ones((above + 1 + below, left + 1 + right), bool)
    floor[above] = False
    floor[:, left] = False
    while True:
        doors = [
            (int(rng.integers(above)), left),
            (above + 1 + int(rng.integers(below)), left),
            (above, int(rng.integers(left))),
            (above, left + 1 + int(rng.integers(right))),
        ]
        gaps = np.abs(np.array(doors)[:, None] - np.array(doors)[None]).max(-1)
        if np.min(gaps[np.triu_indices(len(doors), 1)]) >= _DOOR_GAP:
            return _with_doors(floor, doors)


def shortest_ways(rng: np.random.Generator, rooms: FloorPlan, num_ways: int) -> Ways:
    """Draws shortest ways between random pairs of different states, choosing among equally good steps at random."""
    num_states = len(rooms.places)
    starts = rng.integers(num_states, size=num_ways)
    goals = (starts + rng.integers(1, num_states, size=num_ways)) % num_states
    distances = rooms.graph.distances[starts, goals]
    # One more column and row, for the padding of short rows of neighbours.
    to_goal = np.pad(rooms.graph.distances, ((0, 1), (0, 0)), constant_values=UNREACHABLE)
    states = [starts]
    for _ in range(int(np.max(distances))):
        here = states[-1]
        options = rooms.graph.neighbors[here]
        nearer = to_goal[options, goals[:, None]] < rooms.graph.distances[here, goals][:, None]
        chosen = np.argmax(np.where(nearer, rng.random(options.shape), -1), axis=1)
        states.append(np.where(here == goals, here, options[np.arange(num_ways), chosen]))
    return Ways(states=np.stack(states, axis=1).astype(np.int32), lengths=(distances + 1).astype(np.int32))


def _with_doors(floor: np.ndarray, doors: Sequence[tuple[int, int]]) -> FloorPlan:
    """Returns the world of a floor with doors opened in its walls."""
    for door in doors:
        floor[door] = True
    places = np.argwhere(floor).astype(np.int32)
    numbers = np.full(floor.shape, -1)
    numbers[floor] = np.arange(len(places))
    gaps = np.max(np.abs(places[:, None] - places[None]), axis=-1)
    names = tuple(f"{row},{column}" for row, column in places)
    return FloorPlan(
        floor=floor,
        places=places,
        doors=np.sort([numbers[door] for door in doors]).astype(np.int32),
        graph=Graph(names=names, edges=np.argwhere(gaps == 1).astype(np.int32)),
    )
