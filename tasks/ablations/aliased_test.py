"""The maze, by hand, and a small run in which tags make the difference."""

import numpy as np
import pytest

from tasks.ablations import aliased
from tasks.ablations.rooms import Rooms
from tasks.ablations.tag_trials import Budget

SMALL = aliased.AliasedSettings(
    num_forks=3,
    num_looks=1,
    num_visits=4,
    budget=Budget(num_walks=400, num_steps=8, num_updates=40, batch_size=1024, max_steps=16),
    context_lengths=(1, 2),
)


def test_the_maze_by_hand():
    world = aliased.maze(np.random.default_rng(0), num_forks=2, num_looks=1)
    np.testing.assert_array_equal(world.looks, [0, 0, 0, 1, 2, 3, 4])
    np.testing.assert_array_equal(
        world.following, [[1, 2, 0], [3, 4, 0], [5, 6, 0], [3, 3, 1], [4, 4, 1], [5, 5, 2], [6, 6, 2]]
    )
    np.testing.assert_array_equal(world.shortest(), [2, 2, 2, 2])


@pytest.mark.parametrize("num_forks", [1, 4])
def test_every_end_room_is_as_many_steps_away_as_there_are_forks(num_forks):
    world = aliased.maze(np.random.default_rng(0), num_forks=num_forks, num_looks=3)
    np.testing.assert_array_equal(world.shortest(), np.full(2**num_forks, num_forks))
    assert set(world.looks[: 2**num_forks - 1]) <= {0, 1, 2}


def test_of_one_look_the_best_goes_one_way_always():
    # Left, left, left and right, right, right: 2 of 8.
    world: Rooms = aliased.maze(np.random.default_rng(0), num_forks=3, num_looks=1)
    assert world.best_by_looks() == 2 / 8


def test_visits_find_every_room_where_looks_find_few():
    outcome = aliased.measure(SMALL, seed=0, num_seeds=2)
    assert outcome.on.values == (1.0, 1.0)
    contexts = outcome.to_json()["off_contexts"]
    assert max(contexts["1"]["seeds"]) <= 2 / 8
    # What counts is the best without tags.
    assert outcome.off.mean == max(contexts["1"]["mean"], contexts["2"]["mean"]) <= 0.8
