"""The mazes of OGBench's point environments, read from the environments themselves, and the shortest ways in them.

Cells are (row, column) of the map; positions are (x, y), x along a row's columns and y along the rows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import ogbench.locomaze  # noqa: F401 (registers the environments)

from humain import errors

SIZES = ("medium", "large", "giant", "teleport")
# From a cell to its neighbours, in the order in which upstream's search of the next cell tries them.
_NEIGHBOURS = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])


@dataclasses.dataclass(frozen=True)
class MazeTask:
    """One of the environment's five tasks.

    Attributes:
        start: the cell that an episode starts in.
        goal: the cell that the goal is in.
    """

    start: tuple[int, int]
    goal: tuple[int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Teleporters:
    """Places that move whoever comes near to another place.

    Attributes:
        entries: `[E, 2]` positions.
        exits: `[X, 2]` positions, one of which is drawn each time.
        radius: who is no farther than this from an entry is moved.
    """

    entries: np.ndarray
    exits: np.ndarray
    radius: float


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """A maze.

    Attributes:
        size: its name, one of `SIZES`.
        map: `[I, J]` bool, True where a cell is a wall.
        unit: the side of a cell.
        wall_height: the height of walls in units.
        origin: the position (x, y) of the centre of cell (0, 0).
        point_radius: of the point, which is a sphere.
        noise: starts and goals are at most this far from the centre of their cell, along each axis.
        goal_radius: who is no farther than this from the goal has reached it.
        tasks: the environment's own.
        teleporters: None in mazes without.
    """

    size: str
    map: np.ndarray
    unit: float
    wall_height: float
    origin: tuple[float, float]
    point_radius: float
    noise: float
    goal_radius: float
    tasks: tuple[MazeTask, ...]
    teleporters: Teleporters | None = None

    def to_position(self, cells: npt.ArrayLike) -> np.ndarray:
        """The centres `[..., 2]` of cells `[..., 2]`."""
        return np.asarray(cells)[..., ::-1] * self.unit + self.origin

    def to_cell(self, positions: npt.ArrayLike) -> np.ndarray:
        """The cells `[..., 2]` int that positions `[..., 2]` are in; outside the map they are not among its cells."""
        places = (np.asarray(positions) - self.origin) / self.unit + 0.5
        return np.floor(places[..., ::-1]).astype(np.int64)

    def is_wall(self, cells: npt.ArrayLike) -> np.ndarray:
        """Whether cells `[..., 2]` are walls, `[...]` bool; all cells outside the map are."""
        cells = np.asarray(cells)
        inside = ((cells >= 0) & (cells < self.map.shape)).all(-1)
        clipped = np.clip(cells, 0, np.array(self.map.shape) - 1)
        return ~inside | self.map[clipped[..., 0], clipped[..., 1]]

    def is_free(self, positions: npt.ArrayLike) -> np.ndarray:
        """Whether positions `[..., 2]` are in the maze and not in a wall, `[...]` bool."""
        return ~self.is_wall(self.to_cell(positions))

    @functools.cached_property
    def free_cells(self) -> np.ndarray:
        """The cells `[F, 2]` that are no walls, row by row; other methods number them by their place here."""
        return np.argwhere(~self.map)

    @functools.cached_property
    def numbers(self) -> np.ndarray:
        """The number `[I, J]` of each cell among `free_cells`; `F` for walls."""
        found = np.full(self.map.shape, len(self.free_cells))
        found[tuple(self.free_cells.T)] = np.arange(len(self.free_cells))
        return found

    @functools.cached_property
    def neighbours(self) -> np.ndarray:
        """The numbers `[F, 4]` of each free cell's neighbours above, left, below and right; `F` for walls."""
        around = self.free_cells[:, None] + _NEIGHBOURS
        clipped = np.clip(around, 0, np.array(self.map.shape) - 1)
        return np.where(self.is_wall(around), len(self.free_cells), self.numbers[clipped[..., 0], clipped[..., 1]])

    @functools.cached_property
    def distances(self) -> np.ndarray:
        """The steps `[F, F]` from one free cell to another by a breadth-first search; inf where there is no way.

        Teleporters don't count as ways.
        """
        count = len(self.free_cells)
        adjacent = np.zeros((count, count + 1), bool)
        adjacent[np.arange(count)[:, None], self.neighbours] = True
        adjacent = adjacent[:, :count]
        found = np.where(np.eye(count, dtype=bool), 0.0, np.inf)
        front, step = np.eye(count, dtype=bool), 0
        while front.any():
            step += 1
            front = (front @ adjacent) & np.isinf(found)
            found[front] = step
        return found

    @functools.cached_property
    def next_cells(self) -> np.ndarray:
        """The number `[F, F]` of the cell to go to next from one free cell to another.

        It is the first of the neighbours that are nearest to the goal, and the cell itself where that is the goal or
        there is no way to it: upstream's rule.
        """
        count = len(self.free_cells)
        ahead = np.concatenate([self.distances, np.full((1, count), np.inf)])[self.neighbours]
        best = ahead.argmin(axis=1)
        there = np.take_along_axis(self.neighbours, best, axis=1)
        return np.where(ahead.min(axis=1) < self.distances, there, np.arange(count)[:, None])

    @functools.cached_property
    def vertices(self) -> np.ndarray:
        """The numbers of the free cells that are not in a straight corridor, with walls on both its sides."""
        open_sides = self.neighbours < len(self.free_cells)
        up, left, down, right = open_sides.T
        vertical = up & down & ~left & ~right
        horizontal = left & right & ~up & ~down
        return np.flatnonzero(~(vertical | horizontal))


def environment_name(size: str) -> str:
    """The name under which Gymnasium knows the environment.

    Raises:
        UserError: if there is no maze of this size.
    """
    if size not in SIZES:
        raise errors.UserError(f"there is no maze {size!r}; the sizes are {', '.join(SIZES)}")
    return f"pointmaze-{size}-v0"


def make(size: str, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """Upstream's environment, without the file that it leaves in the folder for temporary files.

    Args:
        size: one of `SIZES`.
        **arguments: for `gymnasium.make`.

    Raises:
        UserError: if there is no maze of this size.
    """
    made = gymnasium.make(environment_name(size), **arguments)
    with contextlib.suppress(OSError):
        pathlib.Path(made.get_wrapper_attr("fullpath")).unlink()
    return made


@functools.cache
def load(size: str) -> Layout:
    """A maze of OGBench.

    Args:
        size: one of `SIZES`.

    Raises:
        UserError: if there is no maze of this size.
    """
    with contextlib.closing(make(size)) as made:
        inner: Any = made.unwrapped
        # The reach of an entry in radii is a literal in upstream's step.
        reach = 1.5
        info = inner._teleport_info
        return Layout(
            size=size,
            map=inner.maze_map.astype(bool),
            unit=inner._maze_unit,
            wall_height=inner._maze_height,
            origin=(-inner._offset_x, -inner._offset_y),
            point_radius=float(inner.model.geom("pointbody").size[0]),
            noise=inner._noise * inner._maze_unit / 4,
            goal_radius=inner._goal_tol,
            tasks=tuple(MazeTask(start=each["init_ij"], goal=each["goal_ij"]) for each in inner.task_infos),
            teleporters=None
            if info is None
            else Teleporters(
                entries=np.array(info["teleport_in_xys"]),
                exits=np.array(info["teleport_out_xys"]),
                radius=reach * info["teleport_radius"],
            ),
        )
