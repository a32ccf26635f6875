"""k-means on the device: points in groups around the means of the groups.

Seeds are drawn by k-means++ (David Arthur and Sergei Vassilvitskii, "k-means++: The Advantages of Careful Seeding",
2007), several candidates at a time of which the best is kept, as they propose at the end; where there are many clusters
more are drawn at a time and the best ones kept, each the best beside those before. Then come Lloyd's iterations
(Stuart P. Lloyd, "Least Squares Quantization in PCM", 1982). Where there are many points, seeds come from a random
sample, and each iteration doubles it until it is all points (James Newling and François Fleuret, "Nested Mini-Batch
K-Means", 2016; here without bounds on distances, and without waiting for the centroids to settle in between: seeds from
a larger sample bring more than iterations on a smaller one). An empty cluster moves to the point that is farthest from
all centroids.

Which centroid is nearest is told by `|c|^2 - 2 x c`, relative to the mean of the centroids, and of those that are equal
in float32 it is the first. How far it is comes from the difference, so that it is 0 for a point on its centroid.
"""

import math
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array

_CHUNK_SIZE = 1024
"""Points whose distances to all centroids are held at once: few enough for a processor's cache."""

_MOST_DISTANCES = 2**24
"""And distances that are held at once, where there are many centroids: 64 MB."""

_SAMPLE_PER_CLUSTER = 16
_SMALLEST_SAMPLE = 16384
_SAMPLED_TOLERANCE = 5e-3

_MANY_CLUSTERS = 64
_SEEDS_AT_ONCE = (8, 64)
"""Where there are many clusters: how many seeds are kept of how many that are drawn together."""

_Nearest: TypeAlias = tuple[Array, Array]
"""The number of each point's nearest centroid, int32 `[N]`, and the squared distance to it, `[N]`."""


@struct.dataclass
class KMeansState:
    """Clusters.

    Attributes:
        centroids: `[K, D]` float32.
        counts: `[K]` int32, how many points are nearest to each. It is 0 only where there are fewer distinct points
            than clusters, or where the last iteration took the last point from a cluster.
        inertia: `[]`, sum over the points of the squared distance to the nearest centroid.
        num_iterations: `[]` int32, how often all centroids moved to their means.
    """

    centroids: Array
    counts: Array
    inertia: Array
    num_iterations: Array


@struct.dataclass
class _Progress:
    """Between two iterations.

    Attributes:
        centroids: `[K, D]`.
        labels: `[N]` int32, the nearest centroid of each point of the sample.
        distances: `[N]`, squared, to it.
        size: `[]` int32, points in the sample, which are the first ones; 0 before anything was assigned.
        inertia: `[]`, of the sample.
        iterations_on_all: `[]` int32.
        num_iterations: `[]` int32.
        settled: `[]` bool, whether the last iteration changed nothing, or too little.
    """

    centroids: Array
    labels: Array
    distances: Array
    size: Array
    inertia: Array
    iterations_on_all: Array
    num_iterations: Array
    settled: Array


def fit(
    points: Array,
    num_clusters: int,
    key: jax.Array,
    *,
    max_iterations: int = 100,
    tolerance: float | None = None,
    sample_size: int | None = None,
) -> KMeansState:
    """Clusters of points.

    Args:
        points: `[N, D]`, finite.
        num_clusters: K, from 1 to N.
        key: consumed; the same key gives the same clusters.
        max_iterations: on all points, 0 or more.
        tolerance: of `improve`. By default 0 where all points are in the sample, else 0.005.
        sample_size: points that seeds are drawn from, K or more. By default 16 for each cluster, at least 16384.

    Raises:
        ValueError: if the points are not a matrix of floats, or a number does not fit.
    """
    num_points = _check_points(points)
    if not 1 <= num_clusters <= num_points:
        raise ValueError(f"num_clusters must lie between 1 and the number of points, {num_points}, not {num_clusters}")
    if sample_size is None:
        sample_size = max(_SAMPLE_PER_CLUSTER * num_clusters, _SMALLEST_SAMPLE)
    if sample_size < num_clusters:
        raise ValueError(f"sample_size must be at least the number of clusters, {num_clusters}, not {sample_size}")
    sample_size = min(sample_size, num_points)
    if tolerance is None:
        tolerance = 0.0 if sample_size == num_points else _SAMPLED_TOLERANCE
    _check_numbers(max_iterations, tolerance)
    return _fit(points, key, max_iterations, tolerance, num_clusters=num_clusters, sample_size=sample_size)


def improve(points: Array, centroids: Array, *, max_iterations: int = 100, tolerance: float = 0.0) -> KMeansState:
    """Lloyd's iterations on all points.

    Args:
        points: `[N, D]`, finite.
        centroids: `[K, D]`, to start from.
        max_iterations: 0 or more.
        tolerance: the iterations end when one lowers the inertia by less than this share, or when no point changes its
            cluster.

    Raises:
        ValueError: if points or centroids are no such matrix, or a number does not fit.
    """
    num_points = _check_points(points)
    _check_numbers(max_iterations, tolerance)
    if centroids.ndim != 2 or 0 in centroids.shape or centroids.shape[1] != points.shape[1]:
        raise ValueError(f"centroids must be [K, {points.shape[1]}] as the points are, not {list(centroids.shape)}")
    return _improve(points, centroids, max_iterations, tolerance, sample_size=num_points)


def assign(state: KMeansState, points: Array) -> Array:
    """The number of the nearest centroid, int32 `[N]`, for points `[N, D]`."""
    return nearest(state.centroids, points)


@jax.jit
def nearest(centroids: Array, points: Array) -> Array:
    """The number of the nearest of the centroids `[K, D]`, int32 `[N]`, for points `[N, D]`."""
    if points.shape[0] == 0:
        return jnp.zeros(0, jnp.int32)
    labels, _ = _assign_first(points.astype(jnp.float32), centroids, jnp.array(points.shape[0]))
    return labels


@jax.jit
def most_central(state: KMeansState, points: Array) -> tuple[Array, Array]:
    """For each cluster the point of it that is nearest to the centroid.

    Args:
        state: from `fit`.
        points: `[N, D]`.

    Returns:
        `[K]` int32, numbers of points, the first of those equally near; and `[K]` bool, False where a cluster has none
        of the points and the number means nothing.
    """
    num_clusters, num_points = state.centroids.shape[0], points.shape[0]
    labels, distances = _assign_first(points.astype(jnp.float32), state.centroids, jnp.array(num_points))
    nearest = jax.ops.segment_min(distances, labels, num_clusters)
    candidates = jnp.where(distances == nearest[labels], jnp.arange(num_points), num_points)
    numbers = jax.ops.segment_min(candidates, labels, num_clusters)
    present = numbers < num_points
    return jnp.where(present, numbers, 0), present


def _check_points(points: Array) -> int:
    """How many points there are."""
    if points.ndim != 2 or 0 in points.shape or not jnp.issubdtype(points.dtype, jnp.floating):
        raise ValueError(f"points must be floats [N, D], at least one, not {points.dtype}{list(points.shape)}")
    return points.shape[0]


def _check_numbers(max_iterations: int, tolerance: float) -> None:
    if max_iterations < 0 or not tolerance >= 0:
        raise ValueError(f"max_iterations and tolerance must be 0 or more, not {max_iterations} and {tolerance}")


@partial(jax.jit, static_argnames=("num_clusters", "sample_size"))
def _fit(
    points: Array, key: jax.Array, max_iterations: Array, tolerance: Array, *, num_clusters: int, sample_size: int
) -> KMeansState:
    """Seeds and iterations."""
    num_points = points.shape[0]
    order_key, seed_key = jax.random.split(key)
    if sample_size < num_points:
        points = points[jax.random.permutation(order_key, num_points)]
    seeds = _seed(points[:sample_size].astype(jnp.float32), num_clusters, seed_key)
    return _improve(points, seeds, max_iterations, tolerance, sample_size=sample_size)


@partial(jax.jit, static_argnames=("sample_size",))
def _improve(
    points: Array, centroids: Array, max_iterations: Array, tolerance: Array, *, sample_size: int
) -> KMeansState:
    """Lloyd's iterations, first on the first `sample_size` points, then on twice as many, and so on."""
    points, centroids = points.astype(jnp.float32), centroids.astype(jnp.float32)
    num_points, num_clusters = points.shape[0], centroids.shape[0]
    numbers = jnp.arange(num_points)

    def iterate(progress: _Progress) -> _Progress:
        # The first time nothing is assigned yet: all clusters are empty, and the centroids stay.
        labels, counts = _fill_empty(points, progress, num_clusters)
        sums = _cluster_sums(points, jnp.where(numbers < progress.size, labels, num_clusters), num_clusters)
        means = sums / jnp.maximum(counts, 1).astype(jnp.float32)[:, None]
        centroids = jnp.where((counts > 0)[:, None], means, progress.centroids)
        size = jnp.clip(2 * progress.size, sample_size, num_points)
        labels, distances = _assign_first(points, centroids, size)
        inertia = jnp.sum(jnp.where(numbers < size, distances, 0))
        grown = size > progress.size
        unchanged = jnp.all(labels == progress.labels)
        too_little = progress.inertia - inertia < tolerance * progress.inertia
        return _Progress(
            centroids=centroids,
            labels=labels,
            distances=distances,
            size=size,
            inertia=inertia,
            iterations_on_all=progress.iterations_on_all + ~grown,
            num_iterations=progress.num_iterations + (progress.size > 0),
            settled=~grown & (unchanged | too_little),
        )

    def goes_on(progress: _Progress) -> Array:
        ended = progress.settled | (progress.iterations_on_all >= max_iterations)
        return (progress.size < num_points) | ~ended

    zero = jnp.array(0, jnp.int32)
    start = _Progress(
        centroids=centroids,
        labels=jnp.zeros(num_points, jnp.int32),
        distances=jnp.zeros(num_points),
        size=zero,
        inertia=jnp.array(0.0),
        iterations_on_all=zero,
        num_iterations=zero,
        settled=jnp.array(False),
    )
    end = jax.lax.while_loop(goes_on, iterate, start)
    return KMeansState(
        centroids=end.centroids,
        counts=jnp.zeros(num_clusters, jnp.int32).at[end.labels].add(1),
        inertia=end.inertia,
        num_iterations=end.num_iterations,
    )


def _seed(points: Array, num_clusters: int, key: jax.Array) -> Array:
    """Centroids `[K, D]`, each one of the points `[S, D]`, drawn by k-means++; `key` is consumed."""
    num_points = points.shape[0]
    kept, drawn = (1, 2 + int(math.log(num_clusters))) if num_clusters < _MANY_CLUSTERS else _SEEDS_AT_ONCE
    num_rounds = -(-(num_clusters - 1) // kept)
    centred = points - jnp.mean(points, axis=0)[None]
    norms = jnp.sum(jnp.square(centred), axis=1)
    draws = jax.random.uniform(key, (1 + num_rounds, drawn))
    first = jnp.minimum(draws[0, :1] * num_points, num_points - 1).astype(jnp.int32)

    def distances_to(chosen: Array) -> Array:
        """`[S, L]`, squared, to the points with numbers `[L]`."""
        products = jnp.matmul(centred, centred[chosen].T, precision=jax.lax.Precision.HIGHEST)
        return jnp.maximum(norms[:, None] - 2 * products + norms[chosen][None], 0)

    def draw(number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        below = jnp.cumsum(carry[1])
        trials = jnp.searchsorted(below, draws[1 + number] * below[-1], side="right", method="compare_all")
        trials = jnp.minimum(trials, num_points - 1)
        distances = distances_to(trials)

        def keep(place: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            chosen, closest = carry
            best = jnp.argmin(jnp.sum(jnp.minimum(closest[:, None], distances), axis=0))
            # The last round can keep more than are needed.
            chosen = chosen.at[1 + number * kept + place].set(trials[best], mode="drop")
            return chosen, jnp.minimum(closest, distances[:, best])

        return jax.lax.fori_loop(0, kept, keep, carry)

    start = jnp.broadcast_to(first, (num_clusters,)), distances_to(first)[:, 0]
    chosen, _ = jax.lax.fori_loop(0, num_rounds, draw, start)
    return points[chosen]


def _assign_first(points: Array, centroids: Array, size: Array) -> _Nearest:
    """The nearest centroids of the first `size` points; what is said of the others means nothing."""
    num_points, num_clusters = points.shape[0], centroids.shape[0]
    chunk_size = min(_CHUNK_SIZE, num_points, max(1, _MOST_DISTANCES // num_clusters))
    origin = jnp.mean(centroids, axis=0)[None]
    centred = centroids - origin
    norms = jnp.sum(jnp.square(centred), axis=1)[None]

    def assign_chunk(number: Array, carry: _Nearest) -> _Nearest:
        # The last chunk starts early enough to be whole, and does some points again.
        start = jnp.minimum(number * chunk_size, num_points - chunk_size)
        chunk = jax.lax.dynamic_slice_in_dim(points, start, chunk_size)
        products = jnp.matmul(chunk - origin, centred.T, precision=jax.lax.Precision.HIGHEST)
        scores = norms - 2 * products
        # What argmin says, at half of its cost on a CPU.
        least = scores == jnp.min(scores, axis=1, keepdims=True)
        labels = jnp.min(jnp.where(least, jnp.arange(num_clusters)[None], num_clusters), axis=1)
        distances = jnp.sum(jnp.square(chunk - centroids[labels]), axis=1)
        all_labels, all_distances = carry
        return (
            jax.lax.dynamic_update_slice_in_dim(all_labels, labels, start, 0),
            jax.lax.dynamic_update_slice_in_dim(all_distances, distances, start, 0),
        )

    start = jnp.zeros(num_points, jnp.int32), jnp.zeros(num_points)
    return jax.lax.fori_loop(0, (size + chunk_size - 1) // chunk_size, assign_chunk, start)


def _fill_empty(points: Array, progress: _Progress, num_clusters: int) -> tuple[Array, Array]:
    """Gives each empty cluster the point that is farthest from all centroids, those just moved included.

    A point that is alone in its cluster stays. Where all other points lie on centroids, clusters stay empty.

    Returns:
        The labels `[N]`, and how many of the sample's points have each, `[K]`.
    """
    in_sample = jnp.arange(points.shape[0]) < progress.size

    def free_distances(labels: Array, distances: Array, counts: Array) -> Array:
        return jnp.where(in_sample & (counts[labels] > 1), distances, 0)

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        return jnp.any(carry[2] == 0) & (jnp.max(free_distances(*carry)) > 0)

    def fill(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        labels, distances, counts = carry
        empty = jnp.argmin(counts).astype(jnp.int32)
        farthest = jnp.argmax(free_distances(labels, distances, counts))
        counts = counts.at[labels[farthest]].add(-1).at[empty].set(1)
        to_moved = jnp.sum(jnp.square(points - points[farthest][None]), axis=1)
        return labels.at[farthest].set(empty), jnp.minimum(distances, to_moved), counts

    counts = jnp.zeros(num_clusters, jnp.int32).at[progress.labels].add(in_sample.astype(jnp.int32))
    labels, _, counts = jax.lax.while_loop(goes_on, fill, (progress.labels, progress.distances, counts))
    return labels, counts


def _cluster_sums(points: Array, labels: Array, num_clusters: int) -> Array:
    """Sums `[K, D]` of the points with each label; those with a label of K count nowhere.

    A scatter adds in no fixed order on an accelerator, and sums must not depend on it.
    """
    add = partial(jax.ops.segment_sum, num_segments=num_clusters)
    multiply = partial(_sums_by_products, num_clusters=num_clusters)
    return jax.lax.platform_dependent(points, labels, cpu=add, default=multiply)


def _sums_by_products(points: Array, labels: Array, num_clusters: int) -> Array:
    """The same as products with one-hot vectors."""
    num_points = points.shape[0]
    chunk_size = min(_CHUNK_SIZE, num_points)

    def add_chunk(number: Array, sums: Array) -> Array:
        start = jnp.minimum(number * chunk_size, num_points - chunk_size)
        new = start + jnp.arange(chunk_size) >= number * chunk_size
        chunk_labels = jnp.where(new, jax.lax.dynamic_slice_in_dim(labels, start, chunk_size), num_clusters)
        members = jax.nn.one_hot(chunk_labels, num_clusters, axis=0)
        chunk = jax.lax.dynamic_slice_in_dim(points, start, chunk_size)
        return sums + jnp.matmul(members, chunk, precision=jax.lax.Precision.HIGHEST)

    return jax.lax.fori_loop(0, -(-num_points // chunk_size), add_chunk, jnp.zeros((num_clusters, points.shape[1])))
