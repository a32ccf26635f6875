"""Layouts are upstream's, and cells, positions and ways are as its environment and a plain search have them."""

import contextlib
import tempfile
from typing import Any

import numpy as np
import pytest

from humain import errors
from tasks.mazes import layout


def _inner(made) -> Any:
    """Upstream's environment in its wrappers, with attributes that Gymnasium's class knows nothing of."""
    return made.unwrapped


def _by_hand():
    """Five free cells: a corridor of four, 0 to 3, and 4 below the third of them."""
    drawn = ["######", "#....#", "###.##", "######"]
    return layout.Layout(
        size="by hand",
        map=np.array([[character == "#" for character in row] for row in drawn]),
        unit=4.0,
        wall_height=0.5,
        origin=(-4.0, -4.0),
        point_radius=0.7,
        noise=1.0,
        goal_radius=1.0,
        tasks=(),
    )


def test_ways_by_hand():
    maze = _by_hand()
    np.testing.assert_array_equal(maze.free_cells, [(1, 1), (1, 2), (1, 3), (1, 4), (2, 3)])
    np.testing.assert_array_equal(
        maze.distances,
        [[0, 1, 2, 3, 3], [1, 0, 1, 2, 2], [2, 1, 0, 1, 1], [3, 2, 1, 0, 2], [3, 2, 1, 2, 0]],
    )
    np.testing.assert_array_equal(
        maze.next_cells,
        [[0, 1, 1, 1, 1], [0, 1, 2, 2, 2], [1, 1, 2, 3, 4], [2, 2, 2, 3, 2], [2, 2, 2, 2, 4]],
    )
    np.testing.assert_array_equal(maze.vertices, [0, 2, 3, 4])  # 1 has walls above and below, and ways left and right
    np.testing.assert_array_equal(maze.neighbours[2], [5, 1, 4, 3])  # above is a wall


def test_a_wall_cuts_cells_off():
    maze = _by_hand()
    maze.map[1, 2] = True
    assert np.isinf(maze.distances[0, 1:]).all()
    np.testing.assert_array_equal(maze.next_cells[0], [0, 0, 0, 0])  # 0 stays where it is
    np.testing.assert_array_equal(maze.next_cells[1:, 0], [1, 2, 3])


def test_what_is_free():
    maze = _by_hand()
    positions = np.array([(0.0, 0.0), (1.99, 1.99), (0.0, 2.01), (-2.01, 0.0), (-100.0, 0.0), (0.0, 1000.0)])
    np.testing.assert_array_equal(maze.is_free(positions), [True, True, False, False, False, False])
    assert maze.is_free(np.zeros(2))
    maze.map[:] = False  # without a wall around it, too, nothing outside is free
    np.testing.assert_array_equal(maze.is_free(positions), [True, True, True, True, False, False])


@pytest.mark.parametrize("size", layout.SIZES)
def test_a_maze_is_upstream_s(size):
    maze = layout.load(size)
    with contextlib.closing(layout.make(size)) as made:
        inner = _inner(made)
        np.testing.assert_array_equal(maze.map, inner.maze_map == 1)
        positions = np.random.default_rng(0).uniform(-3, 28, (200, 2))
        np.testing.assert_array_equal(maze.to_cell(positions), [inner.xy_to_ij(each) for each in positions])
        np.testing.assert_array_equal(maze.to_position(maze.free_cells), [inner.ij_to_xy(ij) for ij in maze.free_cells])
        np.testing.assert_array_equal(maze.to_cell(maze.to_position(maze.free_cells)), maze.free_cells)
        for number, task in enumerate(maze.tasks, 1):
            _, info = made.reset(options={"task_id": number})
            np.testing.assert_array_equal(maze.to_cell(_inner(made).get_xy()), task.start)
            np.testing.assert_array_equal(maze.to_cell(info["goal"]), task.goal)
            assert np.abs(_inner(made).get_xy() - maze.to_position(task.start)).max() <= maze.noise
        with pytest.raises(AssertionError):  # there are no more
            made.reset(options={"task_id": len(maze.tasks) + 1})


@pytest.mark.parametrize("size", ["large", "teleport"])  # in the second, a closed cell can't be left or reached
def test_the_next_cells_are_upstream_s(size):
    maze = layout.load(size)
    centres = maze.to_position(maze.free_cells)
    pairs = np.random.default_rng(1).integers(len(centres), size=(300, 2))
    with contextlib.closing(layout.make(size)) as made:
        found = [_inner(made).get_oracle_subgoal(centres[start], centres[goal])[0] for start, goal in pairs]
    np.testing.assert_array_equal(centres[maze.next_cells[tuple(pairs.T)]], found)


def test_teleporters_are_where_upstream_s_are():
    teleporters = layout.load("teleport").teleporters
    assert teleporters is not None and layout.load("medium").teleporters is None
    np.testing.assert_array_equal(teleporters.entries, [(20, 12), (0, 16)])
    np.testing.assert_array_equal(teleporters.exits, [(24, 0), (0, 20), (36, 20)])
    assert teleporters.radius == 1.5


def test_an_unknown_size_is_refused():
    for ask in (layout.load, layout.make, layout.environment_name):
        with pytest.raises(errors.UserError, match="no maze 'huge'; the sizes are medium, large, giant, teleport"):
            ask("huge")


def test_no_file_stays_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    layout.make("medium").close()
    assert list(tmp_path.iterdir()) == []
