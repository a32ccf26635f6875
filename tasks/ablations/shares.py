"""Shares of the optimum over seeds: what an experiment with a part on, or off, comes to."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Shares:
    """Shares of the optimum.

    Attributes:
        values: one for each seed, 1 where it does as well as can be done.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("there are no shares; expected one for each seed, at least one")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Shares":
        """The shares of seeds in their order; numbers of any kind."""
        return cls(tuple(float(value) for value in values))

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation over seeds, of a sample (divided by n - 1); 0 for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Mean, standard deviation and the shares themselves."""
        return {"mean": self.mean, "sd": self.sd, "seeds": list(self.values)}
