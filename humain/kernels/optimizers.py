"""Optimisers that are values: two that are made alike are equal, and a saved model can say which one it learned with.

Any `optax.GradientTransformation` works as well. It is a pair of functions, though, equal to itself alone; a kernel
that holds one can be saved, but is loaded only beside the model that it was made for (`humain.saving`).
"""

import dataclasses
import math
from typing import Any, Protocol

import optax

OptimizerState = Any
"""A pytree of arrays."""


class Optimizer(Protocol):
    """What a kernel asks of an optimiser: a `GradientTransformation`'s two functions, or a class's two methods."""

    def init(self, params: optax.Params, /) -> optax.OptState:
        """The state before the first update."""

    def update(
        self, updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None, /
    ) -> tuple[optax.Updates, optax.OptState]:
        """What to add to the parameters, from their gradients, and the new state."""


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, Adam: A Method for Stochastic Optimization), as Optax has it.

    Attributes:
        learning_rate: at the start, more than 0.
        num_updates: updates in which the learning rate falls to 0 along a cosine; None for a constant one.
    """

    learning_rate: float = 1e-3
    num_updates: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be a number above 0, not {self.learning_rate}")
        if self.num_updates is not None and self.num_updates < 1:
            raise ValueError(f"num_updates must be at least 1, or None, not {self.num_updates}")

    def init(self, params: optax.Params, /) -> optax.OptState:
        """See Optimizer."""
        return self._transformation.init(params)

    def update(
        self, updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None, /
    ) -> tuple[optax.Updates, optax.OptState]:
        """See Optimizer."""
        return self._transformation.update(updates, state, params)

    @property
    def _transformation(self) -> optax.GradientTransformation:
        if self.num_updates is None:
            return optax.adam(self.learning_rate)
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.num_updates))
