"""The grid by hand, that tested pairs are unseen, and that the experiment runs."""

import jax.numpy as jnp
import numpy as np

from humain.types import Trajectories
from tasks.ablations import grid
from tasks.ablations.grid import GridSettings


def test_steps_by_hand():
    # 0 1 2 / 3 4 5 / 6 7 8; moves are down, up, right, left.
    moves = jnp.arange(4)
    np.testing.assert_array_equal(grid.step(GridSettings(size=3), jnp.full(4, 4), moves), [7, 1, 5, 3])
    np.testing.assert_array_equal(grid.step(GridSettings(size=3), jnp.full(4, 8), moves), [8, 5, 8, 7])


def test_demonstrations_are_shortest_ways():
    settings = GridSettings(size=5, num_walks=30)
    walks = grid.demonstrations(settings, np.random.default_rng(0))
    assert walks.actions is not None
    for way, length, moves in zip(
        np.asarray(walks.states), np.asarray(walks.lengths), np.asarray(walks.actions), strict=True
    ):
        way = way[:length]
        np.testing.assert_array_equal(
            grid.step(settings, jnp.asarray(way[:-1]), jnp.asarray(moves[: length - 1])), way[1:]
        )
        first, last = (np.array(divmod(cell, 5)) for cell in (way[0], way[-1]))
        assert np.abs(first - last).sum() == length - 1 >= 1


def test_pairs_seen_are_those_that_a_walk_passes_in_order():
    walks = Trajectories(states=jnp.array([[0, 1, 3], [2, 0, 0]]), lengths=jnp.array([3, 2]))
    seen = grid.pairs_seen(GridSettings(size=2), walks)
    assert {(int(a), int(b)) for a, b in np.argwhere(seen)} == {(0, 1), (0, 3), (1, 3), (2, 0)}


def test_tested_pairs_are_unseen():
    settings = GridSettings(size=3, num_episodes=30)
    seen = np.random.default_rng(0).random((9, 9)) < 0.5
    starts, goals = grid.draw_unseen(settings, np.random.default_rng(1), seen)
    assert len(set(zip(starts.tolist(), goals.tolist(), strict=True))) == 30
    assert not seen[starts, goals].any()
    assert np.all(starts != goals)


def test_it_runs():
    settings = GridSettings(size=4, num_walks=10, num_updates=20, batch_size=16, num_episodes=10)
    outcome = grid.measure(settings, seed=0, num_seeds=2)
    assert len(outcome.on.values) == len(outcome.off.values) == 2
    assert all(0 <= share <= 1 for share in outcome.on.values)
    assert 0 < outcome.to_json()["pairs_seen"] < 1
