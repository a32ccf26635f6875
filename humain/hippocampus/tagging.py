"""Tagging: which state this is, when it was first met in this episode, how often, and how long ago.

The memory holds prototypes: a state near one is assigned to it, any other state becomes a prototype itself. All
functions are pure and written for one episode; `jax.vmap` batches them. Memory and the cost of a step grow with
`capacity`, not with the length of the episode.

A prototype is the state that was met first; unlike a cluster centre it does not move with the states assigned to it, so
a tag means the same place throughout the episode.
"""

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp
from flax import struct

from humain.spaces import Discrete, Space
from humain.types import Array

Eviction = Literal["first_met", "last_met", "least_met"]


@dataclasses.dataclass(frozen=True)
class Tagging:
    """The settings of tagging.

    Attributes:
        capacity: the number of prototypes kept, at least 1.
        threshold: states whose features are at most this far (Euclidean distance) from a prototype's are assigned to
            it. Two different ids have distance sqrt(2).
        eviction: which prototype a new one replaces when the memory is full: the one that was `first_met` or `last_met`
            longest ago, or the one `least_met`; among equals, the one with the lowest index.
    """

    capacity: int = 64
    threshold: float = 0.5
    eviction: Eviction = "last_met"

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"the capacity must be at least 1 prototype, not {self.capacity}")
        if not 0 <= self.threshold < math.inf:
            raise ValueError(f"the threshold must be a number of at least 0, not {self.threshold}")
        if self.eviction not in ("first_met", "last_met", "least_met"):
            raise ValueError(f"eviction must be 'first_met', 'last_met' or 'least_met', not {self.eviction!r}")


@struct.dataclass
class Tags:
    """The prototypes of an episode.

    Attributes:
        prototypes: `[capacity, *S]`, each the first state that was assigned to it.
        orders: `[capacity]` int32, how many prototypes were created before this one in this episode.
        visits: `[capacity]` int32, how often it was met; 0 where the entry is free.
        first_met: `[capacity]` int32, the time when it was first met.
        last_met: `[capacity]` int32, the time when it was last met.
        num_prototypes: `[]` int32, prototypes created so far, including those replaced.
        time: `[]` int32, the number of states tagged so far.
    """

    prototypes: Array
    orders: Array
    visits: Array
    first_met: Array
    last_met: Array
    num_prototypes: Array
    time: Array


@struct.dataclass
class Tag:
    """A state's tag at the time when it is met; each `[]` int32.

    Attributes:
        identity: the index of its prototype in the memory, which stays the same until the prototype is replaced.
        order: how many prototypes were created before its own: 0 for the state that the episode began with.
        visits: how often it was met, including this time: 1 for a new one. Staying in a state counts at each step.
        age: steps since it was first met; 0 for a new one.
        absence: steps since it was last met; 0 for a new one, 1 while the agent stays.
    """

    identity: Array
    order: Array
    visits: Array
    age: Array
    absence: Array

    @property
    def is_new(self) -> Array:
        """Bool `[]`, whether the state became a new prototype."""
        return self.visits == 1


def empty(tagging: Tagging, space: Space) -> Tags:
    """Returns the memory before the episode's first state, an element of `space`."""
    zeros = jnp.zeros(tagging.capacity, jnp.int32)
    return Tags(
        prototypes=jnp.zeros((tagging.capacity, *space.shape), space.dtype),
        orders=zeros,
        visits=zeros,
        first_met=zeros,
        last_met=zeros,
        num_prototypes=jnp.int32(0),
        time=jnp.int32(0),
    )


def refresh(tags: Tags, when: Array | bool = True) -> Tags:
    """Returns an empty memory if `when`, bool `[]`, is True (a new episode begins), else the memory unchanged."""
    return dataclasses.replace(
        tags,
        visits=jnp.where(when, 0, tags.visits),
        num_prototypes=jnp.where(when, 0, tags.num_prototypes),
        time=jnp.where(when, 0, tags.time),
    )


def distances(tags: Tags, space: Space, state: Array) -> Array:
    """Returns the distances `[capacity]` of a state `[*S]` to the prototypes; infinite where the entry is free."""
    if isinstance(space, Discrete):
        # Equal to the distances of one-hot features, without computing those.
        apart = jnp.where(space.equal(tags.prototypes, state), 0.0, math.sqrt(2))
    else:
        apart = jnp.linalg.norm(space.encode(tags.prototypes) - space.encode(state)[None], axis=-1)
    return jnp.where(tags.visits > 0, apart, jnp.inf)


def tag(tagging: Tagging, space: Space, tags: Tags, state: Array) -> tuple[Tags, Tag]:
    """Tags the present state.

    Args:
        tagging: the settings that `tags` was made with.
        space: the space of the states.
        tags: the memory of the episode's earlier states.
        state: `[*S]`, finite.

    Returns:
        The memory with this state in it, and the state's tag. Among equally near prototypes, the lowest index counts.
    """
    apart = distances(tags, space, state)
    nearest = jnp.argmin(apart)
    known = apart[nearest] <= tagging.threshold
    ranks = {"first_met": tags.first_met, "last_met": tags.last_met, "least_met": tags.visits}[tagging.eviction]
    # Free entries are used before any prototype is replaced.
    place = jnp.where(known, nearest, jnp.argmin(jnp.where(tags.visits > 0, ranks + 1, 0))).astype(jnp.int32)
    first_met = jnp.where(known, tags.first_met[place], tags.time)
    found = Tag(
        identity=place,
        order=jnp.where(known, tags.orders[place], tags.num_prototypes),
        visits=jnp.where(known, tags.visits[place], 0) + 1,
        age=tags.time - first_met,
        absence=jnp.where(known, tags.time - tags.last_met[place], 0),
    )
    prototype = jnp.where(known, tags.prototypes[place], state.astype(tags.prototypes.dtype))
    after = Tags(
        prototypes=tags.prototypes.at[place].set(prototype),
        orders=tags.orders.at[place].set(found.order),
        visits=tags.visits.at[place].set(found.visits),
        first_met=tags.first_met.at[place].set(first_met),
        last_met=tags.last_met.at[place].set(tags.time),
        num_prototypes=tags.num_prototypes + jnp.where(known, 0, 1),
        time=tags.time + 1,
    )
    return after, found
