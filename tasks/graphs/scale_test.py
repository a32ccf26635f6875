"""The figures of a large graph, measured on a small one."""

import jax.numpy as jnp
import numpy as np

from tasks.graphs import scale, small_runs, training
from tasks.graphs.world import Pairs


def _settings():
    settings = small_runs.config(
        "scale", num_layers=2, stride=2, num_steps=40, chunk_steps=20, batch_size=256, max_nodes=16
    )
    config = settings.sets.table_replay
    config.kernel.sparse_capacity = 2**10
    config.replay.update({"sweep_batch_size": 64, "imagine_batch_size": 64, "imagine_max_steps": 8})
    settings.world.update({"num_nodes": 12, "edge_probability": 0.25, "num_walks": 100, "max_walk_steps": 12})
    settings.test.update({"max_pairs": 100, "max_react_steps": 32})
    return settings


def test_a_small_graph_is_measured(tmp_path):
    task = small_runs.task(tmp_path, _settings())
    graph = training.make_graph(task)
    figures = scale.measure(task, graph, "table_replay")
    assert figures["nodes"] == 12
    assert figures["edges"] == len(graph.edges)
    assert figures["pairs"] == min(100, len(training.make_pairs(graph, 0, 100).starts))
    # So few nodes are known by heart.
    assert figures["arrived"] == figures["optimal"] == figures["react_arrived"] == figures["react_optimal"] == 1
    assert figures["invalid_steps"] == 0
    # On each of two layers, a row for every pair with a path but none for a goal that one stands on.
    reachable = len(training.make_pairs(graph, 0, 10**6).starts)
    assert reachable < figures["rows_used"] <= 2 * reachable
    assert (figures["rows_refused"], figures["sweep_waiting"], figures["sweep_dropped"]) == (0, 0, 0)
    assert figures["react_us"] > 0
    assert figures["think_us"] > 0
    assert 50 < figures["peak_rss_mb"] < 100_000
    # The walks took every edge, and search finds a shortest way by them.
    assert figures["search_arrived"] == figures["search_optimal"] == 1
    assert figures["search_us"] > 0
    edges = len(graph.edges)
    assert figures["search_rows"] == (2 * edges if figures["search_form"] == "from_both_ends" else edges)


def test_a_batch_is_full_whatever_the_number_of_pairs():
    few = Pairs(np.array([0, 1, 2], np.int32), np.array([3, 4, 5], np.int32), np.ones(3, np.int32))
    starts, goals = scale._batch(few)
    assert starts.shape == goals.shape == (256,)
    assert starts[:5].tolist() == [0, 1, 2, 0, 1]
    assert goals[:5].tolist() == [3, 4, 5, 3, 4]
    many = Pairs(*(np.arange(400, dtype=np.int32) for _ in range(3)))
    assert scale._batch(many)[0].tolist() == list(range(256))


def test_times_are_for_one_agent_and_without_the_first_call(monkeypatch):
    # The first call takes 100 s, each one after it 2.56 s: in a batch of 256 that is 10 ms for one.
    clock, calls = [0.0], []

    def call():
        calls.append(1)
        clock[0] += 100 if len(calls) == 1 else 2.56
        return jnp.zeros(())

    monkeypatch.setattr(scale.time, "perf_counter", lambda: clock[0])
    assert abs(scale._microseconds(call) - 10_000) < 1e-6
    assert len(calls) > 3
