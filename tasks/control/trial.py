"""A trial: one test episode, for pictures."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Trial:
    """What happened in one episode.

    Attributes:
        states: `[T + 1, D]`.
        subgoals: `[T, D]` the state that the upper layer asked for at each step.
        actions: `[T, *V]`.
        goal: what the user asked for, as text.
        terminated: whether the world ended the episode at the last state.

    Raises:
        ValueError: for arrays that do not fit together.
    """

    states: np.ndarray
    subgoals: np.ndarray
    actions: np.ndarray
    goal: str
    terminated: bool

    def __post_init__(self) -> None:
        size = self.states.shape[-1:]
        for name, expected in (("states", (self.num_steps + 1, *size)), ("subgoals", (self.num_steps, *size))):
            found = np.shape(getattr(self, name))
            if found != expected:
                raise ValueError(f"{name} is {list(found)}; expected {list(expected)} with {self.num_steps} actions")

    @property
    def num_steps(self) -> int:
        """The number of actions taken, `T`."""
        return len(self.actions)
