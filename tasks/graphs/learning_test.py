"""Networks learn a small graph by heart from random walks: every pair is planned by a shortest way."""

from typing import Any

import numpy as np
import pytest

from tasks.graphs import evaluation, small_runs, training, world

_SIZES: dict[str, Any] = {"num_layers": 2, "stride": 2, "chunk_steps": 200, "candidates": 4}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("linear", {"num_steps": 400, "batch_size": 64, "kernel": {"num_keys": 128}}),
        # With a memory of the way that lies behind.
        (
            "skip",
            {
                "num_steps": 1000,
                "batch_size": 128,
                "context_length": 4,
                "encoding": "sinusoidal",
                "kernel": {"num_heads": 2, "width": 32, "hidden": 64},
            },
        ),
    ],
    ids=["linear", "transformer with context"],
)
def test_every_pair_is_planned_optimally(tmp_path, name, overrides: dict[str, Any]):
    # 17 edges, 43 pairs with a path, up to 5 steps long. 200 walks of up to 7 steps pass each edge about 50 times.
    graph = world.random_graph(np.random.default_rng(0), num_nodes=8, edge_probability=0.25)
    settings = small_runs.config(sets=[name], **_SIZES, **overrides)
    settings.world.num_walks = 200
    task = small_runs.task(tmp_path, settings)
    config = task.config.sets[name]
    trajectories = training.make_trajectories(config, task.config.world, graph, seed=0)
    trained = training.train_set(task, name, config, trajectories, graph.num_nodes)
    pairs = training.make_pairs(graph, 0, max_pairs=100)
    react = evaluation.score_react(trained.model, trained.state, graph, pairs, max_steps=16)
    think = evaluation.score_think(trained.model, trained.state, graph, pairs)
    assert (react.pairs, react.optimal, react.invalid_steps) == (43, 1, 0)
    assert (think.pairs, think.optimal, think.invalid_steps) == (43, 1, 0)
