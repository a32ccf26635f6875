"""`skip`: every k-th state of a path is a pivot."""

from flax import struct

from humain.types import Array


@struct.dataclass
class Skip:
    """Pivots at positions 0, `stride`, 2 `stride`, ... of a path.

    Attributes:
        stride: 1 or more; with 1 the layer above sees every state.
    """

    stride: int = struct.field(pytree_node=False)

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"the stride must be 1 or more, not {self.stride}")

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at multiples of the stride."""
        del previous, state, following
        return position % self.stride == 0

    def pivot_stride(self) -> int:
        """The stride."""
        return self.stride

    def lift(self, state: Array) -> Array:
        """The state itself."""
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        """The goal itself."""
        del state
        return goal
