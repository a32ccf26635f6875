"""Limits on worlds whose edges are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.world import limits

INF = np.inf


def fitted(states, terminated, mask=None):
    states = jnp.array(states, jnp.float32)
    mask = jnp.ones(len(states), bool) if mask is None else jnp.array(mask)
    return limits.fit(states, jnp.array(terminated), mask)


def fallen(num_steps, seed, *, ends):
    """States of (x, theta) and whether the world ended there; theta reaches beyond 1, and `ends` says what does."""
    rng = np.random.default_rng(seed)
    states = rng.uniform([-3.0, -1.2], [3.0, 1.2], (num_steps, 2)).astype(np.float32)
    return states, ends(states[:, 0], states[:, 1])


def test_a_limit_is_the_farthest_state_that_was_survived():
    # Ends at 2.5 and 3; 2 was survived, and so were -1 and -4, below which nothing has ended.
    found = fitted([[2.0], [2.5], [-1.0], [3.0], [-4.0]], [False, True, False, True, False])
    np.testing.assert_array_equal(found.upper, [2])
    np.testing.assert_array_equal(found.lower, [-INF])


def test_inside_counts_the_bounds_in_and_asks_for_all_coordinates():
    found = limits.Limits(lower=jnp.array([-1.0, -INF]), upper=jnp.array([2.0, 0.5]))
    states = jnp.array([[[-1.0, 0.5], [2.0, -1e9]], [[2.25, 0.0], [0.0, 0.75]]])
    np.testing.assert_array_equal(found.inside(states), [[True, True], [False, False]])
    assert found.inside(jnp.zeros(2))


def test_the_farthest_state_is_no_limit_because_something_else_ended_there():
    # The world ends beyond |theta| > 1. The farthest x to either side lie at ends, which theta explains.
    states = [[0.0, 0.9], [1.0, -0.9], [-1.0, 0.1], [2.0, 1.1], [-2.0, -1.2], [0.5, 1.05], [-0.5, -1.1]]
    found = fitted(states, [False, False, False, True, True, True, True])
    np.testing.assert_allclose(found.upper, [INF, 0.9])
    np.testing.assert_allclose(found.lower, [-INF, -0.9])


@pytest.mark.parametrize("seed", range(5))
def test_a_world_that_ends_at_an_angle_has_no_other_limits(seed):
    states, terminated = fallen(300, seed, ends=lambda x, theta: np.abs(theta) > 1)
    states[terminated.argmax(), 0] = 5.0  # the farthest of all x lies at an end
    found = fitted(states, terminated)
    assert np.isinf(found.upper[0])
    assert np.isinf(found.lower[0])
    survived = states[~terminated, 1]
    np.testing.assert_array_equal([found.lower[1], found.upper[1]], [survived.min(), survived.max()])
    assert 0.9 < found.upper[1] <= 1
    # What the limits say of experience is what happened there.
    np.testing.assert_array_equal(found.inside(jnp.asarray(states)), ~terminated)


def test_two_independent_limits_are_both_found():
    states, terminated = fallen(300, 0, ends=lambda x, theta: (theta > 1) | (x < -2))
    found = fitted(states, terminated)
    np.testing.assert_array_equal(found.upper, [INF, states[~terminated, 1].max()])
    np.testing.assert_array_equal(found.lower, [states[~terminated, 0].min(), -INF])
    np.testing.assert_array_equal(found.inside(jnp.asarray(states)), ~terminated)


def test_where_trajectories_were_cut_off_is_no_limit():
    # Whether cut off at 3 or gone through it: a step that the world did not end was survived.
    found = fitted([[1.0], [2.0], [3.0]], [False, False, False])
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF], [INF]])
    # And 3 says that 2 was not ended for its size.
    found = fitted([[1.0], [2.0], [3.0]], [False, True, False])
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF], [INF]])


def test_an_end_as_far_as_what_was_survived_is_not_explained():
    found = fitted([[1.0], [1.0]], [False, True])
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF], [INF]])


def test_of_sides_that_explain_as_much_the_first_is_taken():
    # One end, beyond all that was survived in both coordinates; then one that lies below in both.
    found = fitted([[0.0, 0.0], [1.0, 1.0]], [False, True])
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF, -INF], [0, INF]])
    found = fitted([[0.0, 0.0], [-1.0, -1.0]], [False, True])
    np.testing.assert_array_equal([found.lower, found.upper], [[0, -INF], [INF, INF]])
    # Upper bounds come before lower ones, whatever the coordinate.
    found = fitted([[0.0, 0.0], [-1.0, 1.0]], [False, True])
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF, -INF], [INF, 0]])


@pytest.mark.parametrize(
    ("states", "terminated", "mask"),
    [
        ([[0.0], [1.0]], [False, True], [False, False]),  # nothing counts
        ([[0.0], [1.0]], [True, True], [True, True]),  # nothing was survived: no telling how far is too far
        ([[1.0]], [True], [True]),  # a single end
        ([[1.0]], [False], [True]),  # a single step
        ([[2.0], [2.0], [2.0]], [False, True, False], [True] * 3),  # what never varies
        (np.zeros((0, 1)), np.zeros(0, bool), np.zeros(0, bool)),
    ],
)
def test_without_anything_to_go_by_there_are_no_limits(states, terminated, mask):
    found = fitted(states, terminated, mask)
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF], [INF]])


def test_masked_steps_might_as_well_not_be_there():
    # Neither does the masked end make a limit of theta, nor is the masked 9 survived.
    found = fitted(
        [[1.0, 0.0], [2.0, 0.0], [0.0, 7.0], [9.0, 0.0]], [False, True, True, False], [True, True, False, False]
    )
    np.testing.assert_array_equal([found.lower, found.upper], [[-INF, -INF], [1, INF]])


def test_jit_and_vmap_change_nothing():
    worlds = [fallen(100, seed, ends=lambda x, theta: (theta > 1) | (x < -2)) for seed in range(3)]
    states, terminated = (jnp.stack([jnp.asarray(part) for part in parts]) for parts in zip(*worlds, strict=True))
    together = jax.jit(jax.vmap(limits.fit))(states, terminated, jnp.ones((3, 100), bool))
    inside = jax.jit(jax.vmap(limits.Limits.inside))(together, states)
    for at, (alone_states, alone_terminated) in enumerate(worlds):
        alone = fitted(alone_states, alone_terminated)
        np.testing.assert_array_equal(together.lower[at], alone.lower)
        np.testing.assert_array_equal(together.upper[at], alone.upper)
        np.testing.assert_array_equal(inside[at], ~alone_terminated)
