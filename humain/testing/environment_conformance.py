"""What every environment must do. The conformance tests of //humain/environments and of each environment run this.

`PURE_CHECKS` are for environments of pure functions, `CHECKS` for all.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain.environments import collecting
from humain.environments.environment import Environment, HostEnvironment
from humain.types import Trajectories

_NUM_STEPS = 60


def _walk(environment: Environment | HostEnvironment, seed: int = 0) -> Trajectories:
    return collecting.collect(environment, jax.random.key(seed), num_steps=_NUM_STEPS, num_environments=2)


def _same(first: Trajectories, second: Trajectories) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def is_hashable_and_named(environment: Environment | HostEnvironment) -> None:
    """It is a static argument, and messages name it."""
    hash(environment)
    assert environment.name
    assert environment.max_steps > 0


def experience_fits_its_spaces(environment: Environment | HostEnvironment) -> None:
    """States are finite vectors, actions are its own, and as many steps are collected as asked for."""
    found = _walk(environment)
    assert found.actions is not None
    assert found.rewards is not None
    states, actions, lengths = (np.asarray(part) for part in (found.states, found.actions, found.lengths))
    space = environment.actions.space
    assert states.shape[2:] == (environment.observation_space.size,)
    assert (states.dtype, actions.dtype) == (np.float32, space.dtype)
    taken = np.arange(states.shape[1]) < lengths[:, None] - 1
    assert taken.sum() == _NUM_STEPS
    assert environment.actions.contains(actions[taken])
    assert np.all(np.isfinite(states))
    assert np.all(np.isfinite(np.asarray(found.rewards)))
    assert lengths.max() <= environment.max_steps + 1


def experience_depends_on_the_key_alone(environment: Environment | HostEnvironment) -> None:
    """The same key, the same experience; another key, another."""
    first, again, other = (_walk(environment, seed) for seed in (0, 0, 1))
    assert _same(first, again)
    assert not _same(first, other)


def the_functions_are_pure(environment: Environment) -> None:
    """Compiled or not, batched or not, a step is the same; types do not change on the way, and nothing recompiles."""
    traced = []

    @jax.jit
    def step(state: Any, action: jax.Array, key: jax.Array) -> Any:
        traced.append(True)
        return environment.step(state, action, key)

    def step_keys() -> jax.Array:
        return jax.random.split(jax.random.key(2), 3)

    def alike(one: jax.Array, other: jax.Array) -> bool:
        return (one.shape, one.dtype) == (other.shape, other.dtype)

    states = jax.vmap(environment.reset)(jax.random.split(jax.random.key(0), 3))
    actions = environment.actions.draw(jax.random.key(1), (3,))
    together = jax.jit(jax.vmap(environment.step))(states, actions, step_keys())
    for at in range(3):
        state, batched = (jax.tree.map(lambda leaf, at=at: leaf[at], whole) for whole in (states, together))
        eager = environment.step(state, actions[at], step_keys()[at])
        for found in (step(state, actions[at], step_keys()[at]), batched):
            jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6), found, eager)
        np.testing.assert_allclose(environment.observation(eager.state), eager.observation)
        assert all(jax.tree.leaves(jax.tree.map(alike, eager.state, state)))
        assert eager.observation.dtype == jnp.float32
        assert eager.terminated.dtype == bool
    assert len(traced) == 1


CHECKS: tuple[Callable[[Environment | HostEnvironment], None], ...] = (
    is_hashable_and_named,
    experience_fits_its_spaces,
    experience_depends_on_the_key_alone,
)
PURE_CHECKS: tuple[Callable[[Environment], None], ...] = (the_functions_are_pure,)
