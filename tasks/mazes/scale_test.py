"""The maze of many places, small: the maze and its walks, and that all that is planned is a shortest way."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse.csgraph

from tasks.mazes import scale

_SMALL = scale.Settings(
    width=50,
    height=40,
    num_walks=1_000,
    walk_rooms=64,
    sizes=(16, 32),
    longest=512,
    sweep_goals=256,
    max_nodes=256,
    num_pairs=40,
    batch_size=8,
)


def test_a_maze_is_a_tree_with_some_walls_opened():
    settings = dataclasses.replace(_SMALL, opened=0.0)
    maze = scale.make_maze(settings, 0)
    # 2,000 rooms, 1,999 passages, each both ways at one time; all can be reached.
    assert np.sum(maze.times > 0) == 2 * 1999
    matrix = maze.matrix
    assert (matrix != matrix.T).nnz == 0
    assert scipy.sparse.csgraph.connected_components(matrix, return_labels=False) == 1
    assert set(np.unique(maze.times)) == {0, 1, 2, 3}
    # Passages lead to the next room of the row or column.
    rows, columns = np.nonzero(maze.times)
    apart = np.abs(rows - maze.neighbors[rows, columns])
    assert set(np.unique(apart)) == {1, 50}
    # Walls between rooms: 40 * 49 + 39 * 50 = 3,910. With all open, all are passages.
    assert np.sum(scale.make_maze(dataclasses.replace(_SMALL, opened=1.0), 0).times > 0) == 2 * 3910
    assert not np.array_equal(maze.neighbors, scale.make_maze(settings, 1).neighbors)


def test_walks_take_the_times_of_the_passages_and_turn_back_in_dead_ends_alone():
    maze = scale.make_maze(_SMALL, 0)
    places, lengths = scale.random_walks(maze, _SMALL, 0)
    matrix = maze.matrix
    degrees = np.sum(maze.times > 0, axis=1)
    for path, length in zip(places[:20], lengths[:20], strict=True):
        rooms, stays = [int(path[0])], [0]
        for place in path[:length]:
            if place != rooms[-1]:
                rooms.append(int(place))
                stays.append(0)
            stays[-1] += 1
        assert len(rooms) == 64
        assert [int(matrix[one, other]) for one, other in zip(rooms[:-1], rooms[1:], strict=True)] == stays[:-1]
        for before, here, after in zip(rooms[:-2], rooms[1:-1], rooms[2:], strict=True):
            assert (before == after) == (degrees[here] == 1)


def test_what_is_learned_from_short_walks_plans_shortest_ways():
    found = scale.measure(_SMALL, 0)
    assert found["places"] == 2000
    assert found["steps_seen"] == 1
    assert (found["goals_waiting"], found["rows_refused"]) == (0, 0)
    assert found["rows"] == found["rows_needed"]
    assert sum(found["rows"]) < 2000**2 / 40
    assert found["arrived"] == 1
    assert found["worst_ratio"] == pytest.approx(1)
