"""Testing planners on pairs of nodes: the stack by `react` and by `think`, and rivals that learn nothing."""

import dataclasses
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from humain import acting, planning
from humain.model import Model, ModelState
from humain.types import Array, Plan, Trajectories
from tasks.graphs import search
from tasks.graphs.world import Graph, Pairs


@dataclasses.dataclass(frozen=True)
class Score:
    """How a planner did on pairs that all have a path.

    Attributes:
        pairs: how many were tried.
        arrived: share that arrived by valid steps.
        optimal: share that arrived by a shortest path.
        mean_length: steps, mean over those that arrived; NaN if none did.
        ratio_to_optimal: steps over steps of a shortest path, mean over those that arrived; NaN if none did.
        invalid_steps: number of steps asked for that are no edges, over all pairs.
        seconds: to plan all pairs, compilation apart.
    """

    pairs: int
    arrived: float
    optimal: float
    mean_length: float
    ratio_to_optimal: float
    invalid_steps: int
    seconds: float


def is_edge(neighbors: Array, sources: Array, targets: Array) -> Array:
    """Bool `[...]`, whether each pair is an edge, from the padded lists of neighbors `[N, D]`."""
    return jnp.any(neighbors[sources] == targets[..., None], axis=-1)


@partial(jax.jit, static_argnames=("model", "max_steps"))
def react_to_goals(
    model: Model, state: ModelState, neighbors: Array, starts: Array, goals: Array, max_steps: int
) -> tuple[Array, Array, Array]:
    """Acts until the goals are reached; a step that is no edge leaves the agent where it is.

    Returns:
        Whether each arrived `[P]`, the steps taken `[P]` and the invalid ones among them `[P]`.
    """

    def step(carry: tuple) -> tuple:
        count, episode, states, lengths, invalid = carry
        going = states != goals
        episode, reaction = acting.react(model, state, episode, states, goals)
        valid = is_edge(neighbors, states, reaction.action)
        states = jnp.where(going & valid, reaction.action, states)
        return count + 1, episode, states, lengths + going, invalid + (going & ~valid)

    zeros = jnp.zeros(starts.shape, jnp.int32)
    start = (jnp.int32(0), acting.begin(model, starts.shape[0]), starts, zeros, zeros)
    _, _, states, lengths, invalid = jax.lax.while_loop(
        lambda carry: (carry[0] < max_steps) & jnp.any(carry[2] != goals), step, start
    )
    return states == goals, lengths, invalid


@jax.jit
def check_plans(plan: Plan, neighbors: Array) -> tuple[Array, Array, Array]:
    """Whether each plan's steps lead to its goal `[P]`, their number `[P]`, and those that are no edges `[P]`."""
    steps, valid = plan.layers[0].states, plan.layers[0].valid
    before = jnp.concatenate([plan.starts[:, None], steps[:, :-1]], axis=1)
    invalid = jnp.sum(valid & ~is_edge(neighbors, before, steps), axis=1)
    lengths = jnp.sum(valid, axis=1)
    ends = jnp.where(lengths > 0, steps[jnp.arange(len(steps)), lengths - 1], plan.starts)
    return plan.complete & (ends == plan.goals) & (invalid == 0), lengths, invalid


def score_react(model: Model, state: ModelState, graph: Graph, pairs: Pairs, *, max_steps: int) -> Score:
    """Tests `react` on all pairs at once."""
    arguments = (jnp.asarray(graph.neighbors), jnp.asarray(pairs.starts), jnp.asarray(pairs.goals))
    run = partial(react_to_goals, model, max_steps=max_steps)
    jax.block_until_ready(run(state, *arguments))
    started = time.monotonic()
    arrived, lengths, invalid = jax.block_until_ready(run(state, *arguments))
    return _score(arrived, lengths, invalid, pairs, time.monotonic() - started)


def score_think(model: Model, state: ModelState, graph: Graph, pairs: Pairs) -> Score:
    """Tests `think` on all pairs at once."""
    starts, goals = jnp.asarray(pairs.starts), jnp.asarray(pairs.goals)
    jax.block_until_ready(planning.think(model, state, starts, goals))
    started = time.monotonic()
    plan = jax.block_until_ready(planning.think(model, state, starts, goals))
    seconds = time.monotonic() - started
    arrived, lengths, invalid = check_plans(plan, jnp.asarray(graph.neighbors))
    return _score(arrived, lengths, invalid, pairs, seconds)


def score_random(rng: np.random.Generator, graph: Graph, pairs: Pairs, *, max_steps: int) -> Score:
    """A planner that takes any edge until it stands at the goal or has taken `max_steps`."""
    started = time.monotonic()
    degrees = (graph.neighbors < graph.num_nodes).sum(axis=1)
    states, lengths = pairs.starts.copy(), np.zeros(len(pairs.starts), np.int32)
    for _ in range(max_steps):
        going = (states != pairs.goals) & (degrees[states] > 0)
        chosen = (rng.random(len(states)) * degrees[states]).astype(np.int32)
        states = np.where(going, graph.neighbors[states, chosen], states)
        lengths += going
    arrived = states == pairs.goals
    return _score(arrived, lengths, np.zeros_like(lengths), pairs, time.monotonic() - started)


def score_lookup(trajectories: Trajectories, graph: Graph, pairs: Pairs) -> Score:
    """A lookup without layers or network: the shortest stretch of the trajectories that leads from start to goal."""
    started = time.monotonic()
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    num_times = states.shape[1]
    steps = np.full((graph.num_nodes, graph.num_nodes), num_times, np.int32)
    for ahead in range(1, num_times):
        rows, times = np.nonzero(np.arange(num_times - ahead) < lengths[:, None] - ahead)
        np.minimum.at(steps, (states[rows, times], states[rows, times + ahead]), ahead)
    taken = steps[pairs.starts, pairs.goals]
    return _score(taken < num_times, taken, np.zeros_like(taken), pairs, time.monotonic() - started)


def score_dijkstra(graph: Graph, pairs: Pairs) -> Score:
    """Dijkstra's algorithm, which knows the graph; its own time, its paths followed edge by edge."""
    return _score_shortest(graph.edges, graph.num_nodes, pairs)


def score_search(trajectories: Trajectories, graph: Graph, pairs: Pairs) -> Score:
    """The same over the steps that the trajectories take and no others: it composes them, and learns nothing.

    Nobody who takes only steps that were seen arrives at more goals, or in fewer steps.
    """
    return _score_shortest(search.steps_seen(trajectories), graph.num_nodes, pairs)


def _score_shortest(edges: np.ndarray, num_nodes: int, pairs: Pairs) -> Score:
    """Shortest paths by edges `[E, 2]`."""
    started = time.monotonic()
    sources = np.unique(pairs.starts)
    matrix = scipy.sparse.csr_array((np.ones(len(edges), np.int8), edges.T), shape=(num_nodes, num_nodes))
    _, parents = scipy.sparse.csgraph.dijkstra(matrix, unweighted=True, indices=sources, return_predecessors=True)
    rows = np.searchsorted(sources, pairs.starts)
    nodes, lengths = pairs.goals.copy(), np.zeros(len(pairs.goals), np.int32)
    while np.any(going := (nodes != pairs.starts) & (nodes >= 0)):
        nodes = np.where(going, parents[rows, np.maximum(nodes, 0)], nodes)
        lengths += going
    return _score(nodes == pairs.starts, lengths, np.zeros_like(lengths), pairs, time.monotonic() - started)


def _score(
    arrived: np.ndarray | Array, lengths: np.ndarray | Array, invalid: np.ndarray | Array, pairs: Pairs, seconds: float
) -> Score:
    arrived, lengths = np.asarray(arrived), np.asarray(lengths)
    ratios = lengths[arrived] / pairs.shortest[arrived]
    return Score(
        pairs=len(pairs.starts),
        arrived=float(arrived.mean()),
        optimal=float((arrived & (lengths == pairs.shortest)).mean()),
        mean_length=float(lengths[arrived].mean()) if arrived.any() else float("nan"),
        ratio_to_optimal=float(ratios.mean()) if arrived.any() else float("nan"),
        invalid_steps=int(np.asarray(invalid).sum()),
        seconds=seconds,
    )
