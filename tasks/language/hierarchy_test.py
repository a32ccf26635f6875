"""Tables of examples: chunks, rows, contexts, stop signals, goals and scores, all by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction import clustering, kmeans
from humain.abstraction.abstraction import lift_path
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.pivots import pivot_mask, reverse_mask, with_end
from tasks.language import hierarchy
from tasks.language.paths import Path

_STOP = 2.0
_E = np.eye(4, dtype=np.float32)
"""Four sentences."""


def _build(paths, *, chunk_sizes, context_lengths, score_discount=0.9):
    return hierarchy.build(
        paths,
        _E,
        chunkers=[hierarchy.chunk_mean(size) for size in chunk_sizes],
        context_lengths=context_lengths,
        score_discount=score_discount,
        stop=_STOP,
    )


def _row(embedding, stop):
    return [*embedding, stop]


def test_two_layers_by_hand():
    """The path 0, 1, 2 in chunks of 2: (0, 1) and (2)."""
    bottom, top = _build([Path((0, 1, 2), 0.5)], chunk_sizes=(2,), context_lengths=(2, 1))
    middle = [0.5, 0.5, 0, 0]  # The mean of sentences 0 and 1.

    # Nothing; then each state as a target, and as part of a context, where its stop signal is 0.
    np.testing.assert_array_equal(
        bottom.states,
        [[0, 0, 0, 0, 0], _row(_E[0], 0), _row(_E[1], 2), _row(_E[1], 0), _row(_E[2], 2), _row(_E[2], 0)],
    )
    np.testing.assert_array_equal(bottom.goals, [_row(middle, 0), _row(_E[2], 0)])
    # Nothing before 0; nothing and 0 before 1; the second chunk begins with nothing again.
    np.testing.assert_array_equal(bottom.contexts, [[-1, 0], [0, 1], [-1, 0]])
    np.testing.assert_array_equal(bottom.asked, [0, 0, 1])
    np.testing.assert_array_equal(bottom.targets, [1, 2, 4])
    # The path's weight counts on the top layer only. Two states to go from 0, one from each chunk's last one.
    np.testing.assert_allclose(bottom.scores, [0.9, 1, 1], rtol=1e-6)

    np.testing.assert_array_equal(top.states, [[0, 0, 0, 0, 0], _row(middle, 0), _row(_E[2], 2), _row(_E[2], 0)])
    np.testing.assert_array_equal(top.goals, [_row(_E[2], 0)])
    np.testing.assert_array_equal(top.contexts, [[0], [1]])
    np.testing.assert_array_equal(top.asked, [0, 0])
    np.testing.assert_array_equal(top.targets, [1, 2])
    # 3 sentences to go from the first chunk on: 0.5 * 0.9 ** 2; 1 from the second one on: 0.5.
    np.testing.assert_allclose(top.scores, [0.405, 0.5], rtol=1e-6)


def test_types():
    for table in _build([Path((0, 1, 2), 1.0)], chunk_sizes=(2,), context_lengths=(2, 1)):
        assert {array.dtype for array in (table.states, table.goals, table.scores)} == {np.dtype(np.float32)}
        assert {array.dtype for array in (table.contexts, table.asked, table.targets)} == {np.dtype(np.int32)}


def test_three_layers_count_sentences_on_the_top_layer():
    # Chunks of 2 of 6 sentences are 3; chunks of 2 of these are 2, which begin at sentences 0 and 4: 6 and 2 to go.
    tables = _build([Path((0, 1, 2, 3, 0, 1), 1.0)], chunk_sizes=(2, 2), context_lengths=(1, 1, 1), score_discount=0.5)
    np.testing.assert_array_equal(tables[2].scores, [0.5**5, 0.5])
    # The middle layer's first chunk has two states, and its second one has one.
    np.testing.assert_array_equal(tables[1].scores, [0.5, 1, 1])
    # The mean of the means: sentences 0 to 3, a quarter each.
    np.testing.assert_array_equal(tables[2].states[1], [0.25, 0.25, 0.25, 0.25, 0])


def test_one_layer_is_flat():
    (table,) = _build([Path((2, 0), 1.0)], chunk_sizes=(), context_lengths=(3,))
    np.testing.assert_array_equal(table.states, [[0] * 5, _row(_E[2], 0), _row(_E[0], 2), _row(_E[0], 0)])
    np.testing.assert_array_equal(table.goals, [_row(_E[0], 0)])
    np.testing.assert_array_equal(table.contexts, [[-1, -1, 0], [-1, 0, 1]])
    np.testing.assert_array_equal(table.targets, [1, 2])
    np.testing.assert_allclose(table.scores, [0.9, 1], rtol=1e-6)


def test_a_context_keeps_the_last_states():
    (table,) = _build([Path((0, 1, 2), 1.0)], chunk_sizes=(), context_lengths=(2,))
    # Rows: 1 is sentence 0, 2 is sentence 1, 3 and 4 are sentence 2 with and without the signal.
    np.testing.assert_array_equal(table.contexts, [[-1, 0], [0, 1], [1, 2]])


def test_equal_examples_keep_the_best_score():
    # From nothing to 0 for goal 2: 0.9 ** 1 by the short way, weight 1; 0.9 ** 2 by the long one.
    short, long = Path((0, 2), 1.0), Path((0, 1, 2), 1.0)
    for order in ([short, long], [long, short]):
        (table,) = _build(order, chunk_sizes=(), context_lengths=(1,))
        scores = {
            (int(context[0]), int(np.argmax(table.states[target, :4]))): float(score)
            for context, target, score in zip(table.contexts, table.targets, table.scores, strict=True)
        }
        assert len(table.scores) == 4
        assert scores[0, 0] == pytest.approx(0.9)
    (table,) = _build([Path((0,), 0.3), Path((0,), 0.7)], chunk_sizes=(), context_lengths=(1,))
    np.testing.assert_allclose(table.scores, [0.7], rtol=1e-6)


def test_other_goals_make_other_examples_of_equal_states():
    (table,) = _build([Path((0, 1), 1.0), Path((0, 2), 1.0)], chunk_sizes=(), context_lengths=(1,))
    np.testing.assert_array_equal(table.asked, [0, 0, 1, 1])
    np.testing.assert_array_equal(table.targets[[0, 2]], [1, 1])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_chunk_mean_leaves_nothing_out(size):
    chunks = hierarchy.chunk_mean(size)(list(_E), list("abcd"))
    assert [place for places, _, _ in chunks for place in places] == [0, 1, 2, 3]
    assert all(len(places) == size for places, _, _ in chunks[:-1])


def test_chunk_mean_of_a_shorter_last_chunk():
    (_, first, name), (places, last, other) = hierarchy.chunk_mean(3)(list(_E), list("abcd"))
    np.testing.assert_allclose(first, [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)
    assert name == ("a", "b", "c")
    assert places == [3]
    np.testing.assert_array_equal(last, _E[3])
    assert other == ("d",)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 3, 4])
def test_chunk_mean_is_what_the_library_s_abstraction_makes_of_a_path(seed, size):
    states = np.random.default_rng(seed).normal(size=(14, 5)).astype(np.float32)
    path = jnp.ones(len(states), bool)
    pivots = with_end(pivot_mask(ChunkMean(size), jnp.asarray(states), path), path)
    lifted = lift_path(ChunkMean(size), jnp.asarray(states), path)
    owners = np.asarray(reverse_mask(pivots, path))
    chunks = hierarchy.chunk_mean(size)(list(states), range(len(states)))
    assert [places[-1] for places, _, _ in chunks] == np.flatnonzero(pivots).tolist()
    for places, mean, _ in chunks:
        assert places == np.flatnonzero(owners[places[-1]]).tolist()
        np.testing.assert_allclose(mean, lifted[places[-1]], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_what_the_library_s_abstraction_makes_of_a_path(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(20, 3)).astype(np.float32)
    abstraction = kmeans.cluster_states(jnp.asarray(points), 4, jax.random.key(seed))
    steps = rng.integers(0, 20, 15)
    path = jnp.ones(15, bool)
    states = jnp.asarray(points[steps])
    labels = np.asarray(clustering.assign(abstraction.clusters, jnp.asarray(points)))
    centroids = np.asarray(abstraction.clusters.centroids)
    chunks = hierarchy.clusters(centroids, labels, max_size=15)(list(points[steps]), steps.tolist())
    # A pivot is where the path enters a cluster.
    pivots = np.flatnonzero(pivot_mask(abstraction, states, path)).tolist()
    assert [places[0] for places, _, _ in chunks] == pivots
    assert [place for places, _, _ in chunks for place in places] == list(range(15))
    lifted = np.asarray(lift_path(abstraction, states, path))
    for places, centroid, cluster in chunks:
        np.testing.assert_array_equal(lifted[places], np.tile(centroid, (len(places), 1)))
        assert labels[steps[places[0]]] == cluster


def test_clusters_make_chunks_of_runs():
    centroids = np.array([[0.0], [10.0]])
    labels = np.array([1, 0, 0])
    chunks = hierarchy.clusters(centroids, labels, max_size=4)([np.zeros(1)] * 5, [1, 2, 0, 0, 1])
    # Sentences 1 and 2 lie in the first cluster, 0 in the second; then 1 again, in a chunk of its own.
    assert [(places, above.tolist(), identity) for places, above, identity in chunks] == [
        ([0, 1], [0.0], 0),
        ([2, 3], [10.0], 1),
        ([4], [0.0], 0),
    ]


def test_clusters_that_stay_the_same_for_long_are_broken_up():
    centroids = np.array([[0.0], [10.0]])
    chunks = hierarchy.clusters(centroids, np.array([0]), max_size=2)([np.zeros(1)] * 5, [0] * 5)
    assert [places for places, _, _ in chunks] == [[0, 1], [2, 3], [4]]


def test_layers_of_centroids():
    # Sentences 0 and 1 lie in the first cluster, 2 and 3 in the second.
    centroids = np.array([[0.5, 0.5, 0, 0], [0, 0, 1, 0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    bottom, top = hierarchy.build(
        [Path((0, 1, 2), 1.0)],
        _E,
        chunkers=[hierarchy.clusters(centroids, labels, max_size=4)],
        context_lengths=(1, 1),
        score_discount=0.9,
        stop=_STOP,
    )
    np.testing.assert_array_equal(bottom.goals, [_row(centroids[0], 0), _row(centroids[1], 0)])
    np.testing.assert_array_equal(top.states[1:3], [_row(centroids[0], 0), _row(centroids[1], 2)])


def test_what_can_not_be_is_refused():
    with pytest.raises(ValueError, match="there is no path to learn from"):
        _build([], chunk_sizes=(), context_lengths=(1,))
    with pytest.raises(ValueError, match="2 layers need as many context lengths, not 1"):
        _build([Path((0,), 1.0)], chunk_sizes=(2,), context_lengths=(1,))
    with pytest.raises(ValueError, match="a chunk has 1 state or more, not 0"):
        hierarchy.chunk_mean(0)
    with pytest.raises(ValueError, match="a chunk has 1 state or more, not 0"):
        hierarchy.clusters(_E, np.zeros(4, int), max_size=0)
