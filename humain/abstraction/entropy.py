"""`entropy`: pivots are the crossroads of the world, where paths pass most often, from exact counts."""

import jax.numpy as jnp
from flax import struct

from humain.types import Array, Trajectories


@struct.dataclass
class Entropy:
    """A state is a pivot where the number of visits, over all paths, has a local maximum along the path.

    Of a run of equal counts the last state is the pivot. The first and the last state of a path have only one neighbour
    and count as pivots when they beat it. A state that follows itself cannot be told from an end, and counts as one.

    Attributes:
        counts: `[num_states]` int32, visits of each state.
    """

    counts: Array

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True where the count is at least that of the state before and more than that of the state after."""
        del position
        here = self.counts[state]
        # A path's end stands in for its own missing neighbour.
        falls = (here > self.counts[following]) | (following == state)
        return (here >= self.counts[previous]) & falls

    def lift(self, state: Array) -> Array:
        """The state itself."""
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        """The goal itself."""
        del state
        return goal


def count_visits(trajectories: Trajectories, num_states: int) -> Entropy:
    """The abstraction for these trajectories of ids.

    Args:
        trajectories: of discrete states `[W, T]`.
        num_states: size of the id space.

    Raises:
        ValueError: if the states are not ids.
    """
    states = trajectories.states
    if states.ndim != 2 or not jnp.issubdtype(states.dtype, jnp.integer):
        raise ValueError(f"visits can be counted for ids [W, T], not for {states.dtype}{list(states.shape)}")
    valid = jnp.arange(states.shape[1])[None] < trajectories.lengths[:, None]
    return Entropy(jnp.zeros(num_states, jnp.int32).at[states].add(valid.astype(jnp.int32)))
