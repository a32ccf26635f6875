"""A world of linear steps: dynamics fitted in closed form, limits where trajectories ended, and leverage as distance.

What is not known counts as an end. A trajectory that leaves what experience supports is over, as if the world had ended
it: what has never been seen must not look better than what has. A coordinate that nothing depends on is left out of the
leverage: wherever it is, the world goes on in the same way, as far as experience tells, up to where trajectories have
ended. Source: R. Kidambi et al., MOReL: Model-Based Offline
Reinforcement Learning (2020), which calls this a pessimistic Markov decision process; there the disagreement of several
models says what is unknown, here the leverage of one.
"""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import struct

from humain.environments.actions import ActionSpace
from humain.environments.transitions import Transitions
from humain.types import Array
from humain.world import dynamics as dynamics_lib
from humain.world import limits as limits_lib
from humain.world.world import Look

Seen = TypeVar("Seen")

_NO_EFFECT = 1e-3
"""Of a unit, which is how much a coordinate varied: after a hundred steps, a tenth."""

_PRECISION = jax.lax.Precision.HIGHEST


@struct.dataclass
class LinearWorldState:
    """What was learned of a linear world.

    Attributes:
        dynamics: what an action does.
        limits: where trajectories have ended.
        max_leverage: `[]`, what has more than this is not known.
        num_steps: `[]`, how many it was fitted to; 1 at least.
    """

    dynamics: dynamics_lib.LinearDynamics
    limits: limits_lib.Limits
    max_leverage: Array
    num_steps: Array


@struct.dataclass
class LinearBranches:
    """What each of J sequences of T actions makes of each of B states.

    In a linear world that is what becomes of the state by itself and what the actions add to it: `B + J` paths say all
    about `B * J` branches.

    Attributes:
        drift: `[B, T + 1, D]`, what becomes of the states by themselves, the present ones first.
        shift: `[J, T + 1, D]`, what the actions add; 0 at first.
        actions: `[J, T, *V]`.
    """

    drift: Array
    shift: Array
    actions: Array

    @property
    def num_states(self) -> int:
        """B."""
        return int(self.drift.shape[0])

    def states(self, rows: Array, sequences: Array, times: Array | int) -> Array:
        """Where sequences `[...]` lead from rows `[...]` after steps `[...]`, or one number of them: `[..., D]`."""
        return self.drift[rows, times] + self.shift[sequences, times]


@dataclasses.dataclass(frozen=True)
class LinearWorld:
    """See `humain.world.world.World`.

    Attributes:
        actions: the environment's.
        max_leverage: more than 0; states with more than this are too far from experience to be known.
    """

    actions: ActionSpace
    max_leverage: float

    def __post_init__(self) -> None:
        if not self.max_leverage > 0:
            raise ValueError(f"max_leverage must be more than 0, not {self.max_leverage}")

    def fit(self, transitions: Transitions, key: jax.Array) -> LinearWorldState:
        """The least-squares world of experienced transitions; nothing is random."""
        del key
        mask = transitions.mask
        features = self.actions.encode(transitions.actions)
        dynamics = dynamics_lib.fit(transitions.states, features, transitions.next_states, mask)
        # No place is far from experience along a coordinate that nothing depends on: each is as the middle is.
        unused = jnp.zeros(dynamics.root.shape[0], bool).at[: transitions.states.shape[-1]].set(_free(dynamics))
        return LinearWorldState(
            dynamics=dataclasses.replace(dynamics, root=jnp.where(unused[:, None], 0, dynamics.root)),
            limits=limits_lib.fit(transitions.next_states, transitions.terminated, mask),
            max_leverage=jnp.float32(self.max_leverage),
            num_steps=jnp.maximum(transitions.count, 1),
        )

    def step(self, state: LinearWorldState, states: Array, actions: Array) -> Array:
        """The next states `[..., D]` after actions `[..., *V]` in states `[..., D]`."""
        return state.dynamics.step(states, self.actions.encode(actions))

    def known(self, state: LinearWorldState, states: Array) -> Array:
        """Bool `[...]`, whether states `[..., D]` are within the limits, and have little leverage whatever is done."""
        undecided = jnp.broadcast_to(self._undecided, (*states.shape[:-1], self.actions.num_features))
        return state.limits.inside(states) & (state.dynamics.leverage(states, undecided) <= state.max_leverage)

    def extent(self, state: LinearWorldState) -> tuple[Array, Array]:
        """Where the leverage is `max_leverage`, or a limit if that is nearer, or nowhere: `[D]` down and up."""
        # Along one coordinate from the middle, leverage grows with the square of the distance.
        size = state.limits.lower.shape[-1]
        curvature = jnp.diagonal(state.dynamics.covariance)[:size]
        beyond_middle = jnp.maximum(state.max_leverage - 1 / state.num_steps, 0)
        everywhere = jnp.where(beyond_middle > 0, jnp.inf, 0)
        reach = jnp.where(curvature > 0, jnp.sqrt(beyond_middle / curvature), everywhere)
        return jnp.maximum(-reach, state.limits.lower), jnp.minimum(reach, state.limits.upper)

    def free(self, state: LinearWorldState) -> Array:
        """Bool `[D]`, where one unit of a coordinate changes no coordinate's step by `_NO_EFFECT` or more."""
        return _free(state.dynamics)

    def branch(self, state: LinearWorldState, states: Array, sequences: Array) -> LinearBranches:
        """Follows each of the sequences of actions `[J, T, *V]` from each of the states `[B, D]`."""
        size = states.shape[-1]
        weights = state.dynamics.weights
        onward = jnp.eye(size) + weights[:size]
        added = dynamics_lib.product(self.actions.encode(sequences), weights[size:-1])
        added = added + jnp.broadcast_to(weights[-1], added.shape)

        def step(carry: tuple[Array, Array], new: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            drift, shift = (dynamics_lib.product(here, onward) for here in carry)
            following = drift, shift + new
            return following, following

        begin = states, jnp.zeros((sequences.shape[0], size))
        _, paths = jax.lax.scan(step, begin, jnp.moveaxis(added, 1, 0), unroll=4)
        drift, shift = (
            jnp.moveaxis(jnp.concatenate([first[None], path]), 0, 1) for first, path in zip(begin, paths, strict=True)
        )
        return LinearBranches(drift=drift, shift=shift, actions=sequences)

    def survey(self, state: LinearWorldState, branches: Any, look: Look[Seen]) -> tuple[Seen, Array]:
        """Looks at the states of all branches, all times at once.

        What `known` says of one state after the other is worked out here for all branches together, a coordinate at a
        time: vectors of a few numbers each would leave a processor's lanes empty, and so does a loop over the times.
        """
        size = branches.drift.shape[-1]
        root = state.dynamics.root
        undecided = jnp.broadcast_to(self._undecided[:, None], (self.actions.num_features, root.shape[1]))
        offset = jnp.sum(undecided * root[size:-1], axis=0) + root[-1]
        paths = [jnp.moveaxis(path[:, 1:], 0, 2) for path in (branches.drift, branches.shift)]
        drift_far, shift_far = (jnp.einsum("tdn,df->tfn", path, root[:size], precision=_PRECISION) for path in paths)
        drift_far = drift_far + offset[None, :, None]

        def at_one_time(drift: Array, shift: Array, drift_far: Array, shift_far: Array) -> tuple[Seen, Array]:
            # A state is the sum of its row's part and its sequence's, and so is its square root of the leverage.
            here, far = (
                [row[:, None] + column[None] for row, column in zip(by_state, by_sequence, strict=True)]
                for by_state, by_sequence in ((drift, shift), (drift_far, shift_far))
            )
            leverage = sum(jnp.square(part) for part in far)
            known = leverage <= state.max_leverage
            for coordinate, lower, upper in zip(here, state.limits.lower, state.limits.upper, strict=True):
                known &= (coordinate >= lower) & (coordinate <= upper)
            return look(here), known

        seen: tuple[Seen, Array] = jax.vmap(at_one_time)(paths[0], paths[1], drift_far, shift_far)
        return seen

    @property
    def _undecided(self) -> Array:
        """`[A]`."""
        return jnp.array(self.actions.undecided, jnp.float32)


def _free(dynamics: dynamics_lib.LinearDynamics) -> Array:
    """Bool `[D]`, see `LinearWorld.free`."""
    size = dynamics.weights.shape[-1]
    return jnp.max(jnp.abs(dynamics.weights[:size]), axis=1) < _NO_EFFECT
