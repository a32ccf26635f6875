"""Cart pole as pure functions: Gymnasium's own functional environment, held to `CartPole-v1`.

Gymnasium's functional cart pole adds the pole's mass and length where `CartPole-v1` multiplies them, so its poles fall
differently; the parameter is put right here, and a test compares both step by step.
"""

import gymnasium
import jax
import jax.numpy as jnp
from gymnasium.envs.phys2d import cartpole

from humain.types import Array

STATE_NAMES = ("x", "x_dot", "theta", "theta_dot")
"""Coordinates of a state: metres, metres a second, radians (0 is upright), radians a second."""
STATE_SIZE = len(STATE_NAMES)
NUM_ACTIONS = 2
"""0 pushes to the left, 1 to the right."""
MAX_STEPS = 500
"""An episode is cut off, which is no end of it, after this many."""

_ENVIRONMENT = cartpole.CartPoleFunctional()
_DEFAULTS = cartpole.CartPoleParams()
_PARAMETERS = cartpole.CartPoleParams(polemass_length=_DEFAULTS.masspole * _DEFAULTS.length)


def initial(key: jax.Array) -> Array:
    """The state `[4]` that an episode begins in, near the middle and upright; `key` is consumed."""
    return _ENVIRONMENT.initial(key, _PARAMETERS)


def step(state: Array, action: Array) -> tuple[Array, Array]:
    """The next state `[4]` after an action (0 or 1) in a state `[4]`, and whether the world ends the episode there."""
    state = _ENVIRONMENT.transition(state, action, None, _PARAMETERS)
    return state, _ENVIRONMENT.terminal(state, None, _PARAMETERS)


def make() -> gymnasium.Env:
    """The environment that scores are published on."""
    return gymnasium.make("CartPole-v1")


def coordinate(name: str) -> int:
    """The place of a coordinate in a state.

    Raises:
        ValueError: for a name that is none.
    """
    if name not in STATE_NAMES:
        raise ValueError(f"{name!r} is no coordinate of a cart pole; there are {', '.join(STATE_NAMES)}")
    return STATE_NAMES.index(name)


def as_array(states: jax.typing.ArrayLike) -> Array:
    """States as the float32 that everything here computes with."""
    return jnp.asarray(states, jnp.float32)
