"""Windows and doors, by hand, and a small run in which recall makes the difference."""

import numpy as np
import pytest

from tasks.parts import windows

SMALL = windows.Settings(num_walks=400, num_updates=40, batch_size=1024)


def test_places_by_hand():
    # Windows 0 and 1, doors 2 and 3, rooms 4 and 5.
    places = np.arange(6)
    np.testing.assert_array_equal(windows.step(places, np.full(6, windows.ON), 2), [1, 2, 3, 2, 4, 5])
    np.testing.assert_array_equal(windows.step(places, np.full(6, windows.ENTER), 2), [1, 2, 4, 5, 4, 5])


def test_looks_by_hand():
    shown = np.tile([1, 0], (6, 1))
    # The windows show 1 and 0, behind the doors are 1 and 0.
    np.testing.assert_array_equal(windows.looks(np.arange(6), shown, 2), [1, 0, 2, 3, 1, 0])


def test_the_shortest_way_passes_the_windows_and_enters():
    # Goal 2 is shown first: past 3 windows and in, 4 steps. Goal 1 is shown last: two doors more.
    np.testing.assert_array_equal(windows.shortest(np.array([[2, 0, 1]] * 2), np.array([2, 1])), [4, 6])


def test_who_recalls_the_window_finds_the_door():
    outcome = windows.measure(SMALL, seed=0, num_seeds=2)
    assert outcome.on.values == (1.0, 1.0)
    # Without, one door in three is the right one; a context of two sees the last window at the first door, and no more.
    assert outcome.off.mean <= 0.5
    assert set(outcome.to_json()["off_contexts"]) == {"1", "2"}


@pytest.mark.parametrize("seed", [3])
def test_the_same_seed_gives_the_same_outcome(seed):
    small = windows.Settings(num_goals=2, num_walks=50, num_updates=3, batch_size=64)
    first, second = (windows.measure(small, seed=seed, num_seeds=1) for _ in range(2))
    assert first == second
