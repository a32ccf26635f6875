"""Any Gymnasium environment with vectors as observations, and vectors or one of several choices as actions.

Gymnasium is imported with this module alone, so that the library does without it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from humain.environments.actions import ActionSpace, BoxActions, DiscreteActions
from humain.environments.environment import HostStep
from humain.spaces import Continuous


@dataclasses.dataclass(frozen=True)
class GymnasiumEnvironment:
    """A host environment; see `humain.environments.environment.HostEnvironment`. Made by `adapt`.

    Attributes:
        name: for messages.
        make: makes one simulator.
        observation_space: vectors.
        actions: what it accepts.
        max_steps: where an episode is cut off, by the environment itself too.
        first_action: the id of Gymnasium's first action; here it is 0.
        in_processes: whether simulators run in processes of their own.
    """

    name: str
    make: Callable[[], gymnasium.Env[Any, Any]]
    observation_space: Continuous
    actions: ActionSpace
    max_steps: int
    first_action: int = 0
    in_processes: bool = False

    def simulate(self, num_environments: int) -> "_Simulators":
        """Makes E simulators; the caller closes them."""
        return _Simulators(self, num_environments)


def adapt(
    environment: str | Callable[[], gymnasium.Env[Any, Any]],
    *,
    max_steps: int | None = None,
    in_processes: bool = False,
) -> GymnasiumEnvironment:
    """A Gymnasium environment as one to collect in.

    Args:
        environment: an id that Gymnasium knows, such as "Acrobot-v1", or what makes an environment.
        max_steps: where an episode is cut off, unless the environment ends it sooner; as the environment says by
            default.
        in_processes: whether simulators run in processes of their own. That pays where a step takes about a millisecond
            or more: on two busy cores two cart poles took 0.3 ms a step together, and 1.4 ms in processes; with 1 ms
            more of work for each step, 11 and 3 ms.

    Raises:
        ValueError: for spaces of other kinds, where neither says how long an episode may be, or if `max_steps` is less
            than 1.
    """
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, not {max_steps}")
    make = (lambda: gymnasium.make(environment)) if isinstance(environment, str) else environment
    made = make()
    try:
        spec = made.spec
        name = environment if isinstance(environment, str) else type(made.unwrapped).__name__
        limit = max_steps
        if limit is None and spec is not None:
            limit = spec.max_episode_steps
        if limit is None:
            raise ValueError(f"{name} does not say after how many steps an episode is cut off; give max_steps")
        actions, first_action = _actions(name, made.action_space)
        return GymnasiumEnvironment(
            name=name,
            make=make if max_steps is None else _cut_off(make, max_steps),
            observation_space=Continuous(_observation_size(name, made.observation_space)),
            actions=actions,
            max_steps=limit,
            first_action=first_action,
            in_processes=in_processes,
        )
    finally:
        made.close()


def _cut_off(make: Callable[[], gymnasium.Env[Any, Any]], max_steps: int) -> Callable[[], gymnasium.Env[Any, Any]]:
    """Makes simulators that cut an episode off themselves: who runs them need not count."""
    # Gymnasium sends a function of a function to processes as a whole: they need not import JAX with this module.
    return lambda: gymnasium.wrappers.TimeLimit(make(), max_steps)


def _observation_size(name: str, space: spaces.Space[Any]) -> int:
    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"{name} has observations of {space}; expected a Box: wrap it in gymnasium.wrappers.FlattenObservation"
        )
    return int(np.prod(space.shape))


def _actions(name: str, space: spaces.Space[Any]) -> tuple[ActionSpace, int]:
    if isinstance(space, spaces.Discrete):
        return DiscreteActions(int(space.n)), int(space.start)
    if isinstance(space, spaces.Box):
        return BoxActions(*(tuple(bound.reshape(-1).tolist()) for bound in (space.low, space.high))), 0
    raise ValueError(f"{name} has actions of {space}; expected Discrete or Box: wrap it so that it has")


class _Simulators:
    """Gymnasium's own vector of environments, which the caller resets."""

    def __init__(self, environment: GymnasiumEnvironment, num_environments: int) -> None:
        makers = [environment.make] * num_environments
        self._environment = environment
        self._vector: AsyncVectorEnv | SyncVectorEnv
        if environment.in_processes:
            # Processes that are forked would share the locks of JAX's threads.
            self._vector = AsyncVectorEnv(makers, context="spawn", autoreset_mode=AutoresetMode.DISABLED)
        else:
            self._vector = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)

    def reset(self, seeds: Sequence[int | None], where: np.ndarray) -> np.ndarray:
        """See `humain.environments.environment.Simulators`."""
        observations, _ = self._vector.reset(seed=list(seeds), options={"reset_mask": where})
        return _vectors(observations)

    def step(self, actions: np.ndarray) -> HostStep:
        """See `humain.environments.environment.Simulators`."""
        space = self._vector.single_action_space
        if isinstance(space, spaces.Discrete):
            actions = actions + self._environment.first_action
        else:
            assert isinstance(space, spaces.Box)
            actions = np.clip(actions.reshape(len(actions), *space.shape), space.low, space.high).astype(space.dtype)
        observations, rewards, terminated, truncated, _ = self._vector.step(actions)
        return HostStep(_vectors(observations), rewards, terminated, truncated & ~terminated)

    def close(self) -> None:
        """Ends the simulators."""
        self._vector.close()


def _vectors(observations: np.ndarray) -> np.ndarray:
    return observations.reshape(len(observations), -1).astype(np.float32)
