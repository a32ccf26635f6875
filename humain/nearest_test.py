"""`Nearest` by hand: what a prediction is taken for, and what makes two of these spaces one."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.nearest import Nearest
from humain.spaces import Continuous

_KNOWN = np.array([[0, 0], [4, 0], [0, 3]], np.float32)
_SPACE = Nearest(_KNOWN)


def test_a_prediction_stands_for_the_nearest_known_state():
    # From (1.9, 1): squared distances 4.61, 5.41 and 7.61; from (2, 0) 4, 4 and 13, of which the first one counts.
    predictions = jnp.array([[[1.9, 1], [3, -9]], [[2, 0], [-1, 2]]])
    np.testing.assert_array_equal(_SPACE.index(predictions), [[0, 1], [0, 2]])
    assert _SPACE.index(predictions).dtype == jnp.int32
    np.testing.assert_array_equal(_SPACE.decode(predictions), _KNOWN[np.array([[0, 1], [0, 2]])])


def test_near_ones_are_told_apart_far_from_the_origin():
    far = _KNOWN / 100 + 30
    np.testing.assert_array_equal(Nearest(far).index(jnp.asarray(far)), [0, 1, 2])


def test_it_learns_as_in_the_whole_space():
    # (1 - 4)**2 + (2 - 0)**2 = 13, though (1, 2) would be taken for (0, 3).
    assert _SPACE.loss(jnp.array([1.0, 2.0]), jnp.asarray(_KNOWN[1])) == 13
    np.testing.assert_array_equal(_SPACE.encode(jnp.array([1, 2])), [1, 2])
    assert _SPACE.whole == Continuous(2)


def test_spaces_of_equal_states_are_equal():
    again = Nearest(_KNOWN.copy())
    assert again == _SPACE
    assert hash(again) == hash(_SPACE)
    assert Nearest(_KNOWN[::-1]) != _SPACE
    assert Nearest(_KNOWN, tolerance=0.5) != _SPACE
    assert Nearest(_KNOWN.reshape(2, 3)) != _SPACE
    assert Continuous(2) != _SPACE


def test_what_is_known_does_not_change_with_the_array_that_it_came_from():
    states = _KNOWN.copy()
    space = Nearest(states)
    states[0] = 9
    np.testing.assert_array_equal(space.known, _KNOWN)
    with pytest.raises(ValueError, match="read-only"):
        space.known[0] = 9


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (np.zeros((0, 2)), r"at least one state, not of shape \(0, 2\)"),
        (np.zeros(2), r"a matrix \[N, D\] .* not of shape \(2,\)"),
        (np.array([[np.nan]]), "not finite; leave them out"),
    ],
)
def test_states_that_can_not_be_are_refused(known, message):
    with pytest.raises(ValueError, match=message):
        Nearest(known)


def test_one_state_of_one_number_is_enough():
    space = Nearest(np.array([[7.0]]))
    assert space.decode(jnp.array([[1.0], [-3.0]])).tolist() == [[7], [7]]
    assert (space.shape, space.num_features, space.num_outputs, space.has_differences) == ((1,), 1, 1, False)
    assert space.index(jnp.array([1.0])) == 0


def test_the_tolerance_is_that_of_the_continuous_space():
    assert Nearest(_KNOWN) == Nearest(_KNOWN, tolerance=1e-3)
    assert Nearest(_KNOWN, tolerance=0.5).whole == Continuous(2, tolerance=0.5)
    first, second = jnp.array([[0.0, 0.0], [0.0, 0.0]]), jnp.array([[0.5, 0.0], [0.0, 0.75]])
    assert Nearest(_KNOWN, tolerance=0.5).equal(first, second).tolist() == [True, False]
