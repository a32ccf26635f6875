"""A large graph: tables and replay, with times and memory, beside a search over the same steps."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting, planning
from humain.kernels.table import TableState
from tasks.graphs import evaluation, search, training
from tasks.graphs.world import Graph, Pairs
from tasks.harness import memory
from tasks.harness.context import TaskContext

_BATCH = 256
_REPEATS = 30


def measure(task: TaskContext, graph: Graph, name: str) -> dict[str, Any]:
    """Trains one set on the graph and tests it on sampled pairs.

    Returns:
        `nodes`, `edges`, `pairs`, the shares `arrived`, `optimal` (by `think`; `react_arrived`, `react_optimal` by
        `react`), `react_us` and `think_us` (microseconds for one agent, in a batch of 256), `peak_rss_mb`, what found
        no room (`rows_refused`, `sweep_waiting`, `sweep_dropped`; 0 without sweeping), where the time went, and of the
        rival that searches anew for each pair, over the steps of the walks: `search_arrived`, `search_optimal`,
        `search_form` (the fastest, see `search`), `search_us` for one way of it and `search_rows`.
    """
    config = task.config.sets[name]
    trajectories = training.make_trajectories(config, task.config.world, graph, task.seed)
    trained = training.train_set(task, name, config, trajectories, graph.num_nodes, graph.places)
    pairs = training.make_pairs(graph, task.seed, task.config.test.max_pairs)
    react = evaluation.score_react(
        trained.model, trained.state, graph, pairs, max_steps=task.config.test.max_react_steps
    )
    think = evaluation.score_think(trained.model, trained.state, graph, pairs)
    starts, goals = _batch(pairs)
    episode = acting.begin(trained.model, _BATCH)
    kernels = [trained.model.kernel_state(trained.state, layer) for layer in range(len(trained.model.layers))]
    queue = trained.result.state.queue
    tables = [kernel for kernel in kernels if isinstance(kernel, TableState)]
    found = search.measure(search.steps_seen(trajectories), graph.num_nodes, pairs)
    lengths = np.array([len(way) for way in found.ways])
    return {
        "nodes": graph.num_nodes,
        "edges": len(graph.edges),
        "pairs": think.pairs,
        "arrived": think.arrived,
        "optimal": think.optimal,
        "invalid_steps": think.invalid_steps,
        "react_arrived": react.arrived,
        "react_optimal": react.optimal,
        "react_us": _microseconds(lambda: acting.react(trained.model, trained.state, episode, starts, goals)),
        "think_us": _microseconds(lambda: planning.think(trained.model, trained.state, starts, goals)),
        "peak_rss_mb": memory.peak_rss_mb(),
        "rows_used": sum(int(jnp.sum(jnp.any(table.packed > 0, axis=1))) for table in tables),
        "rows_refused": sum(int(table.index.refused) for table in tables),
        "sweep_waiting": 0 if queue is None else int(queue.size),
        "sweep_dropped": 0 if queue is None else int(queue.dropped),
        "train_seconds": trained.result.run_seconds,
        "compile_seconds": trained.result.compile_seconds,
        "search_arrived": float(np.mean(lengths > 0)),
        "search_optimal": float(np.mean(lengths == pairs.shortest)),
        "search_form": found.form,
        "search_us": found.microseconds[found.form],
        "search_rows": found.rows,
    }


def _batch(pairs: Pairs) -> tuple[jax.Array, jax.Array]:
    """The first pairs, repeated where there are fewer than a batch."""
    chosen = np.arange(_BATCH) % len(pairs.starts)
    return jnp.asarray(pairs.starts[chosen]), jnp.asarray(pairs.goals[chosen])


def _microseconds(call: Callable[[], Any]) -> float:
    """Median time of one call, divided by the batch; device work is waited for."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)) / _BATCH * 1e6
