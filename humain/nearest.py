"""`Nearest`: vectors of which only some are known; a prediction stands for the nearest of these."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from humain.spaces import Continuous
from humain.types import Array


@dataclasses.dataclass(frozen=True, eq=False)
class Nearest:
    """Some states of a continuous space, for a kernel's answers: what it predicts is taken for the nearest of them.

    An answer is then a state that exists, whatever a network makes up, and what follows it is not thrown off by its
    error. Learning is as in the continuous space.

    Two of these are equal, and hash alike, that have equal known states: a kernel with new states is compiled anew.

    Attributes:
        known: `[N, D]` float32, finite.
        tolerance: of the continuous space, see there.
    """

    known: np.ndarray
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        known = np.asarray(self.known, np.float32)
        if known.ndim != 2 or 0 in known.shape:
            raise ValueError(f"known must be a matrix [N, D] of at least one state, not of shape {known.shape}")
        if not np.isfinite(known).all():
            raise ValueError("known has states that are not finite; leave them out")
        # A copy that nobody can write to: the hash is that of its bytes.
        known = known.copy()
        known.setflags(write=False)
        object.__setattr__(self, "known", known)

    def __eq__(self, other: object) -> bool:
        """Equal known states, in the same order, and the same tolerance."""
        return isinstance(other, Nearest) and self._identity == other._identity

    def __hash__(self) -> int:
        """By content."""
        return hash(self._identity)

    @functools.cached_property
    def _identity(self) -> tuple[tuple[int, ...], bytes, float]:
        return self.known.shape, self.known.tobytes(), self.tolerance

    @property
    def whole(self) -> Continuous:
        """The space that the known states are some of."""
        return Continuous(self.known.shape[1], self.tolerance)

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector."""
        return self.whole.shape

    @property
    def dtype(self) -> jnp.dtype:
        """Vectors are float32."""
        return self.whole.dtype

    @property
    def num_features(self) -> int:
        """The vector's own numbers."""
        return self.whole.num_features

    @property
    def num_outputs(self) -> int:
        """The vector's own numbers."""
        return self.whole.num_outputs

    @property
    def has_differences(self) -> bool:
        """The difference of two known states is hardly a known one."""
        return False

    def encode(self, elements: Array) -> Array:
        """The vector as it is."""
        return self.whole.encode(elements)

    def decode(self, predictions: Array) -> Array:
        """The nearest known state, the first one of several."""
        return jnp.asarray(self.known)[self.index(predictions)]

    def index(self, vectors: Array) -> Array:
        """Int32 `[...]`: the row of the known state that is nearest to vectors `[..., D]`, the first one of several."""
        known = jnp.asarray(self.known)
        products = jnp.matmul(vectors, known.T, precision=jax.lax.Precision.HIGHEST)
        sizes = jnp.expand_dims(jnp.sum(jnp.square(known), axis=1), tuple(range(products.ndim - 1)))
        # Less the vector's own square, which is the same for all.
        distances = sizes - 2 * products
        return jnp.argmin(distances, axis=-1).astype(jnp.int32)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Sum of squared differences."""
        return self.whole.loss(predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """No number differs by more than the tolerance."""
        return self.whole.equal(first, second)
