"""Trajectories out of the arrays that people have."""

import numpy as np
import pytest

from humain.types import Trajectories


def test_an_array_of_ids_is_taken_as_it_is():
    made = Trajectories.from_arrays(np.array([[0, 3, 2], [5, 1, 0]]))
    assert (made.states.dtype, made.lengths.dtype) == (np.int32, np.int32)
    np.testing.assert_array_equal(made.states, [[0, 3, 2], [5, 1, 0]])
    np.testing.assert_array_equal(made.lengths, [3, 3])
    assert (made.actions, made.rewards, made.terminated) == (None, None, None)


def test_lists_of_different_lengths_are_padded():
    made = Trajectories.from_arrays([[4, 2], [1, 3, 5], [6]])
    np.testing.assert_array_equal(made.states, [[4, 2, 0], [1, 3, 5], [6, 0, 0]])
    np.testing.assert_array_equal(made.lengths, [2, 3, 1])


def test_vectors_become_float32_and_lengths_may_be_given():
    states = np.arange(12, dtype=np.float64).reshape(2, 3, 2)
    made = Trajectories.from_arrays(states, lengths=[3, 2], terminated=[True, False])
    assert made.states.dtype == np.float32
    np.testing.assert_array_equal(made.states, states)
    np.testing.assert_array_equal(made.lengths, [3, 2])
    np.testing.assert_array_equal(made.terminated, [True, False])


def test_the_action_after_the_last_state_may_be_left_out():
    made = Trajectories.from_arrays(np.zeros((2, 3, 2)), actions=np.ones((2, 2), int), rewards=np.ones((2, 2)))
    np.testing.assert_array_equal(made.actions, [[1, 1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(made.rewards, [[1, 1, 0], [1, 1, 0]])
    assert made.actions is not None
    assert made.rewards is not None
    assert (made.actions.dtype, made.rewards.dtype) == (np.int32, np.float32)
    made = Trajectories.from_arrays([[4, 2], [1, 3, 5], [6]], actions=[[7], [8, 9, 1], []], rewards=[[1], [2, 3], []])
    np.testing.assert_array_equal(made.actions, [[7, 0, 0], [8, 9, 1], [0, 0, 0]])
    np.testing.assert_array_equal(made.rewards, [[1, 0, 0], [2, 3, 0], [0, 0, 0]])
    made = Trajectories.from_arrays(
        [np.zeros((2, 3)), np.zeros((1, 3))], actions=[np.full((1, 2), 0.5), np.zeros((0, 2))]
    )
    np.testing.assert_array_equal(made.actions, [[[0.5, 0.5], [0, 0]], [[0, 0], [0, 0]]])


_WALKS = np.zeros((2, 3), int)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"states": np.zeros(3, int)}, r"states are \[3\]; expected one row for each trajectory"),
        ({"states": np.zeros((0, 3), int)}, r"no states in an array \[0, 3\]"),
        ({"states": []}, "there are no states; expected at least one trajectory"),
        ({"states": [[1], []]}, r"trajectory 1 has 0 states and states \[0\]; expected at least one state"),
        ({"states": np.zeros((2, 3))}, r"\[2, 3\] floats; vectors need a last axis"),
        (
            {"states": [[1, 2], [0.5]]},
            r"states must be of one type and shape in all trajectories, not float32\[\], int32",
        ),
        ({"states": np.full((1, 2, 1), np.nan)}, r"states must be finite, and \[0, 0, 0\] is not"),
        ({"states": np.array([[2**40]])}, "states go from 1099511627776 to 1099511627776, and ids must fit"),
        ({"states": np.array([["a"]])}, "states must be whole numbers or floats, not <U1"),
        ({"states": _WALKS, "lengths": [3, 4]}, "lengths must lie between 1 and 3, not 3 to 4"),
        ({"states": _WALKS, "lengths": [0, 3]}, "lengths must lie between 1 and 3, not 0 to 3"),
        ({"states": _WALKS, "lengths": [3]}, r"lengths must be \[2\] whole numbers, not int64\[1\]"),
        ({"states": _WALKS, "actions": np.zeros((2, 1), int)}, r"actions are \[2, 1\]; expected \[2, 3, ...\]"),
        ({"states": _WALKS, "rewards": np.zeros((3, 3))}, r"rewards are \[3, 3\]; expected \[2, 3, ...\]"),
        ({"states": _WALKS, "rewards": np.zeros((2, 3, 1))}, r"rewards must be one number a step"),
        ({"states": [[1, 2], [3]], "actions": [[0, 0]]}, "actions for 1 trajectories, and states for 2"),
        ({"states": [[1, 2], [3]], "actions": [[], [0]]}, r"trajectory 0 has 2 states and actions \[0\]"),
        ({"states": _WALKS, "terminated": [True]}, r"terminated must be \[2\] bool, not bool\[1\]"),
        ({"states": _WALKS, "terminated": [1, 0]}, r"terminated must be \[2\] bool, not int64\[2\]"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Trajectories.from_arrays(**arguments)


@pytest.mark.parametrize("number", [1e39, -1e300])
def test_numbers_that_float32_does_not_hold_are_refused(number):
    with pytest.raises(ValueError, match=r"states must be finite, and \[0, 1, 0\] is not: -?1e\+\d+ as float32"):
        Trajectories.from_arrays(np.array([[[0.0], [number]]]))
    with pytest.raises(ValueError, match=r"rewards of trajectory 0 must be finite, and \[1\] is not"):
        Trajectories.from_arrays([[1, 2]], rewards=[[0.0, number]])


def test_rows_of_different_lengths_are_named():
    with pytest.raises(ValueError, match="states of trajectory 1 must be an array, all rows of one length"):
        Trajectories.from_arrays([[[0.0, 1.0]], [[0.0, 1.0], [2.0]]])
