"""GCBC: a network learns what was done in a state on the way to what was reached later on the same trajectory.

As in OGBench (Park et al., 2024), the goal is a later state of the trajectory, each as likely as the others, and the
network is a perceptron of three hidden layers with GELU and layer normalization, trained by Adam on the squared error.
It is narrower and trained for fewer updates than theirs, as the config says; unlike theirs its inputs are normalized.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from humain.training import loop, sharding
from humain.types import Array, Trajectories
from tasks.mazes.evaluation import Decision


@struct.dataclass
class Recorded:
    """What it learns from, in one row of steps.

    Attributes:
        states: `[N, 2]`, normalized.
        actions: `[N, 2]`; that of a trajectory's last state is of no use.
        ends: `[N]` int32, where the state's trajectory has its last state.
        starts: `[S]` int32, the states that have an action.
        mean: `[2]` of the states.
        scale: `[2]`, their standard deviation.
    """

    states: Array
    actions: Array
    ends: Array
    starts: Array
    mean: Array
    scale: Array


@struct.dataclass
class Cloner:
    """What training carries.

    Attributes:
        params: of the network.
        optimizer: its state.
        key: root of all randomness.
    """

    params: Any
    optimizer: Any
    key: Array


def record(trajectories: Trajectories) -> Recorded:
    """Trajectories as rows; not for jit."""
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    times = np.arange(states.shape[1])
    kept = times < lengths[:, None]
    first = np.cumsum(lengths) - lengths
    ends = np.broadcast_to((first + lengths - 1)[:, None], kept.shape)[kept]
    rows = states[kept]
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    assert trajectories.actions is not None
    return Recorded(
        states=jnp.asarray((rows - mean) / scale, jnp.float32),
        actions=jnp.asarray(np.asarray(trajectories.actions)[kept], jnp.float32),
        ends=jnp.asarray(ends, jnp.int32),
        starts=jnp.asarray(np.flatnonzero(np.arange(len(rows)) != ends), jnp.int32),
        mean=jnp.asarray(mean, jnp.float32),
        scale=jnp.asarray(scale, jnp.float32),
    )


def begin(key: Array, *, width: int, num_layers: int, learning_rate: float) -> Cloner:
    """The learner before its first update; `key` is consumed."""
    keys = jax.random.split(key, num_layers + 2)
    sizes = [4] + [width] * num_layers + [2]
    params = [
        {
            "weights": jax.random.normal(keys[at], (size, sizes[at + 1])) / math.sqrt(size),
            "bias": jnp.zeros(sizes[at + 1]),
        }
        for at, size in enumerate(sizes[:-1])
    ]
    return Cloner(params=params, optimizer=optax.adam(learning_rate).init(params), key=keys[-1])


def answer(params: Any, states: Array, goals: Array) -> Array:
    """Actions `[B, 2]` for normalized states and goals `[B, 2]`."""
    hidden = jnp.concatenate([states, goals], axis=-1)
    for layer in params[:-1]:
        hidden = jax.nn.gelu(hidden @ layer["weights"] + layer["bias"][None])
        hidden = jax.nn.standardize(hidden)
    return hidden @ params[-1]["weights"] + params[-1]["bias"][None]


def build_update(*, batch_size: int, learning_rate: float) -> loop.Update:
    """One update on so many examples drawn at random."""
    optimizer = optax.adam(learning_rate)

    def update(cloner: Cloner, data: Recorded, step: Array) -> tuple[Cloner, dict[str, Array]]:
        start_key, goal_key = jax.random.split(jax.random.fold_in(cloner.key, step))
        places = data.starts[jax.random.randint(start_key, (batch_size,), 0, data.starts.shape[0])]
        ahead = data.ends[places] - places
        # A later state of the trajectory, at least one step ahead.
        goals = places + 1 + jnp.floor(jax.random.uniform(goal_key, (batch_size,)) * ahead).astype(jnp.int32)
        goals = jnp.minimum(goals, data.ends[places])
        batch = sharding.split_batch((data.states[places], data.states[goals], data.actions[places]))

        def loss_of(params: Any) -> Array:
            return jnp.mean((answer(params, batch[0], batch[1]) - batch[2]) ** 2)

        loss, gradients = jax.value_and_grad(loss_of)(cloner.params)
        changes, state = optimizer.update(gradients, cloner.optimizer)
        params = optax.apply_updates(cloner.params, changes)
        return Cloner(params=params, optimizer=state, key=cloner.key), {"loss": loss}

    return update


class Clone:
    """Acts by a network that was trained."""

    def __init__(self, params: Any, data: Recorded):
        self._mean, self._scale = np.asarray(data.mean), np.asarray(data.scale)
        self._answer = jax.jit(partial(answer, params))

    def begin(self, num_agents: int) -> None:
        """Nothing is remembered."""

    def act(self, memory: None, observations: np.ndarray, goals: np.ndarray) -> tuple[None, Decision]:
        """What the network answers."""
        states, wanted = ((rows - self._mean) / self._scale for rows in (observations, goals))
        return None, Decision(np.asarray(self._answer(states, wanted)))
