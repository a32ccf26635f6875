"""Steps that were experienced, one after the other, in a store of fixed size."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.types import Array


@struct.dataclass
class Steps:
    """A store of steps, filled from the front; the steps of an episode follow one another.

    Attributes:
        states: `[N, D]`.
        actions: `[N]` int32.
        next_states: `[N, D]`.
        terminated: `[N]` bool, whether the world ended the episode with this step.
        truncated: `[N]` bool, whether the episode was cut off after this step, by its cap or by the end of collecting.
        count: `[]` int32, how many are filled.
    """

    states: Array
    actions: Array
    next_states: Array
    terminated: Array
    truncated: Array
    count: Array

    @property
    def mask(self) -> Array:
        """Bool `[N]`, True where there is a step."""
        return jnp.arange(self.states.shape[0]) < self.count


@dataclasses.dataclass(frozen=True)
class Episode:
    """One episode, on the host.

    Attributes:
        observations: `[T + 1, D]`.
        actions: `[T]`.
        terminated: whether the world ended it; False where it was cut off.
    """

    observations: np.ndarray
    actions: np.ndarray
    terminated: bool


def empty(capacity: int, state_size: int) -> Steps:
    """A store without steps."""
    # Each field has a buffer of its own, so that a store can be donated.
    return Steps(
        states=jnp.zeros((capacity, state_size)),
        actions=jnp.zeros(capacity, jnp.int32),
        next_states=jnp.zeros((capacity, state_size)),
        terminated=jnp.zeros(capacity, bool),
        truncated=jnp.zeros(capacity, bool),
        count=jnp.int32(0),
    )


def append(store: Steps, new: Steps) -> Steps:
    """The store with all of `new`'s places (each of them filled) behind its own; there must be room for them."""
    size = new.states.shape[0]
    places = store.count + jnp.arange(size)
    filled = {
        field.name: getattr(store, field.name).at[places].set(getattr(new, field.name), mode="drop")
        for field in dataclasses.fields(Steps)
        if field.name != "count"
    }
    return Steps(**filled, count=store.count + size)


def episodes(store: Steps) -> list[Episode]:
    """The episodes in a store; on the host, for a store without further axes."""
    count = int(store.count)
    states, actions = np.asarray(store.states)[:count], np.asarray(store.actions)[:count]
    following, terminated = np.asarray(store.next_states)[:count], np.asarray(store.terminated)[:count]
    ends = np.flatnonzero(terminated | np.asarray(store.truncated)[:count])
    if count and (not len(ends) or ends[-1] != count - 1):
        ends = np.append(ends, count - 1)
    found, begin = [], 0
    for end in ends.tolist():
        observations = np.concatenate([states[begin : end + 1], following[end : end + 1]])
        found.append(Episode(observations, actions[begin : end + 1], bool(terminated[end])))
        begin = end + 1
    return found


def from_episodes(recorded: list[Episode], capacity: int | None = None) -> Steps:
    """A store of episodes.

    Args:
        recorded: at least one, each with a step.
        capacity: of the store; as many as there are steps by default.

    Raises:
        ValueError: if there is no step, an episode has none, or there are more than there is room for.
    """
    lengths = [len(episode.actions) for episode in recorded]
    total = sum(lengths)
    if total and 0 in lengths:
        raise ValueError(f"an episode needs at least one step, and episode {lengths.index(0)} has none; leave it out")
    capacity = total if capacity is None else capacity
    if not 0 < total <= capacity:
        raise ValueError(f"a store of {capacity} steps can't be made of {len(recorded)} episodes with {total} steps")
    state_size = recorded[0].observations.shape[1]
    ends = np.cumsum(lengths) - 1
    terminated, truncated = np.zeros(capacity, bool), np.zeros(capacity, bool)
    ended = np.array([episode.terminated for episode in recorded])
    terminated[ends], truncated[ends] = ended, ~ended

    def filled(parts: list[np.ndarray], shape: tuple[int, ...], dtype: type) -> np.ndarray:
        whole: np.ndarray = np.zeros((capacity, *shape), dtype)
        whole[:total] = np.concatenate(parts)
        return whole

    return Steps(
        states=jnp.asarray(filled([episode.observations[:-1] for episode in recorded], (state_size,), np.float32)),
        actions=jnp.asarray(filled([episode.actions for episode in recorded], (), np.int32)),
        next_states=jnp.asarray(filled([episode.observations[1:] for episode in recorded], (state_size,), np.float32)),
        terminated=jnp.asarray(terminated),
        truncated=jnp.asarray(truncated),
        count=jnp.int32(total),
    )
