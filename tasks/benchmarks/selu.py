"""SELU, and the numbers of operations and bytes of one application.

    selu(x) = SCALE * (max(x, 0) + ALPHA * expm1(min(x, 0)))

(G. Klambauer and others, "Self-Normalizing Neural Networks", 2017). Both frameworks compute this formula, operation by
operation.

It has six floating-point operations per element: maximum, minimum, expm1, multiply, add, multiply. `expm1` counts as
one, though a machine needs a dozen or more for it, so the share of the peak of matrix products is necessarily low. An
application moves eight bytes per element, four read and four written, whatever a framework moves in between; so eager
execution, which goes through memory for each of the six operations, shows fewer bytes per second for the same work.
"""

import numpy as np

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805
FLOPS_PER_ELEMENT = 6
BYTES_PER_ELEMENT = 8


def flops(size: int, applications: int = 1) -> int:
    """Returns the floating-point operations of `applications` of SELU to `size` elements."""
    return FLOPS_PER_ELEMENT * size * applications


def bytes_moved(size: int, applications: int = 1) -> int:
    """Returns the bytes that `applications` of SELU to `size` float32 elements read and write."""
    return BYTES_PER_ELEMENT * size * applications


def reference(values: np.ndarray) -> np.ndarray:
    """Computes SELU in NumPy, in the dtype of its values."""
    return SCALE * (np.maximum(values, 0) + ALPHA * np.expm1(np.minimum(values, 0)))


def inputs(size: int, seed: int) -> np.ndarray:
    """Returns standard normal values `[size]` float32, equal for equal seeds."""
    return np.random.default_rng(seed).standard_normal(size, dtype=np.float32)
