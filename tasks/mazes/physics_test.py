"""Points move as in upstream's environment: free, along walls, into corners, and through teleporters."""

import contextlib
from typing import Any

import numpy as np
import pytest

from tasks.mazes import layout, physics

# MuJoCo's solver starts in upstream's environment from the forces of the step before, and here from none. It takes
# Newton's steps on two dimensions, where the cost is a quadratic in pieces, and ends at the same point to rounding; so
# do nine walls about the origin and all walls where they are.
_ROUNDING = 1e-10


def _inner(made) -> Any:
    """Upstream's environment in its wrappers, with attributes that Gymnasium's class knows nothing of."""
    return made.unwrapped


def _wander(rng, num_steps, every=25):
    """Actions `[T, 2]` that keep their direction for a while, so that they press a point against walls."""
    directions = np.repeat(rng.normal(size=(num_steps // every, 2)), every, axis=0)
    return np.clip(directions + rng.normal(0, 0.3, directions.shape), -1, 1)


@pytest.mark.parametrize("size", ["medium", "large", "giant"])
def test_a_point_goes_where_upstream_s_goes(size):
    maze = layout.load(size)
    actions = _wander(np.random.default_rng(3), 500)
    with contextlib.closing(layout.make(size)) as made, physics.Physics(maze) as simulator:
        made.reset(options={"task_id": 1})
        position, expected, found, touched = _inner(made).get_xy()[None], [], [], []
        for action in actions:
            expected.append(_inner(made).step(action)[0])
            position, close = simulator.step(position, action[None])
            found.append(position[0])
            touched.append(close[0])
    assert np.abs(np.array(found) - expected).max() < _ROUNDING
    # The walk has steps of all kinds: free, at a wall, and in a corner, near walls along both axes.
    inside = np.abs(np.array(found) - maze.to_position(maze.to_cell(np.array(found))))
    corner = np.array(touched) & (inside > 1.2).all(axis=1)
    assert 0.2 < np.mean(touched) < 0.9 and corner.sum() > 5


def test_one_step_from_anywhere_is_upstream_s():
    maze = layout.load("teleport")
    rng = np.random.default_rng(4)
    positions = maze.to_position(maze.free_cells[rng.integers(len(maze.free_cells), size=300)])
    positions = positions + rng.uniform(-2, 2, positions.shape)  # as deep in walls as the centre of a point can be
    actions = rng.uniform(-1, 1, positions.shape)
    kept = maze.is_free(positions + physics.STEP_SIZE * actions)
    positions, actions = positions[kept], actions[kept]
    with contextlib.closing(layout.make("teleport")) as made, physics.Physics(maze) as simulator:
        made.reset(options={"task_id": 1})
        expected = []
        for position, action in zip(positions, actions, strict=True):
            _inner(made).set_xy(position)
            expected.append(_inner(made).step(action)[0])
        found, close = simulator.step(positions, actions)
    assert np.abs(found - expected).max() < _ROUNDING
    pushed = np.abs(expected - (positions + physics.STEP_SIZE * actions)).max(axis=1) > 0
    np.testing.assert_array_equal(close, pushed)
    assert 0.2 < close.mean() < 0.9


def test_a_free_step_is_exact():
    maze = layout.load("medium")
    positions = maze.to_position(maze.free_cells) + 0.3
    actions = np.random.default_rng(5).uniform(-1, 1, positions.shape)
    with physics.Physics(maze) as simulator:
        found, close = simulator.step(positions, actions)
    np.testing.assert_array_equal(found, positions + 0.2 * actions)
    assert not close.any()


def test_a_step_depends_on_nothing_but_its_point():
    maze = layout.load("medium")
    rng = np.random.default_rng(6)
    positions = maze.to_position(maze.free_cells) + rng.uniform(-1.9, 1.9, maze.free_cells.shape)
    actions = rng.uniform(-1, 1, positions.shape)
    with physics.Physics(maze) as simulator:
        expected, close = simulator.step(positions, actions)
        assert close.sum() > 5
        np.testing.assert_array_equal(simulator.step(positions[::-1], actions[::-1])[0], expected[::-1])
        alone = [
            simulator.step(position[None], action[None])[0][0]
            for position, action in zip(positions, actions, strict=True)
        ]
        np.testing.assert_array_equal(alone, expected)
        assert simulator.step(positions[:0], actions[:0])[0].shape == (0, 2)


def test_a_point_in_a_wall_is_refused():
    with (
        contextlib.closing(physics.Physics(layout.load("medium"))) as simulator,
        pytest.raises(ValueError, match=r"point 1 would be at \[-2.1  0. \], in a wall; expected free places"),
    ):
        simulator.step(np.array([[0.0, 0.0], [-1.9, 0.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]]))


def test_teleporters_move_as_upstream_s():
    """The exits that upstream draws are the only difference: all three come up, and each is taken over here."""
    maze = layout.load("teleport")
    assert maze.teleporters is not None
    drawn = []
    with contextlib.closing(layout.make("teleport")) as made, physics.Physics(maze) as simulator:
        made.reset(options={"task_id": 1})
        for entry in (0, 1) * 10:
            position = maze.teleporters.entries[entry] + (0.0, -2.0)
            _inner(made).set_xy(position)
            for _ in range(4):  # 0.2 of the way at a time: the third step is the first within 1.5 of the entry
                observation = _inner(made).step(np.array([0.0, 0.9]))[0]
                stepped, _ = simulator.step(position[None], np.array([[0.0, 0.9]]))
                np.testing.assert_allclose(stepped[0], observation, rtol=0, atol=_ROUNDING)
                there = _inner(made).get_xy()
                exit_number = int(np.linalg.norm(maze.teleporters.exits - there, axis=1).argmin())
                moved_to, moved = physics.teleport(maze.teleporters, stepped, np.array([exit_number]))
                np.testing.assert_allclose(moved_to[0], there, rtol=0, atol=_ROUNDING)
                position = moved_to[0]
                if moved[0]:
                    # The observation is from before the jump.
                    assert np.linalg.norm(observation - maze.teleporters.entries[entry]) <= 1.5
                    drawn.append(exit_number)
                    break
                assert np.linalg.norm(observation - maze.teleporters.entries[entry]) > 1.5
            else:
                raise AssertionError("the point did not come to the entry")
    assert set(drawn) == {0, 1, 2}


def test_who_is_exactly_as_far_as_the_radius_is_moved():
    teleporters = layout.Teleporters(np.array([[0.0, 0.0]]), np.array([[9.0, 9.0], [7.0, 7.0]]), 1.5)
    positions = np.array([[1.5, 0.0], [1.5000001, 0.0], [0.0, 0.0]])
    found, moved = physics.teleport(teleporters, positions, np.array([1, 1, 0]))
    np.testing.assert_array_equal(moved, [True, False, True])
    np.testing.assert_array_equal(found, [[7, 7], [1.5000001, 0], [9, 9]])
    np.testing.assert_array_equal(physics.teleport(None, positions, np.zeros(3, int))[0], positions)
