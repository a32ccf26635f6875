"""Scaling moves embeddings to a mean of 0 and a spread of 0.3, and back."""

import numpy as np

from tasks.language import scaling

# Means (2, 0); deviations (-2, 1), (2, -1): mean square (4 + 1 + 4 + 1) / 4 = 2.5.
_TWO = np.array([[0.0, 1.0], [4.0, -1.0]], np.float32)


def test_by_hand():
    fitted = scaling.fit(_TWO)
    np.testing.assert_array_equal(fitted.mean, [2, 0])
    assert np.isclose(fitted.factor, 0.3 / 2.5**0.5)
    # -2 * 0.3 / 1.58114 = -0.379473, and half of it with the other sign.
    np.testing.assert_allclose(fitted.scale(_TWO), [[-0.379473, 0.189737], [0.379473, -0.189737]], rtol=1e-5)


def test_the_spread_is_0_3_and_the_mean_0():
    embeddings = np.random.default_rng(0).normal(5, 2, (50, 8)).astype(np.float32)
    scaled = scaling.fit(embeddings).scale(embeddings)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(scaled))), 0.3, rtol=1e-5)
    np.testing.assert_allclose(scaled.mean(axis=0), np.zeros(8), atol=1e-6)


def test_restore_takes_back_what_scale_did():
    fitted = scaling.fit(_TWO)
    others = np.array([[[7.0, 3.0]], [[-1.0, 0.5]]], np.float32)
    restored = fitted.restore(fitted.scale(others))
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, others, rtol=1e-5)


def test_a_single_embedding_and_equal_ones_are_only_moved():
    for embeddings in (_TWO[:1], np.repeat(_TWO[1:], 3, axis=0)):
        fitted = scaling.fit(embeddings)
        assert fitted.factor == 1.0
        np.testing.assert_array_equal(fitted.scale(embeddings), np.zeros_like(embeddings))
        np.testing.assert_array_equal(fitted.scale(np.array([5.0, 5.0])), np.array([5.0, 5.0]) - embeddings[0])
