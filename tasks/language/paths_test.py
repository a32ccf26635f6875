"""Paths: prefixes of plans, composed ones, which are kept, and what they weigh."""

import pytest

from tasks.language import paths
from tasks.language.paths import Path


def _gather(plans, *, replay=True, max_paths=8, passed_weight=0.9):
    """As (steps, weight); weights rounded, for powers of 0.9 are not exact."""
    found = paths.gather(plans, replay=replay, max_paths=max_paths, passed_weight=passed_weight)
    return [(path.steps, round(path.weight, 9)) for path in found]


def test_what_a_plan_passes_is_reached_by_its_head():
    # 4 and 2 are merely passed: 0.9 ** 1; 7 is what was asked for: 1.
    assert _gather([[4, 2, 7]], replay=False) == [((4,), 0.9), ((4, 2), 0.9), ((4, 2, 7), 1.0)]


def test_sentences_come_in_order_of_first_use():
    found = _gather([[3, 1], [0, 3, 2]], replay=False)
    # 3 has two heads: (3) of the first plan and (0, 3) of the second.
    assert found == [((3,), 0.9), ((0, 3), 0.81), ((3, 1), 1.0), ((0,), 0.9), ((0, 3, 2), 1.0)]


def test_what_is_passed_does_not_count_less_by_default():
    found = paths.gather([[4, 2]], replay=False, max_paths=1)
    assert found == (Path((4,), 1.0), Path((4, 2), 1.0))


def test_a_composed_path_leaves_out_what_one_path_goes_without():
    # 3 is reached without 1 by the one and without 2 by the other, so that 0 is all that has always come before.
    found = _gather([[0, 1, 3, 8], [0, 2, 3, 9]])
    to_3 = [entry for entry in found if entry[0][-1] == 3]
    assert to_3 == [((0, 3), 0.9), ((0, 1, 3), 0.81), ((0, 2, 3), 0.729)]
    # Without replay only what was written down.
    without = [entry for entry in _gather([[0, 1, 3, 8], [0, 2, 3, 9]], replay=False) if entry[0][-1] == 3]
    assert without == [((0, 1, 3), 0.9), ((0, 2, 3), 0.81)]


def test_of_equally_short_paths_the_one_that_was_less_is_first():
    # Of (1, 0, 2, 3) and (0, 1, 3) to 3, 2 is left out; (0, 1, 3) was the shorter one though it comes second.
    plans = [[1, 0, 2, 3, 8], [0, 1, 3, 9]]
    to_3 = [entry for entry in _gather(plans) if entry[0][-1] == 3]
    assert to_3 == [((0, 1, 3), 0.9), ((1, 0, 3), 0.81), ((1, 0, 2, 3), 0.729)]
    assert [entry for entry in _gather(plans, max_paths=2) if entry[0][-1] == 3] == to_3[:2]


def test_of_what_was_asked_for_only_whole_plans_are_kept():
    # 3 is asked for by two plans and passed by a third on a shorter way, (0, 3), which does not count; nor does replay.
    found = _gather([[0, 1, 2, 3], [0, 2, 3], [0, 3, 9]])
    assert [entry for entry in found if entry[0][-1] == 3] == [((0, 2, 3), 1.0), ((0, 1, 2, 3), 1.0)]


def test_equal_plans_are_one_path():
    assert _gather([[5, 6], [5, 6]]) == [((5,), 0.9), ((5, 6), 1.0)]


def test_the_shortest_paths_are_kept():
    plans = [[0, 1, 2, 5], [0, 5], [2, 1, 5]]
    assert [steps for steps, _ in _gather(plans, max_paths=2) if steps[-1] == 5] == [(0, 5), (2, 1, 5)]


def test_no_plan_gives_no_path():
    assert _gather([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"plans": [[1], []]}, "plan 1 has no step"),
        ({"max_paths": 0}, "max_paths must be at least 1, not 0"),
        ({"passed_weight": 0.0}, r"passed_weight must lie in \(0, 1\], not 0.0"),
        ({"passed_weight": 1.1}, r"passed_weight must lie in \(0, 1\], not 1.1"),
    ],
)
def test_what_can_not_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        paths.gather(**{"plans": [[1]], "replay": True, "max_paths": 1, **arguments})


def test_what_always_came_before_is_needed_as_far_as_known():
    # Before 2: {0, 1} in the first plan and {0, 3} in the second one. Before 1: {0} and, in the second, {0, 3, 2}.
    assert paths.always_before([(0, 1, 2), (0, 3, 2, 1)]) == {
        0: frozenset(),
        1: frozenset({0}),
        2: frozenset({0}),
        3: frozenset({0}),
    }


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        # 1 needs 0 and 3 needs 2, by plans that have one of them alone; 4 takes both.
        ((0, 1, 2, 3, 4), (1, 3, 4)),
        ((2, 3, 0, 1, 5), (3, 1, 5)),
        # Only 1 is on no way to another.
        ((0, 1), (0, 1)),
        ((0,), (0,)),
    ],
)
def test_milestones_are_the_steps_that_only_the_last_one_needs(plan, expected):
    before = paths.always_before([(0, 1), (2, 3), (0,), (2,), (0, 1, 2, 3, 4), (2, 3, 0, 1, 5)])
    assert paths.milestones(plan, before) == expected
