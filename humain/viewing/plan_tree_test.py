"""Hand-made plans as trees and text: one that is complete, one that fails half way, one with nothing to do."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.types import Plan, PlanLayer
from humain.viewing import plan_tree


def _layer(states, parents, scores, valid, reached, attempted) -> PlanLayer:
    return PlanLayer(
        states=jnp.array(states, jnp.int32),
        parents=jnp.array(parents, jnp.int32),
        scores=jnp.array(scores, jnp.float32),
        valid=jnp.array(valid, bool),
        reached=jnp.array(reached, bool),
        attempted=jnp.array(attempted, bool),
    )


def _plan() -> Plan:
    """Three plans of two layers, with room for four nodes a layer.

    0: from 0 to 5 by the sub-goals 2 (1, 2) and 5 (4, 5). Complete.
    1: from 0 to 7 by the sub-goals 3, 6 and 7: the way to 3 is 3; on the way to 6 come 1, 2 and then the bound; 7 is
       never worked on.
    2: from 4 to 4. Nothing to do.
    """
    padding = 99
    bottom = _layer(
        states=[[1, 2, 4, 5], [3, 1, 2, padding], [padding] * 4],
        parents=[[0, 0, 1, 1], [0, 1, 1, 0], [0] * 4],
        scores=[[0.5, 0.75, 0.5, 0.75], [0.75, 0.25, 0.125, 0.9], [0.9] * 4],
        valid=[[1, 1, 1, 1], [1, 1, 1, 0], [0] * 4],
        reached=[[1, 1, 0, 0], [1, 0, 0, 0], [0] * 4],
        attempted=[[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4],
    )
    top = _layer(
        states=[[2, 5, padding, padding], [3, 6, 7, padding], [padding] * 4],
        parents=[[0] * 4] * 3,
        scores=[[0.5, 1.0, 0.9, 0.9], [0.25, 0.5, 1.0, 0.9], [0.9] * 4],
        valid=[[1, 1, 0, 0], [1, 1, 1, 0], [0] * 4],
        reached=[[1], [1], [1]],
        attempted=[[1], [1], [1]],
    )
    return Plan(
        starts=jnp.array([0, 0, 4], jnp.int32),
        goals=jnp.array([5, 7, 4], jnp.int32),
        layers=(bottom, top),
        complete=jnp.array([True, False, True]),
    )


_COMPLETE = """\
from 0 to 5
├─ 2  (sub-goal of layer 1, score 0.50)
│  ├─ 1  (step, score 0.50)
│  └─ 2  (step, score 0.75)
└─ 5  (sub-goal of layer 1, score 1.00)
   ├─ 4  (step, score 0.50)
   └─ 5  (step, score 0.75)"""

_FAILED = """\
from 0 to 7
├─ 3  (sub-goal of layer 1, score 0.25)
│  └─ 3  (step, score 0.75)
├─ 6  (sub-goal of layer 1, score 0.50)  NOT REACHED
│  ├─ 1  (step, score 0.25)
│  └─ 2  (step, score 0.12)
└─ 7  (sub-goal of layer 1, score 1.00)  not attempted"""


def test_a_complete_plan_as_a_tree():
    root = plan_tree.plan_tree(_plan(), 0)
    assert (root.state, root.layer, root.score, root.reached, root.attempted) == ("5", 2, None, True, True)
    assert [(child.state, child.layer, child.score) for child in root.children] == [("2", 1, 0.5), ("5", 1, 1.0)]
    assert [step.state for child in root.children for step in child.children] == ["1", "2", "4", "5"]
    assert all(step.layer == 0 and step.children == () for child in root.children for step in child.children)


@pytest.mark.parametrize(("index", "text"), [(0, _COMPLETE), (1, _FAILED), (2, "from 4 to 4")])
def test_plans_as_text(index, text):
    plan = _plan()
    assert plan_tree.to_text(str(plan.starts[index]), plan_tree.plan_tree(plan, index)) == text


def test_failures_name_layer_and_goal():
    plan = _plan()
    trees = [plan_tree.plan_tree(plan, index) for index in range(3)]
    assert [plan_tree.failures(tree) for tree in trees] == [[], ["layer 0 did not reach 6 within its bound"], []]


def test_the_failure_of_a_goal_comes_after_those_below_it():
    plan = _plan()
    top = dataclasses.replace(plan.layers[1], reached=jnp.zeros((3, 1), bool))
    tree = plan_tree.plan_tree(dataclasses.replace(plan, layers=(plan.layers[0], top)), 1)
    assert plan_tree.failures(tree) == [
        "layer 0 did not reach 6 within its bound",
        "layer 1 did not reach 7 within its bound",
    ]
    assert plan_tree.to_text("0", tree).splitlines()[0] == "from 0 to 7  NOT REACHED"


def test_states_are_written_by_name():
    words = ["home", "road", "bridge", "shop", "lane", "park"]
    tree = plan_tree.plan_tree(_plan(), 0, name=lambda state: words[int(state)])
    assert plan_tree.to_text("home", tree).splitlines()[:3] == [
        "from home to park",
        "├─ bridge  (sub-goal of layer 1, score 0.50)",
        "│  ├─ road  (step, score 0.50)",
    ]


def test_vectors_are_states_too():
    plan = jax.tree.map(lambda leaf: leaf, _plan())
    lifted = [layer.replace(states=jnp.stack([layer.states, -layer.states], axis=-1)) for layer in plan.layers]
    plan = dataclasses.replace(plan, layers=tuple(lifted), goals=jnp.stack([plan.goals, -plan.goals], axis=-1))
    tree = plan_tree.plan_tree(plan, 0, name=lambda state: f"({state[0]}, {state[1]})")
    assert tree.state == "(5, -5)"
    assert tree.children[0].children[1].state == "(2, -2)"


def test_a_tree_has_a_json_form_of_plain_types():
    tree = plan_tree.plan_tree(_plan(), 1)
    record = tree.to_json()
    assert json.loads(json.dumps(record)) == record
    assert set(record) == {"state", "layer", "score", "reached", "attempted", "children"}
    assert record["score"] is None
    assert [child["reached"] for child in record["children"]] == [True, False, False]
    assert [child["attempted"] for child in record["children"]] == [True, True, False]
    assert [step["state"] for step in record["children"][1]["children"]] == ["1", "2"]


def test_plans_of_numpy_arrays_are_the_same():
    plan = _plan()
    assert plan_tree.plan_tree(jax.tree.map(np.asarray, plan), 1) == plan_tree.plan_tree(plan, 1)
