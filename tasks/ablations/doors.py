"""Doors as crossroads: which states an abstraction takes for pivots whichever way they are passed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from humain.abstraction.abstraction import Abstraction
from humain.abstraction.pivots import pivot_mask
from tasks.ablations.shares import Shares

_pivots_of_paths = jax.jit(jax.vmap(pivot_mask, in_axes=(None, 0, 0)))


@dataclasses.dataclass(frozen=True)
class Found:
    """States found in one or several worlds, beside the truth.

    Attributes:
        right: doors among the states found.
        found: states found.
        doors: that there are.
    """

    right: int
    found: int
    doors: int

    def __add__(self, other: "Found") -> "Found":
        return Found(self.right + other.right, self.found + other.found, self.doors + other.doors)

    @property
    def precision(self) -> float:
        """Share of doors among what was found; 0 where nothing was."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the doors that were found."""
        return self.right / self.doors

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.doors)


def compare(found: np.ndarray, doors: np.ndarray) -> Found:
    """States found, against the doors; both are ids without duplicates."""
    return Found(right=len(np.intersect1d(found, doors)), found=len(found), doors=len(doors))


def pivot_shares(abstraction: Abstraction, states: np.ndarray, lengths: np.ndarray, num_states: int) -> np.ndarray:
    """Of the paths that pass each state, the share on which it is a pivot.

    Args:
        abstraction: chooses the pivots.
        states: `[P, T]` int32.
        lengths: `[P]` int32. A path's first and last state are not passed.
        num_states: N.

    Returns:
        `[N]`; 0 where nothing passes.
    """
    times = np.arange(states.shape[1])[None]
    pivots = np.asarray(_pivots_of_paths(abstraction, states, times < lengths[:, None]))
    passed = (times > 0) & (times < lengths[:, None] - 1)
    num_passes = np.bincount(states[passed], minlength=num_states)
    return np.bincount(states[passed & pivots], minlength=num_states) / np.maximum(num_passes, 1)


def to_json(seeds: Sequence[Found]) -> dict[str, Any]:
    """Precision and recall over seeds: means, and spreads beside them."""
    precision, recall = (Shares.of([getattr(found, name) for found in seeds]) for name in ("precision", "recall"))
    return {
        "precision": precision.mean,
        "precision_sd": precision.sd,
        "recall": recall.mean,
        "recall_sd": recall.sd,
    }
