"""Rotary encoding: self-attention rotates queries and keys by their positions, so that it sees their distances."""

import dataclasses

import jax.numpy as jnp

from humain.types import Array


@dataclasses.dataclass(frozen=True)
class Rotary:
    """Rotates each pair of a vector's components by an angle proportional to the position.

    The product of a query and a key then depends on both and on their distance, but not on their absolute positions.

    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, section 3.2.2. As there, a pair is
        two neighbouring components. The paper's shortest period is 1; a longer one leaves out the fast rotations, which
        complete full turns within a long context and so distinguish distances only in a short one.

    Attributes:
        longest_period: number of positions in which the slowest pair would rotate by 1 radian if there were one pair
            more.
        shortest_period: number of positions in which the fastest pair rotates by 1 radian, greater than 0 and less than
            `longest_period`.
    """

    longest_period: float = 10_000.0
    shortest_period: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest_period < self.longest_period:
            raise ValueError(
                f"shortest_period must be greater than 0 and less than longest_period, {self.longest_period}, "
                f"and is {self.shortest_period}"
            )

    def turn(self, vectors: Array, positions: Array) -> Array:
        """Rotates vectors by their positions; their norms do not change.

        Args:
            vectors: `[..., T, N, D]`, D even: queries or keys of N heads.
            positions: `[T]` int32.

        Raises:
            ValueError: if D is odd.
        """
        size = vectors.shape[-1]
        if size % 2:
            raise ValueError(f"rotary encoding rotates pairs, so a head's width must be even, not {size}")
        ratio = self.longest_period / self.shortest_period
        frequencies = ratio ** (-jnp.arange(0, size, 2) / size) / self.shortest_period
        angles = positions.astype(jnp.float32)[:, None] * frequencies[None]
        shape = (1,) * (vectors.ndim - 3) + (positions.shape[0], 1, size // 2)
        cosines, sines = jnp.cos(angles).reshape(shape), jnp.sin(angles).reshape(shape)
        first, second = vectors[..., ::2], vectors[..., 1::2]
        turned = jnp.stack([first * cosines - second * sines, first * sines + second * cosines], axis=-1)
        return turned.reshape(vectors.shape)
