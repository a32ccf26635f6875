"""Layers in rooms: where looks say all, and where they do not."""

import dataclasses

import numpy as np
import pytest

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tagging
from tasks.ablations.rooms import Rooms
from tasks.ablations.tag_trials import Budget, Comparison, shares_of_optimum

# A row of rooms 0, 1, 2 and then 3 or 4, which end it; the two actions differ in room 2 alone.
ROW = Rooms(
    following=np.array([[1, 1], [2, 2], [3, 4], [3, 3], [4, 4]], np.int32),
    looks=np.arange(5, dtype=np.int32),
    num_looks=5,
    start=0,
    goals=np.array([3, 4], np.int32),
)
# The same, but the action must differ in room 0 too, and 0 and 2 look the same.
TWICE = dataclasses.replace(
    ROW,
    following=np.array([[1, 0], [2, 2], [3, 4], [3, 3], [4, 4]], np.int32),
    looks=np.array([0, 1, 0, 2, 3], np.int32),
    num_looks=4,
    goals=np.array([2, 3], np.int32),
)
BUDGET = Budget(num_walks=64, num_steps=6, num_updates=10, batch_size=512, max_steps=6)
EVEN = np.array([0.5, 0.5])
TAGGING, LEVELS = Tagging(capacity=4), TagLevels(visits=3)


@pytest.mark.parametrize("tags", [{}, {"tagging": TAGGING, "levels": LEVELS}], ids=["without tags", "with tags"])
def test_where_looks_say_all_both_do_all(tags):
    assert shares_of_optimum([ROW, ROW], BUDGET, action_shares=EVEN, seed=0, **tags) == [1.0, 1.0]


def test_where_they_do_not_tags_do():
    comparison = Comparison(tagging=TAGGING, levels=LEVELS, budget=BUDGET, context_lengths=(1,))
    outcome = comparison.measure([TWICE], action_shares=EVEN, seed=0, title="Twice", look="looks")
    # Room 3 needs the same action twice, room 4 needs the other one the second time.
    assert (outcome.on.values, outcome.off.values) == ((1.0,), (0.5,))
    assert outcome.to_json()["best_by_looks"]["mean"] == 0.5


def test_without_tags_the_best_context_counts():
    # Before room 2 comes the look of room 1, so two looks tell the rooms apart from the second step on. In the first,
    # the look alone is answered as in room 2: right on the way to room 3, and on the way to room 4 a step lost, 3 of 4.
    comparison = Comparison(tagging=TAGGING, levels=LEVELS, budget=BUDGET, context_lengths=(2, 1))
    outcome = comparison.measure([TWICE], action_shares=EVEN, seed=0, title="Twice", look="looks")
    contexts = outcome.to_json()["off_contexts"]
    assert (contexts["1"]["mean"], contexts["2"]["mean"]) == (0.5, 0.875)
    assert outcome.off.values == (0.875,)


def test_who_has_seen_detours_alone_takes_them_and_who_is_late_has_nothing():
    # From 0 to 4 by 1, 2 and 3, or at once by the action that no walk takes.
    detour = dataclasses.replace(
        ROW, following=np.array([[1, 4], [2, 2], [3, 3], [4, 4], [4, 4]], np.int32), goals=np.array([4], np.int32)
    )
    for max_steps, share in [(4, 1 / 4), (3, 0.0)]:
        budget = dataclasses.replace(BUDGET, max_steps=max_steps)
        assert shares_of_optimum([detour], budget, action_shares=np.array([1.0, 0.0]), seed=0) == [share]
