"""Spaces: what a state, a goal or a target is, and how it becomes features and comes back.

The names follow Gymnasium's spaces; these are their counterparts inside jitted code.
"""

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp
import optax

from humain.types import Array


class Space(Protocol):
    """The shape of one element, its features, and how far two elements are apart."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one element."""

    @property
    def dtype(self) -> jnp.dtype:
        """Data type of an element."""

    @property
    def num_features(self) -> int:
        """Length of an element's feature vector."""

    @property
    def num_outputs(self) -> int:
        """Length of a prediction of an element."""

    @property
    def has_differences(self) -> bool:
        """Whether the difference of two elements is one again, as of vectors, and not of ids."""

    def encode(self, elements: Array) -> Array:
        """Features `[..., num_features]`, float32, of elements `[..., *shape]`."""

    def decode(self, predictions: Array) -> Array:
        """The element `[..., *shape]` that predictions `[..., num_outputs]` stand for."""

    def loss(self, predictions: Array, elements: Array) -> Array:
        """How far predictions `[..., num_outputs]` are from elements `[..., *shape]`: `[...]`, at least 0."""

    def equal(self, first: Array, second: Array) -> Array:
        """Bool `[...]`: whether two elements count as the same, for instance a state and a goal."""


@dataclasses.dataclass(frozen=True)
class Discrete:
    """Ids `0 .. num_elements - 1`, as int32 scalars; features are one-hot, predictions are logits."""

    num_elements: int

    def __post_init__(self) -> None:
        if self.num_elements < 1:
            raise ValueError(f"a discrete space needs at least one element, not {self.num_elements}")

    @property
    def shape(self) -> tuple[int, ...]:
        """An id is a scalar."""
        return ()

    @property
    def dtype(self) -> jnp.dtype:
        """Ids are int32."""
        return jnp.dtype(jnp.int32)

    @property
    def num_features(self) -> int:
        """One feature for each id."""
        return self.num_elements

    @property
    def num_outputs(self) -> int:
        """One logit for each id."""
        return self.num_elements

    @property
    def has_differences(self) -> bool:
        """Ids are names."""
        return False

    def encode(self, elements: Array) -> Array:
        """One-hot vectors."""
        return jax.nn.one_hot(elements, self.num_elements, dtype=jnp.float32)

    def decode(self, predictions: Array) -> Array:
        """The id with the largest logit."""
        return jnp.argmax(predictions, axis=-1).astype(jnp.int32)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Cross-entropy of logits: several answers to one question share the probability instead of being averaged."""
        return optax.softmax_cross_entropy_with_integer_labels(predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Same id."""
        return first == second


@dataclasses.dataclass(frozen=True)
class Continuous:
    """Vectors of `size` numbers, as float32; two within `tolerance` (largest difference) count as the same."""

    size: int
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a continuous space needs at least one dimension, not {self.size}")
        if not self.tolerance >= 0:
            raise ValueError(f"the tolerance must be 0 or more, not {self.tolerance}")

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector."""
        return (self.size,)

    @property
    def dtype(self) -> jnp.dtype:
        """Vectors are float32."""
        return jnp.dtype(jnp.float32)

    @property
    def num_features(self) -> int:
        """The vector's own numbers."""
        return self.size

    @property
    def num_outputs(self) -> int:
        """The vector's own numbers."""
        return self.size

    @property
    def has_differences(self) -> bool:
        """Vectors may be subtracted."""
        return True

    def encode(self, elements: Array) -> Array:
        """The vector as it is."""
        return elements.astype(jnp.float32)

    def decode(self, predictions: Array) -> Array:
        """The vector as it is."""
        return predictions

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Sum of squared differences."""
        return jnp.sum(jnp.square(predictions - elements), axis=-1)

    def equal(self, first: Array, second: Array) -> Array:
        """No number differs by more than the tolerance."""
        return jnp.max(jnp.abs(first - second), axis=-1) <= self.tolerance
