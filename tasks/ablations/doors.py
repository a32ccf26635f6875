"""Doors as crossroads: the states that an abstraction takes for pivots on nearly every path."""

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
class FoundStates:
    """Counts of the states found in one or several worlds, compared with the true doors.

    Attributes:
        right: the number of doors among the states found.
        found: the number of states found.
        doors: the number of doors.
    """

    right: int
    found: int
    doors: int

    def __add__(self, other: "FoundStates") -> "FoundStates":
        return FoundStates(self.right + other.right, self.found + other.found, self.doors + other.doors)

    @property
    def precision(self) -> float:
        """The share of doors among the states found; 0 if none was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """The share of the doors that were found."""
        return self.right / self.doors

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.doors)


def compare(found: np.ndarray, doors: np.ndarray) -> FoundStates:
    """Compares the states found with the doors; both are ids without duplicates."""
    return FoundStates(right=len(np.intersect1d(found, doors)), found=len(found), doors=len(doors))


def pivot_shares(abstraction: Abstraction, states: np.ndarray, lengths: np.ndarray, num_states: int) -> np.ndarray:
    """Returns, for each state, the share of the paths that pass it on which it is a pivot.

    Args:
        abstraction: chooses the pivots.
        states: `[P, T]` int32, the paths.
        lengths: `[P]` int32, the lengths of the paths. A path does not count as passing its first and last state.
        num_states: N, the number of states.

    Returns:
        `[N]`; 0 for a state that no path passes.
    """
    times = np.arange(states.shape[1])[None]
    pivots = np.asarray(_pivots_of_paths(abstraction, states, times < lengths[:, None]))
    passed = (times > 0) & (times < lengths[:, None] - 1)
    num_passes = np.bincount(states[passed], minlength=num_states)
    return np.bincount(states[passed & pivots], minlength=num_states) / np.maximum(num_passes, 1)


def to_json(seeds: Sequence[FoundStates]) -> dict[str, Any]:
    """Returns the means and standard deviations of precision and recall over seeds."""
    precision, recall = (Shares.of([getattr(found, name) for found in seeds]) for name in ("precision", "recall"))
    return {
        "precision": precision.mean,
        "precision_sd": precision.sd,
        "recall": recall.mean,
        "recall_sd": recall.sd,
    }
