"""The program with little data and few updates: it runs, it acts within bounds, and it can be repeated."""

import jax
import numpy as np

from examples import mountain_car


def test_it_collects_learns_and_drives():
    model, state, goal = mountain_car.learn(num_decisions=120, steps=10)
    assert goal.shape == (2,)
    assert -1 <= goal[0] <= 1
    assert 1 <= mountain_car.drive(model, state, goal, seed=0) <= mountain_car.MAX_DECISIONS
    again = mountain_car.learn(num_decisions=120, steps=10)[1]
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_action_is_held_for_ten_steps():
    held, other = mountain_car.make(), mountain_car.make()
    assert isinstance(other, mountain_car.Hold)
    single = other.env
    held.reset(seed=3)
    single.reset(seed=3)
    push = np.ones(1, np.float32)
    observation = held.step(push)[0]
    for _ in range(10):
        wanted = single.step(push)[0]
    np.testing.assert_array_equal(observation, wanted)
