"""Imagined futures: by hand on a line, and against a plain loop."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import dynamics, imagination, limits

INF = np.inf


def line(*, lower=-INF, upper=INF, max_leverage=INF):
    """A line on which action 0 goes 1 to the left and action 1 goes 1 to the right; the leverage of x is x**2."""
    # Features: x, action 0, action 1, a constant.
    return imagination.World(
        dynamics=dynamics.LinearDynamics(
            weights=jnp.array([[0.0], [-1.0], [1.0], [0.0]]), root=jnp.zeros((4, 4)).at[0, 0].set(1.0)
        ),
        limits=limits.Limits(lower=jnp.array([lower]), upper=jnp.array([upper])),
        max_leverage=jnp.float32(max_leverage),
    )


def experience(seed=0, num_steps=60):
    """Steps of a noisy linear world of two coordinates, which ends where the first one is more than 1."""
    rng = np.random.default_rng(seed)
    states = rng.uniform(-1, 1, (num_steps, 2)).astype(np.float32)
    actions = np.eye(3, dtype=np.float32)[rng.integers(0, 3, num_steps)]
    following = 0.9 * states[:, ::-1] + actions @ np.array([[0.5, 0.0], [0.0, -0.5], [-0.5, 0.5]])
    following += 0.01 * rng.normal(size=following.shape)
    following = following.astype(np.float32)
    return (
        jnp.asarray(states),
        jnp.asarray(actions),
        jnp.asarray(following),
        jnp.asarray(following[:, 0] > 1),
        jnp.ones(num_steps, bool),
    )


def questions(seed=0, num_states=4, num_futures=3, num_steps=5):
    rng = np.random.default_rng(seed)
    states = rng.uniform(-1, 1, (num_states, 2)).astype(np.float32)
    actions = rng.integers(0, 3, (num_states, num_futures, num_steps)).astype(np.int32)
    return jnp.asarray(states), jnp.asarray(actions)


def followed(world, states, actions, num_actions):
    """The same as `branch` in plain loops, a future and a step at a time."""
    weights, root = np.asarray(world.dynamics.weights), np.asarray(world.dynamics.root)
    lower, upper = np.asarray(world.limits.lower), np.asarray(world.limits.upper)
    num_states, num_futures, num_steps = actions.shape
    paths = np.zeros((num_states, num_futures, num_steps + 1, states.shape[1]), np.float32)
    alive = np.zeros((num_states, num_futures, num_steps), bool)
    for b, j in itertools.product(range(num_states), range(num_futures)):
        here, lives = np.asarray(states[b]), True
        paths[b, j, 0] = here
        for t in range(num_steps):
            features = np.concatenate([here, np.eye(num_actions)[actions[b, j, t]], [1.0]])
            here = here + features @ weights
            undecided = np.concatenate([here, np.full(num_actions, 1 / num_actions), [1.0]])
            within = np.all(lower <= here) and np.all(here <= upper)
            near = np.sum((undecided @ root) ** 2) <= float(world.max_leverage)
            lives = bool(lives and within and near)
            paths[b, j, t + 1], alive[b, j, t] = here, lives
    return paths, alive


def test_a_branch_by_hand():
    branches = imagination.branch(line(), jnp.array([[0.0], [10.0]]), jnp.array([[[1, 1, 0]], [[0, 0, 0]]]), 2)
    np.testing.assert_array_equal(branches.states[:, 0, :, 0], [[0, 1, 2, 1], [10, 9, 8, 7]])
    np.testing.assert_array_equal(branches.actions, [[[1, 1, 0]], [[0, 0, 0]]])
    assert np.all(branches.alive)


@pytest.mark.parametrize("bounds", [{"upper": 2.5}, {"max_leverage": 6.25}])
def test_what_leaves_the_known_region_is_dead_for_good(bounds):
    # To the right until 3, outside of 2.5 (whose square is 6.25), and back to 1: nothing lives again.
    world = line(**bounds)
    branches = imagination.branch(world, jnp.array([[0.0]]), jnp.array([[[1, 1, 1, 0, 0]]]), 2)
    np.testing.assert_array_equal(branches.states[0, 0, :, 0], [0, 1, 2, 3, 2, 1])
    np.testing.assert_array_equal(branches.alive[0, 0], [True, True, False, False, False])
    np.testing.assert_array_equal(world.known(branches.states[0, 0]), [True, True, True, False, True, True])


def test_the_bounds_themselves_are_known():
    world = line(lower=-1.0, upper=2.0, max_leverage=4.0)
    states = jnp.array([[-1.25], [-1.0], [2.0], [2.25]])
    np.testing.assert_array_equal(world.known(states), [False, True, True, False])
    np.testing.assert_array_equal(line(max_leverage=4.0).known(2 * states), [False, True, False, False])


def test_without_experience_nothing_is_known():
    states, actions, following, terminated, mask = experience()
    world = imagination.fit(states, actions, following, terminated, jnp.zeros_like(mask), max_leverage=1.0)
    states, actions = questions()
    branches = imagination.branch(world, states, actions, 3)
    assert not np.any(branches.alive)
    assert np.all(np.isfinite(branches.states))


def test_a_world_is_made_of_what_was_experienced():
    states, actions, following, terminated, mask = experience()
    mask &= jnp.arange(60) < 50
    world = imagination.fit(states, actions, following, terminated, mask, max_leverage=0.25)
    kept = np.asarray(following)[:50][~np.asarray(terminated)[:50]]
    # What ends is beyond 1 in the first coordinate, to which a step led; the others are no limits.
    np.testing.assert_array_equal(world.limits.upper, [kept[:, 0].max(), INF])
    np.testing.assert_array_equal(world.limits.lower, [-INF, -INF])
    alone = dynamics.fit(states, actions, following, mask)
    np.testing.assert_array_equal(world.dynamics.step(states, actions), alone.step(states, actions))
    assert world.max_leverage.dtype == jnp.float32
    # A batch of no futures is one.
    nothing = imagination.branch(world, jnp.zeros((0, 2)), jnp.zeros((0, 3, 4), jnp.int32), 3)
    assert nothing.states.shape == (0, 3, 5, 2)
    assert nothing.alive.shape == (0, 3, 4)


@pytest.mark.parametrize("max_leverage", [0.1, 0.5, INF])
def test_branches_are_those_of_a_plain_loop(max_leverage):
    world = imagination.fit(*experience(), max_leverage=max_leverage)
    states, actions = questions(num_states=20)
    branches = imagination.branch(world, states, actions, 3)
    paths, alive = followed(world, states, np.asarray(actions), 3)
    np.testing.assert_allclose(branches.states, paths, atol=1e-5)
    np.testing.assert_array_equal(branches.alive, alive)
    assert 0 < alive.sum() < alive.size
    assert np.all(alive[..., :-1] | ~alive[..., 1:])


def test_jit_and_vmap_change_nothing():
    worlds = [imagination.fit(*experience(seed), max_leverage=0.5) for seed in range(3)]
    asked = [questions(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    states, actions = (jnp.stack(parts) for parts in zip(*asked, strict=True))
    together = jax.jit(jax.vmap(imagination.branch, in_axes=(0, 0, 0, None)), static_argnums=3)(
        stacked, states, actions, 3
    )
    for at in range(3):
        alone = imagination.branch(worlds[at], states[at], actions[at], 3)
        for field in dataclasses.fields(alone):
            np.testing.assert_allclose(
                np.asarray(getattr(together, field.name)[at], float), getattr(alone, field.name), atol=1e-5
            )


def test_another_world_does_not_recompile():
    traced = []

    @jax.jit
    def branch(world, states, actions):
        traced.append(True)
        return imagination.branch(world, states, actions, 3)

    for seed in range(3):
        branch(imagination.fit(*experience(seed), max_leverage=0.1 + seed), *questions(seed))
    assert len(traced) == 1


def test_gradients_of_a_path_are_finite():
    world = imagination.fit(*experience(), max_leverage=0.5)
    states, actions = questions()
    slopes = jax.grad(lambda here: jnp.sum(imagination.branch(world, here, actions, 3).states))(states)
    assert np.all(np.isfinite(slopes))
    assert np.all(slopes != 0)


def test_returns_by_hand():
    values, alive = jnp.array([1.0, 0.5, 9.0]), jnp.array([True, True, False])
    # Weights 1/2, 1/4, 1/8, and 1/8 for what follows: 1/2 * 1 + 1/4 * 1/2; the third step is dead, and so is the rest.
    assert imagination.returns(values, alive, jnp.float32(9.0), discount=0.5) == 0.625
    # Alive all along: 1/2 + 1/8 + 9/8 + 1/8 * 2.
    assert imagination.returns(values, jnp.ones(3, bool), jnp.float32(2.0), discount=0.5) == 2


@pytest.mark.parametrize("discount", [0.1, 0.5, 0.99])
def test_a_constant_value_is_its_own_average(discount):
    values = jnp.broadcast_to(jnp.array([0.25, 1.0, -3.0])[:, None], (3, 6))
    averages = imagination.returns(values, jnp.ones((3, 6), bool), values[:, 0], discount=discount)
    np.testing.assert_allclose(averages, [0.25, 1, -3], rtol=1e-5)


def test_what_is_dead_at_once_is_worth_nothing_whatever_it_would_have_been():
    values = jnp.array([[1.0, 2.0], [INF, np.nan]])
    returns = imagination.returns(values, jnp.zeros((2, 2), bool), jnp.array([1.0, np.nan]), discount=0.5)
    np.testing.assert_array_equal(returns, [0, 0])


def test_returns_of_a_batch_lie_within_the_range_of_values_and_0():
    rng = np.random.default_rng(0)
    values, beyond = (jnp.asarray(rng.uniform(0.5, 1, shape), jnp.float32) for shape in ((4, 3, 5), (4, 3)))
    alive = jnp.asarray(np.arange(5) < rng.integers(0, 6, (4, 3, 1)))
    returns = imagination.returns(values, alive, beyond, discount=0.9)
    jitted = jax.jit(imagination.returns, static_argnames="discount")(values, alive, beyond, discount=0.9)
    np.testing.assert_allclose(returns, jitted, rtol=1e-6)
    assert returns.shape == (4, 3)
    assert np.all((returns >= 0) & (returns <= 1))
    # To live longer is worth more, where values are positive.
    assert np.all(returns <= imagination.returns(values, jnp.ones_like(alive), beyond, discount=0.9))


def test_gradients_of_returns_are_the_weights_of_what_is_alive():
    alive = jnp.array([True, True, False])
    slopes = jax.grad(lambda values: imagination.returns(values, alive, jnp.float32(1.0), discount=0.5))(jnp.ones(3))
    np.testing.assert_array_equal(slopes, [0.5, 0.25, 0])
