"""Encodings of positions that are added to features: they tell a cortex the order of the states in its context."""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp

from humain.types import Array

Encoding = Callable[[Array, int], Array]
"""`(positions [...] int32, num_features) -> [..., num_features]` float32, added to the states' features."""


def none(positions: Array, num_features: int) -> Array:
    """Returns zeros: the context is a set, in which only the present state is marked, by being the last."""
    return jnp.zeros((*positions.shape, num_features), jnp.float32)


def sinusoidal(positions: Array, num_features: int, *, longest_period: float = 10_000.0) -> Array:
    """Returns sines at even and cosines at odd features, of wavelengths from 2 pi to `longest_period` times 2 pi.

    Source: Vaswani et al., Attention Is All You Need, section 3.5. An odd `num_features` is allowed (the last cosine is
    left out).

    Args:
        positions: `[...]` int32, counted from the oldest state of the context.
        num_features: length of each encoding.
        longest_period: ratio of the longest to the shortest wavelength, greater than 1.

    Returns:
        `[..., num_features]` float32 in `[-1, 1]`.

    Raises:
        ValueError: if `longest_period` is not greater than 1.
    """
    if not longest_period > 1:
        raise ValueError(f"longest_period must be greater than 1, not {longest_period}")
    num_pairs = -(-num_features // 2)
    frequencies = jnp.exp(jnp.arange(num_pairs) * (-2 * math.log(longest_period) / num_features))
    angles = jnp.multiply.outer(positions.astype(jnp.float32), frequencies)
    pairs = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return pairs.reshape(*positions.shape, 2 * num_pairs)[..., :num_features]


@dataclasses.dataclass(frozen=True)
class Scaled:
    """An encoding times a factor, for features that are smaller than the encoding.

    Attributes:
        encoding: the encoding of positions.
        factor: what it is multiplied by, greater than 0.
    """

    encoding: Encoding
    factor: float

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ValueError(f"the factor must be greater than 0, not {self.factor}")

    def __call__(self, positions: Array, num_features: int) -> Array:
        """Returns the encoding of `positions` `[...]` times the factor: `[..., num_features]` float32."""
        return self.factor * self.encoding(positions, num_features)
