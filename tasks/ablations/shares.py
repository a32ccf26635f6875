"""Shares of the optimum over seeds: the result of an experiment with a part on, or off."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Shares:
    """Shares of the optimum.

    Attributes:
        values: one share for each seed; 1 is the optimum.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("there are no shares; give at least one, one for each seed")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Shares":
        """Makes the shares of seeds, in their order, from numbers of any type."""
        return cls(tuple(float(value) for value in values))

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """The sample standard deviation over seeds (divided by n - 1); 0 for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the mean, the standard deviation and the shares."""
        return {"mean": self.mean, "sd": self.sd, "seeds": list(self.values)}
