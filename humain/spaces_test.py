"""Spaces: encoding, decoding, losses and equality against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.spaces import Continuous, Discrete


def test_ids_become_one_hot_vectors_and_come_back():
    space = Discrete(3)
    ids = jnp.array([[2, 0], [1, 1]])
    features = space.encode(ids)
    assert features.dtype == jnp.float32
    np.testing.assert_array_equal(features, [[[0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]]])
    np.testing.assert_array_equal(space.decode(features), ids)
    assert space.decode(features).dtype == space.dtype == jnp.int32
    assert (space.shape, space.num_features) == ((), 3)


def test_the_larger_logit_is_decoded_and_the_first_of_a_tie():
    decoded = Discrete(3).decode(jnp.array([[-5.0, -1.0, -2.0], [0.5, 0.7, 0.7]]))
    np.testing.assert_array_equal(decoded, [1, 1])


def test_the_loss_of_ids_is_their_cross_entropy():
    # Softmax of (log 1, log 2, log 5) is (1, 2, 5) / 8; the loss of id 1 is -log(2 / 8) = log 4, of id 2 log(8 / 5).
    logits = jnp.log(jnp.array([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]))
    losses = Discrete(3).loss(logits, jnp.array([1, 2]))
    np.testing.assert_allclose(losses, np.log([4, 1.6]), rtol=1e-6)


def test_the_loss_compares_every_slot_with_one_target():
    # The target `[B, 1]` stands against all slots `[B, K]`: uniform logits give log 2 for either slot.
    losses = Discrete(2).loss(jnp.zeros((3, 4, 2)), jnp.zeros((3, 1), jnp.int32))
    np.testing.assert_allclose(losses, np.full((3, 4), np.log(2)), rtol=1e-6)
    # (1 - 0)**2 + (1 - 2)**2 = 2
    distances = Continuous(2).loss(jnp.ones((3, 4, 2)), jnp.tile(jnp.array([0.0, 2.0]), (3, 1, 1)))
    np.testing.assert_array_equal(distances, np.full((3, 4), 2))


def test_ids_are_equal_when_they_are_the_same():
    np.testing.assert_array_equal(Discrete(9).equal(jnp.array([1, 2]), jnp.array([1, 3])), [True, False])


def test_vectors_are_their_own_features():
    space = Continuous(2)
    vectors = jnp.array([[1, 2], [3, 4]])
    assert space.encode(vectors).dtype == space.dtype == jnp.float32
    np.testing.assert_array_equal(space.encode(vectors), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(space.decode(jnp.array([0.5, -1.0])), [0.5, -1.0])
    assert (space.shape, space.num_features) == ((2,), 2)


def test_the_loss_of_vectors_is_the_sum_of_squares():
    # (1 - 3)**2 + (2 + 1)**2 = 4 + 9
    assert Continuous(2).loss(jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0])) == 13


def test_vectors_are_equal_within_the_tolerance_of_each_number():
    space = Continuous(2, tolerance=0.5)
    first = jnp.zeros((3, 2))
    second = jnp.array([[0.5, -0.5], [0.5, 0.625], [0.0, -0.625]])  # exact in binary; the bound itself is equal
    np.testing.assert_array_equal(space.equal(first, second), [True, False, False])


def test_spaces_made_alike_are_equal_and_hash_alike():
    assert len({Discrete(3), Discrete(3), Discrete(4), Continuous(3), Continuous(3), Continuous(3, 0.5)}) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discrete(0), "at least one element, not 0"),
        (lambda: Continuous(0), "at least one dimension, not 0"),
        (lambda: Continuous(2, tolerance=-0.5), "0 or more, not -0.5"),
        (lambda: Continuous(2, tolerance=float("nan")), "0 or more, not nan"),
    ],
)
def test_what_makes_no_space_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_spaces_may_be_as_small_as_one():
    assert Discrete(1).encode(jnp.array([0])).tolist() == [[1]]
    space = Continuous(1, tolerance=0.0)
    assert space.equal(jnp.array([[1.0], [1.0]]), jnp.array([[1.0], [1.0001]])).tolist() == [True, False]
    assert Continuous(1) == Continuous(1, tolerance=1e-3)


def test_predictions_may_have_any_axes_before_their_own():
    logits = jnp.array([[[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]]])
    assert Discrete(3).decode(logits).tolist() == [[1, 0]]
    assert Discrete(3).decode(logits[0, 0]) == 1
    # Two vectors of three numbers, which differ by 1, 2 and 0.
    space = Continuous(3, tolerance=1.0)
    first, second = jnp.zeros((2, 1, 3)), jnp.array([[[1.0, 2.0, 0.0]], [[1.0, 1.0, -1.0]]])
    assert space.loss(first, second).tolist() == [[5], [3]]
    assert space.equal(first, second).tolist() == [[False], [True]]


def test_what_can_be_subtracted_and_how_long_predictions_are():
    assert [space.has_differences for space in (Discrete(3), Continuous(2))] == [False, True]
    assert [space.num_outputs for space in (Discrete(3), Continuous(2))] == [3, 2]
