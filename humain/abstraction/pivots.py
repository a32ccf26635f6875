"""Pivots of stored paths: masks, the reverse masks, and where a layer's path goes on from any time."""

from typing import Protocol

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction.abstraction import Abstraction, Track, TrackingAbstraction, begin_track
from humain.types import Array


def pivot_mask(abstraction: Abstraction, states: Array, path: Array) -> Array:
    """Which states of one path the layer above sees.

    Args:
        abstraction: chooses.
        states: `[T, *S]`.
        path: `[T]` bool, True for the states that are on the path at all (this layer's own mask).

    Returns:
        `[T]` bool, a subset of `path`.
    """
    times = jnp.arange(path.shape[0])
    before = _newest_before(path)
    after = _next_after(path)
    previous = jnp.where(before < 0, times, before)
    following = jnp.where(after >= path.shape[0], times, after)
    positions = jnp.cumsum(path) - 1
    if not isinstance(abstraction, TrackingAbstraction):
        return path & abstraction.is_pivot(states[previous], states, states[following], positions)

    return _track_pivots(abstraction, path, (states[previous], states, states[following], positions))


def reverse_mask(pivots: Array, path: Array) -> Array:
    """For each pivot, the states it stands for: those that lead up to it, itself included.

    A path's states after its last pivot have no pivot that stands for them.

    Args:
        pivots: `[T]` bool.
        path: `[T]` bool, of which `pivots` is a subset.

    Returns:
        `[T, T]` bool: `[p, t]` is True where `p` is a pivot and stands for the state at time `t`.
    """
    owner = _next_after(pivots, inclusive=True)
    times = jnp.arange(pivots.shape[0])
    return (owner[None, :] == times[:, None]) & path[None, :] & pivots[:, None]


def with_end(pivots: Array, path: Array) -> Array:
    """The pivots of one path and its last state, so that every state of it has a pivot that stands for it.

    Args:
        pivots: `[T]` bool.
        path: `[T]` bool, of which `pivots` is a subset.

    Returns:
        `[T]` bool, a subset of `path`.
    """
    return pivots | (path & (_next_after(path) >= path.shape[0]))


class PathIndex(Protocol):
    """Where the path of one layer goes on, for every time of every stored trajectory."""

    def following(self, walks: Array, times: Array) -> Array:
        """Time of the path's first state after `times`, at least one later; past the end where there is none."""

    def preceding(self, walks: Array, times: Array) -> Array:
        """Time of the path's last state before `times`; negative where there is none."""

    def newest_passed(self, walks: Array, times: Array) -> Array:
        """Time of the path's last state that an agent has stored at `times`; negative where there is none.

        Which states are pivots shows only when the next one of the path below has come, so on the upper layers it is an
        earlier one than `preceding` says.
        """


@struct.dataclass
class Strided:
    """The path of every `stride`-th state.

    A stretch of a trajectory is a trajectory, so what follows is counted from the time that is asked about; what lies
    before is counted from the trajectory's start, as an agent that has lived through it has stored it.

    Attributes:
        stride: 1 or more.
        delay: how many steps after a state the agent stores it, 1 or more.
    """

    stride: int = struct.field(pytree_node=False)
    delay: int = struct.field(pytree_node=False, default=1)

    def following(self, walks: Array, times: Array) -> Array:
        """`stride` later."""
        del walks
        return times + self.stride

    def preceding(self, walks: Array, times: Array) -> Array:
        """The last multiple of the stride."""
        del walks
        return (times + self.stride - 1) // self.stride * self.stride - self.stride

    def newest_passed(self, walks: Array, times: Array) -> Array:
        """The last multiple of the stride that is `delay` steps ago or more."""
        return self.preceding(walks, times - self.delay + 1)


@struct.dataclass
class Tabled:
    """The path given by a mask, for abstractions that look at the states.

    Attributes:
        following_times: `[W, T]` int32.
        preceding_times: `[W, T]` int32.
        passed_times: `[W, T]` int32.
    """

    following_times: Array
    preceding_times: Array
    passed_times: Array

    def following(self, walks: Array, times: Array) -> Array:
        """The next time that the mask is True."""
        return self.following_times[walks, times]

    def preceding(self, walks: Array, times: Array) -> Array:
        """The last time before that the mask was True; negative where there was none."""
        length = self.preceding_times.shape[1]
        return jnp.where(times < 0, -1, self.preceding_times[walks, jnp.clip(times, 0, length - 1)])

    def newest_passed(self, walks: Array, times: Array) -> Array:
        """The last time of a state on the path that has come; negative where there was none."""
        return self.passed_times[walks, times]


def tabled(masks: Array, arrivals: Array) -> Tabled:
    """The index of a path.

    Args:
        masks: `[W, T]` bool, True for the states on the path.
        arrivals: `[W, T]` int32, when an agent stores each of them; T or more where never. See `arrivals_above`.
    """
    return Tabled(
        following_times=jax.vmap(_next_after)(masks).astype(jnp.int32),
        preceding_times=jax.vmap(_newest_before)(masks).astype(jnp.int32),
        passed_times=jax.vmap(_newest_passed)(masks, arrivals).astype(jnp.int32),
    )


def arrivals_above(arrivals: Array, path: Array) -> Array:
    """When the states of a path come up to the layer above, those of them that are pivots: with the path's next state.

    Args:
        arrivals: `[T]` int32, when they come to the path itself.
        path: `[T]` bool.

    Returns:
        `[T]` int32; T or more where there is no next state.
    """
    return jnp.append(arrivals, path.shape[0])[_next_after(path)]


@jax.jit
def _track_pivots(abstraction: TrackingAbstraction, path: Array, places: tuple[Array, Array, Array, Array]) -> Array:
    """The pivots `[T]` of one path, one state after the other; compiled once for paths of one length."""

    def step(track: Track, at: tuple[Array, tuple[Array, Array, Array, Array]]) -> tuple[Track, Array]:
        on_path, place = at
        pivot, new = abstraction.track_pivot(track, *place)
        return jax.tree.map(lambda new, old: jnp.where(on_path, new, old), new, track), on_path & pivot

    _, pivots = jax.lax.scan(step, begin_track(), (path, places))
    return pivots


def _next_after(mask: Array, *, inclusive: bool = False) -> Array:
    """`[T]`: the next time (or the same, if `inclusive`) at which `mask` is True; `T` where there is none."""
    length = mask.shape[0]
    at = jnp.where(mask, jnp.arange(length), length)
    from_here = jax.lax.cummin(at, reverse=True)
    return from_here if inclusive else jnp.concatenate([from_here[1:], jnp.array([length], at.dtype)])


def _newest_before(mask: Array) -> Array:
    """`[T]`: the last time before at which `mask` is True; -1 where there is none."""
    at = jnp.where(mask, jnp.arange(mask.shape[0]), -1)
    return jnp.concatenate([jnp.array([-1], at.dtype), jax.lax.cummax(at)[:-1]])


def _newest_passed(mask: Array, arrivals: Array) -> Array:
    """`[T]`: the last time at which `mask` is True and that has arrived; -1 where there is none."""
    times = jnp.arange(mask.shape[0])
    arrived = jnp.full_like(times, -1).at[jnp.where(mask, arrivals, mask.shape[0])].max(times, mode="drop")
    return jax.lax.cummax(arrived)
