"""Places by hand: which one a vector lies in, where a path enters one, and how many are needed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction import clustering, nearest_centroid
from humain.abstraction.nearest_centroid import NearestCentroid, find_places, grid_places, random_places
from humain.abstraction.pivots import pivot_mask

# Three places in a row, 4 apart; their borders are at x = 2 and x = 6.
ROW = NearestCentroid(jnp.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]]))


def test_a_vector_lies_in_the_place_whose_centroid_is_nearest():
    states = jnp.array([[1.9, 5.0], [2.1, -5.0], [100.0, 0.0], [6.0, 0.0]])
    lifted = ROW.lift(states)
    # The last one is as near to 1 as to 2, of which the first counts.
    np.testing.assert_array_equal(lifted, [0, 1, 2, 1])
    assert lifted.dtype == jnp.int32
    assert ROW.num_places == 3
    assert ROW.lift(states[0]).shape == ()
    assert ROW.lift(jnp.zeros((0, 2))).shape == (0,)


def test_pivots_are_where_a_path_enters_another_place():
    path = jnp.array([[0.0, 0], [1.0, 0], [3.0, 0], [5.0, 0], [1.0, 0], [7.0, 0]])
    # Places 0 0 1 1 0 2.
    np.testing.assert_array_equal(pivot_mask(ROW, path, jnp.ones(6, bool)), [True, False, True, False, True, True])


def test_a_place_comes_down_as_its_centroid_to_who_is_elsewhere():
    specified = ROW.specify(jnp.array([1, 1]), jnp.array([[0.5, 0.0], [3.0, 1.0]]))
    np.testing.assert_array_equal(specified, [[4.0, 0.0], [3.0, 1.0]])


def test_many_states_lift_as_each_alone_under_vmap_too():
    rng = np.random.default_rng(0)
    places = NearestCentroid(jnp.asarray(rng.normal(size=(7, 3)), jnp.float32))
    states = jnp.asarray(rng.normal(size=(5, 600, 3)), jnp.float32)
    distances = np.sum(np.square(np.asarray(states)[:, :, None] - np.asarray(places.centroids)), axis=-1)
    expected = np.argmin(distances, axis=-1)
    np.testing.assert_array_equal(places.lift(states), expected)
    np.testing.assert_array_equal(jax.vmap(places.lift)(states), expected)
    # Each with centroids of its own, and one state for all of them.
    several = NearestCentroid(jnp.stack([places.centroids, -places.centroids]))
    lift = jax.vmap(NearestCentroid.lift, in_axes=(0, None))
    np.testing.assert_array_equal(lift(several, states[0]), [expected[0], places.lift(-states[0])])


def test_side_by_side_distances_are_never_all_held_at_once():
    # 64 paths of 1,024 states and 4,096 places: 1 GB, of which vmap alone would hold all at once.
    places = NearestCentroid(jnp.zeros((4096, 2)))
    used: Any = jax.jit(jax.vmap(places.lift)).lower(jnp.zeros((64, 1024, 2))).compile().memory_analysis()
    assert used.temp_size_in_bytes < 64e6


def test_where_there_are_many_places_fewer_states_are_held_at_once():
    places = NearestCentroid(jnp.zeros((100_000, 2)))
    used: Any = jax.jit(places.lift).lower(jnp.zeros((2048, 2))).compile().memory_analysis()
    # At 1,024 states at a time it would be 400 MB an array.
    assert used.temp_size_in_bytes < 300e6


def _spots(num_spots, spread):
    """Each 25 states in a square of so many units, 10 apart."""
    offsets = np.stack(np.meshgrid(*[np.linspace(-spread, spread, 5)] * 2), axis=-1).reshape(-1, 2)
    return jnp.asarray(np.concatenate([offsets + [10 * number, 0] for number in range(num_spots)]), jnp.float32)


def test_there_are_as_few_places_as_lie_within_the_radius():
    # On each axis -1, -0.5, 0, 0.5, 1 have a mean square of 0.5: together 1, so a radius of 1 is just met by 4 places.
    # With one less, two of four squares share one: half of all states are about 5 off, a root mean square of 3.7.
    states = _spots(4, 1.0)
    for radius in (1.001, 3.5):
        places = find_places(states, radius=radius, key=jax.random.key(0))
        assert places.num_places == 4, radius
    np.testing.assert_allclose(np.sort(places.centroids[:, 0]), [0, 10, 20, 30], atol=1e-5)
    # All in one lie 10 * sqrt(1.25) off, and 1 more: 11.22.
    assert find_places(states, radius=11.3, key=jax.random.key(0)).num_places == 1


def test_a_radius_smaller_than_any_distance_makes_every_state_a_place():
    places = find_places(_spots(1, 1.0)[:9], radius=1e-6, key=jax.random.key(0))
    assert places.num_places == 9


def test_many_states_are_within_the_radius_all_of_them(monkeypatch):
    monkeypatch.setattr(nearest_centroid, "_SAMPLE_SIZE", 300)
    states = jnp.asarray(np.random.default_rng(1).uniform(0, 10, (3000, 2)), jnp.float32)
    places = find_places(states, radius=1.0, key=jax.random.key(0))
    distances = np.asarray(states - places.centroids[places.lift(states)])
    assert np.sqrt(np.mean(np.sum(np.square(distances), axis=-1))) <= 1.0
    # A square of side s has its states sqrt(s * s / 6) off its centre: 100 / 6 = 16.7 would do, and hexagons less.
    assert 14 <= places.num_places <= 22
    again = find_places(states, radius=1.0, key=jax.random.key(0))
    np.testing.assert_array_equal(places.centroids, again.centroids)


def test_places_on_a_grid_are_the_cells_that_hold_a_state():
    # In the plane a radius of 1 makes sides of sqrt(6) = 2.449.
    places = grid_places(jnp.array([[0.1, 0.1], [2.4, 2.4], [2.5, 0.0], [-0.1, 0.0]]), radius=1.0)
    half = np.sqrt(6) / 2
    np.testing.assert_allclose(places.centroids, [[-half, half], [half, half], [3 * half, half]], rtol=1e-6)


def test_places_at_random_are_different_states():
    states = jnp.arange(20.0).reshape(10, 2)
    places = random_places(states, num_places=10, key=jax.random.key(0))
    np.testing.assert_array_equal(np.sort(places.centroids, axis=0), states)


def test_assign_and_nearest_are_one(monkeypatch):
    states = jnp.asarray(np.random.default_rng(2).normal(size=(50, 2)), jnp.float32)
    clusters = clustering.fit(states, 4, jax.random.key(0))
    np.testing.assert_array_equal(clustering.nearest(clusters.centroids, states), clustering.assign(clusters, states))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ROW.lift(jnp.zeros((3, 3))), r"vectors of 2 numbers, and the states are float32\[3, 3\]"),
        (lambda: ROW.lift(jnp.int32(3)), r"vectors of 2 numbers, and the states are int32\[\]"),
        (lambda: find_places(jnp.zeros((3, 2)), radius=0.0, key=jax.random.key(0)), "more than 0 and finite, not 0.0"),
        (lambda: find_places(jnp.zeros(3), radius=1.0, key=jax.random.key(0)), r"floats \[N, D\], at least one, not"),
        (lambda: grid_places(jnp.full((1, 2), jnp.nan), radius=1.0), "must be finite"),
        (
            lambda: random_places(jnp.zeros((3, 2)), num_places=4, key=jax.random.key(0)),
            "between 1 and the number of states, 3, not 4",
        ),
    ],
)
def test_what_makes_no_places_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
