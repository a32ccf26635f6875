"""Plans as readable trees: every step stands under the sub-goal that asked for it, up to the user's goal."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from humain.types import Plan

Name = Callable[[Any], str]
"""Writes a state, a NumPy scalar or array, as text for the user."""


@dataclasses.dataclass(frozen=True)
class PlanNode:
    """A goal, with the steps that the layer below took to reach it as children.

    Attributes:
        state: the state, written as text for the user.
        layer: the index of the layer that asked for it; for the user's goal, the number of layers.
        score: how good the step has proved; None for the user's goal.
        reached: whether the last child reached this goal; True for steps of the bottom layer, which have no children.
        attempted: whether the layer below worked on it; False for goals that follow one that was not reached.
        children: the steps of the layer below, in time order.
    """

    state: str
    layer: int
    score: float | None
    reached: bool
    attempted: bool
    children: tuple["PlanNode", ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the tree as nested dictionaries and lists of JSON types."""
        return {
            "state": self.state,
            "layer": self.layer,
            "score": self.score,
            "reached": self.reached,
            "attempted": self.attempted,
            "children": [child.to_json() for child in self.children],
        }


def plan_tree(plan: Plan, index: int = 0, *, name: Name = str) -> PlanNode:
    """Converts one plan of a batch to a tree.

    Args:
        plan: a batch of B plans.
        index: the index of the plan in the batch, 0 to B - 1.
        name: writes a state as text.

    Returns:
        The node of the user's goal, with the whole plan below it.
    """
    layers = [
        {field: np.asarray(getattr(layer, field)[index]) for field in ("states", "parents", "scores", "valid")}
        for layer in plan.layers
    ]

    def grow(layer: int, goal: int, state: Any, score: float | None) -> PlanNode:
        if layer == 0:
            return PlanNode(name(state), 0, score, reached=True, attempted=True, children=())
        below = layers[layer - 1]
        places = np.flatnonzero(below["valid"] & (below["parents"] == goal))
        return PlanNode(
            state=name(state),
            layer=layer,
            score=score,
            reached=bool(plan.layers[layer - 1].reached[index, goal]),
            attempted=bool(plan.layers[layer - 1].attempted[index, goal]),
            children=tuple(
                grow(layer - 1, int(place), below["states"][place], float(below["scores"][place])) for place in places
            ),
        )

    return grow(len(layers), 0, np.asarray(plan.goals[index]), None)


def plan_text(plan: Plan, index: int = 0, *, name: Name = str) -> str:
    """Writes one plan of a batch as indented lines.

    Args:
        plan: a batch of B plans.
        index: the index of the plan in the batch, 0 to B - 1.
        name: writes a state as text.
    """
    return to_text(name(np.asarray(plan.starts[index])), plan_tree(plan, index, name=name))


def to_text(start: str, root: PlanNode) -> str:
    """Writes a plan as indented lines.

    Args:
        start: the state that the plan starts from, written as text.
        root: the tree, as `plan_tree` returns it.
    """
    lines = [f"from {start} to {root.state}{_remark(root)}"]

    def add(node: PlanNode, indent: str) -> None:
        for number, child in enumerate(node.children):
            last = number == len(node.children) - 1
            kind = "step" if child.layer == 0 else f"sub-goal of layer {child.layer}"
            # A layer that knows no answer passes its goal on.
            score = ", nothing known" if child.score == -math.inf else f", score {child.score:.2f}"
            lines.append(f"{indent}{'└─' if last else '├─'} {child.state}  ({kind}{score}){_remark(child)}")
            add(child, indent + ("   " if last else "│  "))

    add(root, "")
    return "\n".join(lines)


def failures(root: PlanNode) -> list[str]:
    """Returns a line for each goal that was attempted and not reached, in time order; empty for a complete plan."""
    own = []
    if root.attempted and not root.reached:
        own = [f"layer {root.layer - 1} did not reach {root.state} within its bound"]
    return [line for child in root.children for line in failures(child)] + own


def _remark(node: PlanNode) -> str:
    if node.reached:
        return ""
    return "  NOT REACHED" if node.attempted else "  not attempted"
