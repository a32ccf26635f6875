"""Rotary encoding: self-attention whose queries and keys are turned by their positions, so that distances are told."""

import dataclasses

import jax.numpy as jnp

from humain.types import Array


@dataclasses.dataclass(frozen=True)
class Rotary:
    """Turns each pair of a vector's numbers by an angle in proportion to the position.

    The product of a query and a key then depends on both and on how far apart they are, wherever they stand.

    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, section 3.2.2. Pairs are
    neighbours, as there. The paper's shortest period is 1; a longer one leaves out the fast turns, which come round
    within a long context and so tell distances apart in a short one only.

    Attributes:
        longest_period: positions in which the slowest pair would turn by 1 (radian), were there one pair more.
        shortest_period: positions in which the fastest pair turns by 1, more than 0 and less than `longest_period`.
    """

    longest_period: float = 10_000.0
    shortest_period: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest_period < self.longest_period:
            raise ValueError(
                f"shortest_period must be more than 0 and less than longest_period, {self.longest_period}, "
                f"and is {self.shortest_period}"
            )

    def turn(self, vectors: Array, positions: Array) -> Array:
        """Vectors, turned by their positions; lengths stay what they were.

        Args:
            vectors: `[..., T, N, D]`, D even: queries or keys of N heads.
            positions: `[T]` int32.

        Raises:
            ValueError: if D is odd.
        """
        size = vectors.shape[-1]
        if size % 2:
            raise ValueError(f"rotary encoding turns pairs, so a head's width must be even, not {size}")
        ratio = self.longest_period / self.shortest_period
        frequencies = ratio ** (-jnp.arange(0, size, 2) / size) / self.shortest_period
        angles = positions.astype(jnp.float32)[:, None] * frequencies[None]
        shape = (1,) * (vectors.ndim - 3) + (positions.shape[0], 1, size // 2)
        cosines, sines = jnp.cos(angles).reshape(shape), jnp.sin(angles).reshape(shape)
        first, second = vectors[..., ::2], vectors[..., 1::2]
        turned = jnp.stack([first * cosines - second * sines, first * sines + second * cosines], axis=-1)
        return turned.reshape(vectors.shape)
