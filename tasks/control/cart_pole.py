"""Cart pole as pure functions: Gymnasium's own functional environment, held to `CartPole-v1`.

Gymnasium's functional cart pole adds the pole's mass and length where `CartPole-v1` multiplies them, so its poles fall
differently; the parameter is put right here, and a test compares both step by step.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.envs.phys2d import cartpole

from humain.environments import gymnasium_adapter
from humain.environments.actions import DiscreteActions
from humain.environments.environment import Step
from humain.spaces import Continuous
from humain.types import Array
from tasks.control import cart_pole_drawing
from tasks.control.domain import Domain

_ENVIRONMENT = cartpole.CartPoleFunctional()
_DEFAULTS = cartpole.CartPoleParams()
_PARAMETERS = cartpole.CartPoleParams(polemass_length=_DEFAULTS.masspole * _DEFAULTS.length)


@dataclasses.dataclass(frozen=True)
class CartPole:
    """See `humain.environments.environment.Environment`. A state is what is observed: `[4]`, as in `domain`."""

    name: str = "CartPole-v1"
    observation_space: Continuous = Continuous(4)
    actions: DiscreteActions = DiscreteActions(2)
    max_steps: int = 500

    def reset(self, key: jax.Array) -> Array:
        """The state `[4]` that an episode begins in, near the middle and upright; `key` is consumed."""
        return _ENVIRONMENT.initial(key, _PARAMETERS)

    def observation(self, state: Array) -> Array:
        """All is seen."""
        return state

    def step(self, state: Array, action: Array, key: jax.Array) -> Step:
        """The step after a push to the left (0) or to the right (1); nothing is random, and each is rewarded by 1."""
        del key
        state = _ENVIRONMENT.transition(state, action, None, _PARAMETERS)
        terminated = _ENVIRONMENT.terminal(state, None, _PARAMETERS)
        return Step(state=state, observation=state, reward=jnp.float32(1), terminated=terminated)


def describe(observation: np.ndarray) -> str:
    """A state in words, with units."""
    x, x_dot, theta, theta_dot = (float(value) for value in observation)
    return f"x {x:+.2f} m, {x_dot:+.2f} m/s; pole {np.degrees(theta):+.1f} deg, {np.degrees(theta_dot):+.0f} deg/s"


def domain() -> Domain:
    """Coordinates are metres, metres a second, radians (0 is upright) and radians a second."""
    return Domain(
        title="Balancing a pole",
        noun="a cart pole",
        environment=CartPole(),
        tested_in=gymnasium_adapter.adapt("CartPole-v1"),
        coordinates=("x", "x_dot", "theta", "theta_dot"),
        target=(),
        target_name="stay up",
        describe=describe,
        describe_action=lambda action: ("left", "right")[int(action)],
        best_return=500,
        draw=cart_pole_drawing.draw_trial,
        caption=cart_pole_drawing.CAPTION,
    )
