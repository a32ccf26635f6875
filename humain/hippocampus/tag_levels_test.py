"""Levels of tags against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tag

LEVELS = TagLevels(order=3, visits=2)


def test_fields_are_shown_in_a_fixed_order_and_hidden_ones_are_not():
    levels = TagLevels(absence=4, identity=2, visits=3)
    assert levels.fields == ("identity", "visits", "absence")
    assert (levels.sizes, levels.num_features, levels.num_combinations) == ((2, 3, 4), 9, 3 * 4 * 5)


def test_levels_of_a_tag_by_hand():
    tag = Tag(*(jnp.array(values) for values in ([7, 0], [5, 1], [2, 9], [3, 0], [3, 0])))
    levels = TagLevels(identity=8, order=4, visits=5, age=9, absence=2)
    # Order 5 is beyond the last level, 3; two visits are level 1; 3 steps are level 2, 2 to 3, beyond the last of two.
    np.testing.assert_array_equal(levels.of(tag), [[7, 3, 1, 2, 1], [0, 1, 4, 0, 0]])


def test_times_grow_coarser():
    steps = jnp.array([0, 1, 2, 3, 4, 7, 8, 2**30])
    np.testing.assert_array_equal(TagLevels(age=40).level("age", steps), [0, 1, 2, 2, 3, 3, 4, 31])
    np.testing.assert_array_equal(TagLevels(age=4).level("age", steps), [0, 1, 2, 2, 3, 3, 3, 3])
    # No visit at all is no level less than that of one.
    np.testing.assert_array_equal(TagLevels(visits=2).level("visits", jnp.arange(4)), [0, 0, 1, 1])


def test_features_are_one_hot_for_each_field_and_zeros_for_any():
    encoded = LEVELS.encode(jnp.array([[2, 0], [0, 2], [3, 1]]))
    np.testing.assert_array_equal(encoded, [[0, 0, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(LEVELS.decode(encoded), [[2, 0], [0, 0], [0, 1]])


def test_the_loss_is_the_cross_entropy_of_what_is_told():
    logits = jnp.array([[0.0, 0.0, 0.0, np.log(3.0), 0.0]] * 3)
    # A third for each order; 3/4 for the first number of visits.
    expected = [np.log(3) + np.log(4 / 3), np.log(3), np.log(4)]
    np.testing.assert_allclose(LEVELS.loss(logits, jnp.array([[1, 0], [1, 2], [3, 1]])), expected, rtol=1e-5)


def test_levels_are_equal_where_both_tell_the_same():
    first = jnp.array([[1, 1], [1, 1], [3, 1], [3, 2], [1, 2]])
    second = jnp.array([[1, 1], [1, 0], [2, 1], [0, 0], [0, 1]])
    expected = [True, False, True, True, False]
    np.testing.assert_array_equal(LEVELS.equal(first, second), expected)
    np.testing.assert_array_equal(LEVELS.equal(second, first), expected)


def test_showing_nothing_and_less_than_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one of identity, order"):
        TagLevels()
    with pytest.raises(ValueError, match="levels of age must be at least 0"):
        TagLevels(age=-1)


def test_levels_may_have_any_axes_before_their_own():
    # The same rows alone, in a row and in a grid.
    rows = jnp.array([[2, 0], [0, 1], [1, 1]])
    for shape in ((), (3,), (1, 3), (3, 1)):
        levels = jnp.broadcast_to(rows[2] if shape == () else rows.reshape(*shape, 2), (*shape, 2))
        features = LEVELS.encode(levels)
        assert features.shape == (*shape, 5)
        np.testing.assert_array_equal(LEVELS.decode(features), levels)
        assert LEVELS.equal(levels, levels).shape == LEVELS.loss(features, levels).shape == shape
        assert LEVELS.is_any(levels).shape == (*shape, 2)
    tag = Tag(*(jnp.full((2, 3), number) for number in (0, 2, 1, 0, 0)))
    np.testing.assert_array_equal(LEVELS.of(tag), np.broadcast_to([2, 0], (2, 3, 2)))


def test_a_field_that_is_not_named_is_hidden():
    assert TagLevels(order=1) == TagLevels(identity=0, order=1, visits=0, age=0, absence=0)
    assert TagLevels(age=1).fields == ("age",)
