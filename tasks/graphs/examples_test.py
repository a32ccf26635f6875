"""Single plans and reactions as text, of models that know the ways by heart."""

import numpy as np
import pytest

from humain.viewing import plan_tree
from tasks.graphs import examples, known_ways

_GRAPH = known_ways.graph()
# From a to d by the sub-goal c; the layer above has seen the ways at half the score.
_BOTTOM = {("a", "c"): "c", ("c", "d"): "d", ("a", "d"): "b"}
_TOP = {("a", "d"): "c", ("c", "d"): "d"}


@pytest.fixture(scope="module", name="stack")
def _stack():
    model = known_ways.model(num_layers=2)
    state = known_ways.taught(model, _BOTTOM, score=0.75)
    return model, known_ways.taught(model, {}, _TOP, score=0.25, state=state)


def test_a_plan_as_text(stack):
    model, state = stack
    tree = examples.plan(model, state, _GRAPH, 0, 3)
    assert plan_tree.to_text("a", tree) == (
        "from a to d\n"
        "├─ c  (sub-goal of layer 1, score 0.25)\n"
        "│  └─ c  (step, score 0.75)\n"
        "└─ d  (sub-goal of layer 1, score 0.25)\n"
        "   └─ d  (step, score 0.75)"
    )


def test_a_walk_shows_what_each_sub_goal_stands_for(stack):
    model, state = stack
    # Every second state is a pivot, and so is the walk's end.
    outline = examples.walk_outline(model, state, _GRAPH, np.array([0, 1, 2, 3, 1, 2]))
    assert outline == "the walk: a b c d b c\nlayer 1: [a] | b [c] | d [b] | [c]"


def test_pivots_of_pivots_stand_for_pivots():
    model = known_ways.model(num_layers=3)
    outline = examples.walk_outline(model, known_ways.taught(model, {}), _GRAPH, np.array([0, 1, 2, 3, 1, 2, 0]))
    assert outline.splitlines()[1:] == ["layer 1: [a] | b [c] | d [b] | c [a]", "layer 2: [a] | c [b] | [a]"]


def test_a_reaction_says_what_each_layer_was_asked_for(stack):
    model, state = stack
    trace = examples.reaction_trace(model, state, _GRAPH, 0, 3, max_steps=5)
    assert [line.split() for line in trace.splitlines() if not line.startswith("-")] == [
        ["at", "goal", "of", "layer", "1", "goal", "of", "layer", "0", "next", "score"],
        ["a", "d", "c", "c", "0.75"],
        ["c", "d", "d", "d", "0.75"],
    ]


def test_a_reaction_ends_at_a_step_that_is_no_edge(stack):
    model, state = stack
    # At d nobody knows anything: the answer is to stay, and there is no edge from d to itself.
    trace = examples.reaction_trace(model, state, _GRAPH, 3, 1, max_steps=5)
    assert [line.split() for line in trace.splitlines()[2:]] == [["d", "b", "b", "d", "–"]]


def test_a_reaction_is_bounded():
    model = known_ways.model()
    state = known_ways.taught(model, {("a", "b"): "c", ("c", "b"): "d", ("d", "b"): "a"})
    trace = examples.reaction_trace(model, state, _GRAPH, 0, 1, max_steps=7)
    assert [line.split()[0] for line in trace.splitlines()[2:]] == ["a", "c", "d", "a", "c", "d", "a"]


def test_at_the_goal_there_is_nothing_to_do(stack):
    model, state = stack
    assert len(examples.reaction_trace(model, state, _GRAPH, 3, 3, max_steps=5).splitlines()) == 2
    assert plan_tree.to_text("d", examples.plan(model, state, _GRAPH, 3, 3)) == "from d to d"
