"""Position encodings against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus import encodings


def test_none_adds_nothing():
    encoded = encodings.none(jnp.arange(6).reshape(2, 3), 4)
    assert encoded.dtype == jnp.float32
    np.testing.assert_array_equal(encoded, np.zeros((2, 3, 4)))


def test_sinusoidal_by_hand():
    # Four features are two pairs. The first turns by 1 a position, the second by 10000**(-2/4) = 1/100.
    encoded = encodings.sinusoidal(jnp.array([0, 1, 50]), 4)
    expected = [
        [0.0, 1.0, 0.0, 1.0],
        [0.841470985, 0.540302306, 0.00999983333, 0.999950000],
        [-0.262374854, 0.964966028, 0.479425539, 0.877582562],
    ]
    np.testing.assert_allclose(encoded, expected, atol=2e-6)


def test_the_longest_period_sets_the_slowest_pair():
    # 81**(-2/4) = 1/9: at position 9 the second pair has turned by exactly 1.
    encoded = encodings.sinusoidal(jnp.array(9), 4, longest_period=81.0)
    np.testing.assert_allclose(encoded[2:], [0.841470985, 0.540302306], atol=1e-6)


def test_of_an_odd_number_of_features_the_last_is_a_sine():
    # Three features: the second pair turns by 10000**(-2/3) = 0.002154435; its cosine is left out.
    encoded = encodings.sinusoidal(jnp.array([[100]]), 3)
    assert encoded.shape == (1, 1, 3)
    np.testing.assert_allclose(encoded[0, 0], np.sin([100, 100 + np.pi / 2, 0.2154435]), atol=1e-5)


def test_positions_are_told_apart():
    encoded = np.asarray(encodings.sinusoidal(jnp.arange(64), 8))
    distances = np.linalg.norm(encoded[:, None] - encoded[None], axis=-1) + 10 * np.eye(64)
    assert distances.min() > 0.1
    assert np.abs(encoded).max() <= 1


@pytest.mark.parametrize("period", [1.0, 0.0, float("nan")])
def test_a_longest_period_that_is_too_short_is_refused(period):
    with pytest.raises(ValueError, match=f"greater than 1, not {period}"):
        encodings.sinusoidal(jnp.arange(3), 4, longest_period=period)


def test_a_scaled_encoding_is_smaller_by_the_factor():
    scaled = encodings.Scaled(encodings.sinusoidal, 0.1)
    # At position 1 the first pair has turned by 1: a tenth of its sine and cosine.
    np.testing.assert_allclose(scaled(jnp.array(1), 4)[:2], [0.0841470985, 0.0540302306], atol=1e-6)
    # A model holds it, and equal models share what was compiled.
    assert scaled == encodings.Scaled(encodings.sinusoidal, 0.1)
    assert hash(scaled) == hash(encodings.Scaled(encodings.sinusoidal, 0.1))


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_a_factor_that_leaves_nothing_is_refused(factor):
    with pytest.raises(ValueError, match=f"greater than 0, not {factor}"):
        encodings.Scaled(encodings.sinusoidal, factor)


def test_a_period_of_more_than_1_will_do():
    # Both pairs turn by nearly the same: 1 and 1.0001**(-2/4).
    encoded = encodings.sinusoidal(jnp.array([1]), 4, longest_period=1.0001)
    np.testing.assert_allclose(encoded, [[0.841471, 0.540302, 0.841471, 0.540302]], atol=1e-4)
    assert encodings.sinusoidal.__kwdefaults__ == {"longest_period": 10_000.0}
