"""Tagging: which state this is, when it was first met in this episode, and how often and how long ago.

A memory of prototypes: a state that is near one is taken for it, any other becomes a prototype itself. All functions
are pure and written for one episode; `jax.vmap` batches them. Memory and the cost of a step are those of `capacity`
prototypes, however long the episode is.

A prototype stays what it was when it was first met: it does not drift with the states that are taken for it, as the
centres of clustering do, so that a tag means the same place throughout.
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
    """How states are told apart and how many are remembered.

    Attributes:
        capacity: prototypes, 1 or more.
        threshold: states whose features are at most this far (Euclidean) from a prototype's are taken for it. Two
            different ids are the square root of 2 apart.
        eviction: which prototype gives way to a new one when all places are taken: the one that was `first_met` or
            `last_met` longest ago, or the one `least_met`. Among equals it is the one in the first place.
    """

    capacity: int = 64
    threshold: float = 0.5
    eviction: Eviction = "last_met"

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"the capacity must be 1 prototype or more, not {self.capacity}")
        if not 0 <= self.threshold < math.inf:
            raise ValueError(f"the threshold must be a number, 0 or more, not {self.threshold}")
        if self.eviction not in ("first_met", "last_met", "least_met"):
            raise ValueError(f"eviction must be 'first_met', 'last_met' or 'least_met', not {self.eviction!r}")


@struct.dataclass
class Tags:
    """What an episode's states were taken for.

    Attributes:
        prototypes: `[capacity, *S]`, each the state that was met first.
        orders: `[capacity]` int32, how many prototypes were made before it in this episode.
        visits: `[capacity]` int32, how often it has been met; 0 where the place is free.
        first_met: `[capacity]` int32, the time when it was first met.
        last_met: `[capacity]` int32, the time when it was last met.
        num_prototypes: `[]` int32, prototypes made so far, those that have given way included.
        time: `[]` int32, states tagged so far.
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
        identity: place of its prototype in the memory. It is the same as long as the prototype is remembered.
        order: how many other prototypes were made before its own: 0 for the state that the episode began with.
        visits: how often it has been met, this time included: 1 for a new one. Staying counts at each step.
        age: steps since it was first met; 0 for a new one.
        absence: steps since it was last met; 0 for a new one, 1 for one that stays.
    """

    identity: Array
    order: Array
    visits: Array
    age: Array
    absence: Array

    @property
    def is_new(self) -> Array:
        """Bool `[]`, whether no prototype was near."""
        return self.visits == 1


def empty(tagging: Tagging, space: Space) -> Tags:
    """A memory before the episode's first state; `space` is that of the states."""
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
    """Forgets everything where `when` is True: another episode begins."""
    return dataclasses.replace(
        tags,
        visits=jnp.where(when, 0, tags.visits),
        num_prototypes=jnp.where(when, 0, tags.num_prototypes),
        time=jnp.where(when, 0, tags.time),
    )


def distances(tags: Tags, space: Space, state: Array) -> Array:
    """How far a state `[*S]` is from each prototype: `[capacity]`, infinite where there is none."""
    if isinstance(space, Discrete):
        # What the one-hot features come to, without making them.
        apart = jnp.where(space.equal(tags.prototypes, state), 0.0, math.sqrt(2))
    else:
        apart = jnp.linalg.norm(space.encode(tags.prototypes) - space.encode(state)[None], axis=-1)
    return jnp.where(tags.visits > 0, apart, jnp.inf)


def tag(tagging: Tagging, space: Space, tags: Tags, state: Array) -> tuple[Tags, Tag]:
    """Tags the state that is met now.

    Args:
        tagging: the settings that `tags` was made with.
        space: of the states.
        tags: what the episode's earlier states were taken for.
        state: `[*S]`, finite.

    Returns:
        The memory with this state in it, and the state's tag. Of several nearest prototypes the one in the first place
        counts.
    """
    apart = distances(tags, space, state)
    nearest = jnp.argmin(apart)
    known = apart[nearest] <= tagging.threshold
    ranks = {"first_met": tags.first_met, "last_met": tags.last_met, "least_met": tags.visits}[tagging.eviction]
    # A free place has no rank yet and comes before all that do.
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
