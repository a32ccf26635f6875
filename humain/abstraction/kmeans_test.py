"""`kmeans` on a line whose clusters are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.kmeans import around, cluster_states
from humain.abstraction.pivots import pivot_mask, reverse_mask
from humain.cortex import hindsight
from humain.types import Trajectories

# Around 2, to which 1 is nearest, and around 23, to which 22 is.
_STATES = (0, 1, 5, 20, 22, 27)


def on_a_line(*places):
    return jnp.array(places, jnp.float32)[:, None]


@pytest.fixture(scope="module")
def two_groups():
    return cluster_states(on_a_line(*_STATES), 2, jax.random.key(0))


def test_a_token_is_the_number_of_the_cluster(two_groups):
    low, high = np.argsort(two_groups.clusters.centroids[:, 0])
    states = on_a_line(0, 5, 20, 27, 12, 13).reshape(2, 3, 1)
    tokens = two_groups.tokens(states)
    # Halfway between 2 and 23 lies 12.5.
    np.testing.assert_array_equal(tokens, [[low, low, high], [high, low, high]])
    assert tokens.dtype == jnp.int32
    assert two_groups.tokens(jnp.array([5.0])) == low


def test_a_state_lifts_to_the_centroid(two_groups):
    np.testing.assert_array_equal(two_groups.lift(on_a_line(*_STATES)), on_a_line(2, 2, 2, 23, 23, 23))


def test_pivots_are_where_the_cluster_changes(two_groups):
    path = on_a_line(1, 1, 5, 27, 27, 20, 0, 20, 22)
    pivots = pivot_mask(two_groups, path, jnp.ones(9, bool))
    assert jnp.flatnonzero(pivots).tolist() == [0, 3, 6, 7]
    # Without the state that went back, the path stays where it was.
    assert jnp.flatnonzero(pivot_mask(two_groups, path, jnp.arange(9) != 6)).tolist() == [0, 3]
    # Where a path begins does not matter.
    assert jnp.flatnonzero(pivot_mask(two_groups, path, jnp.arange(9) > 3)).tolist() == [4, 6, 7]


def test_a_pivot_stands_for_the_way_into_its_cluster(two_groups):
    path = on_a_line(1, 5, 27, 20, 0, 1)
    owners = reverse_mask(pivot_mask(two_groups, path, jnp.ones(6, bool)), jnp.ones(6, bool))
    expected = np.zeros((6, 6), bool)
    expected[0, 0] = True
    expected[2, [1, 2]] = True
    expected[4, [3, 4]] = True  # the last state has not left yet
    np.testing.assert_array_equal(owners, expected)


def test_the_layer_above_learns_to_ask_for_another_cluster(two_groups):
    states = on_a_line(1, 5, 27, 20, 0, 1)[None]
    experience = hindsight.gather(Trajectories(states=states, lengths=jnp.array([6])), (two_groups, two_groups))
    times = jnp.arange(4)
    targets = experience.paths[1].following(jnp.zeros(4, jnp.int32), times)
    np.testing.assert_array_equal(experience.states[1][0, times], on_a_line(2, 2, 23, 23))
    np.testing.assert_array_equal(experience.states[1][0, targets], on_a_line(23, 23, 2, 2))


def test_a_sub_goal_comes_down_as_a_known_state(two_groups):
    states = on_a_line(5, 20, 0, 22)
    # To the high group from outside and from within, and to the low one from within and from outside.
    specified = two_groups.specify(on_a_line(23, 23, 2, 2), states)
    np.testing.assert_array_equal(specified, on_a_line(22, 20, 0, 1))
    # A goal that is not quite a centroid means the nearest one.
    np.testing.assert_array_equal(two_groups.specify(on_a_line(24.5), on_a_line(5)), on_a_line(22))
    np.testing.assert_array_equal(two_groups.specify(jnp.array([2.0]), jnp.array([27.0])), [1])


def test_a_cluster_without_states_is_represented_by_its_centroid():
    abstraction = cluster_states(on_a_line(7, 7, 7), 2, jax.random.key(0))
    assert abstraction.clusters.counts.tolist() == [3, 0]
    np.testing.assert_array_equal(abstraction.representatives, on_a_line(7, 7))


def test_representatives_are_states_of_their_clusters():
    states = jax.random.normal(jax.random.key(0), (200, 3))
    abstraction = cluster_states(states, 15, jax.random.key(1))
    tokens = np.asarray(abstraction.tokens(states))
    np.testing.assert_array_equal(abstraction.tokens(abstraction.representatives), np.arange(15))
    for token, representative in enumerate(np.asarray(abstraction.representatives)):
        members = np.asarray(states)[tokens == token]
        distances = np.linalg.norm(members - np.asarray(abstraction.clusters.centroids)[token], axis=1)
        np.testing.assert_array_equal(representative, members[np.argmin(distances)])


def test_the_key_decides():
    states = jax.random.normal(jax.random.key(0), (100, 3))
    first, again, other = (cluster_states(states, 9, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.representatives, again.representatives)
    assert not np.array_equal(first.representatives, other.representatives)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (jnp.array([[0.0], [jnp.nan]]), "must be finite"),
        (jnp.array([[0.0], [jnp.inf]]), "must be finite"),
        (jnp.array([[0], [1]]), r"floats \[N, D\]"),
        (jnp.array([0.0, 1.0]), r"floats \[N, D\]"),
        (jnp.array([[0.0]]), "the number of points, 1, not 2"),
    ],
)
def test_states_that_cannot_be_clustered_are_refused(states, message):
    with pytest.raises(ValueError, match=message):
        cluster_states(states, 2, jax.random.key(0))


def test_by_default_a_hundred_iterations_are_made():
    assert cluster_states.__kwdefaults__ == {"max_iterations": 100, "tolerance": None}


def test_centroids_that_were_found_before_stay_where_they_are():
    abstraction = around(on_a_line(2.5, 20), on_a_line(*_STATES))
    np.testing.assert_array_equal(abstraction.clusters.centroids, on_a_line(2.5, 20))
    # Nearest to 2.5 is 1, and not 5; 20 is a state.
    np.testing.assert_array_equal(abstraction.representatives, on_a_line(1, 20))
    assert abstraction.clusters.counts.tolist() == [3, 3]
