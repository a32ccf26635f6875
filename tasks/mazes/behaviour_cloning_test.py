"""Behaviour cloning learns what was done on the way to what was reached."""

import jax
import jax.numpy as jnp
import numpy as np

from humain.training import loop
from humain.types import Trajectories
from tasks.mazes import behaviour_cloning


def _trajectories():
    # Straight ways in all directions: the action is the direction of the goal.
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 2 * np.pi, 200)
    actions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[:, None] * np.ones((1, 20, 1))
    starts = rng.uniform(-2, 2, (200, 1, 2))
    states = starts + 0.2 * np.arange(20)[None, :, None] * actions
    return Trajectories.from_arrays(states, actions=actions)


def test_rows_know_where_their_trajectory_ends():
    two = Trajectories.from_arrays([np.zeros((3, 2)), np.ones((2, 2))], actions=[np.zeros((3, 2)), np.zeros((2, 2))])
    recorded = behaviour_cloning.record(two)
    assert recorded.ends.tolist() == [2, 2, 2, 4, 4]
    assert recorded.starts.tolist() == [0, 1, 3]
    np.testing.assert_allclose(recorded.mean, 0.4, rtol=1e-6)


def test_it_learns_the_direction_of_the_goal():
    recorded = behaviour_cloning.record(_trajectories())
    cloner = behaviour_cloning.begin(jax.random.key(0), width=32, num_layers=2, learning_rate=3e-3)
    update = behaviour_cloning.build_update(batch_size=128, learning_rate=3e-3)
    cloner, metrics = loop.make_chunk(update, 300)(cloner, recorded, jnp.int32(0))
    # The mean square of a component is 1/2: that is what knowing nothing leaves.
    assert float(metrics["loss"][-20:].mean()) < 0.1
    policy = behaviour_cloning.Clone(cloner.params, recorded)
    states, goals = np.zeros((2, 2), np.float32), np.array([[2.0, 0.0], [0.0, -2.0]], np.float32)
    _, decision = policy.act(None, states, goals)
    np.testing.assert_allclose(decision.actions, goals / 2, atol=0.3)
