"""The benchmark of k-means clusters what it says, twice, and its figures are those of the clusters."""

import jax
import numpy as np
import pytest
from absl import app, flags

from humain.abstraction import clustering
from tasks.benchmarks import clustering_forms
from tasks.benchmarks.clustering_forms import ClusteringRow, ClusteringSizes

_TINY = ClusteringSizes(num_points=60, num_features=5, num_clusters=4, seed=3)


def _draw(key):
    return clustering_forms.draw(key, num_points=4000, num_features=16, num_clusters=2)


def test_both_runs_are_the_same_but_for_their_seconds():
    cold, warm = clustering_forms.measure(_TINY)
    assert (cold.run, warm.run) == ("cold", "warm")
    assert (cold.num_iterations, cold.inertia) == (warm.num_iterations, warm.inertia)
    assert cold.num_iterations >= 1
    assert min(cold.seconds, warm.seconds) > 0


def test_the_inertia_is_that_of_the_points_drawn():
    points_key, key = jax.random.split(jax.random.key(3))
    points = clustering_forms.draw(points_key, num_points=60, num_features=5, num_clusters=4)
    assert points.shape == (60, 5)
    centroids = np.asarray(clustering.fit(points, 4, key).centroids)
    squares = np.sum(np.square(np.asarray(points)[:, None] - centroids), axis=2)
    (cold, _) = clustering_forms.measure(_TINY)
    assert cold.inertia == pytest.approx(squares.min(axis=1).sum(), rel=1e-5)


def test_points_lie_around_centres():
    points = _draw(jax.random.key(0))
    found = clustering.fit(points, 2, jax.random.key(1))
    # 16 directions with a variance of 0.5 ** 2 = 0.25 each: 4 for each point, with a standard error of 4 * sqrt(2 / 16
    # / 4000) = 0.02.
    assert float(found.inertia) / 4000 == pytest.approx(4, abs=0.1)
    # Either centre is that of half of the points: 2000, with a standard error of sqrt(4000) / 2 = 32.
    np.testing.assert_allclose(found.counts, [2000, 2000], atol=160)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_points": 0}, "num_points must be at least 1, not 0"),
        ({"num_clusters": 7, "num_points": 6}, "num_clusters must be at most num_points, 6, not 7; draw more points"),
    ],
)
def test_sizes_are_checked(sizes, message):
    with pytest.raises(ValueError, match=message):
        ClusteringSizes(**sizes)


def test_the_table_has_both_runs():
    rows = [ClusteringRow("cold", 3.456, 21, 1234567.8), ClusteringRow("warm", 0.5, 21, 1234567.8)]
    lines = clustering_forms.to_table(rows).to_text().splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["cold", "3.46", "21", "1.23457e+06"],
        ["warm", "0.50", "21", "1.23457e+06"],
    ]


def _values(*words):
    values = flags.FlagValues()
    clustering_forms.define_flags(values)
    values(["clustering_forms", *words])
    return values


def test_the_flags_choose_what_is_clustered(capsys, monkeypatch):
    measured = []

    def measure(sizes):
        measured.append(sizes)
        return [ClusteringRow("cold", 1.0, 2, 3.0)]

    monkeypatch.setattr(clustering_forms, "measure", measure)
    clustering_forms.main(["clustering_forms"], _values())
    clustering_forms.main(["clustering_forms"], _values("--num_points=60", "--num_clusters=4", "--seed=3"))
    assert measured == [ClusteringSizes(100_000, 384, 1000, 0), ClusteringSizes(60, 384, 4, 3)]
    assert capsys.readouterr().out.splitlines()[-1].startswith("cold")
    with pytest.raises(app.UsageError, match="got the argument 'now'"):
        clustering_forms.main(["clustering_forms", "now"], _values())
    with pytest.raises(app.UsageError, match="num_clusters must be at most num_points"):
        clustering_forms.main(["clustering_forms"], _values("--num_points=60"))
