"""Transitions that were experienced, one after the other, in a store of fixed size; and trajectories made of them."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.spaces import Space
from humain.types import Array, Trajectories


@struct.dataclass
class Transitions:
    """A store of transitions, filled from the front; those of an episode follow one another.

    Attributes:
        states: `[N, D]`.
        actions: `[N, *V]`.
        rewards: `[N]`.
        next_states: `[N, D]`.
        terminated: `[N]` bool, whether the world ended the episode with this step.
        truncated: `[N]` bool, whether the episode was cut off after this step, by its cap or by the end of collecting.
        count: `[]` int32, how many are filled.
    """

    states: Array
    actions: Array
    rewards: Array
    next_states: Array
    terminated: Array
    truncated: Array
    count: Array

    @property
    def mask(self) -> Array:
        """Bool `[N]`, True where there is a transition."""
        return jnp.arange(self.states.shape[0]) < self.count


FIELDS = ("states", "actions", "rewards", "next_states", "terminated", "truncated")
"""What there is one of for each transition."""


def empty(capacity: int, state_space: Space, action_space: Space) -> Transitions:
    """A store without transitions."""
    # Each field has a buffer of its own, so that a store can be donated.
    return Transitions(
        states=jnp.zeros((capacity, *state_space.shape), state_space.dtype),
        actions=jnp.zeros((capacity, *action_space.shape), action_space.dtype),
        rewards=jnp.zeros(capacity),
        next_states=jnp.zeros((capacity, *state_space.shape), state_space.dtype),
        terminated=jnp.zeros(capacity, bool),
        truncated=jnp.zeros(capacity, bool),
        count=jnp.int32(0),
    )


def append(store: Transitions, new: Transitions) -> Transitions:
    """The store with all of `new`'s places (each of them filled) behind its own; there must be room for them."""
    size = new.states.shape[0]
    places = store.count + jnp.arange(size)
    filled = {name: getattr(store, name).at[places].set(getattr(new, name), mode="drop") for name in FIELDS}
    return Transitions(**filled, count=store.count + size)


def to_trajectories(store: Transitions) -> Trajectories:
    """The episodes of a store as trajectories of NumPy arrays; on the host, for a store without further axes.

    An episode that the store ends in the midst of was cut off there. Where the cap is reached with the step that the
    world ends, the world's end counts.
    """
    count = int(store.count)
    fields = {name: np.asarray(getattr(store, name))[:count] for name in FIELDS}
    ends = np.flatnonzero(fields["terminated"] | fields["truncated"])
    if count and (not len(ends) or ends[-1] != count - 1):
        ends = np.append(ends, count - 1)
    begins = np.concatenate([[0], ends[:-1] + 1]).astype(int) if len(ends) else ends
    lengths = ends - begins + 2
    longest = int(lengths.max(initial=0))

    def padded(name: str) -> np.ndarray:
        values = fields[name]
        rows = np.zeros((len(ends), longest, *values.shape[1:]), values.dtype)
        for row, begin, end in zip(rows, begins, ends, strict=True):
            row[: end - begin + 1] = values[begin : end + 1]
        return rows

    states = padded("states")
    for row, end, length in zip(states, ends, lengths, strict=True):
        row[length - 1] = fields["next_states"][end]
    found: dict[str, Any] = {
        "states": states,
        "lengths": lengths.astype(np.int32),
        "actions": padded("actions"),
        "rewards": padded("rewards"),
        "terminated": fields["terminated"][ends],
    }
    return Trajectories(**found)


def from_trajectories(trajectories: Trajectories, capacity: int | None = None) -> Transitions:
    """A store of trajectories.

    Args:
        trajectories: with actions, at least one, each with a step. One that the world did not end was cut off; without
            rewards they are 0.
        capacity: of the store; as many as there are steps by default.

    Raises:
        ValueError: if there are no actions or no step, a trajectory has none, or there are more than there is room for.
    """
    if trajectories.actions is None:
        raise ValueError("transitions need actions, and these trajectories have none; record them too")
    lengths = np.asarray(trajectories.lengths) - 1
    total = int(lengths.sum())
    if total > 0 and lengths.min() < 1:
        first = int(np.argmin(lengths))
        raise ValueError(f"a trajectory needs at least one step, and number {first} has none; leave it out")
    capacity = total if capacity is None else capacity
    if not 0 < total <= capacity:
        raise ValueError(
            f"a store of {capacity} transitions can't be made of {len(lengths)} trajectories with {max(total, 0)} steps"
        )
    states = np.asarray(trajectories.states)
    rewards = np.zeros(states.shape[:2], np.float32) if trajectories.rewards is None else trajectories.rewards
    ended = np.zeros(len(lengths), bool) if trajectories.terminated is None else np.asarray(trajectories.terminated)
    taken = np.arange(states.shape[1])[None] < lengths[:, None]
    last = np.cumsum(lengths) - 1

    def filled(values: np.ndarray) -> Array:
        whole: np.ndarray = np.zeros((capacity, *values.shape[1:]), values.dtype)
        whole[:total] = values
        return jnp.asarray(whole)

    terminated, truncated = np.zeros(total, bool), np.zeros(total, bool)
    terminated[last], truncated[last] = ended, ~ended
    return Transitions(
        states=filled(states[taken]),
        actions=filled(np.asarray(trajectories.actions)[taken]),
        rewards=filled(np.asarray(rewards, np.float32)[taken]),
        next_states=filled(states[:, 1:][taken[:, :-1]]),
        terminated=filled(terminated),
        truncated=filled(truncated),
        count=jnp.int32(total),
    )


def first(store: Transitions, num_steps: int) -> Transitions:
    """The first transitions of full stores `[S, N]`, the last of them cut off if its episode does not end there."""
    cut: dict[str, Any] = {name: np.array(getattr(store, name))[:, :num_steps] for name in FIELDS}
    cut["truncated"][:, -1] = ~cut["terminated"][:, -1]
    cut["count"] = np.full_like(store.count, num_steps)
    return Transitions(**cut)


def select(store: Transitions, number: int) -> Transitions:
    """One of S stores, on the host."""
    found: dict[str, Any] = {name: np.asarray(getattr(store, name)[number]) for name in (*FIELDS, "count")}
    return Transitions(**found)
