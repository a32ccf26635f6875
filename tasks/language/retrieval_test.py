"""What the baselines retrieve from two small plans, whose sentences and goals are orthogonal."""

import numpy as np
import pytest

from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language.retrieval import NearestPlan, Retriever

_ORE, _BAR, _RING, _GEM = range(4)
_FIRST, _SECOND = (_ORE, _BAR, _RING), (_GEM, _BAR)
_MIXED = 2
"""Number of the plan that is held out."""


def _data(goal, *, plans=(_FIRST, _SECOND)):
    """Plans of training with the goals (1, 0) and (0, 1), and a plan that is held out with a goal of its own."""
    indexed = [IndexedPlan(f"goal {number}", steps) for number, steps in enumerate(plans)]
    indexed.append(IndexedPlan("mixed", (_ORE,), "heldout"))
    goals = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [*goal, 0, 0]], np.float32)
    sentences = ("Mine ore.", "Smelt a bar.", "Set a ring.", "Mine a gem.")
    return Dataset(tuple(indexed), sentences, np.eye(4, dtype=np.float32), goals, "e", "w")


def test_the_plan_with_the_most_similar_goal_is_taken():
    assert NearestPlan(_data((0.8, 0.6))).plan(_MIXED, max_steps=9) == [_ORE, _BAR, _RING]
    assert NearestPlan(_data((0.6, 0.8))).plan(_MIXED, max_steps=9) == [_GEM, _BAR]
    assert NearestPlan(_data((0.8, 0.6))).plan(_MIXED, max_steps=2) == [_ORE, _BAR]


def test_a_plan_that_is_held_out_is_not_its_own_nearest():
    # Its similarity to itself, 4, is more than any.
    assert NearestPlan(_data((2, 0))).plan(_MIXED, max_steps=9) == [_ORE, _BAR, _RING]
    assert Retriever(_data((2, 0))).plan(_MIXED, max_steps=9) == [_ORE, _BAR, _RING]


def test_what_follows_in_the_nearest_plan_is_its_first_sentence_not_done():
    nearest = NearestPlan(_data((0.8, 0.6)))
    assert nearest.following(_MIXED, []) == _ORE
    assert nearest.following(_MIXED, [_GEM, _ORE]) == _BAR
    assert nearest.following(_MIXED, [_BAR, _RING]) == _ORE
    assert nearest.following(_MIXED, [_RING, _BAR, _ORE]) is None


@pytest.mark.parametrize(
    ("goal", "done", "expected"),
    [
        # At first the goals alone: 0.8 against 0.6.
        ((0.8, 0.6), [], _ORE),
        ((0.6, 0.8), [], _GEM),
        # After the bar both plans have a similarity of 1 beside their goals': 1.8 against 1.6.
        ((0.8, 0.6), [_ORE, _BAR], _RING),
        ((0.6, 0.8), [_ORE, _BAR], None),  # the second plan ends there
        # After the gem the second plan has 1 + 0.6, and no other situation more than 0.8.
        ((0.8, 0.6), [_GEM], _BAR),
        # The ring ends the first plan.
        ((0.6, 0.8), [_RING], None),
    ],
)
def test_what_came_next_in_the_most_similar_situation_is_retrieved(goal, done, expected):
    assert Retriever(_data(goal)).following(_MIXED, done) == expected


def test_retrieved_sentences_are_strung_together():
    assert Retriever(_data((0.8, 0.6))).plan(_MIXED, max_steps=9) == [_ORE, _BAR, _RING]
    assert Retriever(_data((0.8, 0.6))).plan(_MIXED, max_steps=2) == [_ORE, _BAR]
    assert Retriever(_data((0.6, 0.8))).plan(_MIXED, max_steps=9) == [_GEM, _BAR]


def test_a_circle_is_left_where_a_sentence_would_come_again():
    # Ore, bar, ore, ...: after the ore a bar, and after the bar the ore again.
    data = _data((1, 0), plans=((_ORE, _BAR, _ORE, _RING), _SECOND))
    assert Retriever(data).plan(_MIXED, max_steps=9) == [_ORE, _BAR]
