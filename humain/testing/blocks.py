"""An abstraction whose lift is not the identity: a row of ids in blocks, of which the layer above sees the first."""

import jax.numpy as jnp
from flax import struct

from humain.types import Array


@struct.dataclass
class Blocks:
    """Blocks of `size` ids in a row; pivots are the states that enter another block.

    Attributes:
        size: 1 or more.
    """

    size: int = struct.field(pytree_node=False)

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at the path's start and where the block before was another one."""
        del following
        return (position == 0) | (self.lift(previous) != self.lift(state))

    def lift(self, state: Array) -> Array:
        """The first id of the block."""
        return state // self.size * self.size

    def specify(self, goal: Array, state: Array) -> Array:
        """The block's id that is nearest to where the agent is."""
        return jnp.clip(state, goal, goal + self.size - 1)
