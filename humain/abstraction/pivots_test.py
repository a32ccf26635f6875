"""Masks and path indices by hand and against plain loops."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.pivots import Strided, arrivals_above, pivot_mask, reverse_mask, tabled, with_end
from humain.abstraction.skip import Skip
from humain.types import Array


@dataclasses.dataclass(frozen=True)
class Witness:
    """Notes what it is asked."""

    asked: dict

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        self.asked.update(previous=previous, state=state, following=following, position=position)
        return state > 0

    def lift(self, state: Array) -> Array:
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        del state
        return goal


def test_neighbours_and_positions_are_those_on_the_path():
    witness = Witness({})
    path = jnp.array([False, True, False, True, True, False])
    pivots = pivot_mask(witness, jnp.array([9, 1, 9, 0, 3, 9]), path)
    # The path is 1, 0, 3, at times 1, 3, 4; each end stands in for the neighbour that it lacks.
    asked = {name: np.asarray(value)[np.asarray(path)].tolist() for name, value in witness.asked.items()}
    assert asked == {"previous": [1, 1, 0], "state": [1, 0, 3], "following": [0, 3, 3], "position": [0, 1, 2]}
    assert pivots.tolist() == [False, True, False, False, True, False]


def test_pivots_of_pivots_thin_out():
    states = jnp.zeros(9, jnp.int32)
    path = jnp.arange(9) < 8
    first = pivot_mask(Skip(2), states, path)
    second = pivot_mask(Skip(2), states, first)
    assert jnp.flatnonzero(first).tolist() == [0, 2, 4, 6]
    assert jnp.flatnonzero(second).tolist() == [0, 4]


def test_an_empty_path_has_no_pivots():
    assert not pivot_mask(Skip(2), jnp.zeros(4, jnp.int32), jnp.zeros(4, bool)).any()


def test_the_reverse_mask_gives_each_pivot_what_leads_up_to_it():
    path = jnp.array([True, True, True, False, True, True])
    pivots = jnp.array([True, False, True, False, False, False])
    expected = np.zeros((6, 6), bool)
    expected[0, 0] = True  # the first pivot stands for itself
    expected[2, [1, 2]] = True  # the second for time 1 and itself; times 4 and 5 have no pivot left
    np.testing.assert_array_equal(reverse_mask(pivots, path), expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_reverse_mask_is_that_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    path = rng.random(12) < 0.7
    pivots = path & (rng.random(12) < 0.4)
    expected = np.zeros((12, 12), bool)
    for time in np.flatnonzero(path):
        for pivot in np.flatnonzero(pivots):
            if pivot >= time:
                expected[pivot, time] = True
                break
    np.testing.assert_array_equal(reverse_mask(jnp.array(pivots), jnp.array(path)), expected)
    assert expected.sum(0).max() <= 1


def test_a_path_ends_with_a_pivot():
    path = jnp.array([True, True, True, False, True, False])
    assert with_end(jnp.arange(6) == 1, path).tolist() == [False, True, False, False, True, False]
    # One that is there already, and a path without states.
    assert jnp.flatnonzero(with_end(jnp.arange(6) == 4, path)).tolist() == [4]
    assert not with_end(jnp.zeros(6, bool), jnp.zeros(6, bool)).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_tabled_path_goes_on_as_a_plain_loop_says(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((3, 10)) < 0.4
    index = tabled(jnp.array(masks), jnp.zeros(masks.shape, jnp.int32))
    for walk in range(3):
        for time in range(10):
            later = [other for other in range(time + 1, 10) if masks[walk, other]]
            earlier = [other for other in range(time) if masks[walk, other]]
            arguments = jnp.array([walk]), jnp.array([time])
            following, preceding = index.following(*arguments)[0], index.preceding(*arguments)[0]
            assert following == later[0] if later else following >= 10
            assert preceding == earlier[-1] if earlier else preceding < 0


def test_before_the_start_nothing_precedes():
    index = tabled(jnp.array([[True, True]]), jnp.zeros((1, 2), jnp.int32))
    assert (index.preceding(jnp.array([0, 0]), jnp.array([-1, 0])) < 0).all()
    assert (Strided(3).preceding(jnp.array([0, 0]), jnp.array([-1, 0])) < 0).all()


def test_a_strided_path_by_hand():
    walks = jnp.zeros(6, jnp.int32)
    times = jnp.array([0, 1, 2, 3, 4, 7])
    # From any time the path goes on a stride later; behind lie 0, 3, 6 ...
    assert Strided(3).following(walks, times).tolist() == [3, 4, 5, 6, 7, 10]
    assert Strided(3).preceding(walks, times).tolist() == [-3, 0, 0, 0, 3, 6]


def test_what_precedes_is_the_same_strided_and_tabled():
    path = jnp.arange(13)[None] % 3 == 0
    walks, times = jnp.zeros(13, jnp.int32), jnp.arange(13)
    strided, from_table = Strided(3).preceding(walks, times), tabled(path, path * 1).preceding(walks, times)
    np.testing.assert_array_equal(jnp.maximum(strided, -1), from_table)


def test_a_pivot_comes_up_with_the_next_state_of_its_path():
    # The path's states 0, 2, 3 come at times 1, 4, 5; each goes up when the next one comes, the last one never.
    path = jnp.array([True, False, True, True, False])
    arrivals = arrivals_above(jnp.array([1, 9, 4, 5, 9]), path)
    assert arrivals[path].tolist() == [4, 5, 5]


def test_what_has_been_passed_by_hand():
    # States 0, 2, 3 come at times 1, 4, 9 (beyond the end).
    masks, arrivals = jnp.array([[True, False, True, True, False, False]]), jnp.array([[1, 0, 4, 9, 0, 0]])
    index = tabled(masks, arrivals)
    assert index.newest_passed(jnp.zeros(6, jnp.int32), jnp.arange(6)).tolist() == [-1, 0, 0, 0, 2, 2]


def test_what_has_been_passed_along_a_stride():
    # Multiples of 4 come 3 steps late.
    passed = Strided(4, delay=3).newest_passed(jnp.zeros(12, jnp.int32), jnp.arange(12))
    assert jnp.maximum(passed, -1).tolist() == [-1, -1, -1, 0, 0, 0, 0, 4, 4, 4, 4, 8]
