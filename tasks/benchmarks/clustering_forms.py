"""Times k-means twice: the first run with compilation, the second without.

    bazel run //tasks/benchmarks:clustering_forms
    bazel run //tasks/benchmarks:clustering_forms -- --num_points=1000000 --num_features=64

Points are drawn on the device, around as many centres as k-means looks for.
"""

import dataclasses
import time
from collections.abc import Sequence
from functools import partial

import jax
from absl import app, flags

from humain.abstraction import clustering
from humain.types import Array
from humain.viewing.tables import ReportTable

_SPREAD = 0.5
"""The standard deviation of points about their centre in each direction; that of the centres about 0 is 1."""


@dataclasses.dataclass(frozen=True)
class ClusteringSizes:
    """The sizes of the points to cluster.

    Attributes:
        num_points: N, the number of points.
        num_features: D, the number of features.
        num_clusters: K, the number of clusters, at most N.
        seed: the seed of the points and of k-means' initial centroids.
    """

    num_points: int = 100_000
    num_features: int = 384
    num_clusters: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_points", "num_features", "num_clusters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.num_clusters > self.num_points:
            raise ValueError(
                f"num_clusters must be at most num_points, {self.num_points}, not {self.num_clusters}; draw more points"
            )


@dataclasses.dataclass(frozen=True)
class ClusteringRow:
    """The result of one run.

    Attributes:
        run: `cold`, with compilation, or `warm`, the same points again.
        seconds: the time until the clusters are computed.
        num_iterations: the number of iterations.
        inertia: the sum of squared distances to the nearest centroids.
    """

    run: str
    seconds: float
    num_iterations: int
    inertia: float


def measure(sizes: ClusteringSizes) -> list[ClusteringRow]:
    """Clusters the same points twice, the first time with compilation."""
    points_key, key = jax.random.split(jax.random.key(sizes.seed))
    points = jax.block_until_ready(
        draw(
            points_key,
            num_points=sizes.num_points,
            num_features=sizes.num_features,
            num_clusters=sizes.num_clusters,
        )
    )
    jax.clear_caches()
    rows = []
    # The same key, so that both runs do the same.
    for run, one_key in (("cold", jax.random.clone(key)), ("warm", key)):
        started = time.perf_counter()
        found = jax.block_until_ready(clustering.fit(points, sizes.num_clusters, one_key))
        seconds = time.perf_counter() - started
        rows.append(ClusteringRow(run, seconds, int(found.num_iterations), float(found.inertia)))
    return rows


@partial(jax.jit, static_argnames=("num_points", "num_features", "num_clusters"))
def draw(key: jax.Array, *, num_points: int, num_features: int, num_clusters: int) -> Array:
    """Draws points `[N, D]` float32 around equally likely centres; consumes `key`."""
    centre_key, label_key, noise_key = jax.random.split(key, 3)
    centres = jax.random.normal(centre_key, (num_clusters, num_features))
    labels = jax.random.randint(label_key, (num_points,), 0, num_clusters)
    return centres[labels] + _SPREAD * jax.random.normal(noise_key, (num_points, num_features))


def to_table(rows: Sequence[ClusteringRow]) -> ReportTable:
    """Returns the rows as a table."""
    return ReportTable(
        columns=("run", "seconds", "iterations", "inertia"),
        rows=[(row.run, row.seconds, row.num_iterations, row.inertia) for row in rows],
        formats={"seconds": ".2f", "inertia": ".6g"},
    )


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    defaults = ClusteringSizes()
    for name, meaning in (
        ("num_points", "Points."),
        ("num_features", "Features of a point."),
        ("num_clusters", "Clusters, and centres that the points are drawn around."),
    ):
        flags.DEFINE_integer(name, getattr(defaults, name), meaning, lower_bound=1, flag_values=values)
    flags.DEFINE_integer("seed", defaults.seed, "Seed of the points and of the initial centroids.", flag_values=values)


def main(arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"this program takes only flags; got the argument {arguments[1]!r}")
    try:
        sizes = ClusteringSizes(
            num_points=values.num_points,
            num_features=values.num_features,
            num_clusters=values.num_clusters,
            seed=values.seed,
        )
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    print(f"{sizes} on {jax.devices()[0].device_kind}")
    print(to_table(measure(sizes)).to_text())


if __name__ == "__main__":
    define_flags()
    app.run(main)
