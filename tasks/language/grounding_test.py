"""Goals in words: what they are split into, and which sentences the parts ask for."""

import numpy as np
import pytest

from tasks.language import grounding

_E = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
"""Three sentences; the third one is long, which does not count."""


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("a radar, a lamp and a boat", ("a radar", "a lamp", "a boat")),
        ("a radar, a lamp, and a boat", ("a radar", "a lamp", "a boat")),
        ("craft a radar", ("craft a radar",)),
        ("  bread AND butter ", ("bread", "butter")),
        ("soup; bread", ("soup", "bread")),
        ("a sand castle", ("a sand castle",)),
        ("an android,", ("an android",)),
        ("and", ("and",)),
        ("", ("",)),
    ],
)
def test_parts(goal, expected):
    assert grounding.parts(goal) == expected


def test_ground_takes_the_smallest_angle():
    # Cosines with (2, 2): 0.71, 0.71 and (6 + 8) / (2.83 * 5) = 0.99.
    assert grounding.ground(np.array([2.0, 2.0]), _E) == 2
    # Cosines with (0.1, 1): 0.10, 0.995 and (0.3 + 4) / (1.005 * 5) = 0.86. The products are 0.1, 1 and 4.3.
    assert grounding.ground(np.array([0.1, 1.0]), _E) == 1


def test_ground_of_zeros_is_the_first_one():
    assert grounding.ground(np.zeros(2), _E) == 0
    assert grounding.ground(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [0.0, 0.5]])) == 1


def test_ground_all_asks_for_each_part_in_order_and_once():
    vectors = {"a": np.array([0.0, 1.0]), "b": np.array([1.0, 0.0]), "c": np.array([0.1, 1.0])}
    # a and c both are most similar to sentence 1.
    assert grounding.ground_all("a, b and c", vectors, _E, {}) == (1, 0)


def test_known_goals_come_before_similar_ones():
    vectors = {"a": np.array([0.0, 1.0]), "b": np.array([1.0, 0.0]), "a and b": np.array([1.0, 0.0])}
    assert grounding.ground_all("a and b", vectors, _E, {"a": 2}) == (2, 0)
    # The whole goal was asked for in just these words, so that it is not split.
    assert grounding.ground_all("a and b", vectors, _E, {"a and b": 2, "a": 1}) == (2,)
