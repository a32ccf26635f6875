"""Spaces of tagged states: a state of a base space, together with a tag about its part in the episode.

A tagged state is an element of a space like any other, so that contexts, goals, hindsight, abstractions, acting and
planning need no special case for tags: a layer stores tagged states, sees their features, and takes a tag as a goal
like any state. A goal may leave open the state or any field of the tag; every tagged state that agrees with it in the
rest reaches it.

`TaggedIds` are ids again, so that table kernels can store them. `TaggedVectors` are for all other base spaces.
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
    """A space whose elements are states of a base space together with the levels of their tags."""

    @property
    def base(self) -> Space:
        """The space of the states themselves."""

    @property
    def tagging(self) -> Tagging:
        """The settings by which states are tagged."""

    @property
    def levels(self) -> TagLevels:
        """The fields of a tag that elements have, and their levels."""

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Makes elements `[..., *shape]` of states `[..., *S]`, levels `[..., N]`; "any state" where not `known`."""

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """Splits elements into states `[..., *S]`, levels `[..., N]`, and bool `[...]` whether the state is known."""


@dataclasses.dataclass(frozen=True)
class TaggedIds(Discrete):
    """Ids `0 .. num_states - 1` with tags, numbered as ids again; one further id, and level of each field, means "any".

    The features of the state and of each field of the tag are concatenated, so networks see what tagged states have in
    common; tables, which see only the ids, do not.

    Attributes:
        num_elements: the number of tagged states and goals; follows from the other attributes.
        num_states: the number of states in the base space.
        tagging: the settings by which states are tagged.
        levels: the fields of a tag that elements have, and their levels.
    """

    num_elements: int = dataclasses.field(init=False)
    num_states: int
    tagging: Tagging
    levels: TagLevels

    def __post_init__(self) -> None:
        number = (self.base.num_elements + 1) * self.levels.num_combinations
        if number >= 2**31:
            raise ValueError(
                f"{self.num_states} states with the tags of {self.levels} make {number} ids, more than int32 can "
                "number; show fewer levels"
            )
        object.__setattr__(self, "num_elements", number)

    @property
    def base(self) -> Discrete:
        """The space of the states themselves."""
        return Discrete(self.num_states)

    @property
    def num_features(self) -> int:
        """The number of features: those of the state, then those of the tag."""
        return self.num_states + self.levels.num_features

    @property
    def num_outputs(self) -> int:
        """The number of logits of a prediction: one per state, then one per level of each field."""
        return self.num_features

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Returns ids `[...]` int32; the tag's last field counts fastest."""
        ids = jnp.where(known, states, self.num_states)
        for at, size in enumerate(self.levels.sizes):
            ids = ids * (size + 1) + levels[..., at]
        return ids.astype(jnp.int32)

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """Splits ids `[...]`; the state is 0 where it is not known."""
        levels = []
        for size in reversed(self.levels.sizes):
            levels.append(elements % (size + 1))
            elements = elements // (size + 1)
        known = elements < self.num_states
        return jnp.where(known, elements, 0), jnp.stack(levels[::-1], axis=-1), known

    def encode(self, elements: Array) -> Array:
        """Returns features `[..., num_features]` float32: one-hot for the state and each field, zeros for "any"."""
        return _encode(self, elements)

    def decode(self, predictions: Array) -> Array:
        """Returns the ids `[...]` int32 of the most likely state and levels, from logits `[..., num_outputs]`."""
        return _decode(self, predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Returns `[...]`: the cross-entropy of the state plus that of each field, without those that are "any"."""
        return _loss(self, predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Returns bool `[...]`: whether two ids agree in everything that is "any" in neither."""
        return _equal(self, first, second)


@dataclasses.dataclass(frozen=True)
class TaggedVectors:
    """States of any base space with tags, as vectors: the state's numbers, 1 (0 for any state), then the levels.

    Attributes:
        base: the space of the states.
        tagging: the settings by which states are tagged.
        levels: the fields of a tag that elements have, and their levels.
    """

    base: Space
    tagging: Tagging
    levels: TagLevels

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an element: one vector."""
        return (self._size + 1 + len(self.levels.sizes),)

    @property
    def dtype(self) -> jnp.dtype:
        """The dtype of the base's states; levels are small whole numbers, which any dtype holds."""
        return self.base.dtype

    @property
    def num_features(self) -> int:
        """The number of features: those of the state, then those of the tag."""
        return self.base.num_features + self.levels.num_features

    @property
    def num_outputs(self) -> int:
        """The number of outputs of a prediction: the base's, then a logit per level of each field."""
        return self.base.num_outputs + self.levels.num_features

    @property
    def has_differences(self) -> bool:
        """False: tags can't be subtracted."""
        return False

    def join(self, states: Array, levels: Array, known: Array | bool = True) -> Array:
        """Concatenates to vectors `[..., *shape]`; the state's numbers are 0 where it is not known."""
        numbers = states.reshape(*levels.shape[:-1], self._size)
        told = jnp.broadcast_to(jnp.asarray(known), levels.shape[:-1])[..., None]
        parts = [jnp.where(told, numbers, 0), told, levels]
        return jnp.concatenate([part.astype(self.dtype) for part in parts], axis=-1)

    def split(self, elements: Array) -> tuple[Array, Array, Array]:
        """Splits vectors `[..., *shape]`; the state's numbers are 0 where it is not known."""
        states = elements[..., : self._size].reshape(*elements.shape[:-1], *self.base.shape)
        return states, elements[..., self._size + 1 :].astype(jnp.int32), elements[..., self._size] != 0

    def encode(self, elements: Array) -> Array:
        """Returns `[..., num_features]` float32: the state's features, then one-hot per field; zeros for "any"."""
        return _encode(self, elements)

    def decode(self, predictions: Array) -> Array:
        """Returns vectors `[..., *shape]` of the base's state and the most likely levels."""
        return _decode(self, predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Returns `[...]`: the base's loss plus the cross-entropy of each field, without those that are "any"."""
        return _loss(self, predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Returns bool `[...]`: whether two vectors agree in everything that is "any" in neither."""
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
