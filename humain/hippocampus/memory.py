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
    """The newest states since the last refresh.

    Attributes:
        states: `[capacity, *S]`; the state appended as number `i` lies at `i % capacity`.
        count: `[]` int32, how many states have been appended since the last refresh.
    """

    states: Array
    count: Array


def empty(capacity: int, space: Space) -> Memory:
    """A memory that holds nothing.

    Args:
        capacity: how many states it keeps, 0 or more.
        space: of the states.

    Raises:
        ValueError: if `capacity` is negative.
    """
    if capacity < 0:
        raise ValueError(f"a memory's capacity must be 0 or more, not {capacity}")
    return Memory(states=jnp.zeros((capacity, *space.shape), space.dtype), count=jnp.int32(0))


def append(memory: Memory, state: Array, present: Array | bool = True) -> Memory:
    """Stores `state` as the newest, in place of the oldest when full; changes nothing where `present` is False."""
    capacity = memory.states.shape[0]
    if capacity == 0:
        return dataclasses.replace(memory, count=memory.count + jnp.int32(present))
    place = jnp.where(present, memory.count % capacity, capacity)
    states = memory.states.at[place].set(state.astype(memory.states.dtype), mode="drop")
    return Memory(states=states, count=memory.count + jnp.int32(present))


def refresh(memory: Memory, when: Array | bool = True) -> Memory:
    """Forgets everything where `when` is True."""
    return dataclasses.replace(memory, count=jnp.where(when, jnp.int32(0), memory.count))


def context(memory: Memory, state: Array, *, length: int, space: Space, encoding: Encoding) -> Context:
    """What the cortex sees: up to `length - 1` stored states, oldest first, then the present state.

    Args:
        memory: with a capacity of at least `length - 1`.
        state: `[*S]`, the present state; it need not have been stored.
        length: of the context, 1 or more.
        space: of the states.
        encoding: of the positions, which count from the oldest state shown: training shows the same ones, however long
            ago the last refresh was.

    Returns:
        A context without batch axis: states `[length, *S]`, features `[length, F]`, mask `[length]`.

    Raises:
        ValueError: if `length` is less than 1, or more than the memory can fill.
    """
    capacity = memory.states.shape[0]
    if not 1 <= length <= capacity + 1:
        raise ValueError(
            f"a context of {length} states needs a memory of {length - 1} or more, this one keeps {capacity}"
        )
    numbers = memory.count - (length - 1) + jnp.arange(length)
    stored = memory.states[numbers[:-1] % capacity] if length > 1 else memory.states[:0]
    states = jnp.concatenate([stored, state[None].astype(memory.states.dtype)])
    mask = numbers >= 0
    positions = jnp.maximum(jnp.cumsum(mask) - 1, 0)
    features = space.encode(states) + encoding(positions, space.num_features)
    return Context(states=states, features=features, mask=mask)
