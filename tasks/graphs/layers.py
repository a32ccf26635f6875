"""What layers are worth: one, two and three of them with the same memory, on a world of communities."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting, errors, learning, planning
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.bridges import Bridges, find_bridges, num_pairs
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig, TableState
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model
from humain.spaces import Discrete
from humain.training import loop
from humain.types import Trajectories
from tasks.graphs import communities, evaluation, search, sets, training, world
from tasks.graphs.world import Graph, Pairs
from tasks.harness.context import TaskContext

_WORLD, _WALKS, _PAIRS = range(20, 23)
"""What each generator derived from the seed is for."""
_WORLD_KEYS = ("num_regions", "region_communities", "community_nodes", "num_bridges")
_BATCH = 256
_REPEATS = 10


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good a planner's ways are, over pairs that all have one.

    Attributes:
        arrived: share that arrived by valid steps.
        within_5_percent: share that arrived in 1.05 times the steps of a shortest way, or fewer.
        optimal: share that arrived by a shortest way.
        ratio_to_optimal: steps over those of a shortest way, mean over those that arrived; NaN if none did.
    """

    arrived: float
    within_5_percent: float
    optimal: float
    ratio_to_optimal: float


def check(task: TaskContext) -> None:
    """Refuses a config that can't be trained, before anything is.

    Raises:
        UserError: naming the key, its value and what was expected.
    """
    config = task.config
    _check_numbers(config)
    num_nodes = _num_nodes(config)
    for name, settings in config.sets.items():
        num_layers = settings.num_layers
        if config.learning.batch_size % num_layers:
            raise errors.UserError(
                f"set {name}: learning.batch_size must be a multiple of {num_layers}, the layers that share it, not "
                f"{config.learning.batch_size}"
            )
        # Whatever its tables' capacities, which depend on the walks.
        try:
            learning.check(build_model(config.learning, (1,) * num_layers, num_nodes), _learning(config, settings))
        except (TypeError, ValueError) as error:
            raise errors.UserError(f"set {name}: {error}") from error
        _check_memory(config, name, settings, num_nodes * (num_layers - 1))
        task.check_batches({f"learning.batch_size of each layer of set {name}": _layer_batch(config, settings)})
    task.check_batches({"learning.sweep_batch_size": config.learning.sweep_batch_size})
    if config.learning.num_steps % config.learning.chunk_steps:
        raise errors.UserError(
            f"learning.num_steps must be a multiple of chunk_steps ({config.learning.chunk_steps}), not "
            f"{config.learning.num_steps}"
        )


def make_world(config: Any, seed: int) -> tuple[Graph, Trajectories]:
    """The graph and the random walks on it that all sets learn from."""
    graph = communities.community_graph(
        training.generator(seed, _WORLD), **{key: config.world[key] for key in _WORLD_KEYS}
    )
    walks = world.random_walks(
        training.generator(seed, _WALKS),
        graph,
        num_walks=config.world.num_walks,
        max_steps=config.world.max_walk_steps,
    )
    return graph, sets.as_trajectories(*walks)


def describe(graph: Graph, trajectories: Trajectories, seed: int, *, num_starts: int) -> dict[str, Any]:
    """What the world is like; distances are means over all nodes from `num_starts` of them, drawn by the seed."""
    starts = _starts(graph, seed, num_starts)
    distances = graph.distances_from(starts)
    reachable = (distances > 0) & (distances < world.UNREACHABLE)
    return {
        "nodes": graph.num_nodes,
        "edges": len(graph.edges),
        "mean_shortest": float(distances[reachable].mean()),
        "longest_shortest": int(distances[reachable].max()),
        "walk_steps": int(np.sum(np.asarray(trajectories.lengths) - 1)),
        "edges_seen": len(search.steps_seen(trajectories)) / len(graph.edges),
    }


def make_pairs(graph: Graph, seed: int, *, num_starts: int, num_pairs: int) -> Pairs:
    """Pairs of different nodes with a way, drawn from so many starts; Dijkstra's algorithm says how long it is."""
    starts = _starts(graph, seed, num_starts)
    distances = graph.distances_from(starts)
    rows, goals = np.nonzero((distances > 0) & (distances < world.UNREACHABLE))
    rng = training.generator(seed, _PAIRS)
    chosen = rng.choice(len(rows), min(num_pairs, len(rows)), replace=False)
    rows, goals = rows[chosen], goals[chosen]
    return Pairs(starts[rows].astype(np.int32), goals.astype(np.int32), distances[rows, goals])


def build_model(config: Any, capacities: tuple[int, ...], num_nodes: int) -> Model:
    """A stack of tables, one layer for each capacity; `config` is the group `learning`."""
    space = Discrete(num_nodes)
    layers = []
    for number, capacity in enumerate(capacities):
        kernel = TableConfig(num_slots=1, sparse_capacity=capacity).build(space, space)
        # A layer's ways have fewer nodes than those of the layer below.
        max_nodes = max(2, config.max_nodes // 2**number)
        layers.append(
            Layer(Cortex(kernel, Linear(config.longest)), max_sub_steps=config.max_nodes, max_nodes=max_nodes)
        )
    return Model(tuple(layers), space, group_layers=False)


def measure(task: TaskContext, name: str) -> dict[str, Any]:
    """Trains one set and tests it.

    Returns:
        See `results.json` in `docs/tasks/simple_layers.md`.

    Raises:
        UserError: if the walks don't make the abstractions for so many layers, or these have too many rows.
    """
    config, settings = task.config, task.config.sets[name]
    graph, trajectories = make_world(config, task.seed)
    started = time.monotonic()
    try:
        abstractions = _abstractions(trajectories, graph.num_nodes, settings.num_layers)
    except ValueError as error:
        raise errors.UserError(f"set {name}: {error}") from error
    abstraction_seconds = time.monotonic() - started
    entries = abstraction_rows(abstractions)
    _check_memory(config, name, settings, entries)
    needed = rows_needed(abstractions, search.steps_seen(trajectories), graph.num_nodes)
    capacities = split_rows(needed, config.max_rows - entries if settings.bounded else None)
    model = build_model(config.learning, capacities, graph.num_nodes)
    how = _learning(config, settings)
    learner = jax.jit(learning.begin, static_argnums=(0, 1))(
        model, how, abstractions, jax.random.fold_in(jax.random.key(task.seed), settings.num_layers)
    )
    trained = task.train(
        f"layers_{name}",
        learner,
        chunk=loop.make_chunk(learning.build_update(model, how), config.learning.chunk_steps),
        data=learning.gather(model, how, learner.state, trajectories),
        num_steps=config.learning.num_steps,
        chunk_steps=config.learning.chunk_steps,
    )
    state = trained.state.state
    pairs = make_pairs(graph, task.seed, num_starts=config.test.num_starts, num_pairs=config.test.num_pairs)
    plans = planning.think(model, state, pairs.starts, pairs.goals)
    arrived, lengths, _ = evaluation.check_plans(plans, jnp.asarray(graph.neighbors))
    # A few will do: who does not arrive acts to the end.
    few = Pairs(pairs.starts[:_BATCH], pairs.goals[:_BATCH], pairs.shortest[:_BATCH])
    react = evaluation.score_react(model, state, graph, few, max_steps=config.learning.max_nodes)
    chosen = np.arange(_BATCH) % len(pairs.starts)
    starts, goals = jnp.asarray(pairs.starts[chosen]), jnp.asarray(pairs.goals[chosen])
    episode = acting.begin(model, _BATCH)
    tables = [kernel for kernel in state.kernels if isinstance(kernel, TableState)]
    queues = [queue for queue in (trained.state.queue, *trained.state.upper_queues) if queue is not None]
    return {
        **dataclasses.asdict(quality(np.asarray(arrived), np.asarray(lengths), pairs)),
        "react_arrived": react.arrived,
        "think_us": _microseconds(lambda: planning.think(model, state, starts, goals)) / _BATCH,
        "think_alone_us": _microseconds(lambda: planning.think(model, state, starts[:1], goals[:1])),
        "react_us": _microseconds(lambda: acting.react(model, state, episode, starts, goals)) / _BATCH,
        "rows": [int(jnp.sum(jnp.any(table.packed > 0, axis=1))) for table in tables],
        "rows_needed": sum(needed),
        "capacity": sum(capacities),
        "capacities": list(capacities),
        "abstraction_rows": entries,
        "rows_refused": sum(int(table.index.refused) for table in tables),
        "sweep_waiting": sum(int(queue.size) for queue in queues),
        "sweep_dropped": sum(int(queue.dropped) for queue in queues),
        "abstraction_seconds": abstraction_seconds,
        "train_seconds": trained.run_seconds,
        "compile_seconds": trained.compile_seconds,
    }


def measure_search(task: TaskContext) -> dict[str, Any]:
    """The rival without layers: breadth-first search over the steps that the walks took, in its fastest form."""
    config = task.config
    graph, trajectories = make_world(config, task.seed)
    pairs = make_pairs(graph, task.seed, num_starts=config.test.num_starts, num_pairs=config.test.num_pairs)
    found = search.measure(search.steps_seen(trajectories), graph.num_nodes, pairs)
    lengths = np.array([len(way) for way in found.ways])
    return {
        **dataclasses.asdict(quality(lengths > 0, lengths, pairs)),
        "think_us": found.microseconds[found.form],
        "form": found.form,
        "form_us": found.microseconds,
        "rows": [found.rows],
    }


def quality(arrived: np.ndarray, lengths: np.ndarray, pairs: Pairs) -> Quality:
    """How good ways are, from whether each arrived `[P]` and its steps `[P]`."""
    ratios = lengths / pairs.shortest
    return Quality(
        arrived=float(np.mean(arrived)),
        within_5_percent=float(np.mean(arrived & (ratios <= 1.05))),
        optimal=float(np.mean(arrived & (lengths == pairs.shortest))),
        ratio_to_optimal=float(np.mean(ratios[arrived])) if np.any(arrived) else float("nan"),
    )


def abstraction_rows(abstractions: tuple[Abstraction, ...]) -> int:
    """The numbers that abstractions store, each of which counts as a row: of states and of gates.

    The top layer's own is not counted: it stores nothing new.
    """
    found = [abstraction for abstraction in abstractions[:-1] if isinstance(abstraction, Bridges)]
    return sum(abstraction.communities.size + abstraction.gate_ids.size for abstraction in found)


def rows_needed(abstractions: tuple[Abstraction, ...], steps: np.ndarray, num_nodes: int) -> list[int]:
    """The rows that each layer's table has when all is learned: a pair of state and goal within its reach has one.

    Args:
        abstractions: one for each layer; gates of `Bridges`, or a single one of a stack of one layer.
        steps: `[E, 2]`, those seen; one over a bridge has a row at the bottom too.
        num_nodes: of the world, each of which can be reached from each.
    """
    below = [each for each in abstractions[:-1] if isinstance(each, Bridges)]
    if not below:
        return [num_nodes * (num_nodes - 1)]
    crossing = ~np.asarray(below[0].together(jnp.asarray(steps[:, 0]), jnp.asarray(steps[:, 1])))
    bottom, *upper = num_pairs([(np.asarray(each.communities), np.asarray(each.is_gate)) for each in below])
    return [bottom + int(crossing.sum()), *upper]


def split_rows(needed: list[int], max_rows: int | None) -> tuple[int, ...]:
    """The capacity of each layer's table, from the rows that it needs; a table has a power of two of rows.

    The bottom layer comes first: a layer is swept when nothing waits below it, and where a table is full, pairs that
    found no row wait again and again. What is left goes to the fullest tables, as long as more than half of one is
    filled.

    Args:
        needed: rows of each layer, bottom first.
        max_rows: bound on the sum, at least 1 for each layer; None for no bound. A single table, which has nothing to
            share, gets the next power of two above it.
    """
    if max_rows is not None and len(needed) == 1:
        max_rows = 2 ** (max_rows - 1).bit_length()
    capacities = [1] * len(needed)

    def grow(number: int, most: int) -> bool:
        room = math.inf if max_rows is None else max_rows - sum(capacities)
        if most <= capacities[number] or capacities[number] > room:
            return False
        capacities[number] *= 2
        return True

    for number, rows in enumerate(needed):
        while grow(number, rows):
            pass
    while any(grow(number, 2 * needed[number]) for number in _fullest_first(needed, capacities)):
        pass
    return tuple(capacities)


def _fullest_first(needed: list[int], capacities: list[int]) -> list[int]:
    return sorted(range(len(needed)), key=lambda number: needed[number] / capacities[number], reverse=True)


def _abstractions(trajectories: Trajectories, num_nodes: int, num_layers: int) -> tuple[Abstraction, ...]:
    # The top layer's own abstraction only says how far ahead hindsight looks.
    below = find_bridges(trajectories, num_nodes, num_levels=num_layers - 1) if num_layers > 1 else ()
    return (*below, below[-1] if below else Skip(1))


def _learning(config: Any, settings: Any) -> LearningConfig:
    """As many examples an update for all sets: layers share those of hindsight, and their queues take turns."""
    return LearningConfig(
        batch_size=_layer_batch(config, settings),
        replay=ReplayConfig(sweep_batch_size=config.learning.sweep_batch_size),
    )


def _layer_batch(config: Any, settings: Any) -> int:
    return int(config.learning.batch_size // settings.num_layers)


def _check_numbers(config: Any) -> None:
    """Refuses keys that are missing, and values that the parts of a set do not see."""
    if "max_rows" not in config:
        raise errors.UserError("the config has no max_rows, which experiment 'layers' needs")
    numbers = {"max_rows": config.max_rows, **{f"learning.{key}": value for key, value in config.learning.items()}}
    for key, value in numbers.items():
        if not isinstance(value, int) or value < 1:
            raise errors.UserError(f"{key} must be a whole number of at least 1, not {value}")
    for name, settings in config.sets.items():
        for key in ("num_layers", "bounded"):
            if key not in settings:
                raise errors.UserError(f"set {name}: its config lacks {key}")
        if not isinstance(settings.num_layers, int) or settings.num_layers < 1:
            raise errors.UserError(
                f"set {name}: num_layers must be a whole number of at least 1, not {settings.num_layers}"
            )
        if not isinstance(settings.bounded, bool):
            raise errors.UserError(f"set {name}: bounded must be True or False, not {settings.bounded}")


def _check_memory(config: Any, name: str, settings: Any, entries: int) -> None:
    """Refuses a bound that leaves no rows for tables."""
    if settings.bounded and entries + settings.num_layers > config.max_rows:
        raise errors.UserError(
            f"set {name}: abstractions have {entries} rows, which leaves none for tables of the {config.max_rows} of "
            "max_rows; raise it, or set bounded to False"
        )


def _microseconds(call: Callable[[], Any]) -> float:
    """Median processor time of a call, the first one apart; other work on the machine does not count."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(_REPEATS):
        started = time.process_time()
        jax.block_until_ready(call())
        seconds.append(time.process_time() - started)
    return float(np.median(seconds)) * 1e6


def _num_nodes(config: Any) -> int:
    return int(config.world.num_regions * config.world.region_communities * config.world.community_nodes)


def _starts(graph: Graph, seed: int, num_starts: int) -> np.ndarray:
    order = training.generator(seed, _PAIRS).permutation(graph.num_nodes)
    return np.sort(order[:num_starts])
