"""Embeddings in the units that the layers learn in: what all sentences share is taken away."""

import dataclasses

import numpy as np

_SPREAD = 0.3
"""Of each number, on average: small against the offset that a kernel adds, large against an optimiser's first steps."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """Moves and scales embeddings; one factor for all directions keeps distances as they are.

    Attributes:
        mean: `[D]` float32.
        factor: more than 0.
    """

    mean: np.ndarray
    factor: float

    def scale(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings `[..., D]` as the layers see them."""
        return ((embeddings - self.mean) * self.factor).astype(np.float32)

    def restore(self, scaled: np.ndarray) -> np.ndarray:
        """Embeddings `[..., D]` as they were; whatever stands after the `D` numbers is left out."""
        return (scaled[..., : len(self.mean)] / self.factor + self.mean).astype(np.float32)


def fit(embeddings: np.ndarray) -> Scaling:
    """The scaling of embeddings `[V, D]`; a single one, or equal ones, are only moved."""
    mean = embeddings.mean(axis=0)
    spread = float(np.sqrt(np.mean(np.square(embeddings - mean))))
    return Scaling(mean=mean.astype(np.float32), factor=_SPREAD / spread if spread > 1e-6 else 1.0)
