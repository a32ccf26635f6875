"""How much experience a plan needs: replay and hindsight alone against ideal stitching, on many graphs at once."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import learning, planning
from humain.learning import TrainingData
from humain.model import Model, ModelState
from humain.training import loop
from humain.types import Trajectories
from tasks.graphs import evaluation, sets, training, world
from tasks.graphs.world import Graph
from tasks.harness.context import TaskContext


@dataclasses.dataclass(frozen=True)
class _Worlds:
    """Graphs of one size, and walks on them.

    Attributes:
        graphs: as many as there are trials.
        training_data: of all of them; the trials are the leading axis.
        ideal: share of the pairs with a path for which the edges seen hold a shortest one; mean over trials.
    """

    graphs: tuple[Graph, ...]
    training_data: TrainingData
    ideal: float


def measure(task: TaskContext, walk_steps: int) -> dict[str, float]:
    """The shares after `walk_steps` steps of random walk in total.

    Returns:
        `walk_steps`, `ideal`, `replay` and `hindsight`.
    """
    config = task.config
    row: dict[str, float] = {"walk_steps": walk_steps}
    model = sets.build_model(config.sets.table_replay, config.world.num_nodes)
    worlds = _make_worlds(task, model, walk_steps)
    row["ideal"] = worlds.ideal
    for kind in ("replay", "hindsight"):
        set_config = config.sets[f"table_{kind}"]
        how = sets.build_learning(set_config)
        update = _over_trials(learning.build_update(model, how))
        abstractions = sets.build_abstractions(
            set_config, worlds.training_data.experience.trajectories, config.world.num_nodes
        )
        keys = jax.random.split(jax.random.key(task.seed), len(worlds.graphs))
        result = task.train(
            f"{kind}_{walk_steps}",
            jax.vmap(partial(learning.begin, model, how, abstractions))(keys),
            chunk=loop.make_chunk(update, set_config.chunk_steps),
            data=worlds.training_data,
            num_steps=set_config.num_steps,
            chunk_steps=set_config.chunk_steps,
        )
        row[kind] = _share_optimal(model, result.state.state, worlds.graphs)
    return row


def _over_trials(update: loop.Update) -> loop.Update:
    """The update of all trials at once; metrics are means over trials."""
    batched = jax.vmap(update, in_axes=(0, 0, None))

    def run(learners: Any, training_data: Any, step: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        learners, metrics = batched(learners, training_data, step)
        return learners, {name: jnp.mean(values) for name, values in metrics.items()}

    return run


def _make_worlds(task: TaskContext, model: Model, walk_steps: int) -> _Worlds:
    config, set_config = task.config.world, task.config.sets.table_replay
    graphs, walks, ideals = [], [], []
    for trial in range(config.num_graphs):
        rng = training.generator(task.seed, 100 + trial)
        graph = world.random_graph(rng, num_nodes=config.num_nodes, edge_probability=config.edge_probability)
        nodes, lengths = world.random_walks(
            rng, graph, num_walks=walk_steps, max_steps=config.max_walk_steps, total_steps=walk_steps
        )
        graphs.append(graph)
        walks.append((nodes, lengths))
        ideals.append(_ideal(graph, nodes, lengths))
    num_walks = max(len(lengths) for _, lengths in walks)
    num_times = max(nodes.shape[1] for nodes, _ in walks)
    states = np.zeros((len(walks), num_walks, num_times), np.int32)
    all_lengths = np.zeros((len(walks), num_walks), np.int32)
    for trial, (nodes, lengths) in enumerate(walks):
        states[trial, : nodes.shape[0], : nodes.shape[1]] = nodes
        all_lengths[trial, : len(lengths)] = lengths
    training_data = []
    for trial in range(len(walks)):
        trajectories = Trajectories(states=jnp.asarray(states[trial]), lengths=jnp.asarray(all_lengths[trial]))
        abstractions = sets.build_abstractions(set_config, trajectories, config.num_nodes)
        state = model.init(jax.random.key(trial), abstractions)
        training_data.append(learning.gather(model, sets.build_learning(set_config), state, trajectories))
    return _Worlds(graphs=tuple(graphs), training_data=_stack(training_data), ideal=float(np.mean(ideals)))


def _stack(training_data: list[TrainingData]) -> TrainingData:
    """One tree with the trials as leading axis. Every trial has as many places; predecessors are padded."""
    most = max((data.before.valid.shape[1] for data in training_data if data.before is not None), default=0)

    def pad(table: jax.Array) -> jax.Array:
        return jnp.pad(table, ((0, 0), (0, most - table.shape[1])))

    padded = [dataclasses.replace(data, before=jax.tree.map(pad, data.before)) for data in training_data]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *padded)


def _ideal(graph: Graph, nodes: np.ndarray, lengths: np.ndarray) -> float:
    """Share of the pairs with a path whose shortest path over the edges seen is a shortest one."""
    steps = np.arange(nodes.shape[1] - 1) < lengths[:, None] - 1
    seen = np.unique(np.stack([nodes[:, :-1][steps], nodes[:, 1:][steps]], axis=1), axis=0)
    starts, goals = world.reachable_pairs(graph)
    known = Graph(names=graph.names, edges=seen).distances
    return float(np.mean(known[starts, goals] == graph.distances[starts, goals]))


def _share_optimal(model: Model, states: ModelState, graphs: tuple[Graph, ...]) -> float:
    """Share of the pairs with a path that `think` plans by a shortest one, mean over graphs."""
    shares = []
    for trial, graph in enumerate(graphs):
        # All pairs, so that the shapes are those of every other graph of this size.
        starts, goals = np.nonzero(~np.eye(graph.num_nodes, dtype=bool))
        state = jax.tree.map(lambda leaf: leaf[trial], states)  # noqa: B023
        plan = planning.think(model, state, jnp.asarray(starts, jnp.int32), jnp.asarray(goals, jnp.int32))
        neighbors = np.full((graph.num_nodes, graph.num_nodes), graph.num_nodes, np.int32)
        neighbors[:, : graph.neighbors.shape[1]] = graph.neighbors
        arrived, lengths, _ = evaluation.check_plans(plan, jnp.asarray(neighbors))
        shortest = graph.distances[starts, goals]
        reachable = shortest < world.UNREACHABLE
        shares.append(np.mean((np.asarray(arrived) & (np.asarray(lengths) == shortest))[reachable]))
    return float(np.mean(shares))
