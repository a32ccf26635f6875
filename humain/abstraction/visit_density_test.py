"""The learned density against densities that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from humain.abstraction import visit_density
from humain.abstraction.visit_density import DensityConfig
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds
from humain.hippocampus.tagging import Tagging
from humain.spaces import Continuous, Discrete

_SMALL = DensityConfig(width=16, num_steps=400, batch_size=512)


def ids_with_shares(shares, size):
    """Ids of which each has exactly its share."""
    return jnp.asarray(np.repeat(np.arange(len(shares)), np.round(np.array(shares) * size).astype(int)), jnp.int32)


def test_shares_of_ids_are_learned():
    shares = [0.4, 0.05, 0.25, 0.1, 0.2]
    density = visit_density.fit(ids_with_shares(shares, 1000), jax.random.key(0), space=Discrete(5), config=_SMALL)
    # The rarest id is in a batch 26 times, so its logarithm has a standard error of 1 / sqrt(26) = 0.2 a step, and
    # training averages over tens of steps.
    np.testing.assert_allclose(density.log_density(jnp.arange(5)), np.log(shares), atol=0.1)


def test_an_id_that_was_never_visited_is_the_rarest():
    density = visit_density.fit(
        ids_with_shares([0.9, 0.1, 0], 1000), jax.random.key(0), space=Discrete(3), config=_SMALL
    )
    levels = density.log_density(jnp.arange(3))
    assert levels[2] < levels[1] - 1 < levels[0] - 2


def test_the_density_of_vectors_is_learned():
    # Half of the points around 0, half around 6, each with a standard deviation of 1: at either middle the density is
    # 0.5 / sqrt(2 pi), at the point between, 3 deviations from both, 2 * 0.5 / sqrt(2 pi) exp(-4.5).
    rng = np.random.default_rng(0)
    points = jnp.asarray(rng.normal(size=(4000, 1)) + 6 * rng.integers(0, 2, (4000, 1)), jnp.float32)
    density = visit_density.fit(points, jax.random.key(0), space=Continuous(1), config=_SMALL)
    levels = density.log_density(jnp.array([[0.0], [3.0], [6.0]]))
    middle = -np.log(2) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(levels[jnp.array([0, 2])], [middle, middle], atol=0.15)
    # Between them are 2 points of a hundred.
    np.testing.assert_allclose(levels[1], middle + np.log(2) - 4.5, atol=0.5)


def test_before_training_vectors_have_the_density_of_the_noise():
    # One step with next to no learning rate: the normal density of the points' own mean and covariance.
    slanted = jnp.array([[2.0, 1.0], [0.0, 0.5]])
    points = jax.random.normal(jax.random.key(1), (500, 2)) @ slanted + jnp.array([[3.0, -1.0]])
    config = DensityConfig(num_steps=1, learning_rate=1e-9)
    density = visit_density.fit(points, jax.random.key(0), space=Continuous(2), config=config)
    at = np.array([[3.0, -1.0], [5.0, 1.0]])
    expected = scipy.stats.multivariate_normal.logpdf(at, np.mean(points, axis=0), np.cov(points.T, bias=True))
    np.testing.assert_allclose(density.log_density(jnp.asarray(at, jnp.float32)), expected, rtol=1e-3)


def test_ids_are_told_apart_whatever_their_features():
    # Ids of a state and its tag are more than the features that both have side by side.
    space = TaggedIds(num_states=4, tagging=Tagging(), levels=TagLevels(visits=3))
    assert (space.num_elements, space.num_features) == (20, 7)
    states = jnp.array([8] * 90 + [18] * 10)
    shares = jnp.exp(visit_density.fit(states, jax.random.key(0), space=space, config=_SMALL).log_density(states))
    np.testing.assert_allclose(shares[jnp.array([0, 99])], [0.9, 0.1], atol=0.05)


def test_states_keep_their_axes():
    ids = visit_density.fit(jnp.arange(4), jax.random.key(0), space=Discrete(4), config=DensityConfig(num_steps=1))
    assert ids.log_density(jnp.zeros((2, 3), jnp.int32)).shape == (2, 3)
    assert ids.log_density(jnp.int32(1)).shape == ()
    config = DensityConfig(num_steps=1, num_scales=0)
    vectors = visit_density.fit(jnp.ones((4, 3)), jax.random.key(0), space=Continuous(3), config=config)
    assert vectors.log_density(jnp.zeros((2, 5, 3))).shape == (2, 5)
    assert vectors.log_density(jnp.zeros(3)).shape == ()


def test_vectors_that_are_all_the_same_have_a_density():
    density = visit_density.fit(jnp.ones((9, 2)), jax.random.key(0), space=Continuous(2), config=_SMALL)
    levels = density.log_density(jnp.array([[1.0, 1.0], [3.0, 1.0]]))
    assert jnp.isfinite(levels).all()
    assert levels[0] > levels[1]


def test_the_key_decides():
    states = ids_with_shares([0.5, 0.3, 0.2], 100)
    config = DensityConfig(num_steps=5)
    first, again, other = (
        visit_density.fit(states, jax.random.key(seed), space=Discrete(3), config=config).log_density(jnp.arange(3))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("states", "space", "message"),
    [
        (jnp.zeros((3, 2)), Continuous(3), r"states must be \[N, \*\[3\]\]"),
        (jnp.zeros((0, 2)), Continuous(2), "at least one"),
        (jnp.zeros(3), Discrete(2), "ids go with a discrete space"),
        (jnp.zeros((3, 2), jnp.int32), Continuous(2), "ids go with a discrete space"),
    ],
)
def test_states_of_another_space_are_refused(states, space, message):
    with pytest.raises(ValueError, match=message):
        visit_density.fit(states, jax.random.key(0), space=space, config=_SMALL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be 1 or more, not 0"),
        ({"num_scales": -1}, "num_scales must be 0 or more, not -1"),
        ({"num_steps": 0}, "num_steps must be 1 or more, not 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ({"learning_rate": float("inf")}, "learning_rate must be a number above 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        DensityConfig(**settings)


def test_settings_may_go_to_the_very_edge():
    config = DensityConfig(width=1, num_scales=0, num_steps=1, batch_size=1, learning_rate=1e-9)
    assert (config.width, config.num_scales, config.num_steps, config.batch_size) == (1, 0, 1, 1)


def test_the_defaults():
    assert DensityConfig() == DensityConfig(width=64, num_scales=4, num_steps=1000, batch_size=2048, learning_rate=1e-2)


def test_every_state_is_drawn_alike():
    # Two states, once each: whichever of them were drawn less would look rarer.
    density = visit_density.fit(jnp.array([0, 1]), jax.random.key(0), space=Discrete(2), config=_SMALL)
    np.testing.assert_allclose(density.log_density(jnp.arange(2)), np.log([0.5, 0.5]), atol=0.1)


def test_weights_begin_by_the_number_of_their_inputs_and_the_last_ones_at_0():
    layers = visit_density._init(jax.random.key(0), (400, 100, 300, 1))
    assert [weights.shape for weights, _ in layers] == [(400, 100), (100, 300), (300, 1)]
    # The spread of 30,000 and more normal numbers is known to within a percent.
    np.testing.assert_allclose(np.std(layers[0][0]), np.sqrt(2 / 400), rtol=0.02)
    np.testing.assert_allclose(np.std(layers[1][0]), np.sqrt(2 / 100), rtol=0.02)
    assert not np.any(layers[2][0])
    assert not any(np.any(bias) for _, bias in layers)


def test_scales_double_from_one_to_the_next():
    # One hidden unit for each of the features 1, sin x, sin 2x, cos x and cos 2x; silu(30 + h) - 30 = h.
    params = (jnp.eye(5), jnp.full(5, 30.0)), (jnp.array([[1.0], [10], [100], [1000], [10000]]), jnp.zeros(1))
    at = jnp.array([[0.5], [2.0]])
    expected = at[:, 0] + 10 * np.sin(0.5 * np.array([1, 4])) + 100 * np.sin(np.array([1, 4]))
    expected = expected + 1000 * np.cos(0.5 * np.array([1, 4])) + 10000 * np.cos(np.array([1, 4])) + 30 * 11111
    np.testing.assert_allclose(visit_density._ratio(params, at, 2), expected, rtol=1e-5)


def test_moments_by_hand():
    # About (1, 2): covariance [[1, 1], [1, 3]] of which the mean variance is 2; the ridge is a millionth of that.
    points = jnp.array([[0.0, 1.0], [2.0, 3.0], [0.0, 0.0], [2.0, 4.0]])
    mean, root = visit_density._moments(points)
    np.testing.assert_array_equal(mean, [1, 2])
    np.testing.assert_allclose(root @ root.T, [[1, 1.5], [1.5, 2.5]], rtol=1e-5)
    assert root[0, 1] == 0
    # What never varies has a spread of 1, and what varies along one axis alone a spread of the ridge along the other.
    np.testing.assert_array_equal(visit_density._moments(jnp.ones((3, 2)))[1], np.eye(2))
    _, flat = visit_density._moments(jnp.array([[-1.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(flat[1, 1] ** 2, 1e-6 * 0.5, rtol=1e-3)
