"""Training one model set of the graph planner within a task."""

import dataclasses
import zlib
from typing import Any

import jax
import numpy as np

from humain import errors, learning
from humain.hippocampus.location import PlacesOfIds
from humain.model import Model, ModelState
from humain.training import loop
from humain.types import Trajectories
from tasks.graphs import sets, world
from tasks.graphs.world import Graph
from tasks.harness.context import TaskContext

_WORLD, _WALKS, _DEMONSTRATIONS, _PAIRS, BASELINE, _SHOWN = range(6)
"""What each generator derived from the seed is for."""


@dataclasses.dataclass(frozen=True)
class TrainedSet:
    """A model set after training.

    Attributes:
        model: the stack.
        state: what it has learned.
        result: where the time went.
    """

    model: Model
    state: ModelState
    result: loop.TrainResult


def generator(seed: int, purpose: int) -> np.random.Generator:
    """Randomness on the host for one purpose, independent of that for the others."""
    return np.random.default_rng([seed, purpose])


def make_graph(task: TaskContext) -> Graph:
    """The graph that the user brings, or else a random one."""
    if task.flags.graph is not None:
        return world.read_graph(task.resolve(task.flags.graph))
    return world.random_graph(
        generator(task.seed, _WORLD),
        num_nodes=task.config.world.num_nodes,
        edge_probability=task.config.world.edge_probability,
    )


def make_trajectories(config: Any, world_config: Any, graph: Graph, seed: int) -> Trajectories:
    """What a set learns from: random walks, demonstrations, or both shuffled together, as its config says."""
    rng = generator(seed, _DEMONSTRATIONS)
    if not config.walks:
        return sets.as_trajectories(*world.demonstrations(rng, graph, _shown(config, graph, seed)))
    walks = world.random_walks(
        generator(seed, _WALKS), graph, num_walks=world_config.num_walks, max_steps=world_config.max_walk_steps
    )
    if config.demonstrations:
        walks = sets.shuffled_together(rng, walks, world.demonstrations(rng, graph, _shown(config, graph, seed)))
    return sets.as_trajectories(*walks)


def tested_pairs(config: Any, graph: Graph, pairs: world.Pairs, seed: int) -> world.Pairs:
    """Those of the pairs that a set is tested on: all, or where some are demonstrated to it, the others.

    Raises:
        UserError: if the share that is demonstrated leaves no pair to demonstrate, or none to test.
    """
    shown = _shown(config, graph, seed)
    if shown is None:
        return pairs
    hidden = np.zeros(graph.distances.shape, bool)
    hidden[tuple(side[~shown] for side in world.reachable_pairs(graph))] = True
    kept = hidden[pairs.starts, pairs.goals]
    if not kept.any() or not shown.any():
        raise errors.UserError(
            f"demonstrated_share {config.demonstrated_share} shows {shown.sum()} of the graph's {len(shown)} pairs and "
            f"tests {kept.sum()}; both must be at least 1: choose another share, or a larger graph"
        )
    return world.Pairs(pairs.starts[kept], pairs.goals[kept], pairs.shortest[kept])


def _shown(config: Any, graph: Graph, seed: int) -> np.ndarray | None:
    """`[P]` bool, which of the pairs that have a path are demonstrated; None where that is no choice."""
    if not config.demonstrations or config.demonstrated_share == 1:
        return None
    num_pairs = len(world.reachable_pairs(graph)[0])
    return generator(seed, _SHOWN).permutation(num_pairs) < round(config.demonstrated_share * num_pairs)


def make_pairs(graph: Graph, seed: int, max_pairs: int) -> world.Pairs:
    """All pairs with a path, or as many of them, drawn at random, as are wanted at most."""
    starts, goals = world.reachable_pairs(graph)
    if len(starts) > max_pairs:
        chosen = np.sort(generator(seed, _PAIRS).choice(len(starts), max_pairs, replace=False))
        starts, goals = starts[chosen], goals[chosen]
    return world.Pairs(starts, goals, graph.distances[starts, goals])


def train_set(
    task: TaskContext,
    name: str,
    config: Any,
    trajectories: Trajectories,
    num_nodes: int,
    places: PlacesOfIds | None = None,
) -> TrainedSet:
    """Trains a set, or goes on where an earlier process stopped, or restores it where it was finished."""
    model = sets.build_model(config, num_nodes, places)
    abstractions = sets.build_abstractions(config, trajectories, num_nodes, seed=task.seed)
    key = jax.random.fold_in(jax.random.key(task.seed), _name_code(name))
    how = sets.build_learning(config)
    learner = jax.jit(learning.begin, static_argnums=(0, 1))(model, how, abstractions, key)
    result = task.train(
        name,
        learner,
        chunk=loop.make_chunk(learning.build_update(model, how), config.chunk_steps),
        data=learning.gather(model, how, learner.state, trajectories),
        num_steps=config.num_steps,
        chunk_steps=config.chunk_steps,
    )
    return TrainedSet(model=model, state=result.state.state, result=result)


def _name_code(name: str) -> int:
    """A number for a set's name that does not depend on which other sets there are."""
    return zlib.crc32(name.encode())
