"""A toy environment with a known optimum: a point on a line, with a speed, which is pushed to a place."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from humain.environments.actions import ActionSpace, BoxActions, DiscreteActions
from humain.environments.environment import Step
from humain.spaces import Continuous
from humain.types import Array

DISCRETE = DiscreteActions(3)
"""To the left, not at all, to the right."""
BOX = BoxActions((-1.0,), (1.0,))
"""How far, of the longest step."""
LONGEST_STEP = 0.25
"""What an action adds to the place at most; a power of 2, so that places are exact."""
END = 4.0
"""A place farther from 0 ends the episode."""


@dataclasses.dataclass(frozen=True)
class PointWorld:
    """See `humain.environments.environment.Environment`.

    What is seen is the place, and the last step. The state is the place alone, as `[2]` with the last step, so that
    what is seen can be told from it. The reward is minus the distance from 0.
    """

    actions: ActionSpace = DISCRETE
    name: str = "a point"
    observation_space: Continuous = Continuous(2)
    max_steps: int = 40

    def reset(self, key: jax.Array) -> Array:
        """Anywhere within 1 of the middle, at rest."""
        return jnp.stack([jax.random.uniform(key, minval=-1.0), jnp.float32(0)])

    def observation(self, state: Array) -> Array:
        """The place and the last step."""
        return state

    def step(self, state: Array, action: Array, key: jax.Array) -> Step:
        """Moves the point."""
        del key
        push = (action - 1).astype(jnp.float32) if self.actions == DISCRETE else jnp.clip(action[0], -1, 1)
        moved = LONGEST_STEP * push
        following = jnp.stack([state[0] + moved, moved])
        return Step(
            state=following,
            observation=following,
            reward=-jnp.abs(following[0]),
            terminated=jnp.abs(following[0]) > END,
        )


def fewest_steps(start: float, goal: float, *, within: float) -> int:
    """The optimum: steps from one place to within a distance of another."""
    return max(0, math.ceil((abs(goal - start) - within) / LONGEST_STEP))
