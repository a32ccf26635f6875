"""Windows and doors, by hand, and a small run in which recall makes the difference."""

import dataclasses

import numpy as np
import pytest

from tasks.ablations import windows

SMALL = windows.WindowsSettings(num_walks=400, num_updates=40, batch_size=1024)


TWO = windows.WindowsSettings(num_goals=2, hall_length=1)


def test_places_by_hand():
    # Windows 0 and 1, the hall 2, doors 3 and 4, rooms 5 and 6.
    places = np.arange(7)
    np.testing.assert_array_equal(windows.step(TWO, places, np.full(7, windows.ON)), [1, 2, 3, 4, 3, 5, 6])
    np.testing.assert_array_equal(windows.step(TWO, places, np.full(7, windows.ENTER)), [1, 2, 3, 5, 6, 5, 6])


def test_looks_by_hand():
    shown = np.tile([1, 0], (7, 1))
    # The windows show 1 and 0, behind the doors are 1 and 0; 2 is the hall.
    np.testing.assert_array_equal(windows.looks(TWO, np.arange(7), shown), [1, 0, 2, 3, 4, 1, 0])


def test_the_shortest_way_passes_the_windows_and_enters():
    # Past 3 windows, through 4 steps of hall. Goal 2 is shown first: in, 8 steps. Goal 1 is shown last: two doors more.
    settings = windows.WindowsSettings(num_goals=3, hall_length=4)
    np.testing.assert_array_equal(windows.shortest(settings, np.array([[2, 0, 1]] * 2), np.array([2, 1])), [8, 10])


def test_who_recalls_the_window_finds_the_door():
    outcome = windows.measure(SMALL, seed=0, num_seeds=2)
    assert outcome.on.values == (1.0, 1.0)
    # Without, one door in three is the right one.
    assert outcome.off.mean <= 0.5
    assert set(outcome.to_json()["off_contexts"]) == {"1", "2"}


def test_off_is_the_best_context():
    # Without a hall the last window is still in a context of 2 at the first door: its goal can be found at once or
    # ruled out there, which a context of 1 can't.
    settings = dataclasses.replace(TWO, hall_length=0, num_walks=200, num_updates=20, batch_size=512)
    outcome = windows.measure(settings, seed=0, num_seeds=2)
    contexts = outcome.to_json()["off_contexts"]
    assert contexts["2"]["mean"] >= contexts["1"]["mean"] + 0.2
    assert outcome.off.mean == contexts["2"]["mean"]


@pytest.mark.parametrize("seed", [3])
def test_the_same_seed_gives_the_same_outcome(seed):
    small = dataclasses.replace(TWO, num_walks=50, num_updates=3, batch_size=64)
    first, second = (windows.measure(small, seed=seed, num_seeds=1) for _ in range(2))
    assert first == second
