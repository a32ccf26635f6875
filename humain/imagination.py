"""Imagination: what might follow, in a model of the world that was learned from experience.

What is not known counts as an end. A trajectory that leaves what experience supports is over, as if the world had ended
it: what has never been seen must not look better than what has. Source: R. Kidambi et al., MOReL: Model-Based Offline
Reinforcement Learning (2020), which calls this a pessimistic Markov decision process; there the disagreement of several
models says what is unknown, here the leverage of one.
"""

import jax
import jax.numpy as jnp
from flax import struct

from humain import dynamics as dynamics_lib
from humain import limits as limits_lib
from humain.types import Array


@struct.dataclass
class World:
    """A learned world.

    Attributes:
        dynamics: what an action does.
        limits: where trajectories have ended.
        max_leverage: `[]`, what has more than this is not known.
    """

    dynamics: dynamics_lib.LinearDynamics
    limits: limits_lib.Limits
    max_leverage: Array

    def known(self, states: Array) -> Array:
        """Bool `[...]`, whether states `[..., D]` are survived, and near enough to what was experienced."""
        num_actions = self.dynamics.weights.shape[0] - states.shape[-1] - 1
        undecided = jnp.full((*states.shape[:-1], num_actions), 1 / num_actions)
        return self.limits.inside(states) & (self.dynamics.leverage(states, undecided) <= self.max_leverage)


@struct.dataclass
class Branches:
    """Several futures of each state. J stands for the futures, T for their steps.

    Attributes:
        states: `[B, J, T + 1, D]`, the present ones first.
        actions: `[B, J, T]` int32.
        alive: `[B, J, T]` bool, whether the trajectory still goes on after a step; once False it stays False.
    """

    states: Array
    actions: Array
    alive: Array


def fit(
    states: Array, actions: Array, next_states: Array, terminated: Array, mask: Array, *, max_leverage: float
) -> World:
    """The world of experienced steps.

    Args:
        states: `[N, D]`.
        actions: `[N, A]`, as features.
        next_states: `[N, D]`.
        terminated: `[N]` bool, whether the world ended the trajectory at the next state.
        mask: `[N]` bool, True where a step counts.
        max_leverage: see `World`.
    """
    return World(
        dynamics=dynamics_lib.fit(states, actions, next_states, mask),
        limits=limits_lib.fit(next_states, terminated, mask),
        max_leverage=jnp.float32(max_leverage),
    )


def branch(world: World, states: Array, actions: Array, num_actions: int) -> Branches:
    """Follows actions `[B, J, T]` (ids) from states `[B, D]`.

    What `World.known` and the dynamics' own step say of states one after the other is worked out here for all branches
    at once, branches along the last axis: vectors of a few numbers each would leave a processor's lanes empty.
    """
    size = states.shape[-1]
    batch, num_branches, num_steps = actions.shape
    weights, root = world.dynamics.weights, world.dynamics.root
    # The constant belongs to every action; undecided, the actions weigh the same.
    shifts = (weights[size:-1] + weights[-1:]).T
    offset = jnp.mean(root[size:-1], axis=0) + root[-1]
    precision = jax.lax.Precision.HIGHEST

    def step(carry: tuple[Array, Array], action: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        here, alive = carry
        taken = jax.nn.one_hot(action, num_actions, axis=0)
        there = here + jnp.matmul(weights[:size].T, here, precision=precision)
        there = there + jnp.matmul(shifts, taken, precision=precision)
        distances = jnp.matmul(root[:size].T, there, precision=precision) + offset[:, None]
        inside = jnp.all((there >= world.limits.lower[:, None]) & (there <= world.limits.upper[:, None]), axis=0)
        alive &= inside & (jnp.sum(jnp.square(distances), axis=0) <= world.max_leverage)
        return (there, alive), (there, alive)

    begin = jnp.repeat(states.T, num_branches, axis=1)
    start = (begin, jnp.ones(batch * num_branches, bool))
    _, (path, alive) = jax.lax.scan(step, start, actions.reshape(-1, num_steps).T, unroll=4)
    path = jnp.concatenate([begin[None], path])
    return Branches(
        states=jnp.moveaxis(path, 2, 0).reshape(batch, num_branches, num_steps + 1, size),
        actions=actions,
        alive=alive.T.reshape(batch, num_branches, num_steps),
    )


def returns(values: Array, alive: Array, beyond: Array, *, discount: float) -> Array:
    """Average value of the states to come, the nearer ones weighing more.

    Args:
        values: `[..., T]`, value of the state after each step.
        alive: `[..., T]` bool; what comes after the end is worth 0.
        beyond: `[...]`, the average for all that follows these steps.
        discount: in `(0, 1)`.

    Returns:
        `[...]`, within the range of the values and 0.
    """
    num_steps = values.shape[-1]
    weights = jnp.broadcast_to((1 - discount) * discount ** jnp.arange(num_steps), values.shape)
    # Chosen, not multiplied: far outside of what is known, a value may be infinite or not a number.
    near = jnp.sum(weights * jnp.where(alive, values, 0), axis=-1)
    return near + discount**num_steps * jnp.where(alive[..., -1], beyond, 0)
