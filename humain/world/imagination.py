"""Imagination: what might follow, in a model of the world that was learned from experience.

What is not known counts as an end. A trajectory that leaves what experience supports is over, as if the world had ended
it: what has never been seen must not look better than what has. Source: R. Kidambi et al., MOReL: Model-Based Offline
Reinforcement Learning (2020), which calls this a pessimistic Markov decision process; there the disagreement of several
models says what is unknown, here the leverage of one.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array
from humain.world import dynamics as dynamics_lib
from humain.world import limits as limits_lib

Coordinates: TypeAlias = Sequence[Array]
"""States, one array for each of their D coordinates."""

Judgement: TypeAlias = tuple[Array, Array, Array]
"""Value of the way, value at its end, and whether it is known: `[B, J]` each; see `judge`."""

_PRECISION = jax.lax.Precision.HIGHEST


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
    """What each of J sequences of T actions makes of each of B states.

    In a linear world that is what becomes of the state by itself and what the actions add to it: `B + J` paths say all
    about `B * J` branches.

    Attributes:
        drift: `[B, T + 1, D]`, what becomes of the states by themselves, the present ones first.
        shift: `[J, T + 1, D]`, what the actions add; 0 at first.
        actions: `[J, T]` int32.
    """

    drift: Array
    shift: Array
    actions: Array

    def states(self, rows: Array, sequences: Array, times: Array | int) -> Array:
        """Where sequences `[...]` lead from rows `[...]` after steps `[...]`, or one number of them: `[..., D]`."""
        return self.drift[rows, times] + self.shift[sequences, times]


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
    """Follows each of the sequences of actions `[J, T]` (ids) from each of the states `[B, D]`."""
    size = states.shape[-1]
    weights = world.dynamics.weights
    onward = jnp.eye(size) + weights[:size]
    # The constant belongs to every action.
    added = _product(jax.nn.one_hot(actions, num_actions), weights[size:-1] + weights[-1:])

    def step(carry: tuple[Array, Array], new: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        drift, shift = (_product(here, onward) for here in carry)
        following = drift, shift + new
        return following, following

    begin = states, jnp.zeros((actions.shape[0], size))
    _, paths = jax.lax.scan(step, begin, jnp.moveaxis(added, 1, 0), unroll=4)
    drift, shift = (
        jnp.moveaxis(jnp.concatenate([first[None], path]), 0, 1) for first, path in zip(begin, paths, strict=True)
    )
    return Branches(drift=drift, shift=shift, actions=actions)


def judge(world: World, branches: Branches, value: Callable[[Coordinates], Array], *, discount: float) -> Judgement:
    """Discounted value of the states to come on every branch, for as long as they are known.

    What `World.known` says of one state after the other is worked out here for all branches at once, a coordinate at a
    time: vectors of a few numbers each would leave a processor's lanes empty, and all states together its caches.

    Args:
        world: see `World`.
        branches: see `Branches`.
        value: of states, whose coordinates are `[B, J]` each; may be anything, not a number included, where the world
            is not known.
        discount: in `(0, 1)`.

    Returns:
        The sum `[B, J]` of `(1 - discount) * discount ** t * value` from `t = 0` after the first step on, to which what
        is not known adds nothing; the value `[B, J]` at the end, 0 where that is not known; and bool `[B, J]`, whether
        the branch is known all the way to there.
    """
    num_states, num_times, size = branches.drift.shape
    root = world.dynamics.root
    # Undecided, the actions weigh the same.
    offset = jnp.mean(root[size:-1], axis=0) + root[-1]
    paths = [jnp.moveaxis(path[:, 1:], 0, 2) for path in (branches.drift, branches.shift)]
    drift, shift = paths
    drift_far, shift_far = (jnp.einsum("tdn,df->tfn", path, root[:size], precision=_PRECISION) for path in paths)
    drift_far = drift_far + offset[None, :, None]

    def step(carry: Judgement, at: tuple[Array, Array, Array, Array, Array]) -> tuple[Judgement, None]:
        total, _, alive = carry
        weight, *rest = at
        here, far = (
            [row[:, None] + column[None] for row, column in zip(by_state, by_sequence, strict=True)]
            for by_state, by_sequence in (rest[:2], rest[2:])
        )
        leverage = sum(jnp.square(part) for part in far)
        alive = alive & (leverage <= world.max_leverage)
        for coordinate, lower, upper in zip(here, world.limits.lower, world.limits.upper, strict=True):
            alive &= (coordinate >= lower) & (coordinate <= upper)
        # Chosen, not multiplied: see `value`.
        present = jnp.where(alive, value(here), 0)
        return (total + weight * present, present, alive), None

    shape = (num_states, branches.shift.shape[0])
    weights = (1 - discount) * discount ** jnp.arange(num_times - 1)
    begin = (jnp.zeros(shape), jnp.zeros(shape), jnp.ones(shape, bool))
    result, _ = jax.lax.scan(step, begin, (weights, drift, shift, drift_far, shift_far))
    return result


def _product(first: Array, second: Array) -> Array:
    """Matrix product in full float32, which accelerators do only when told to."""
    return jnp.matmul(first, second, precision=_PRECISION)
