"""A domain: an environment, and all that a task says about it to people. A new environment is a file that makes one."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from humain.environments.environment import Environment, HostEnvironment
from humain.environments.gymnasium_adapter import GymnasiumEnvironment
from tasks.control.trial import Trial

Draw: TypeAlias = Callable[[pathlib.Path, Trial], None]
"""Writes a trial as a picture, animated or not, to a file whose name ends in .gif."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """What the tasks of control need to know of an environment.

    Attributes:
        title: of the report.
        noun: what moves, with its article, such as "a cart pole".
        environment: that experience is collected in.
        tested_in: that scores are published on.
        coordinates: names of an observation's numbers.
        target: the goal where none is asked for, by coordinate; other coordinates are asked to be in the middle of
            what was first experienced.
        target_name: the same in words, such as "stay up".
        describe: an observation `[D]` in words, with units.
        describe_action: an action `[*V]` in words.
        best_return: of an episode, for the report; None where there is no bound.
        draw: writes a film of a trial; None for no films.
        caption: what the films show.
    """

    title: str
    noun: str
    environment: Environment | HostEnvironment
    tested_in: GymnasiumEnvironment
    coordinates: tuple[str, ...]
    target: tuple[tuple[str, float], ...]
    target_name: str
    describe: Callable[[np.ndarray], str]
    describe_action: Callable[[np.ndarray], str]
    best_return: float | None = None
    draw: Draw | None = None
    caption: str = ""

    def __post_init__(self) -> None:
        size = self.environment.observation_space.size
        if size != len(self.coordinates):
            raise ValueError(f"{self.noun} has {size} coordinates, and {len(self.coordinates)} names for them")
        for name, _ in self.target:
            self.coordinate(name)

    def coordinate(self, name: str) -> int:
        """The place of a coordinate in an observation.

        Raises:
            ValueError: for a name that there is not.
        """
        if name not in self.coordinates:
            raise ValueError(f"{name!r} is not a coordinate of {self.noun}; there are {', '.join(self.coordinates)}")
        return self.coordinates.index(name)
