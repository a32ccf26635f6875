"""What people bring beside the states of trajectories, padded by hand; what is refused is in types_test."""

import numpy as np

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
