"""Arrays as people bring them, of different lengths and types, as the ones that trajectories are made of."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

Stacked: TypeAlias = jax.Array | np.ndarray | Sequence[Any]
"""One array of all trajectories, or a sequence with an array for each."""


def numbers(name: str, given: Any) -> np.ndarray:
    """Ids as int32 and vectors as float32.

    Raises:
        ValueError: for what is not made of finite numbers, or ids of more than 32 bits.
    """
    values = on_host(name, given)
    if values.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        if values.size and not (limits.min <= values.min() and values.max() <= limits.max):
            raise ValueError(f"{name} go from {values.min()} to {values.max()}, and ids must fit into 32 bits")
        return values.astype(np.int32)
    if values.dtype.kind != "f":
        raise ValueError(f"{name} must be whole numbers or floats, not {values.dtype}")
    converted = rounded(values)
    if not np.isfinite(converted).all():
        where = np.argwhere(~np.isfinite(converted))[0]
        raise ValueError(f"{name} must be finite, and {where.tolist()} is not: {values[tuple(where)]} as float32")
    return converted


def on_host(name: str, given: Any) -> np.ndarray:
    """What is given as an array of NumPy's.

    Raises:
        ValueError: when it is not one, as lists of different lengths.
    """
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, all rows of one length; pad shorter ones: {error}") from error


def rounded(values: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """A copy of any numbers as floats; those too large for the type become infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype)


def padded(name: str, walks: Sequence[Any], lengths: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """What belongs to trajectories of different lengths as one array, zeros after each.

    Args:
        name: of it, for errors.
        walks: an array for each trajectory.
        lengths: `[W]` of the trajectories.
        allowed: `[W]`, other numbers of entries that the arrays may have.

    Raises:
        ValueError: naming what does not fit together.
    """
    arrays = [numbers(f"{name} of trajectory {number}", walk) for number, walk in enumerate(walks)]
    if len(arrays) != len(lengths):
        raise ValueError(f"there are {name} for {len(arrays)} trajectories, and states for {len(lengths)}")
    # What has no entries, as the actions of a single state, has no type of its own.
    kinds = {(array.dtype, array.shape[1:]) for array in arrays if array.size}
    if len(kinds) == 1:
        ((dtype, shape),) = kinds
        arrays = [array if array.size else np.zeros((0, *shape), dtype) for array in arrays]
    elif kinds:
        found = sorted(f"{dtype}{list(shape)}" for dtype, shape in kinds)
        raise ValueError(f"{name} must be of one type and shape in all trajectories, not {', '.join(found)}")
    for number, (array, length, other) in enumerate(zip(arrays, lengths, allowed, strict=True)):
        if not array.ndim or len(array) not in (length, other) or not length:
            raise ValueError(
                f"trajectory {number} has {length} states and {name} {list(array.shape)}; expected at least one state, "
                "and an entry for each"
            )
    if not arrays:
        raise ValueError(f"there are no {name}; expected at least one trajectory")
    longest = int(lengths.max())
    padded = [np.pad(array, [(0, longest - len(array))] + [(0, 0)] * (array.ndim - 1)) for array in arrays]
    return np.stack(padded)


def beside(name: str, values: Stacked, num_times: int, lengths: np.ndarray) -> np.ndarray:
    """What belongs to the states of trajectories, with as many times as these.

    Args:
        name: of it, for errors.
        values: the last time of each trajectory may be left out.
        num_times: of the states.
        lengths: `[W]` of the trajectories.

    Raises:
        ValueError: naming what does not fit together.
    """
    if not isinstance(values, (np.ndarray, jax.Array)):
        return padded(name, values, lengths, lengths - 1)
    array = numbers(name, values)
    if array.ndim < 2 or array.shape[0] != len(lengths) or array.shape[1] not in (num_times, num_times - 1):
        raise ValueError(
            f"{name} are {list(array.shape)}; expected [{len(lengths)}, {num_times}, ...] as for the states, or one "
            "time fewer"
        )
    return np.pad(array, [(0, 0), (0, num_times - array.shape[1])] + [(0, 0)] * (array.ndim - 2))
