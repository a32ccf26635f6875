"""`Stopping`: answers that say whether they end the way to the goal."""

import dataclasses

import jax.numpy as jnp

from humain.spaces import Space
from humain.types import Array


@dataclasses.dataclass(frozen=True)
class Stopping:
    """Vectors of a space with a stop signal as their last number: 1 where the way to the goal ends with them, else 0.

    As the target space of a kernel, it lets a layer say that its goal is reached where no single state is equal to
    the goal, as the mean of a chunk. States and goals have no stop signal.

    Attributes:
        space: of the vectors.
        weight: what a prediction of the signal is where it is 1; half of it and more is decoded as 1. The larger it
            is, the more an error of the signal counts in the loss.
    """

    space: Space
    weight: float = 1.0

    def __post_init__(self) -> None:
        if len(self.space.shape) != 1:
            raise ValueError(
                f"a stop signal is added to vectors, and the elements of {self.space} are not vectors; give a space of "
                "vectors"
            )
        if not self.weight > 0:
            raise ValueError(f"the weight must be more than 0, not {self.weight}")

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector, one number longer."""
        return (self.space.shape[0] + 1,)

    @property
    def dtype(self) -> jnp.dtype:
        """That of the vectors."""
        return self.space.dtype

    @property
    def num_features(self) -> int:
        """Those of the vector, and the signal."""
        return self.space.num_features + 1

    @property
    def num_outputs(self) -> int:
        """Those of the vector, and the signal."""
        return self.space.num_outputs + 1

    @property
    def has_differences(self) -> bool:
        """Signals are not subtracted."""
        return False

    def join(self, vectors: Array, stops: Array) -> Array:
        """Elements `[..., D + 1]` of vectors `[..., D]` and bool `[...]`, True where the way ends."""
        return jnp.concatenate([vectors, stops[..., None].astype(vectors.dtype)], axis=-1)

    def split(self, elements: Array) -> tuple[Array, Array]:
        """What `join` has joined."""
        return elements[..., :-1], elements[..., -1] > 0.5

    def encode(self, elements: Array) -> Array:
        """Those of the vector, and the signal times its weight."""
        vectors, signal = elements[..., :-1], elements[..., -1:]
        return jnp.concatenate([self.space.encode(vectors), self.weight * signal.astype(jnp.float32)], axis=-1)

    def decode(self, predictions: Array) -> Array:
        """The vector as its space decodes it, and 1 where the signal is at least half its weight."""
        return self.join(self.space.decode(predictions[..., :-1]), predictions[..., -1] >= self.weight / 2)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """That of the vector, and the squared error of the signal."""
        error = predictions[..., -1] - self.weight * elements[..., -1]
        return self.space.loss(predictions[..., :-1], elements[..., :-1]) + jnp.square(error)

    def equal(self, first: Array, second: Array) -> Array:
        """Equal vectors with the same signal."""
        (one, ends), (other, also_ends) = self.split(first), self.split(second)
        return self.space.equal(one, other) & (ends == also_ends)
