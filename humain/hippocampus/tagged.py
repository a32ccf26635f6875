"""Spaces of tagged states: what the base space says about a state, and what its tag says about the episode.

Tags reach a model by the ordinary path. A tagged state is an element of a space, so that contexts, goals, hindsight,
abstractions, acting and planning know nothing of tags: a layer stores tagged states, sees their features, and can be
asked for a tag as for any state. A goal may leave open the state or any field of the tag; it is reached by all that
agree with it in the rest.

`TaggedIds` are ids again, so that tables take them. `TaggedVectors` are for all other bases.
"""

import dataclasses
import math
from typing import Protocol

import jax.numpy as jnp

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tagging
from humain.spaces import Discrete, Space
from humain.types import Array


class TaggedSpace(Space, Protocol):
    """A space whose elements are states of a base space with the levels of their tags."""

    @property
    def base(self) -> Space:
        """Of the states themselves."""

    @property
    def tagging(self) -> Tagging:
        """How tags come about."""

    @property
    def levels(self) -> TagLevels:
        """What of them is shown."""

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Elements `[..., *shape]` from states `[..., *S]` and levels `[..., N]`; any state where not known `[...]`."""

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """States `[..., *S]`, levels `[..., N]`, and bool `[...]` whether the state is told, of elements."""


@dataclasses.dataclass(frozen=True)
class TaggedIds(Discrete):
    """Ids `0 .. num_states - 1` with tags, numbered as ids again; one more of each means any.

    Features are those of the state and of each field of the tag side by side, so networks see what tagged states have
    in common; tables, which see numbers, do not.

    Attributes:
        num_elements: how many tagged states and goals there are; follows from the rest.
        num_states: of the base space.
        tagging: how tags come about.
        levels: what of them is shown.
    """

    num_elements: int = dataclasses.field(init=False)
    num_states: int
    tagging: Tagging
    levels: TagLevels

    def __post_init__(self) -> None:
        number = (self.base.num_elements + 1) * self.levels.num_combinations
        if number >= 2**31:
            raise ValueError(
                f"{self.num_states} states with the tags of {self.levels} make {number} ids, more than 32 bits can "
                "number; show fewer levels"
            )
        object.__setattr__(self, "num_elements", number)

    @property
    def base(self) -> Discrete:
        """Of the states themselves."""
        return Discrete(self.num_states)

    @property
    def num_features(self) -> int:
        """The state's and the tag's."""
        return self.num_states + self.levels.num_features

    @property
    def num_outputs(self) -> int:
        """As many as features."""
        return self.num_features

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Numbers, the tag's last field counting fastest."""
        ids = jnp.where(known, states, self.num_states)
        for at, size in enumerate(self.levels.sizes):
            ids = ids * (size + 1) + levels[..., at]
        return ids.astype(jnp.int32)

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """The parts of the numbers; the state is 0 where it is not told."""
        levels = []
        for size in reversed(self.levels.sizes):
            levels.append(elements % (size + 1))
            elements = elements // (size + 1)
        known = elements < self.num_states
        return jnp.where(known, elements, 0), jnp.stack(levels[::-1], axis=-1), known

    def encode(self, elements: Array) -> Array:
        """One-hot for the state and for each field, zeros for any."""
        return _encode(self, elements)

    def decode(self, predictions: Array) -> Array:
        """The most likely state and levels."""
        return _decode(self, predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """The state's cross-entropy and that of each field."""
        return _loss(self, predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Agree in all that both tell."""
        return _equal(self, first, second)


@dataclasses.dataclass(frozen=True)
class TaggedVectors:
    """States of any base space with tags, as one vector each: the state's numbers, 1 (0 for any state), the levels.

    Attributes:
        base: of the states.
        tagging: how tags come about.
        levels: what of them is shown.
    """

    base: Space
    tagging: Tagging
    levels: TagLevels

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector."""
        return (self._size + 1 + len(self.levels.sizes),)

    @property
    def dtype(self) -> jnp.dtype:
        """That of the base's states; levels are small whole numbers, which any type holds."""
        return self.base.dtype

    @property
    def num_features(self) -> int:
        """The state's and the tag's."""
        return self.base.num_features + self.levels.num_features

    @property
    def num_outputs(self) -> int:
        """The base's for the state, and logits for the levels of each field."""
        return self.base.num_outputs + self.levels.num_features

    @property
    def has_differences(self) -> bool:
        """Tags are none that could be subtracted."""
        return False

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Side by side; the state's numbers are 0 where it is not known."""
        numbers = states.reshape(*levels.shape[:-1], self._size)
        told = jnp.broadcast_to(jnp.asarray(known), levels.shape[:-1])[..., None]
        parts = [jnp.where(told, numbers, 0), told, levels]
        return jnp.concatenate([part.astype(self.dtype) for part in parts], axis=-1)

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """The parts of the vectors."""
        states = elements[..., : self._size].reshape(*elements.shape[:-1], *self.base.shape)
        return states, elements[..., self._size + 1 :].astype(jnp.int32), elements[..., self._size] != 0

    def encode(self, elements: Array) -> Array:
        """The state's features and one-hot ones for each field, zeros for any."""
        return _encode(self, elements)

    def decode(self, predictions: Array) -> Array:
        """The base's state and the most likely levels."""
        return _decode(self, predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """The base's loss and the cross-entropy of each field."""
        return _loss(self, predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Agree in all that both tell."""
        return _equal(self, first, second)

    @property
    def _size(self) -> int:
        return math.prod(self.base.shape)


def _encode(space: TaggedSpace, elements: Array) -> Array:
    states, levels, known = space.split(elements)
    features = jnp.where(known[..., None], space.base.encode(states), 0)
    return jnp.concatenate([features, space.levels.encode(levels)], axis=-1)


def _decode(space: TaggedSpace, predictions: Array) -> Array:
    size = space.base.num_outputs
    return space.join(space.base.decode(predictions[..., :size]), space.levels.decode(predictions[..., size:]))


def _loss(space: TaggedSpace, predictions: Array, elements: Array) -> Array:
    states, levels, known = space.split(elements)
    size = space.base.num_outputs
    of_state = jnp.where(known, space.base.loss(predictions[..., :size], states), 0)
    return of_state + space.levels.loss(predictions[..., size:], levels)


def _equal(space: TaggedSpace, first: Array, second: Array) -> Array:
    states, levels, known = space.split(first)
    other_states, other_levels, other_known = space.split(second)
    same = space.base.equal(states, other_states) | ~known | ~other_known
    return same & space.levels.equal(levels, other_levels)
