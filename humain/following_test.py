"""Following plans: which one was gone, and where it goes on."""

import pytest

from humain import following


def _next(ways, done):
    """The next step on the way to 9."""
    found = following.follow(ways, done, goal=9)
    return None if found is None else ways[found[0]][found[1]]


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        # The best score.
        ((), 1),
        # The first way expected 1 and was wrong once, the second one was right.
        ((4,), 2),
        # The first way was wrong twice: 1 was still to come.
        ((4, 2), 5),
        # Both were wrong once; the first one goes on after 2.
        ((2,), 3),
        # 3 after 2 is right by the first way, and by the second one it had to be 5.
        ((2, 3), 9),
        # By the third way that was right; it does not come to the goal.
        ((6,), 1),
        # Nothing is left after 3 but the goal, though 1 and 2 were passed over.
        ((3,), 9),
        ((1, 2, 3, 9), None),
        # The goal has been reached, whatever the first way has to say.
        ((4, 2, 5, 9), None),
    ],
)
def test_the_way_that_foretold_most_is_followed(done, expected):
    assert _next([(1, 2, 3, 9), (4, 2, 5, 9), (6, 7)], done) == expected


@pytest.mark.parametrize(
    ("ways", "done", "expected"),
    [
        # No way comes to the goal: the one with the best score.
        ([(1, 2, 3), (4, 5)], (), 1),
        ([(1, 2, 3), (4, 5)], (4,), 1),
        # What was passed over comes when nothing else is left, and then it goes on from there.
        ([(1, 2, 3)], (3,), 1),
        ([(1, 2, 3)], (3, 1), 2),
        ([(1, 2, 3)], (2, 3, 1), None),
        # What is not on the way does not change where it goes on.
        ([(1, 2, 3)], (1, 8), 2),
        # A way without a step.
        ([(), (1, 9)], (), 1),
        ([()], (), None),
    ],
)
def test_ways_that_do_not_come_to_the_goal(ways, done, expected):
    assert _next(ways, done) == expected


def test_surprises_are_counted_step_by_step():
    # 1 was expected and 2 came, then 3 was expected and came, then 1, passed over, and 7 came, which is not on the way.
    assert following.num_surprises((1, 2, 3), (2, 3, 7)) == 2
    assert following.num_surprises((1, 2, 3), (1, 2, 3)) == 0
