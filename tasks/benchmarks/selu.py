"""SELU, and what one application of it counts for: the one place where operations and bytes are counted.

    selu(x) = SCALE * (max(x, 0) + ALPHA * expm1(min(x, 0)))

(G. Klambauer and others, "Self-Normalizing Neural Networks", 2017). Both frameworks are given this formula, operation
by operation.

Six floating-point operations an element: maximum, minimum, expm1, multiply, add, multiply. `expm1` counts as one,
though a machine takes a dozen or more for it, so a share of the peak of matrix products is low by nature. Eight bytes
an element: four read, four written, once an application, whatever a framework moves in between; so an eager one, which
goes through memory for each of the six, shows fewer bytes a second for the same work.
"""

import numpy as np

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805
FLOPS_PER_ELEMENT = 6
BYTES_PER_ELEMENT = 8


def flops(size: int, applications: int = 1) -> int:
    """Floating-point operations of SELU over `size` elements, applied so many times."""
    return FLOPS_PER_ELEMENT * size * applications


def bytes_moved(size: int, applications: int = 1) -> int:
    """Bytes that SELU over `size` float32 elements has to read and write, applied so many times."""
    return BYTES_PER_ELEMENT * size * applications


def reference(values: np.ndarray) -> np.ndarray:
    """SELU in NumPy, in the type of its values."""
    return SCALE * (np.maximum(values, 0) + ALPHA * np.expm1(np.minimum(values, 0)))


def inputs(size: int, seed: int) -> np.ndarray:
    """Standard normal values `[size]`, float32, the same in every run of a seed."""
    return np.random.default_rng(seed).standard_normal(size, dtype=np.float32)
