"""What an environment is, in two forms: pure functions that a scan can run, and simulators on the host.

`humain.environments.collecting` collects in both; what learns from experience does not see the difference.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from flax import struct

from humain.environments.actions import ActionSpace
from humain.spaces import Continuous
from humain.types import Array

State: TypeAlias = Any
"""All that decides how an episode goes on: a pytree that an environment defines."""


@struct.dataclass
class Step:
    """What an action led to.

    Attributes:
        state: of the environment.
        observation: `[D]`, what is seen of it.
        reward: `[]`.
        terminated: `[]` bool, whether the world ended the episode here. Being cut off at `max_steps` is no end.
    """

    state: State
    observation: Array
    reward: Array
    terminated: Array


class Described(Protocol):
    """What both forms of an environment say of themselves."""

    @property
    def name(self) -> str:
        """For messages, as in "an observation of NAME"."""

    @property
    def observation_space(self) -> Continuous:
        """Vectors of D numbers."""

    @property
    def actions(self) -> ActionSpace:
        """What can be done."""

    @property
    def max_steps(self) -> int:
        """An episode is cut off (truncated, not terminated) after so many steps."""


class Environment(Described, Protocol):
    """An environment of pure functions: for `jit`, `vmap` and `scan`. It is hashable: a static argument."""

    def reset(self, key: jax.Array) -> State:
        """The state that an episode begins in; `key` is consumed."""

    def observation(self, state: State) -> Array:
        """What is seen of a state: `[D]`, float32."""

    def step(self, state: State, action: Array, key: jax.Array) -> Step:
        """The step that an action `[*V]` takes; `key` is consumed where the environment is random."""


class HostStep(NamedTuple):
    """What E actions led to in E environments, as NumPy arrays.

    Attributes:
        observations: `[E, D]` float32; of an episode that has ended, its last.
        rewards: `[E]`.
        terminated: `[E]` bool.
        truncated: `[E]` bool; False where terminated.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Simulators(Protocol):
    """E simulators side by side. One whose episode has ended must be reset before the next step."""

    def reset(self, seeds: Sequence[int | None], where: np.ndarray) -> np.ndarray:
        """Begins an episode where bool `[E]` says so.

        Args:
            seeds: E of them; None to go on with the simulator's own randomness.
            where: bool `[E]`, at least one True.

        Returns:
            Observations `[E, D]` of all.
        """

    def step(self, actions: np.ndarray) -> HostStep:
        """Takes one action `[E, *V]` in each."""

    def close(self) -> None:
        """Ends the simulators."""


@runtime_checkable
class HostEnvironment(Described, Protocol):
    """An environment that runs on the host, outside of JAX."""

    def simulate(self, num_environments: int) -> Simulators:
        """Makes E simulators; the caller closes them."""
