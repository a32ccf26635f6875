"""Choosing between batched arrays, entry by entry of the batch."""

import jax.numpy as jnp

from humain.types import Array


def select(condition: Array, first: Array, second: Array) -> Array:
    """`first` `[B, ...]` in the rows where `condition` `[B]` is True, `second` `[B, ...]` in the others."""
    return jnp.where(condition.reshape(-1, *[1] * (first.ndim - 1)), first, second)
