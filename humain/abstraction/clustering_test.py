"""k-means by hand, against plain loops, and on points whose clusters are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction import clustering


def on_a_line(*places):
    return jnp.array(places, jnp.float32)[:, None]


def state_of(centroids):
    """Clusters of which nothing but the centroids is known."""
    zero = jnp.array(0)
    return clustering.KMeansState(
        centroids=centroids, counts=jnp.zeros(len(centroids), jnp.int32), inertia=zero, num_iterations=zero
    )


def blobs(num_clusters, size, seed, *, num_dimensions=5):
    """Points around centres that are far apart: each at most 0.1 a coordinate from its centre, centres 10 or more."""
    rng = np.random.default_rng(seed)
    centres = 10 * rng.permutation(num_clusters)[:, None] + rng.uniform(-0.1, 0.1, (num_clusters, num_dimensions))
    labels = rng.integers(0, num_clusters, size)
    labels[:num_clusters] = np.arange(num_clusters)
    points = centres[labels] + rng.uniform(-0.1, 0.1, (size, num_dimensions))
    return points.astype(np.float32), labels


def lloyd(points, centroids, num_iterations):
    """Plain loops in double precision; no cluster may run empty."""
    points, centroids = points.astype(np.float64), np.array(centroids, np.float64)
    for _ in range(num_iterations):
        labels = nearest(points, centroids)
        for cluster in range(len(centroids)):
            members = [point for point, label in zip(points, labels, strict=True) if label == cluster]
            assert members, "this example is no good"
            centroids[cluster] = sum(members) / len(members)
    return centroids, nearest(points, centroids)


def nearest(points, centroids):
    labels = []
    for point in points:
        distances = [float(np.sum((point - centroid) ** 2)) for centroid in centroids]
        labels.append(distances.index(min(distances)))
    return np.array(labels)


def inertia_of(points, centroids):
    """In double precision, by differences."""
    return sum(
        min(float(np.sum((point - centroid) ** 2)) for centroid in np.asarray(centroids, np.float64))
        for point in np.asarray(points, np.float64)
    )


@pytest.mark.parametrize("seed", range(5))
def test_two_groups_on_a_line(seed):
    # Around 1 and 11; in each group 1 + 0 + 1 away, squared.
    points = on_a_line(0, 10, 1, 11, 2, 12)
    state = clustering.fit(points, 2, jax.random.key(seed))
    order = np.argsort(state.centroids[:, 0])
    np.testing.assert_array_equal(np.asarray(state.centroids)[order], [[1], [11]])
    assert state.counts.tolist() == [3, 3]
    assert float(state.inertia) == 4
    np.testing.assert_array_equal(clustering.assign(state, points), np.array([order[0], order[1]] * 3))


def test_iterations_by_hand():
    # From 0 and 1: only 0 is nearer to 0. Means 0 and (1 + 4 + 7 + 8) / 4 = 5. Then 0 and 1 are nearer to 0 than to 5:
    # means 0.5 and 19 / 3, and no point changes its cluster any more.
    points = on_a_line(0, 1, 4, 7, 8)
    start = on_a_line(0, 1)
    once = clustering.improve(points, start, max_iterations=1)
    np.testing.assert_array_equal(once.centroids, [[0], [5]])
    assert once.counts.tolist() == [2, 3]
    assert float(once.inertia) == 0 + 1 + 1 + 4 + 9
    state = clustering.improve(points, start)
    np.testing.assert_allclose(state.centroids, [[0.5], [19 / 3]], rtol=1e-6)
    # 0.25 + 0.25 + (7 / 3)^2 + (2 / 3)^2 + (5 / 3)^2 = 0.5 + 78 / 9
    np.testing.assert_allclose(state.inertia, 0.5 + 78 / 9, rtol=1e-6)
    assert int(state.num_iterations) == 2


def test_without_iterations_the_start_is_the_end():
    state = clustering.improve(on_a_line(0, 1, 4), on_a_line(0, 1), max_iterations=0)
    np.testing.assert_array_equal(state.centroids, [[0], [1]])
    assert state.counts.tolist() == [1, 2]
    assert float(state.inertia) == 9
    assert int(state.num_iterations) == 0


def test_a_tolerance_ends_the_iterations_early():
    # Of the example above: 0 + 0 + 9 + 36 + 49 = 94 at the start and 15 after one iteration are 84 % less.
    points, start = on_a_line(0, 1, 4, 7, 8), on_a_line(0, 1)
    iterations = [int(clustering.improve(points, start, tolerance=share).num_iterations) for share in (0.83, 0.85)]
    assert iterations == [2, 1]


def test_of_centroids_equally_near_the_first_is_taken():
    # 1 lies between 0 and 2, 3 between 2 and 4.
    points = on_a_line(0, 1, 2, 3, 4)
    assert clustering.assign(state_of(on_a_line(0, 2, 4)), points).tolist() == [0, 0, 1, 1, 2]
    assert clustering.assign(state_of(on_a_line(4, 2, 0)), points).tolist() == [2, 1, 1, 0, 0]
    # The same place twice.
    assert clustering.assign(state_of(on_a_line(7, 2, 2)), points).tolist() == [1] * 5


def test_one_cluster_is_the_mean():
    # Around 3: 9 + 4 + 25.
    state = clustering.fit(on_a_line(0, 1, 8), 1, jax.random.key(0))
    np.testing.assert_array_equal(state.centroids, [[3]])
    assert state.counts.tolist() == [3]
    assert float(state.inertia) == 38


@pytest.mark.parametrize("size", [20, 100])
def test_as_many_clusters_as_points_are_the_points(size):
    points = jax.random.normal(jax.random.key(100), (size, 3))
    state = clustering.fit(points, size, jax.random.key(0))
    assert sorted(state.centroids.tolist()) == sorted(points.tolist())
    assert state.counts.tolist() == [1] * size
    assert float(state.inertia) == 0


def test_duplicates_share_a_cluster():
    state = clustering.fit(on_a_line(5, 5, 5, 9, 9), 2, jax.random.key(0))
    assert sorted(zip(state.centroids[:, 0].tolist(), state.counts.tolist(), strict=True)) == [(5, 3), (9, 2)]


@pytest.mark.parametrize("seed", range(5))
def test_with_more_clusters_than_distinct_points_some_stay_empty(seed):
    state = clustering.fit(on_a_line(5, 5, 5, 9, 9), 4, jax.random.key(seed))
    assert sorted(state.counts.tolist()) == [0, 0, 2, 3]
    assert set(state.centroids[:, 0].tolist()) == {5, 9}
    assert float(state.inertia) == 0
    state = clustering.fit(on_a_line(7, 7, 7), 2, jax.random.key(seed))
    np.testing.assert_array_equal(state.centroids, [[7], [7]])
    assert state.counts.tolist() == [3, 0]


def test_an_empty_cluster_moves_to_the_farthest_point():
    # All are nearest to 1, and of them 10 the farthest; without it the mean of the others is 1.5, 1.5^2 + 0.5^2 twice.
    state = clustering.improve(on_a_line(0, 1, 2, 3, 10), on_a_line(1, 100))
    np.testing.assert_array_equal(state.centroids, [[1.5], [10]])
    assert state.counts.tolist() == [4, 1]
    assert float(state.inertia) == 5


def test_empty_clusters_move_one_after_the_other():
    # The first to 9. To that 8 is near, so the second does not move to 8 but to 4, 4 away from 0 and 5 from 9.
    # Of 0, 0 and 8 the mean is 8 / 3.
    once = clustering.improve(on_a_line(0, 0, 4, 8, 9), on_a_line(0, 100, 200), max_iterations=1)
    np.testing.assert_allclose(once.centroids, np.array([[8 / 3], [9], [4]]), rtol=1e-6)


def test_a_point_that_is_alone_is_not_taken_from_its_cluster():
    # The farthest is 50, alone with the centroid 40; the empty one gets 2, the farther of the others from 0.
    once = clustering.improve(on_a_line(0, 2, 50), on_a_line(0, 40, 1000), max_iterations=1)
    np.testing.assert_array_equal(once.centroids, [[0], [50], [2]])


@pytest.mark.parametrize("seed", range(4))
def test_iterations_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(300, 4)).astype(np.float32)
    seeds = clustering.fit(jnp.asarray(points), 7, jax.random.key(seed), max_iterations=0).centroids
    assert {tuple(centroid) for centroid in seeds.tolist()} <= {tuple(point) for point in points.tolist()}
    for num_iterations in (1, 2, 5):
        state = clustering.fit(jnp.asarray(points), 7, jax.random.key(seed), max_iterations=num_iterations)
        centroids, labels = lloyd(points, seeds, num_iterations)
        assert int(state.num_iterations) == num_iterations
        np.testing.assert_allclose(state.centroids, centroids, atol=1e-5)
        np.testing.assert_array_equal(clustering.assign(state, jnp.asarray(points)), labels)
        np.testing.assert_array_equal(state.counts, np.bincount(labels, minlength=7))
        np.testing.assert_allclose(state.inertia, inertia_of(points, centroids), rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_end_each_centroid_is_the_mean_of_its_points(seed):
    points = jax.random.normal(jax.random.key(seed), (400, 3))
    state = clustering.fit(points, 9, jax.random.key(seed + 1))
    centroids, labels = lloyd(np.asarray(points), state.centroids, 1)
    np.testing.assert_allclose(state.centroids, centroids, atol=1e-5)
    np.testing.assert_array_equal(clustering.assign(state, points), labels)


def test_seeds_are_drawn_in_proportion_to_squared_distances():
    # The first of two seeds among 0, 1 and 3 is any. The second is tried twice, as log 2 adds none, and 3 is the better
    # choice next to 0 as to 1. Next to 0 a trial misses it with 1^2 : 3^2, next to 1 with 1^2 : 2^2, and both miss it
    # with the squares of 0.1 and 0.2.
    points = on_a_line(0, 1, 3)
    draw = jax.jit(jax.vmap(lambda key: clustering.fit(points, 2, key, max_iterations=0).centroids))
    drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 6000)))[..., 0]
    for first, other, share in ((0, 1, 0.1**2), (1, 0, 0.2**2)):
        those = drawn[drawn[:, 0] == first]
        assert abs(len(those) / 6000 - 1 / 3) < 0.03
        spread = np.sqrt(share * (1 - share) / len(those))
        assert abs(np.mean(those[:, 1] == other) - share) < 4 * spread


@pytest.mark.parametrize("num_clusters", [2, 20, 80])
def test_seeds_lie_in_distinct_clusters_where_these_are_far_apart(num_clusters):
    # Where every cluster but one has a seed, a point of that one is drawn with more than 0.99 of all chances.
    points, labels = blobs(num_clusters, 1000, 0)
    seeds = clustering.fit(jnp.asarray(points), num_clusters, jax.random.key(0), max_iterations=0).centroids
    places = {tuple(point): label for point, label in zip(points.tolist(), labels.tolist(), strict=True)}
    assert {places[tuple(seed)] for seed in seeds.tolist()} == set(range(num_clusters))


@pytest.mark.parametrize("sample_size", [40, 100, 999])
def test_known_clusters_are_found_from_a_sample(sample_size):
    points, labels = blobs(10, 1000, 0)
    # In order, so that the first points would be no sample.
    points, labels = points[np.argsort(labels)], np.sort(labels)
    state = clustering.fit(jnp.asarray(points), 10, jax.random.key(3), sample_size=sample_size)
    found = np.asarray(clustering.assign(state, jnp.asarray(points)))
    # One label for each blob and one blob for each label.
    assert len(set(zip(found.tolist(), labels.tolist(), strict=True))) == 10
    np.testing.assert_array_equal(state.counts, np.bincount(found, minlength=10))
    for cluster in range(10):
        np.testing.assert_allclose(state.centroids[cluster], points[found == cluster].mean(0), atol=1e-4)
    np.testing.assert_allclose(state.inertia, inertia_of(points, state.centroids), rtol=1e-4)


def test_points_outside_the_sample_do_not_move_centroids():
    # Each of the sample's ten points is a seed, and after the one iteration on them still a point.
    points = jax.random.normal(jax.random.key(0), (20, 2))
    state = clustering.fit(points, 10, jax.random.key(1), sample_size=10, max_iterations=0)
    assert int(state.num_iterations) == 1
    assert int(state.counts.sum()) == 20
    assert {tuple(centroid) for centroid in state.centroids.tolist()} <= {tuple(point) for point in points.tolist()}


def test_clusters_of_a_sample_are_nearly_as_good_as_of_all():
    points = jax.random.normal(jax.random.key(0), (3000, 8))
    of_all = clustering.fit(points, 20, jax.random.key(1))
    of_sample = clustering.fit(points, 20, jax.random.key(1), sample_size=300, tolerance=0.0)
    assert float(of_sample.inertia) < 1.02 * float(of_all.inertia)
    # The sample doubles: 300, 600, 1200, 2400, 3000. With four iterations it is all points, and then none is left.
    short = clustering.fit(points, 20, jax.random.key(1), sample_size=300, max_iterations=0)
    assert int(short.num_iterations) == 4
    assert int(short.counts.sum()) == 3000
    np.testing.assert_allclose(short.inertia, inertia_of(points, short.centroids), rtol=1e-4)


@pytest.mark.parametrize(
    ("num_points", "num_clusters", "expected"),
    [
        # All points, and then no tolerance.
        (16_384, 1, (16_384, 0.0)),
        (16_385, 1, (16_384, 0.005)),
        (20_000, 1024, (16_384, 0.005)),
        (20_000, 1025, (16_400, 0.005)),
        (20_000, 1250, (20_000, 0.0)),
    ],
)
def test_the_sample_has_16_points_a_cluster_and_16384_at_least(monkeypatch, num_points, num_clusters, expected):
    asked = []

    def fit(points, key, max_iterations, tolerance, *, num_clusters, sample_size):
        asked.append((sample_size, tolerance))

    monkeypatch.setattr(clustering, "_fit", fit)
    clustering.fit(jnp.zeros((num_points, 1)), num_clusters, jax.random.key(0))
    assert asked == [expected]


def test_by_default_a_hundred_iterations_are_made_without_tolerance():
    assert clustering.fit.__kwdefaults__ == {"max_iterations": 100, "tolerance": None, "sample_size": None}
    assert clustering.improve.__kwdefaults__ == {"max_iterations": 100, "tolerance": 0.0}


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 2500])
def test_points_are_assigned_in_chunks_as_all_at_once(size):
    rng = np.random.default_rng(size)
    points, centroids = rng.normal(size=(size, 6)), rng.normal(size=(11, 6))
    expected = np.argmin(np.sum((points[:, None] - centroids[None]) ** 2, axis=2), axis=1)
    labels = clustering.assign(state_of(jnp.asarray(centroids, jnp.float32)), jnp.asarray(points, jnp.float32))
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == jnp.int32


def test_a_place_far_from_0_does_not_blur_distances():
    # In float32, squares of 10,000 are told apart only to within 8.
    points = on_a_line(0, 1, 3, 4) + 10_000
    state = clustering.fit(points, 2, jax.random.key(0))
    assert sorted(state.centroids[:, 0].tolist()) == [10_000.5, 10_003.5]
    assert float(state.inertia) == 1


def test_the_most_central_points_by_hand():
    # Of 0, 1, 2 the point 1 is nearest to 0.75; 9 and 11 are equally near to 10; nothing is near to 50 or to the second
    # 10.
    numbers, present = clustering.most_central(state_of(on_a_line(0.75, 10, 50, 10)), on_a_line(9, 2, 1, 0, 11))
    assert numbers.tolist() == [2, 0, 0, 0]
    assert present.tolist() == [True, True, False, False]


def test_sums_by_products_are_sums():
    # 2500 points are three chunks, the last of which overlaps; whole numbers add up exactly.
    rng = np.random.default_rng(0)
    points, labels = rng.integers(-9, 9, (2500, 3)), rng.integers(0, 5, 2500)  # a label of 4 is one of none
    expected = [points[labels == label].sum(0) for label in range(4)]
    arguments = jnp.asarray(points, jnp.float32), jnp.asarray(labels, jnp.int32), 4
    np.testing.assert_array_equal(clustering._sums_by_products(*arguments), expected)
    np.testing.assert_array_equal(clustering._cluster_sums(*arguments), expected)


@pytest.mark.parametrize("sample_size", [None, 100])
def test_the_key_decides(sample_size):
    points = jax.random.normal(jax.random.key(0), (500, 3))

    def fitted(seed):
        return clustering.fit(points, 12, jax.random.key(seed), sample_size=sample_size)

    first, again, other = fitted(0), fitted(0), fitted(1)
    for name in ("centroids", "counts", "inertia", "num_iterations"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.centroids, other.centroids)


def test_inside_jit_and_vmap_it_is_the_same():
    points = jax.random.normal(jax.random.key(0), (3, 60, 2))
    keys = jax.random.split(jax.random.key(1), 3)
    together = jax.jit(jax.vmap(lambda one, key: clustering.fit(one, 4, key)))(points, keys)
    for at in range(3):
        alone = clustering.fit(points[at], 4, jax.random.split(jax.random.key(1), 3)[at])
        np.testing.assert_allclose(together.centroids[at], alone.centroids, atol=1e-6)
        np.testing.assert_array_equal(together.counts[at], alone.counts)
        assert int(together.num_iterations[at]) == int(alone.num_iterations)


def test_results_are_float32_and_int32():
    state = clustering.fit(jnp.arange(6, dtype=jnp.float16)[:, None], 2, jax.random.key(0))
    assert [state.centroids.dtype, state.inertia.dtype] == [jnp.float32] * 2
    assert [state.counts.dtype, state.num_iterations.dtype] == [jnp.int32] * 2


def test_other_points_of_the_same_shape_do_not_recompile():
    traced = []

    @jax.jit
    def traced_fit(points, key):
        traced.append(points.shape)
        state = clustering.fit(points, 3, key)
        return state, clustering.assign(state, points)

    for seed in range(3):
        point_key, fit_key = jax.random.split(jax.random.key(seed))
        traced_fit(jax.random.normal(point_key, (50, 2)), fit_key)
    assert traced == [(50, 2)]


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        (jnp.zeros(3), {}, r"floats \[N, D\], at least one, not float32\[3\]"),
        (jnp.zeros((3, 2), jnp.int32), {}, r"not int32\[3, 2\]"),
        (jnp.zeros((0, 2)), {}, r"not float32\[0, 2\]"),
        (jnp.zeros((3, 2)), {"num_clusters": 4}, "between 1 and the number of points, 3, not 4"),
        (jnp.zeros((3, 2)), {"num_clusters": 0}, "not 0"),
        (jnp.zeros((3, 2)), {"sample_size": 1}, "at least the number of clusters, 2, not 1"),
        (jnp.zeros((3, 2)), {"max_iterations": -1}, "not -1 and 0.0"),
        (jnp.zeros((3, 2)), {"tolerance": float("nan")}, "not 100 and nan"),
    ],
)
def test_what_does_not_fit_is_refused(points, settings, message):
    with pytest.raises(ValueError, match=message):
        clustering.fit(points, settings.pop("num_clusters", 2), jax.random.key(0), **settings)


@pytest.mark.parametrize("centroids", [jnp.zeros(2), jnp.zeros((2, 3)), jnp.zeros((0, 2))])
def test_centroids_are_as_wide_as_points(centroids):
    with pytest.raises(ValueError, match=r"centroids must be \[K, 2\]"):
        clustering.improve(jnp.zeros((3, 2)), centroids)
