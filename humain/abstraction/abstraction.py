"""The interface of an abstraction: which states of a path the layer above sees, and how goals come down again."""

from typing import Protocol

from humain.types import Array


class Abstraction(Protocol):
    """Chooses the pivots of a path, lifts states up and specifies sub-goals down.

    A pytree: what it has learned is data. `is_pivot` is the whole choice: `pivots.pivot_mask` applies it to stored
    paths and the stack applies it one state at a time while acting, so that both agree.
    """

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """Whether a state is a pivot, from its neighbours on the path.

        Args:
            previous: `[..., *S]`, the path's state before; the state itself where there is none.
            state: `[..., *S]`.
            following: `[..., *S]`, the path's state after; the state itself where there is none.
            position: `[...]` int32, the state's place on the path, from 0.

        Returns:
            `[...]` bool.
        """

    def lift(self, state: Array) -> Array:
        """The state `[..., *S]` as the layer above sees it."""

    def specify(self, goal: Array, state: Array) -> Array:
        """A goal `[..., *S]` of the layer above, in the terms of this layer, for an agent in `state` `[..., *S]`."""
