"""Collected transitions are the environment's, one after the other, whichever form it has."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.environments import collecting, gymnasium_adapter
from humain.environments.collecting import RandomPolicy
from humain.testing.point import DISCRETE, LONGEST_STEP, PointWorld

SHORT = PointWorld(max_steps=7)


@dataclasses.dataclass(frozen=True)
class Pushes:
    """To the side that is given, and remembers how often it has acted."""

    def act(self, given, carry, observation, number, key):
        del observation, key
        return carry + 1, jnp.where(number == carry, given, 1)


def stores(environment, num_steps, seed=0, given=0, policy=None):
    """Transitions of two agents."""
    keys = jax.random.split(jax.random.key(seed))
    givens, carries = (jnp.full(2, value) for value in (given, 0))
    if isinstance(environment, PointWorld):
        return collecting._scan_all(environment, policy or Pushes(), givens, carries, keys, num_steps=num_steps)
    return collecting.simulate(environment, policy or Pushes(), givens, carries, keys, num_steps=num_steps)


def test_transitions_of_a_pure_environment_follow_one_another():
    found = stores(SHORT, 17, given=2)
    # A policy that counts its steps in what it carries, and is told their number, pushes to the right each time.
    np.testing.assert_array_equal(found.actions, np.full((2, 17), 2))
    np.testing.assert_allclose(found.next_states[..., 0] - found.states[..., 0], LONGEST_STEP, rtol=1e-6)
    np.testing.assert_allclose(found.rewards, -np.abs(found.next_states[..., 0]))
    # Cut off after every seventh step, and at the end.
    np.testing.assert_array_equal(np.flatnonzero(found.truncated[0]), [6, 13, 16])
    assert not np.any(found.terminated)
    follows = ~np.asarray(found.truncated)[:, :-1]
    np.testing.assert_array_equal(found.states[:, 1:][follows], found.next_states[:, :-1][follows])
    begins = found.states[:, 1:][~follows]
    assert np.all(np.abs(begins[:, 0]) <= 1) and np.all(begins[:, 1] == 0)
    assert len(np.unique(begins[:, 0])) == len(begins)


def test_what_the_world_ends_is_not_cut_off():
    # From within 1 to beyond 4, by quarters: 13 to 20 steps.
    found = stores(PointWorld(), 60, given=2)
    ended = np.asarray(found.terminated)
    assert ended.sum() >= 4
    np.testing.assert_array_equal(found.next_states[..., 0] > 4, ended)
    assert not np.any(found.truncated[:, :-1])
    np.testing.assert_array_equal(found.truncated[:, -1], ~ended[:, -1])


def test_transitions_of_a_simulator_are_those_of_gymnasium():
    environment = gymnasium_adapter.adapt("CartPole-v1")
    found = stores(environment, 50, given=1)
    with environment.make() as made:
        made.reset(seed=0)
        simulator: Any = made.unwrapped
        for agent in range(2):
            for at in range(50):
                simulator.state = np.asarray(found.states[agent, at], np.float64)
                simulator.steps_beyond_terminated = None
                following, reward, terminated, _, _ = simulator.step(int(found.actions[agent, at]))
                np.testing.assert_allclose(found.next_states[agent, at], following, atol=1e-6)
                assert (found.rewards[agent, at], found.terminated[agent, at]) == (reward, terminated)
    # Pushed to one side a pole falls within 8 to 11 steps.
    assert np.all(found.terminated.sum(1) >= 4)
    follows = ~found.terminated[:, :-1]
    np.testing.assert_array_equal(found.states[:, 1:][follows], found.next_states[:, :-1][follows])
    assert not np.array_equal(found.states[0], found.states[1])


def test_a_simulator_s_episodes_are_cut_off_at_their_cap():
    environment = gymnasium_adapter.adapt("MountainCarContinuous-v0", max_steps=20)
    found = stores(environment, 50, policy=RandomPolicy(environment.actions))
    for agent in range(2):
        np.testing.assert_array_equal(np.flatnonzero(found.truncated[agent]), [19, 39, 49])


def test_episodes_are_cut_off_at_their_cap_where_the_simulator_does_not():
    # The simulator itself would go on for 999 steps.
    environment = dataclasses.replace(gymnasium_adapter.adapt("MountainCarContinuous-v0"), max_steps=20)
    found = stores(environment, 50, policy=RandomPolicy(environment.actions))
    for agent in range(2):
        np.testing.assert_array_equal(np.flatnonzero(found.truncated[agent]), [19, 39, 49])
        assert not np.array_equal(found.next_states[agent, 19], found.states[agent, 20])


def test_trajectories_are_those_of_all_environments():
    found = collecting.collect(SHORT, jax.random.key(0), num_steps=20, num_environments=2)
    # Ten steps in each: seven, and three.
    assert sorted(found.lengths.tolist()) == [4, 4, 8, 8]
    assert not np.any(found.terminated)
    alone = collecting.collect(SHORT, jax.random.key(0), num_steps=20)
    assert alone.lengths.tolist() == [8, 8, 7]


@pytest.mark.parametrize(("num_steps", "num_environments"), [(0, 1), (5, 2), (5, 0)])
def test_numbers_that_do_not_fit_are_refused(num_steps, num_environments):
    with pytest.raises(ValueError, match=f"num_steps .{num_steps}. must be a multiple of num_environments"):
        collecting.collect(SHORT, jax.random.key(0), num_steps=num_steps, num_environments=num_environments)


def test_random_actions_are_drawn_anew_for_each_step_and_agent():
    found = stores(PointWorld(), 200, policy=RandomPolicy(DISCRETE))
    counts = np.bincount(np.asarray(found.actions).reshape(-1))
    # A third of 400, give or take 9.
    assert np.all((counts > 95) & (counts < 175))
    assert not np.array_equal(found.actions[0], found.actions[1])


def test_one_environment_is_collected_in_by_default():
    defaults = dict(collecting.collect.__kwdefaults__ or {})
    assert (defaults["num_environments"], defaults["policy"], defaults["given"], defaults["carry"]) == (1, None, (), ())
    assert collecting.collect(SHORT, jax.random.key(0), num_steps=1).lengths.tolist() == [2]
