"""Both Hopfield networks and nearest patterns against values worked out by hand, and the classic one's known limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tasks.ablations import hopfield


def test_weights_by_hand():
    # Outer products of (1, 1, -1) and (1, -1, -1), summed, over 3 units; the third pattern is not stored.
    patterns = jnp.array([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    weights = hopfield.store(patterns, jnp.array([True, True, False]))
    np.testing.assert_allclose(weights, np.array([[0, 0, -2], [0, 0, 0], [-2, 0, 0]]) / 3)


def test_a_single_pattern_comes_back_from_all_cues_that_are_nearer_to_it_than_to_its_opposite():
    pattern = jnp.array([[1.0, -1.0, 1.0, 1.0, -1.0]])
    weights = hopfield.store(pattern, jnp.array([True]))
    cues = jnp.repeat(pattern, 3, axis=0).at[1, 0].multiply(-1).at[2, 1:3].multiply(-1)
    np.testing.assert_array_equal(hopfield.retrieve(weights, cues, num_sweeps=2), jnp.repeat(pattern, 3, axis=0))


def test_a_unit_without_a_field_stays():
    cues = jnp.array([[1.0, -1.0]])
    np.testing.assert_array_equal(hopfield.retrieve(jnp.zeros((2, 2)), cues, num_sweeps=1), cues)


def test_the_energy_never_rises():
    patterns = jax.random.rademacher(jax.random.key(0), (20, 40), jnp.float32)
    weights = hopfield.store(patterns, jnp.ones(20, bool))
    states = jax.random.rademacher(jax.random.key(1), (5, 40), jnp.float32)
    energies = []
    for num_sweeps in range(4):
        reached = hopfield.retrieve(weights, states, num_sweeps=num_sweeps)
        energies.append(-0.5 * np.einsum("mi,ij,mj->m", reached, weights, reached))
    assert np.all(np.diff(energies, axis=0) <= 1e-4)


def test_retrieval_breaks_down_about_the_critical_load():
    num_units = 400
    close = {}
    for load in (0.08, 0.25):
        patterns = jax.random.rademacher(jax.random.key(2), (round(load * num_units), num_units), jnp.float32)
        weights = hopfield.store(patterns, jnp.ones(len(patterns), bool))
        overlap = jnp.mean(hopfield.retrieve(weights, patterns, num_sweeps=6) * patterns, axis=1)
        close[load] = float(jnp.mean(overlap > 0.9))
    # Below 0.138 nearly all patterns are where they were put, well above it nearly none.
    assert close[0.08] > 0.95
    assert close[0.25] < 0.1


_THREE = jnp.array([[1.0, 1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
"""Their inner products with four ones are 4, 0 and 0."""
_ALL = jnp.ones(3, bool)
_FIRST_BIT_WRONG, _ONES = [-1, 1, 1, 1], [1, 1, 1, 1]


@pytest.mark.parametrize(("sharpness", "expected"), [(0.17, _FIRST_BIT_WRONG), (0.18, _ONES)])
def test_a_modern_update_by_hand(sharpness, expected):
    # The weights are as exp(4 * sharpness) to 1 to 1. Two patterns have -1 first: the one with 1 outweighs them from
    # exp(4 * sharpness) = 2 on, sharpness 0.1733. In the other places one pattern at most has -1.
    retrieved = hopfield.retrieve_modern(_THREE, _ALL, jnp.ones((1, 4)), sharpness=sharpness)
    np.testing.assert_array_equal(retrieved, [expected])


@pytest.mark.parametrize(("num_neighbors", "expected"), [(1, _ONES), (2, _ONES), (3, _FIRST_BIT_WRONG)])
def test_nearest_patterns_by_hand(num_neighbors, expected):
    # Of two, one has 1 first and one has -1: a tie, which is 1. Of three, two have -1.
    retrieved = hopfield.retrieve_nearest(_THREE, _ALL, jnp.ones((1, 4)), num_neighbors=num_neighbors)
    np.testing.assert_array_equal(retrieved, [expected])


def test_what_is_not_stored_is_not_retrieved():
    cues, only_last, nothing = jnp.ones((1, 4)), jnp.array([False, False, True]), jnp.zeros(3, bool)
    for present, expected in [(only_last, _THREE[2:]), (nothing, cues)]:
        modern = hopfield.retrieve_modern(_THREE, present, cues, sharpness=0.01)
        nearest = hopfield.retrieve_nearest(_THREE, present, cues, num_neighbors=3)
        np.testing.assert_array_equal(modern, expected)
        np.testing.assert_array_equal(nearest, expected)


def test_a_sharp_modern_update_is_the_nearest_pattern():
    patterns = jax.random.rademacher(jax.random.key(0), (30, 64), jnp.float32)
    cues = patterns.at[:, :10].multiply(-1)
    modern = hopfield.retrieve_modern(patterns, jnp.ones(30, bool), cues, sharpness=10)
    nearest = hopfield.retrieve_nearest(patterns, jnp.ones(30, bool), cues, num_neighbors=1)
    np.testing.assert_array_equal(modern, nearest)
