"""`entropy` against counts and maxima worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.entropy import Entropy, count_visits
from humain.abstraction.pivots import pivot_mask
from humain.types import Trajectories


def pivots_of(counts):
    """The pivots of a path whose i-th state is state i, visited `counts[i]` times."""
    path = jnp.arange(len(counts), dtype=jnp.int32)
    return pivot_mask(Entropy(jnp.array(counts)), path, jnp.ones(len(counts), bool)).tolist()


def test_visits_are_counted_over_all_paths_without_padding():
    states = jnp.array([[0, 1, 2, 1], [1, 3, 3, 3], [2, 2, 2, 2]])
    abstraction = count_visits(Trajectories(states=states, lengths=jnp.array([4, 2, 0])), 5)
    # 0: once in the first; 1: twice in the first, once in the second; 2 once; 3 once, its repeats are padding; 4 never.
    np.testing.assert_array_equal(abstraction.counts, [1, 3, 1, 1, 0])


def test_a_crossroads_is_a_pivot():
    assert pivots_of([1, 2, 1]) == [False, True, False]
    assert pivots_of([1, 3, 2, 5, 4]) == [False, True, False, True, False]


def test_of_equal_counts_the_last_is_the_pivot():
    assert pivots_of([1, 4, 4, 4, 1]) == [False, False, False, True, False]
    # A shoulder is no maximum.
    assert pivots_of([1, 2, 2, 3, 1]) == [False, False, False, True, False]
    assert pivots_of([2, 2, 2]) == [False, False, True]


def test_an_end_is_a_pivot_when_it_beats_its_one_neighbour():
    assert pivots_of([5, 1, 5]) == [True, False, True]
    assert pivots_of([1, 5, 1]) == [False, True, False]


def test_a_crossroads_where_the_agent_stays_is_a_pivot_each_time():
    abstraction = Entropy(jnp.array([1, 5]))
    assert pivot_mask(abstraction, jnp.array([0, 1, 1, 0]), jnp.ones(4, bool)).tolist() == [False, True, True, False]


def test_a_path_of_one_state_is_its_own_pivot():
    assert pivots_of([3]) == [True]


def test_states_and_goals_pass_unchanged():
    abstraction = Entropy(jnp.ones(5, jnp.int32))
    np.testing.assert_array_equal(abstraction.lift(jnp.array([3])), [3])
    np.testing.assert_array_equal(abstraction.specify(jnp.array([3]), jnp.array([4])), [3])


@pytest.mark.parametrize("states", [jnp.zeros((2, 3)), jnp.zeros((2, 3, 1), jnp.int32)], ids=["floats", "vectors"])
def test_only_ids_can_be_counted(states):
    with pytest.raises(ValueError, match="can be counted for ids"):
        count_visits(Trajectories(states=states, lengths=jnp.array([3, 3])), 5)
