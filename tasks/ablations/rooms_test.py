"""Worlds of rooms against what can be worked out by hand, and against trying everything."""

import itertools

import numpy as np
import pytest

from tasks.ablations import aliased, loops
from tasks.ablations.rooms import UNREACHABLE, Rooms

# 0 -a-> 1 -a-> 2 -a-> 3 (look 1, a goal); b goes from 2 to 4 (look 2, a goal), from elsewhere back to 0.
# Rooms 0, 1 and 2 look the same. Nothing leads to room 5 (look 3).
HALL = Rooms(
    following=np.array([[1, 0], [2, 0], [3, 4], [3, 3], [4, 4], [5, 5]], np.int32),
    looks=np.array([0, 0, 0, 1, 2, 3], np.int32),
    num_looks=4,
    start=0,
    goals=np.array([1, 2, 3], np.int32),
)


def test_shortest_ways_by_hand():
    np.testing.assert_array_equal(HALL.shortest(), [3, 3, UNREACHABLE])


def test_the_best_by_looks_by_hand():
    # Always a leads to the first goal in 3 steps; nothing that decides by look 0 leads to the second: (1 + 0 + 0) / 3.
    assert HALL.best_by_looks() == pytest.approx(1 / 3)


def steps_by(world, policy, goal):
    """Steps of a policy `[num_looks]` to a goal, or None."""
    room = world.start
    for steps in range(len(world.looks) + 1):
        if world.looks[room] == goal:
            return steps
        room = world.following[room, policy[world.looks[room]]]
    return None


@pytest.mark.parametrize(
    "world",
    [
        loops.ring(np.array([2, 0, 1]), 1),
        aliased.maze(np.random.default_rng(0), num_forks=2, num_looks=2),
        aliased.maze(np.random.default_rng(1), num_forks=2, num_looks=1),
    ],
)
def test_the_best_by_looks_is_that_of_all_policies(world):
    policies = list(itertools.product(range(world.following.shape[1]), repeat=world.num_looks))
    shares = []
    for goal, shortest in zip(world.goals, world.shortest(), strict=True):
        found = [steps for policy in policies if (steps := steps_by(world, policy, goal)) is not None]
        shares.append(shortest / min(found) if found else 0.0)
    assert world.best_by_looks() == pytest.approx(np.mean(shares))


def test_walks_follow_the_actions():
    world = loops.ring(np.array([0, 1, 2]), 0)
    looks, actions = world.walks(
        np.random.default_rng(0), num_walks=50, num_steps=12, action_shares=np.array([0.7, 0.3])
    )
    assert looks.shape == actions.shape == (50, 13)
    for walk, done in zip(looks, actions, strict=True):
        room = world.start
        for look, action in zip(walk, done, strict=True):
            assert look == world.looks[room]
            room = world.following[room, action]
    assert actions.mean() == pytest.approx(0.3, abs=0.06)
