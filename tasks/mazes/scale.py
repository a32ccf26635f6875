"""A maze of 100,000 places: learned from short walks, and planned in, by layers of communities and gates.

Rooms in a grid, each a place; a random tree joins all of them, and some walls are opened on top, so that there are
ways to choose from. To go from a room to the next takes 1 to 3 times. Walks are random and far shorter than the ways
that are asked for: what is planned has to be composed. No array has a place for each pair of places.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from humain import acting, learning, planning
from humain.abstraction.abstraction import Abstraction, GatedAbstraction
from humain.abstraction.communities import grow_communities
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig, TableState
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model, ModelState
from humain.replay.steps import Steps, find_steps, step_graph
from humain.spaces import Discrete
from humain.training import loop
from humain.types import Trajectories
from tasks.harness import memory

_WORLD, _WALKS, _PAIRS = range(3)
"""What each generator derived from the seed is for."""
_CHUNK_STEPS = 4


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of the maze, the walks, the stack and the test; numbers only.

    Attributes:
        width: rooms in a row.
        height: rows.
        opened: share of the other walls between two rooms that are opened, in `[0, 1]`.
        longest_passage: times that a passage takes, at most.
        num_walks: random walks to learn from.
        walk_rooms: rooms of a walk.
        sizes: see `grow_communities`; one more layer than sizes.
        longest: cost at which the score reaches 0.
        sweep_goals: swept in an update.
        max_updates: of learning, at most.
        max_nodes: of a plan, at the bottom.
        num_pairs: of start and goal, to test with.
        batch_size: plans that are made together, to measure what one costs then.
    """

    width: int = 500
    height: int = 200
    opened: float = 0.1
    longest_passage: int = 3
    num_walks: int = 20_000
    walk_rooms: int = 128
    sizes: tuple[int, ...] = (64, 128)
    longest: float = 4096
    sweep_goals: int = 256
    max_updates: int = 8000
    max_nodes: int = 2048
    num_pairs: int = 200
    batch_size: int = 64


@dataclasses.dataclass(frozen=True)
class Maze:
    """Rooms and passages.

    Attributes:
        num_places: N.
        neighbors: `[N, 4]` int32, the rooms that passages lead to, in front; the room itself behind them.
        times: `[N, 4]` int32, that the passages take.
    """

    num_places: int
    neighbors: np.ndarray
    times: np.ndarray

    @property
    def matrix(self) -> scipy.sparse.csr_array:
        """The times, `[N, N]`, sparse."""
        rows, columns = np.nonzero(self.times)
        ends = (rows, self.neighbors[rows, columns])
        return scipy.sparse.csr_array((self.times[rows, columns].astype(float), ends), shape=(self.num_places,) * 2)


def make_maze(settings: Settings, seed: int) -> Maze:
    """A maze in which every room can be reached from every other one."""
    rng = np.random.default_rng((seed, _WORLD))
    ids = np.arange(settings.width * settings.height).reshape(settings.height, settings.width)
    walls = np.concatenate([_pairs(ids[:, :-1], ids[:, 1:]), _pairs(ids[:-1], ids[1:])])
    # The tree of least weight is random where weights are.
    weights = scipy.sparse.csr_array((1 + rng.random(len(walls)), walls.T), shape=(ids.size, ids.size))
    tree = scipy.sparse.csgraph.minimum_spanning_tree(weights).tocoo()
    in_tree = np.isin(walls[:, 0] * ids.size + walls[:, 1], tree.row.astype(np.int64) * ids.size + tree.col)
    passages = walls[in_tree | (rng.random(len(walls)) < settings.opened)]
    lengths = rng.integers(1, settings.longest_passage + 1, len(passages))
    both, twice = np.concatenate([passages, passages[:, ::-1]]), np.concatenate([lengths, lengths])
    order = np.argsort(both[:, 0], kind="stable")
    both, twice = both[order], twice[order]
    counts = np.bincount(both[:, 0], minlength=ids.size)
    columns = np.arange(len(both)) - np.repeat(np.cumsum(counts) - counts, counts)
    neighbors = np.repeat(np.arange(ids.size, dtype=np.int32)[:, None], 4, axis=1)
    times = np.zeros(neighbors.shape, np.int32)
    neighbors[both[:, 0], columns], times[both[:, 0], columns] = both[:, 1], twice
    return Maze(ids.size, neighbors, times)


def random_walks(maze: Maze, settings: Settings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Where walks were at each time, `[W, T]`, and their lengths `[W]`; they turn back only in dead ends."""
    rng = np.random.default_rng((seed, _WALKS))
    degrees = np.sum(maze.times > 0, axis=1)
    here = rng.integers(0, maze.num_places, settings.num_walks)
    before = np.full_like(here, -1)
    rooms, stays = [here], []
    for _ in range(settings.walk_rooms - 1):
        order = np.where(np.arange(4) < degrees[here][:, None], rng.random((len(here), 4)), 2)
        # Where they came from is the last resort.
        order += maze.neighbors[here] == before[:, None]
        chosen = np.argmin(order, axis=1)
        stays.append(maze.times[here, chosen])
        before, here = here, maze.neighbors[here, chosen]
        rooms.append(here)
    stays.append(np.ones(len(here), np.int32))
    visited, times = np.stack(rooms, axis=1), np.stack(stays, axis=1)
    lengths = times.sum(axis=1)
    places = np.zeros((len(here), int(lengths.max())), np.int32)
    places[np.arange(places.shape[1]) < lengths[:, None]] = np.repeat(visited.ravel(), times.ravel())
    return places, lengths.astype(np.int32)


def build_model(settings: Settings, rows: tuple[int, ...], num_places: int) -> Model:
    """A stack of tables, each with room for so many rows."""
    space = Discrete(num_places)
    layers = []
    for number, needed in enumerate(rows):
        # A sparse table is slow once it is three quarters full.
        capacity = 2 ** int(np.ceil(np.log2(max(needed, 1) * 4 / 3)))
        kernel = TableConfig(num_slots=1, sparse_capacity=capacity).build(space, space)
        nodes = max(64, settings.max_nodes // 4**number)
        layers.append(Layer(Cortex(kernel, Linear(settings.longest)), max_sub_steps=nodes, max_nodes=nodes))
    return Model(tuple(layers), space, group_layers=False)


def rows_needed(abstractions: tuple[Abstraction, ...], steps: Steps) -> tuple[int, ...]:
    """The pairs that each layer has to learn, bottom first: those of its communities, and single steps out of them."""
    ids = jnp.arange(steps.num_places)
    learners, needed = np.ones(steps.num_places, bool), []
    for abstraction in abstractions[:-1]:
        assert isinstance(abstraction, GatedAbstraction)
        communities = np.asarray(abstraction.community(ids))
        sizes = np.bincount(communities[learners])
        needed.append(int(np.sum(sizes * (sizes - 1))))
        learners = np.asarray(abstraction.is_pivot(ids, ids, ids, jnp.zeros_like(ids)))
        if len(needed) == 1:
            aims = np.asarray(steps.aims)
            needed[0] += int(np.sum(np.asarray(steps.valid) & (communities[aims] != communities[:, None])))
    count = int(learners.sum())
    return (*needed, count * (count - 1))


def measure(settings: Settings, seed: int) -> dict[str, Any]:
    """Learns a maze and plans in it.

    Returns:
        `places`, `steps` (choices that were found) and their share of those that there are, `rows` that each table
        uses; `arrived` and `ratio` (mean, with `worst_ratio`) of the plans' costs to those of Dijkstra's ways, whose
        mean is `mean_cost` and mean number of steps `mean_steps`. Times are of the processor, so that other work on the
        machine does not count: seconds `steps_seconds`, `communities_seconds`, `compile_seconds`, `sweep_seconds`, and
        `learn_seconds` of all (`learn_clock_seconds` by the clock); milliseconds, the median, for one plan alone
        (`think_ms`, the slowest `think_worst_ms`) and in a batch (`think_batch_ms`), for one action alone (`react_ms`),
        and for one query of SciPy's Dijkstra, which doesn't stop at the goal (`dijkstra_ms`). And `peak_rss_mb`.
    """
    maze = make_maze(settings, seed)
    places, lengths = random_walks(maze, settings, seed)
    clock, started = time.monotonic(), time.process_time()
    steps = find_steps(places, lengths, maze.num_places)
    steps_seconds = time.process_time() - started
    pairs, joined = step_graph(steps)
    levels = grow_communities(pairs, maze.num_places, settings.sizes, together=joined)
    communities_seconds = time.process_time() - started - steps_seconds
    # The top layer's own abstraction lifts nothing.
    abstractions: tuple[Abstraction, ...] = (*levels, Skip(1))
    needed = rows_needed(abstractions, steps)
    model = build_model(settings, needed, maze.num_places)
    state, waiting, compile_seconds, sweep_seconds = _learn(
        settings, model, abstractions, steps, Trajectories(jnp.asarray(places[:1]), jnp.asarray(lengths[:1])), seed
    )
    learn_seconds, learn_clock_seconds = time.process_time() - started, time.monotonic() - clock
    tables = [kernel for kernel in state.kernels if isinstance(kernel, TableState)]
    return {
        "places": maze.num_places,
        "steps": len(pairs),
        "steps_seen": len(pairs) / int(np.sum(maze.times > 0)),
        "communities": [int(level.gate_ids.shape[0]) for level in levels],
        "most_gates": [int(level.gate_ids.shape[1]) for level in levels],
        "rows": [int(jnp.sum(jnp.any(table.packed > 0, axis=1))) for table in tables],
        "rows_needed": list(needed),
        "rows_refused": sum(int(table.index.refused) for table in tables),
        "goals_waiting": waiting,
        "walk_steps": int(np.sum(lengths - 1)),
        "steps_seconds": steps_seconds,
        "communities_seconds": communities_seconds,
        "compile_seconds": compile_seconds,
        "sweep_seconds": sweep_seconds,
        "learn_seconds": learn_seconds,
        "learn_clock_seconds": learn_clock_seconds,
        **_plans(settings, model, state, maze, seed),
        "peak_rss_mb": memory.peak_rss_mb(),
    }


def _learn(
    settings: Settings,
    model: Model,
    abstractions: tuple[Abstraction, ...],
    steps: Steps,
    trajectories: Trajectories,
    seed: int,
) -> tuple[ModelState, int, float, float]:
    """Sweeps until nothing waits: what was learned, goals that still wait, and seconds to compile and to sweep."""
    how = LearningConfig(batch_size=1, replay=ReplayConfig(sweep_goals=settings.sweep_goals))
    learner = jax.jit(learning.begin, static_argnums=(0, 1))(model, how, abstractions, jax.random.key(seed))
    data = learning.gather(model, how, learner.state, trajectories, steps=steps)
    started = time.process_time()
    chunk = loop.jit_chunk(loop.make_chunk(learning.build_update(model, how), _CHUNK_STEPS))
    compiled = chunk.lower(learner, data, jnp.int32(0)).compile()
    compile_seconds = time.process_time() - started
    waiting = 1
    for first in range(0, settings.max_updates, _CHUNK_STEPS):
        learner, metrics = compiled(learner, data, jnp.int32(first))
        waiting = int(metrics["sweep/waiting"][-1])
        if not waiting:
            break
    return learner.state, waiting, compile_seconds, time.process_time() - started - compile_seconds


def _plans(settings: Settings, model: Model, state: ModelState, maze: Maze, seed: int) -> dict[str, float]:
    """How good plans are, and what they take."""
    rng = np.random.default_rng((seed, _PAIRS))
    starts, goals = rng.integers(0, maze.num_places, (2, settings.num_pairs))
    matrix = maze.matrix
    costs, optimal, nodes, think, search, react = [], [], [], [], [], []
    for start, goal in zip(starts, goals, strict=True):
        seconds, plan = _timed(partial(planning.think, model, state, [start], [goal]))
        think.append(seconds)
        path = np.concatenate([[start], np.asarray(plan.layers[0].states[0])[np.asarray(plan.layers[0].valid[0])]])
        taken = np.array([matrix[one, other] for one, other in zip(path[:-1], path[1:], strict=True)])
        whole = bool(plan.complete[0]) and path[-1] == goal and bool(np.all(taken > 0))
        costs.append(taken.sum() if whole else np.inf)
        seconds, (distances, _) = _timed(
            partial(scipy.sparse.csgraph.dijkstra, matrix, indices=start, return_predecessors=True)
        )
        search.append(seconds)
        optimal.append(distances[goal])
        nodes.append(len(path) - 1)
    episode = acting.begin(model, 1)
    for start, goal in zip(starts, goals, strict=True):
        react.append(_timed(partial(acting.react, model, state, episode, [start], [goal]))[0])
    chosen = np.arange(settings.batch_size) % settings.num_pairs
    together = [
        _timed(partial(planning.think, model, state, starts[chosen], goals[chosen]))[0] / settings.batch_size
        for _ in range(3)
    ]
    found, best = np.array(costs), np.array(optimal)
    there = np.isfinite(found) & (best > 0)
    ratios = found[there] / best[there]
    return {
        "arrived": float(np.mean(np.isfinite(found))),
        "ratio": float(ratios.mean()),
        "worst_ratio": float(ratios.max()),
        "mean_cost": float(best.mean()),
        "mean_steps": float(np.mean(nodes)),
        "most_steps": int(np.max(nodes)),
        # The first call compiles.
        "think_ms": 1e3 * float(np.median(think[1:])),
        "think_worst_ms": 1e3 * float(np.max(think[1:])),
        "think_batch_ms": 1e3 * min(together[1:]),
        "react_ms": 1e3 * float(np.median(react[1:])),
        "react_worst_ms": 1e3 * float(np.max(react[1:])),
        "dijkstra_ms": 1e3 * float(np.median(search)),
    }


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds until the answer is there, and the answer."""
    started = time.process_time()
    answer = jax.block_until_ready(call())
    return time.process_time() - started, answer


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(np.int64)
