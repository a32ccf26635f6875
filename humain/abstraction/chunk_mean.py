"""`chunk_mean`: to the layer above, a stretch of a path is its mean."""

import jax.numpy as jnp
from flax import struct

from humain.types import Array


@struct.dataclass
class ChunkMean:
    """Pivots at a path's first state and at the ends of chunks of `size` states: positions 0, `size`, `2 * size`, ...

    The first state is where the path begins, a chunk of its own. Each other pivot stands for the states of its chunk
    (the reverse mask) and lifts to their mean. Before the end of its chunk, a state lifts to the mean of the chunk so
    far; so does the last state of a path whose last chunk is a shorter one (see `pivots.with_end`). A mean comes down
    as it is: no single state stands for it.

    Attributes:
        size: 1 or more; with 1 the layer above sees every state.
    """

    size: int = struct.field(pytree_node=False)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"the size must be at least 1, not {self.size}")

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at the first state and at the last one of each chunk."""
        del previous, state, following
        return position % self.size == 0

    def lift(self, state: Array) -> Array:
        """The state itself, the mean of a chunk of one."""
        return state

    def lift_next(self, lifted: Array, state: Array, position: Array) -> Array:
        """The mean of the chunk so far.

        Raises:
            ValueError: if states are not made of floats.
        """
        if not jnp.issubdtype(state.dtype, jnp.floating):
            raise ValueError(f"a mean is made of floats, such as embeddings, not of {state.dtype}")
        # The first state counts as the last place of a chunk that has only this one.
        place = jnp.where(position == 0, 0, (position - 1) % self.size)
        place = jnp.expand_dims(place, tuple(range(position.ndim, state.ndim)))
        before = jnp.where(place == 0, 0, lifted)
        return before + (state - before) / (place + 1).astype(state.dtype)

    def specify(self, goal: Array, state: Array) -> Array:
        """The mean itself."""
        del state
        return goal
