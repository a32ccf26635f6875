"""An abstraction whose lift is not the identity: ids in blocks; the layer above sees the first id of each block."""

import jax.numpy as jnp
from flax import struct

from humain.types import Array


@struct.dataclass
class Blocks:
    """Blocks of `size` consecutive ids; pivots are the states that enter another block.

    Attributes:
        size: the number of ids in a block, at least 1.
    """

    size: int = struct.field(pytree_node=False)

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at the path's start and where the previous state is in another block."""
        del following
        return (position == 0) | (self.lift(previous) != self.lift(state))

    def lift(self, state: Array) -> Array:
        """Returns the first id of the state's block."""
        return state // self.size * self.size

    def specify(self, goal: Array, state: Array) -> Array:
        """Returns the id in the goal's block that is nearest to the agent's state."""
        return jnp.clip(state, goal, goal + self.size - 1)
