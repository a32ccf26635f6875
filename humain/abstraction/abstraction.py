"""The interface of an abstraction: which states of a path the layer above sees, and how goals come down again."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array


class Abstraction(Protocol):
    """Chooses the pivots of a path, lifts states up and specifies sub-goals down.

    A pytree: what it has learned is data. `is_pivot` is the whole choice: `pivots.pivot_mask` applies it to stored
    paths and the stack applies it one state at a time while acting, so that both agree. An abstraction that has to know
    more of the path than three states is a `TrackingAbstraction`.

    A layer sees nothing but states lifted through all abstractions below it: its context, the present state, its goal
    and its answers, in hindsight as in acting and planning. Layer 0 sees the states themselves. A sub-goal comes down
    by `specify` with the present state, anew at each step, but the user's goal comes down as it is: where a layer is
    asked for what the user's goal lifts to, the layer below is asked for the user's goal, lifted to that layer.

    A lift may lead into another space, as from vectors to the numbers of places: upper states and goals are then of
    that space, and what comes down by `specify` is of this layer's own.

    A lift may merge states. A layer then takes them for one, so that it has nothing to say on the way between two that
    it merges: `react` goes on by the layers below, but `think` makes no plan between them (it is not `complete`).
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
        """States `[..., *S]` as the layer above sees them: `[..., *S]` of its space."""

    def specify(self, goal: Array, state: Array) -> Array:
        """Goals of the layer above in the terms of this layer; what they are lifts to them again.

        Args:
            goal: `[..., *S]` of the layer above, as that layer sees it.
            state: `[..., *S]`, where the agent is now, as this layer sees it.

        Returns:
            `[..., *S]`, of this layer's space.
        """


@runtime_checkable
class PathAbstraction(Abstraction, Protocol):
    """An abstraction that lifts not a state but the way to it: to the layer above, a pivot is what it stands for.

    `lift` says what a state lifts to that is a path of its own, as the user's goal and the state where a plan begins
    (`lift_through`). What was lived through is lifted along the way: `lift_path` in hindsight, `lift_on` while acting.
    No state of a path is what a pivot stands for, so a layer below it learns to reach what comes down by `specify`.
    """

    def lift_next(self, lifted: Array, state: Array, position: Array) -> Array:
        """What a path that ends at a state lifts to.

        Args:
            lifted: `[..., *S]` of the layer above, what it lifts to without its last state; whatever it is does not
                matter at position 0.
            state: `[..., *S]`, its last state.
            position: `[...]` int32, the state's place on the path, from 0.

        Returns:
            `[..., *S]`, of the space of the layer above.
        """


@runtime_checkable
class StridedAbstraction(Abstraction, Protocol):
    """An abstraction for which only a state's place on the path counts: its pivots are every k-th state.

    Hindsight then finds pivots by arithmetic and need not table them for every trajectory; and as a stretch of a path
    is a path too, it counts them from wherever an example begins.
    """

    def pivot_stride(self) -> int:
        """k, 1 or more: `is_pivot` is True at the positions 0, k, 2 k, ... of any path."""


@runtime_checkable
class CountedAbstraction(Abstraction, Protocol):
    """An abstraction that lifts to ids and says how many: the layer above needs a space of no fewer."""

    @property
    def num_lifted(self) -> int:
        """K; `lift` gives ids from 0 to K - 1."""


_NO_PIVOT = 2**30
"""Far enough from a pivot for any abstraction."""


@struct.dataclass
class Track:
    """What an abstraction carries along a path, from each of its states to the next.

    Attributes:
        since: `[...]` int32, states since the newest pivot; 2**30 and more where there was none.
        level: `[...]` float32, a number of the abstraction's own; 0 before the path's first state.
    """

    since: Array
    level: Array


def begin_track(shape: tuple[int, ...] = ()) -> Track:
    """The tracks `[...]` of paths that have no state yet."""
    return Track(since=jnp.full(shape, _NO_PIVOT, jnp.int32), level=jnp.zeros(shape))


@runtime_checkable
class TrackingAbstraction(Abstraction, Protocol):
    """An abstraction for which the way to a state counts too, not its neighbours alone.

    `is_pivot` says what a state is by its neighbours alone; along a path, `track_pivot` chooses in its stead.
    """

    def track_pivot(
        self, track: Track, previous: Array, state: Array, following: Array, position: Array
    ) -> tuple[Array, Track]:
        """Whether a path's next state is a pivot.

        Args:
            track: `[...]`, from `begin_track` at a path's first state, else from the call for the state before.
            previous: as for `is_pivot`, and so are the others.
            state: `[..., *S]`.
            following: `[..., *S]`.
            position: `[...]` int32.

        Returns:
            `[...]` bool, and the tracks with this state in them.
        """


@runtime_checkable
class GatedAbstraction(Abstraction, Protocol):
    """An abstraction that bounds what the layer below has to learn: the goals within a state's community.

    Whoever leaves a community passes its gates, which are the pivots. So the layer above learns nothing but ways from
    gate to gate, and what it answers for other states and goals is composed, by way of the best of their gates
    (`humain.answering`). Its lift changes nothing: what a state stands for is left open until it is asked.
    """

    def community(self, states: Array) -> Array:
        """The number, from 0, of the community that each of the states `[...]` lies in; int32 `[...]`."""

    def together(self, first: Array, second: Array) -> Array:
        """Whether two states `[...]` lie in one community; bool `[...]`."""

    def gates(self, states: Array) -> tuple[Array, Array]:
        """The gates of the communities of states `[...]`: ids `[..., M]`, and bool `[..., M]`, which of these exist."""


def is_gated(abstractions: Sequence[Abstraction]) -> bool:
    """Whether layers learn only the goals within communities; the top layer's own abstraction bounds nothing."""
    return any(isinstance(abstraction, GatedAbstraction) for abstraction in abstractions[:-1])


def learns(abstractions: Sequence[Abstraction], number: int, states: Array, goals: Array) -> Array:
    """Whether a layer has to learn the way from states to goals, both `[...]`; True where nothing bounds it.

    Args:
        abstractions: one for each layer, bottom first.
        number: of the layer.
        states: `[...]`.
        goals: `[...]`.

    Returns:
        `[...]` bool: both are gates of the layer below, and lie in one community of the layer's own.
    """
    learned = jnp.ones(states.shape, bool)
    if number > 0 and isinstance(below := abstractions[number - 1], GatedAbstraction):
        positions = jnp.zeros(states.shape, jnp.int32)
        for ids in (states, goals):
            learned &= below.is_pivot(ids, ids, ids, positions)
    if number < len(abstractions) - 1 and isinstance(own := abstractions[number], GatedAbstraction):
        learned &= own.together(states, goals)
    return learned


def choose_pivot(
    abstraction: Abstraction, track: Track, previous: Array, state: Array, following: Array, position: Array
) -> tuple[Array, Track]:
    """`track_pivot` for any abstraction; one that tracks nothing leaves the tracks as they are."""
    if isinstance(abstraction, TrackingAbstraction):
        return abstraction.track_pivot(track, previous, state, following, position)
    return abstraction.is_pivot(previous, state, following, position), track


def lift_on(abstraction: Abstraction, lifted: Array, state: Array, position: Array) -> Array:
    """`lift_next` for any abstraction; one that lifts states takes no heed of the path before."""
    if isinstance(abstraction, PathAbstraction):
        return abstraction.lift_next(lifted, state, position)
    return abstraction.lift(state)


def lift_path(abstraction: Abstraction, states: Array, path: Array) -> Array:
    """Each state of one path as the layer above would see it if the path ended there.

    Args:
        abstraction: lifts them.
        states: `[T, *S]`.
        path: `[T]` bool, True for the states that are on the path at all (this layer's own mask). One that is not lifts
            as if the path so far ended with it.

    Returns:
        `[T, *S]`, of the space of the layer above.
    """
    if not isinstance(abstraction, PathAbstraction):
        return abstraction.lift(states)

    def step(lifted: Array, at: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        state, on_path, position = at
        here = abstraction.lift_next(lifted, state, position)
        return jnp.where(on_path, here, lifted), here

    positions = jnp.cumsum(path) - path
    above = jax.eval_shape(abstraction.lift, states[0])
    _, lifted = jax.lax.scan(step, jnp.zeros(above.shape, above.dtype), (states, path, positions))
    return lifted


def lift_through(abstractions: Sequence[Abstraction], states: Array) -> tuple[Array, ...]:
    """States `[..., *S]` as each layer sees them, bottom first; `abstractions` has one for each layer.

    The top layer's own abstraction lifts nothing: there is no layer above to see it.
    """
    seen = [states]
    for abstraction in abstractions[:-1]:
        seen.append(abstraction.lift(seen[-1]))
    return tuple(seen)
