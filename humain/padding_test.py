"""What people bring beside the states of trajectories, padded by hand; what is refused is in types_test."""

import numpy as np
import pytest

from humain import padding


def test_an_array_gets_the_last_time_that_it_may_leave_out():
    lengths = np.array([3, 2])
    np.testing.assert_array_equal(padding.beside("rewards", np.ones((2, 2)), 3, lengths), [[1, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(padding.beside("rewards", np.ones((2, 3)), 3, lengths), np.ones((2, 3)))
    actions = padding.beside("actions", np.ones((2, 2, 1)), 3, lengths)
    np.testing.assert_array_equal(actions, [[[1], [1], [0]], [[1], [1], [0]]])


def test_lists_get_zeros_behind_them():
    found = padding.beside("actions", [[1, 2], [3]], 3, np.array([3, 2]))
    np.testing.assert_array_equal(found, [[1, 2, 0], [3, 0, 0]])
    assert found.dtype == np.int32


def test_ids_go_to_the_very_edge_of_32_bits():
    edges = np.array([-(2**31), 2**31 - 1])
    np.testing.assert_array_equal(padding.numbers("ids", edges), edges)


@pytest.mark.parametrize("edge", [-(2**31) - 1, 2**31])
def test_ids_beyond_32_bits_are_refused(edge):
    with pytest.raises(ValueError, match=f"ids go from .*{edge}.*, and ids must fit into 32 bits"):
        padding.numbers("ids", np.array([0, edge]))


def test_numbers_become_ids_or_float32():
    assert padding.numbers("x", [[1, 2]]).dtype == np.int32
    assert padding.numbers("x", np.zeros(0, np.int64)).shape == (0,)
    assert padding.numbers("x", np.array([1, 2], np.uint8)).tolist() == [1, 2]
    floats = padding.numbers("x", np.array([0.5, 1 / 3]))
    assert floats.dtype == np.float32
    assert floats.tolist() == [0.5, np.float32(1 / 3)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([True, False], "x must be whole numbers or floats, not bool"),
        (["a"], "x must be whole numbers or floats, not <U1"),
        ([[1.0, 2.0], [np.nan, 4.0]], r"x must be finite, and \[1, 0\] is not: nan as float32"),
        ([1.0, 1e39], r"x must be finite, and \[1\] is not: 1e\+39 as float32"),
        ([[1], [1, 2]], "x must be an array, all rows of one length; pad shorter ones"),
    ],
)
def test_what_is_no_number_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        padding.numbers("x", given)


def padded(walks, lengths, allowed=None):
    lengths = np.array(lengths)
    return padding.padded("x", walks, lengths, lengths - 1 if allowed is None else np.array(allowed))


def test_walks_of_vectors_are_padded_along_time_alone():
    found = padded([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]], [1, 3])
    assert found.tolist() == [[[1, 2], [0, 0], [0, 0]], [[3, 4], [5, 6], [7, 8]]]
    # What has no entries takes the type of the others, and an array is as long as the longest trajectory.
    found = padded([[], [7, 8]], [1, 3])
    assert (found.tolist(), found.dtype) == ([[0, 0, 0], [7, 8, 0]], np.int32)
    assert padded([[], []], [1, 1]).shape == (2, 1)


@pytest.mark.parametrize(
    ("walks", "lengths", "message"),
    [
        ([[1]], [1, 1], "there are x for 1 trajectories, and states for 2"),
        ([[1, 2], [1.0, 2.0]], [2, 2], r"of one type and shape in all trajectories, not float32\[\], int32\[\]"),
        ([[1, 2], [[1], [2]]], [2, 2], r"not int32\[1\], int32\[\]"),
        ([[1, 2], [1, 2, 3]], [2, 2], r"trajectory 1 has 2 states and x \[3\]; expected at least one state"),
        ([[1, 2], [1]], [2, 3], r"trajectory 1 has 3 states and x \[1\]"),
        ([3, 4], [1, 1], r"trajectory 0 has 1 states and x \[\]"),
        ([[], [1]], [0, 1], r"trajectory 0 has 0 states and x \[0\]"),
        ([], [], "there are no x; expected at least one trajectory"),
    ],
)
def test_walks_that_do_not_fit_are_refused(walks, lengths, message):
    with pytest.raises(ValueError, match=message):
        padded(walks, lengths)


@pytest.mark.parametrize("shape", [(2,), (3, 3), (1, 3), (2, 4), (2, 1)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x are .*; expected \[2, 3, \.\.\.\] as for the states, or one time fewer"):
        padding.beside("x", np.ones(shape), 3, np.array([3, 3]))


def test_what_is_too_large_becomes_infinite_without_a_warning():
    assert padding.rounded(np.array([1e39, -1e39, 2.0])).tolist() == [np.inf, -np.inf, 2]
    assert padding.rounded(np.array([1.0]), np.float16).dtype == np.float16
