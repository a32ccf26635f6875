"""`Stopping` by hand: vectors with a stop signal."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.nearest import Nearest
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping

_SPACE = Stopping(Continuous(2), weight=4.0)


def test_vectors_are_joined_with_their_signals_and_split_again():
    vectors, stops = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([True, False])
    joined = _SPACE.join(vectors, stops)
    np.testing.assert_array_equal(joined, [[1, 2, 1], [3, 4, 0]])
    again, ends = _SPACE.split(joined)
    np.testing.assert_array_equal(again, vectors)
    np.testing.assert_array_equal(ends, stops)
    assert ends.dtype == bool


def test_half_the_weight_is_decoded_as_the_end():
    decoded = _SPACE.decode(jnp.array([[5.0, 6.0, 2.0], [5.0, 6.0, 1.9], [5.0, 6.0, -7.0]]))
    np.testing.assert_array_equal(decoded, [[5, 6, 1], [5, 6, 0], [5, 6, 0]])


def test_the_vector_is_decoded_as_its_space_does():
    space = Stopping(Nearest(np.array([[0, 0], [9, 9]], np.float32)))
    np.testing.assert_array_equal(space.decode(jnp.array([6.0, 5.0, 0.8])), [9, 9, 1])


def test_the_loss_counts_the_signal_by_its_weight():
    # (1 - 2)**2 for the vector, and (3 - 4 * 1)**2 or (3 - 0)**2 for the signal.
    losses = _SPACE.loss(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[2.0, 2.0, 1.0], [2.0, 2.0, 0.0]]))
    np.testing.assert_array_equal(losses, [2, 10])


def test_features_show_the_signal_as_it_is_predicted():
    np.testing.assert_array_equal(_SPACE.encode(jnp.array([1.0, 2.0, 1.0])), [1, 2, 4])
    assert (_SPACE.shape, _SPACE.num_features, _SPACE.num_outputs) == ((3,), 3, 3)


def test_equal_are_equal_vectors_with_the_same_signal():
    first = jnp.array([[1.0, 2.0, 1.0], [1.0, 2.0, 1.0], [1.0, 2.0, 0.0]])
    second = jnp.array([[1.0, 2.0, 1.0], [1.0, 2.0, 0.0], [1.0, 3.0, 0.0]])
    np.testing.assert_array_equal(_SPACE.equal(first, second), [True, False, False])


def test_ids_have_no_stop_signal():
    with pytest.raises(ValueError, match=r"Discrete\(num_elements=3\) are not vectors; give a space of vectors"):
        Stopping(Discrete(3))


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan])
def test_a_weight_of_nothing_is_refused(weight):
    with pytest.raises(ValueError, match="the weight must be more than 0"):
        Stopping(Continuous(2), weight)


def test_vectors_may_have_any_axes_before_their_own():
    vectors, stops = jnp.arange(12.0).reshape(2, 3, 2), jnp.array([[True, False, False], [False, True, True]])
    joined = _SPACE.join(vectors, stops)
    assert joined.shape == (2, 3, 3)
    again, ends = _SPACE.split(joined)
    np.testing.assert_array_equal(again, vectors)
    np.testing.assert_array_equal(ends, stops)
    np.testing.assert_array_equal(_SPACE.encode(joined)[..., 2], 4.0 * stops)
    np.testing.assert_array_equal(_SPACE.decode(_SPACE.encode(joined)), joined)
    np.testing.assert_array_equal(_SPACE.loss(_SPACE.encode(joined), joined), np.zeros((2, 3)))
    np.testing.assert_array_equal(_SPACE.equal(joined, joined), np.ones((2, 3), bool))


def test_by_default_the_signal_weighs_as_much_as_a_number():
    assert Stopping(Continuous(2)) == Stopping(Continuous(2), weight=1.0)
    assert not _SPACE.has_differences
    assert _SPACE.dtype == jnp.float32
