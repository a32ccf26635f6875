"""Worlds of rooms with doors between them, and the ways that people take through them.

Every cell is a state, and a step leads to any of the eight cells around. With four, all that goes through a door would
also go through the cell before it, which its room's own traffic makes busier than the door; so the cells before the
doors would be the crossroads.

Source of the four rooms: Richard S. Sutton, Doina Precup and Satinder Singh, "Between MDPs and semi-MDPs: A Framework
for Temporal Abstraction in Reinforcement Learning" (1999); here sizes and doors are drawn at random.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tasks.graphs.world import UNREACHABLE, Graph

_DOOR_GAP = 3
"""Doors lie at least so many rows or columns apart: two that touch are one crossroads."""


@dataclasses.dataclass(frozen=True)
class Rooms:
    """A world.

    Attributes:
        floor: `[H, W]` bool, False for walls.
        places: `[N, 2]` int32, row and column of each state.
        doors: `[D]` int32, the states that are doors.
        graph: its steps.
    """

    floor: np.ndarray
    places: np.ndarray
    doors: np.ndarray
    graph: Graph


@dataclasses.dataclass(frozen=True)
class Ways:
    """Ways through a world.

    Attributes:
        states: `[P, T]` int32; what lies behind a way's end is its last state.
        lengths: `[P]` int32, states on each.
    """

    states: np.ndarray
    lengths: np.ndarray


def two_rooms(rng: np.random.Generator, *, smallest: int, largest: int) -> Rooms:
    """Two rooms side by side with a door between.

    Args:
        rng: draws the sizes and the door.
        smallest: cells along a room's side at least, 1 or more.
        largest: and at most.
    """
    height, left, right = (int(size) for size in rng.integers(smallest, largest + 1, 3))
    floor = np.ones((height, left + 1 + right), bool)
    floor[:, left] = False
    return _with_doors(floor, [(int(rng.integers(height)), left)])


def four_rooms(rng: np.random.Generator, *, smallest: int, largest: int) -> Rooms:
    """Four rooms around a crossing of walls, with a door in each of its arms.

    Args:
        rng: draws the sizes and the doors.
        smallest: cells along a room's side at least, 3 or more.
        largest: and at most.
    """
    if smallest < _DOOR_GAP:
        raise ValueError(f"smallest must be {_DOOR_GAP} or more, or doors would touch, not {smallest}")
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


def shortest_ways(rng: np.random.Generator, rooms: Rooms, num_ways: int) -> Ways:
    """Shortest ways between random pairs of different states; of steps equally good one is drawn at random."""
    num_states = len(rooms.places)
    starts = rng.integers(num_states, size=num_ways)
    goals = (starts + rng.integers(1, num_states, size=num_ways)) % num_states
    distances = rooms.graph.distances[starts, goals]
    # One more column and row for what fills up short rows of neighbours: nowhere.
    to_goal = np.pad(rooms.graph.distances, ((0, 1), (0, 0)), constant_values=UNREACHABLE)
    states = [starts]
    for _ in range(int(np.max(distances))):
        here = states[-1]
        options = rooms.graph.neighbors[here]
        nearer = to_goal[options, goals[:, None]] < rooms.graph.distances[here, goals][:, None]
        chosen = np.argmax(np.where(nearer, rng.random(options.shape), -1), axis=1)
        states.append(np.where(here == goals, here, options[np.arange(num_ways), chosen]))
    return Ways(states=np.stack(states, axis=1).astype(np.int32), lengths=(distances + 1).astype(np.int32))


def _with_doors(floor: np.ndarray, doors: Sequence[tuple[int, int]]) -> Rooms:
    """The world of a floor in whose walls doors are opened."""
    for door in doors:
        floor[door] = True
    places = np.argwhere(floor).astype(np.int32)
    numbers = np.full(floor.shape, -1)
    numbers[floor] = np.arange(len(places))
    gaps = np.max(np.abs(places[:, None] - places[None]), axis=-1)
    names = tuple(f"{row},{column}" for row, column in places)
    return Rooms(
        floor=floor,
        places=places,
        doors=np.sort([numbers[door] for door in doors]).astype(np.int32),
        graph=Graph(names=names, edges=np.argwhere(gaps == 1).astype(np.int32)),
    )
