"""Score rules: how good an example is, from what was still to go."""

import dataclasses
from typing import Protocol

import jax.numpy as jnp

from humain.types import Array


class ScoreRule(Protocol):
    """Turns what lay between a state and a goal into a score in `[0, 1]`, better is higher."""

    def score(self, distances: Array, returns: Array | None = None) -> Array:
        """Scores `[...]` from steps to the goal `[...]` (1 or more) or from the return on the way `[...]`."""

    def compose(self, first: Array, second: Array) -> Array:
        """Score of going from s to m and on from m to g, from the scores of both parts."""


@dataclasses.dataclass(frozen=True)
class Linear:
    """`1 - d / longest`; 0 for anything farther.

    Attributes:
        longest: distance at which the score reaches 0, in steps, or in the unit of what steps cost.
    """

    longest: float

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ValueError(f"the longest distance must be 1 or more, not {self.longest}")

    def score(self, distances: Array, returns: Array | None = None) -> Array:
        """Falls by the same amount with each step."""
        del returns
        return jnp.clip(1 - distances / self.longest, 0, 1)

    def compose(self, first: Array, second: Array) -> Array:
        """Distances add."""
        return jnp.clip(first + second - 1, 0, 1)


@dataclasses.dataclass(frozen=True)
class Geometric:
    """`discount ** d`.

    Attributes:
        discount: in `(0, 1)`.
    """

    discount: float

    def __post_init__(self) -> None:
        if not 0 < self.discount < 1:
            raise ValueError(f"the discount must lie between 0 and 1, not {self.discount}")

    def score(self, distances: Array, returns: Array | None = None) -> Array:
        """Falls by the same factor with each step."""
        del returns
        return jnp.power(self.discount, distances.astype(jnp.float32))

    def compose(self, first: Array, second: Array) -> Array:
        """Distances add, so scores multiply."""
        return first * second


@dataclasses.dataclass(frozen=True)
class Return:
    """The return to go, scaled from `[lowest, highest]` to `[0, 1]`.

    Attributes:
        lowest: return that scores 0; less does too.
        highest: return that scores 1; more does too.
    """

    lowest: float
    highest: float

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise ValueError(f"lowest ({self.lowest}) must be less than highest ({self.highest})")

    def score(self, distances: Array, returns: Array | None = None) -> Array:
        """By what was collected.

        Raises:
            ValueError: if there are no returns.
        """
        del distances
        if returns is None:
            raise ValueError("scores by return need trajectories with rewards; use the linear or geometric rule")
        return jnp.clip((returns - self.lowest) / (self.highest - self.lowest), 0, 1)

    def compose(self, first: Array, second: Array) -> Array:
        """Returns add."""
        total = (first + second) * (self.highest - self.lowest) + 2 * self.lowest
        return jnp.clip((total - self.lowest) / (self.highest - self.lowest), 0, 1)
