"""Ideal stitching by hand, and replay that reaches it on small graphs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tasks.graphs import curve, known_ways, sets, small_runs

# a -> b -> c -> d -> a, a -> c, e -> a: 4 * 3 pairs among the first four, and 4 from e.
_GRAPH = known_ways.graph()


def _settings(**replay):
    settings = small_runs.config(
        "curve", num_layers=2, stride=2, max_nodes=16, batch_size=128, num_steps=60, chunk_steps=20
    )
    small = {"sweep_batch_size": 64, "imagine_batch_size": 64, "imagine_max_steps": 8}
    settings.sets.table_replay.replay.update(small | replay)
    settings.world.update({"num_graphs": 2, "num_nodes": 8, "edge_probability": 0.25, "max_walk_steps": 8})
    return settings


def _worlds(path, settings, seed: int = 0):
    model = sets.build_model(settings.sets.table_replay, settings.world.num_nodes)
    return curve._make_worlds(small_runs.task(path, settings, seed=seed), model, 24)


@pytest.mark.parametrize(
    ("nodes", "lengths", "pairs"),
    [
        # Every edge: all 16.
        ([[0, 1, 2, 3, 0], [4, 0, 2, 2, 2]], [5, 3], 16),
        # All but a -> c. Two steps or more from a to c and d, so also from e; b, c and d reach a first:
        # d -> c was d -> a -> c. Lost: a c, a d, d c, e c, e d.
        ([[0, 1, 2, 3, 0], [4, 0, 0, 0, 0]], [5, 2], 11),
        # a -> b -> c and b -> c: a b, b c. The way from a to c by b is one step too long.
        ([[0, 1, 2], [1, 2, 2]], [3, 2], 2),
        # The same, cut off after the first step, padding beyond.
        ([[0, 1, 2], [0, 1, 2]], [2, 1], 1),
        # Stitched: c -> d on one walk and d -> a on another make c a.
        ([[2, 3], [3, 0]], [2, 2], 3),
    ],
)
def test_ideal_stitching_by_hand(nodes, lengths, pairs):
    assert curve._ideal(_GRAPH, np.array(nodes, np.int32), np.array(lengths, np.int32)) == pairs / 16


def test_plans_of_all_pairs_are_compared_with_the_shortest_ways():
    model = known_ways.model(max_sub_steps=4)
    # a b, b c, c d, d a and a c by one step; b d by two; a d by three where two are enough; e a; c a by an edge that is
    # none, and d e, which nobody can reach.
    ways = {(a, b): b for a, b in ("ab", "bc", "cd", "da", "ac", "ea")}
    ways |= {("b", "d"): "c", ("a", "d"): "b", ("c", "a"): "a", ("d", "e"): "e"}
    state = known_ways.taught(model, ways)
    other = known_ways.taught(model, {("a", "b"): "b"})
    assert curve._share_optimal(model, _stacked(state), (_GRAPH,)) == pytest.approx(7 / 16)
    both = curve._share_optimal(model, _stacked(state, other), (_GRAPH, _GRAPH))
    assert both == pytest.approx((7 / 16 + 1 / 16) / 2)


def _stacked(*states):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def test_replay_comes_to_the_ideal_and_hindsight_does_not(tmp_path):
    row = curve.measure(small_runs.task(tmp_path, _settings()), 24)
    assert set(row) == {"walk_steps", "ideal", "replay", "hindsight"}
    assert row["walk_steps"] == 24
    assert row["replay"] == pytest.approx(row["ideal"], abs=1e-9)
    assert row["hindsight"] < row["ideal"] < 1


def test_worlds_are_those_of_the_seed(tmp_path):
    settings = _settings()
    first, again, other = (_worlds(tmp_path / str(number), settings, seed) for number, seed in enumerate((0, 0, 1)))
    assert len(first.graphs) == 2
    assert not np.array_equal(first.graphs[0].edges, first.graphs[1].edges)
    experience = first.training_data.experience
    assert experience.walks.shape == (2, 24)
    assert np.array_equal(experience.trajectories.states, again.training_data.experience.trajectories.states)
    assert first.ideal == again.ideal
    assert not np.array_equal(first.graphs[0].edges, other.graphs[0].edges)


def test_steps_of_each_world_are_listed_by_where_they_lead(tmp_path):
    worlds = _worlds(tmp_path, _settings())
    before, experience = jax.tree.map(np.asarray, (worlds.training_data.before, worlds.training_data.experience))
    for trial in range(2):
        states = experience.trajectories.states[trial]
        walks, times = experience.walks[trial], experience.times[trial]
        taken = set(zip(states[walks, times].tolist(), states[walks, times + 1].tolist(), strict=True))
        nodes, columns = np.nonzero(before.valid[trial])
        sources = states[before.walks[trial, nodes, columns], before.times[trial, nodes, columns]]
        listed = list(zip(sources.tolist(), nodes.tolist(), strict=True))
        assert sorted(listed) == sorted(taken)


def test_worlds_without_sweeping_have_no_such_list(tmp_path):
    assert _worlds(tmp_path, _settings(sweep_batch_size=0)).training_data.before is None


def test_metrics_are_means_over_graphs():
    update = curve._over_trials(lambda state, data, step: (state + data, {"sum": state + step}))
    states, metrics = update(jnp.array([1.0, 3.0]), jnp.array([10.0, 20.0]), jnp.float32(2))
    assert states.tolist() == [11, 23]
    # (1 + 2 + 3 + 2) / 2
    assert float(metrics["sum"]) == 4
