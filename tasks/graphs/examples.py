"""Single plans and reactions, for people to read."""

import jax.numpy as jnp
import numpy as np

from humain import acting, planning
from humain.abstraction.abstraction import lift_through
from humain.abstraction.pivots import pivot_mask, reverse_mask, with_end
from humain.model import Model, ModelState
from humain.viewing import plan_tree
from humain.viewing.plan_tree import PlanNode
from humain.viewing.tables import ReportTable
from tasks.graphs.world import Graph


def plan(model: Model, state: ModelState, graph: Graph, start: int, goal: int) -> PlanNode:
    """The plan by `think` for one pair."""
    plans = planning.think(model, state, jnp.array([start], jnp.int32), jnp.array([goal], jnp.int32))
    return plan_tree.plan_tree(plans, 0, name=lambda node: graph.names[int(node)])


def reaction_trace(model: Model, state: ModelState, graph: Graph, start: int, goal: int, *, max_steps: int) -> str:
    """What `react` did from start to goal: for each step, what every layer was asked to reach."""
    episode = acting.begin(model, 1)
    here, goals = np.array([start], np.int32), jnp.array([goal], jnp.int32)
    numbers = list(reversed(range(len(model.layers))))
    rows: list[list[str | float | None]] = []
    while here[0] != goal and len(rows) < max_steps:
        episode, reaction = acting.react(model, state, episode, jnp.asarray(here), goals)
        answer = int(reaction.action[0])
        asked: list[str | float | None] = [graph.names[int(reaction.goals[number][0])] for number in numbers]
        score = float(reaction.scores[0][0])
        rows.append([graph.names[int(here[0])], *asked, graph.names[answer], score if np.isfinite(score) else None])
        if answer not in graph.neighbors[here[0]]:
            break
        here = np.array([answer], np.int32)
    columns = ["at", *(f"goal of layer {number}" for number in numbers), "next", "score"]
    return ReportTable(columns=columns, rows=rows, formats={"score": ".2f"}).to_text()


def walk_outline(model: Model, state: ModelState, graph: Graph, walk: np.ndarray) -> str:
    """A walk as the layers see it: for each layer its sub-goals, and before each the states that it stands for.

    Args:
        model: the stack.
        state: what it has learned, its abstractions among it.
        graph: names the nodes.
        walk: `[T]` nodes, without padding. Its end counts as a pivot for every layer, as in hindsight.
    """
    states = lift_through(state.abstractions, jnp.asarray(walk, jnp.int32))
    path = jnp.ones(len(walk), bool)
    lines = ["the walk: " + " ".join(graph.names[int(node)] for node in walk)]
    for number in range(1, len(model.layers)):
        pivots = with_end(pivot_mask(state.abstractions[number - 1], states[number - 1], path), path)
        owners = np.asarray(reverse_mask(pivots, path))
        groups = []
        for pivot in np.flatnonzero(pivots):
            *before, last = (graph.names[int(walk[time])] for time in np.flatnonzero(owners[pivot]))
            groups.append(" ".join([*before, f"[{last}]"]))
        lines.append(f"layer {number}: " + " | ".join(groups))
        path = pivots
    return "\n".join(lines)
