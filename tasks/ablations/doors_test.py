"""What is found against the truth, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.entropy import Entropy
from humain.abstraction.skip import Skip
from tasks.ablations import doors
from tasks.ablations.doors import FoundStates


def test_precision_and_recall_by_hand():
    # Of 4 found 2 are doors, of 3 doors 2 are found: 2 / 4, 2 / 3 and 2 * 2 / (4 + 3).
    found = doors.compare(np.array([1, 5, 7, 9]), np.array([5, 9, 11]))
    assert found == FoundStates(right=2, found=4, doors=3)
    assert (found.precision, found.recall, found.f1) == (0.5, 2 / 3, 4 / 7)


def test_nothing_found_is_not_precise():
    found = doors.compare(np.array([], int), np.array([3]))
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)


def test_worlds_add_up():
    assert FoundStates(1, 2, 1) + FoundStates(3, 3, 4) == FoundStates(4, 5, 5)


def test_shares_are_of_paths_that_pass():
    # Counts: 2 is the crossroads. It is passed by the first two paths, a pivot on both; the third starts there.
    states = np.array([[0, 2, 1], [3, 2, 0], [2, 0, 1]], np.int32)
    shares = doors.pivot_shares(Entropy(jnp.array([3, 2, 9, 1])), states, np.array([3, 3, 3]), 4)
    assert shares.tolist() == [0, 0, 1, 0]
    # What lies behind a path's end is not passed: the third ends at 0.
    shares = doors.pivot_shares(Skip(1), states, np.array([3, 3, 2]), 4)
    assert shares.tolist() == [0, 0, 1, 0]
    shares = doors.pivot_shares(Skip(1), states, np.array([3, 3, 3]), 4)
    assert shares.tolist() == [1, 0, 1, 0]


def test_means_and_spreads_over_seeds():
    numbers = doors.to_json([FoundStates(1, 2, 1), FoundStates(1, 1, 2)])
    # Precision 0.5 and 1, recall 1 and 0.5: mean 0.75, deviations of 0.25 both ways, so sqrt(2 * 0.0625 / 1).
    assert numbers == {
        "precision": 0.75,
        "precision_sd": pytest.approx(0.125**0.5),
        "recall": 0.75,
        "recall_sd": pytest.approx(0.125**0.5),
    }
