"""The hippocampus' store: a ring buffer of the episode's states, as a pytree.

All functions are pure and written for one episode; `jax.vmap` batches them.
"""

import dataclasses

import jax.numpy as jnp
from flax import struct

from humain.hippocampus.encodings import Encoding
from humain.spaces import Space
from humain.types import Array, Context


@struct.dataclass
class Memory:
    """A ring buffer of the newest states since the last refresh.

    Attributes:
        states: `[capacity, *S]`; the state appended as number `i`, from 0, is in row `i % capacity`.
        count: `[]` int32, how many states were appended since the last refresh.
    """

    states: Array
    count: Array


def empty(capacity: int, space: Space) -> Memory:
    """Returns a memory that holds nothing.

    Args:
        capacity: how many states it keeps, at least 0.
        space: the space of the states.

    Raises:
        ValueError: if `capacity` is negative.
    """
    if capacity < 0:
        raise ValueError(f"a memory's capacity must be at least 0, not {capacity}")
    return Memory(states=jnp.zeros((capacity, *space.shape), space.dtype), count=jnp.int32(0))


def append(memory: Memory, state: Array, present: Array | bool = True) -> Memory:
    """Stores `state` `[*S]` as the newest, in place of the oldest when full; changes nothing if `present` is False."""
    capacity = memory.states.shape[0]
    if capacity == 0:
        return dataclasses.replace(memory, count=memory.count + jnp.int32(present))
    place = jnp.where(present, memory.count % capacity, capacity)
    states = memory.states.at[place].set(state.astype(memory.states.dtype), mode="drop")
    return Memory(states=states, count=memory.count + jnp.int32(present))


def refresh(memory: Memory, when: Array | bool = True) -> Memory:
    """Returns an empty memory if `when`, bool `[]`, is True, else the memory unchanged."""
    return dataclasses.replace(memory, count=jnp.where(when, jnp.int32(0), memory.count))


def context(memory: Memory, state: Array, *, length: int, space: Space, encoding: Encoding) -> Context:
    """Returns what the cortex sees: up to `length - 1` stored states, oldest first, then the present state.

    Args:
        memory: a memory with a capacity of at least `length - 1`.
        state: `[*S]`, the present state, which need not be stored.
        length: the number of states in the context, at least 1.
        space: the space of the states.
        encoding: the encoding of positions, which count from the oldest state shown, so that training sees the same
            ones however long ago the last refresh was.

    Returns:
        A context without batch axis: states `[length, *S]`, features `[length, F]`, mask `[length]`.

    Raises:
        ValueError: if `length` is less than 1, or more than the memory can fill.
    """
    capacity = memory.states.shape[0]
    if not 1 <= length <= capacity + 1:
        raise ValueError(
            f"a context of {length} states needs a memory of at least {length - 1}, but this one keeps {capacity}"
        )
    numbers = memory.count - (length - 1) + jnp.arange(length)
    stored = memory.states[numbers[:-1] % capacity] if length > 1 else memory.states[:0]
    states = jnp.concatenate([stored, state[None].astype(memory.states.dtype)])
    mask = numbers >= 0
    positions = jnp.maximum(jnp.cumsum(mask) - 1, 0)
    features = space.encode(states) + encoding(positions, space.num_features)
    return Context(states=states, features=features, mask=mask)
