"""Normalisation from data: states in units of how much they vary."""

import jax.numpy as jnp
from flax import struct

from humain.types import Array

_SMALLEST_SCALE = 1e-6
"""A coordinate that never varies is divided by this, not by zero."""


@struct.dataclass
class Normalizer:
    """Moves and scales each coordinate.

    Attributes:
        mean: `[D]`.
        scale: `[D]`, more than 0.
    """

    mean: Array
    scale: Array

    def normalize(self, states: Array) -> Array:
        """States `[..., D]` with mean 0 and standard deviation 1 over what the normaliser was fitted to."""
        return (states - jnp.broadcast_to(self.mean, states.shape)) / jnp.broadcast_to(self.scale, states.shape)

    def restore(self, normalized: Array) -> Array:
        """States `[..., D]` in their own units."""
        shape = normalized.shape
        return normalized * jnp.broadcast_to(self.scale, shape) + jnp.broadcast_to(self.mean, shape)


def fit(states: Array, mask: Array) -> Normalizer:
    """The normaliser of experience.

    Args:
        states: `[N, D]`.
        mask: `[N]` bool, True where a state counts; at least one must.
    """
    weights = mask.astype(jnp.float32)[:, None] / jnp.maximum(jnp.sum(mask), 1)
    mean = jnp.sum(states * weights, axis=0)
    scale = jnp.sqrt(jnp.sum(jnp.square(states - mean[None]) * weights, axis=0))
    return Normalizer(mean=mean, scale=jnp.maximum(scale, _SMALLEST_SCALE))
