"""Normalisation against values worked out by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from humain.world import normalization

STATES = jnp.array([[1.0, 10.0], [5.0, 10.0], [3.0, 40.0], [3.0, 20.0]])
ALL = jnp.ones(4, bool)


def test_mean_and_standard_deviation_by_hand():
    # First coordinate: mean 12 / 4 = 3, deviations -2, 2, 0, 0, variance 8 / 4 = 2. Second: mean 80 / 4 = 20,
    # deviations -10, -10, 20, 0, variance 600 / 4 = 150.
    normalizer = normalization.fit(STATES, ALL)
    np.testing.assert_allclose(normalizer.mean, [3, 20], rtol=1e-6)
    np.testing.assert_allclose(normalizer.scale, np.sqrt([2, 150]), rtol=1e-6)
    np.testing.assert_allclose(normalizer.normalize(STATES[1]), [2 / np.sqrt(2), -10 / np.sqrt(150)], rtol=1e-6)
    np.testing.assert_allclose(normalizer.restore(jnp.array([np.sqrt(2), 0.0])), [5, 20], rtol=1e-6)


def test_what_was_fitted_has_mean_0_and_deviation_1_and_comes_back():
    rng = np.random.default_rng(0)
    states = jnp.asarray(rng.normal([3.0, -7.0], [0.1, 50.0], (8, 16, 2)), jnp.float32)
    normalizer = normalization.fit(states.reshape(128, 2), jnp.ones(128, bool))
    normalized = normalizer.normalize(states)
    assert normalized.shape == states.shape
    np.testing.assert_allclose(normalized.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(normalized.std((0, 1)), 1, rtol=1e-5)
    np.testing.assert_allclose(normalizer.restore(normalized), states, rtol=1e-5, atol=1e-5)


def test_masked_states_might_as_well_not_be_there():
    padded = jnp.concatenate([STATES, jnp.full((3, 2), 1e4)])
    fitted = normalization.fit(padded, jnp.arange(7) < 4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), fitted, normalization.fit(STATES, ALL))


def test_what_never_varies_stays_finite():
    # A single state, and a coordinate that is the same in all: the mean is 0 after normalisation, nothing is NaN.
    single = normalization.fit(STATES[:1], jnp.ones(1, bool))
    np.testing.assert_array_equal(single.mean, STATES[0])
    np.testing.assert_array_equal(single.normalize(STATES[:1]), [[0, 0]])
    constant = normalization.fit(jnp.array([[1.0, 2.0], [3.0, 2.0]]), jnp.ones(2, bool))
    np.testing.assert_array_equal(constant.normalize(jnp.array([3.0, 2.0])), [1, 0])
    assert np.all(constant.scale > 0)


def test_without_any_state_the_normalizer_is_finite():
    for fitted in (normalization.fit(STATES, ~ALL), normalization.fit(jnp.zeros((0, 2)), jnp.zeros(0, bool))):
        np.testing.assert_array_equal(fitted.mean, [0, 0])
        assert np.all(fitted.scale > 0)
        assert np.all(np.isfinite(fitted.normalize(STATES)))


def test_jit_and_vmap_change_nothing():
    batches = jnp.stack([STATES, 2 * STATES + 1])
    masks = jnp.array([[True] * 4, [True, True, False, True]])
    together = jax.jit(jax.vmap(normalization.fit))(batches, masks)
    normalized = jax.vmap(normalization.Normalizer.normalize)(together, batches)
    for at in range(2):
        alone = normalization.fit(batches[at], masks[at])
        for field in dataclasses.fields(alone):
            np.testing.assert_allclose(getattr(together, field.name)[at], getattr(alone, field.name), rtol=1e-6)
        np.testing.assert_allclose(normalized[at], alone.normalize(batches[at]), rtol=1e-5, atol=1e-6)


def test_gradients_are_one_over_the_scale():
    normalizer = normalization.fit(STATES, ALL)
    slopes = jax.grad(lambda state: jnp.sum(normalizer.normalize(state)))(jnp.zeros(2))
    np.testing.assert_allclose(slopes, 1 / np.sqrt([2, 150]), rtol=1e-6)
