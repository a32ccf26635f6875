"""The ring with doors, by hand, and a small run in which tags make the difference."""

import dataclasses

import numpy as np
import pytest

from tasks.ablations import loops
from tasks.ablations.tag_trials import Budget

SMALL = loops.LoopsSettings(
    num_places=3,
    num_visits=3,
    budget=Budget(num_walks=400, num_steps=14, num_updates=40, batch_size=1024, max_steps=24),
    context_lengths=(1,),
)


def test_the_ring_by_hand():
    # Places 1, 2, 0, 1, 2, 0 are gone through; the door of 0 wants one round, that of 1 none, that of 2 one.
    world = loops.ring(np.array([1, 0, 1]), 1)
    np.testing.assert_array_equal(world.looks, [1, 2, 0, 1, 2, 0, 3, 4, 5])
    # On: the next, from the last back by a round.
    np.testing.assert_array_equal(world.following[:, 0], [1, 2, 3, 4, 5, 3, 6, 7, 8])
    # Try: out by exit 4 (room 7) at once, half a ring (1 place) before from 2 and 0; in the second round all are open.
    np.testing.assert_array_equal(world.following[:, 1], [7, 0, 1, 7, 8, 6, 6, 7, 8])


@pytest.mark.parametrize("first", range(6))
def test_the_optimum_is_the_rounds_the_way_and_the_door(first):
    rounds = np.array([0, 2, 1, 1, 0, 2])
    expected = [6 * rounds[place] + (place - first) % 6 + 1 for place in range(6)]
    np.testing.assert_array_equal(loops.ring(rounds, first).shortest(), expected)


def test_the_place_alone_opens_only_the_doors_that_are_open():
    assert loops.ring(np.array([0, 2, 1, 1, 0, 2]), 3).best_by_looks() == pytest.approx(2 / 6)


def test_visits_lead_out_where_places_do_not():
    outcome = loops.measure(SMALL, seed=0, num_seeds=2)
    assert min(outcome.on.values) >= 0.95
    # One door of three needs no round.
    assert max(outcome.off.values) <= 1 / 3
    assert outcome.to_json()["best_by_looks"]["mean"] == pytest.approx(1 / 3)


def test_tags_that_cannot_count_to_two_do_not_help():
    outcome = loops.measure(dataclasses.replace(SMALL, num_visits=1), seed=0, num_seeds=1)
    assert outcome.on == outcome.off


def test_a_ring_that_is_not_shared_by_three_is_refused():
    with pytest.raises(ValueError, match="multiple of 3, not 5"):
        loops.LoopsSettings(num_places=5)
