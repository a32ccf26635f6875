"""`think` on a line of nodes whose answers are known: whole plans, and what is said of those that do not get there."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting, planning
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus.recall import Recall
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.testing import stacks
from humain.testing.blocks import Blocks
from humain.testing.probe import Probe
from humain.testing.steps import Ascent


@pytest.fixture(scope="module")
def line():
    """Six nodes in a row; the lower layer steps to the neighbour, the upper one to the node after it."""
    return stacks.line_world(6)


def think(stack, start, goal):
    model, state = stack
    return planning.think(model, state, jnp.array([start]), jnp.array([goal]))


def tree(plan, layer, at=0):
    """One layer's nodes as (goal's number in the layer above, state)."""
    nodes = plan.layers[layer]
    return [
        (int(parent), int(state))
        for parent, state, valid in zip(nodes.parents[at], nodes.states[at], nodes.valid[at], strict=True)
        if valid
    ]


def unreached(plan, at=0):
    """The goals, as (layer, number), that a layer worked on and did not reach."""
    return [
        (number, int(goal))
        for number, layer in enumerate(plan.layers)
        for goal in np.flatnonzero(layer.attempted[at] & ~layer.reached[at])
    ]


def test_the_whole_plan_along_the_line(line):
    plan = think(line, 0, 5)
    # Above: from 0 by two to 2, 4, and 5. Below: to each of these by ones.
    assert tree(plan, 1) == [(0, 2), (0, 4), (0, 5)]
    assert tree(plan, 0) == [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]
    assert plan.complete.tolist() == [True]
    assert (plan.starts.tolist(), plan.goals.tolist()) == ([0], [5])
    # Scores are 1 - distance / 16: above to the user's goal, 5, 3 and 1 away; below to the sub-goal, 2 or 1 away.
    np.testing.assert_allclose(plan.layers[1].scores[0, :3], [11 / 16, 13 / 16, 15 / 16], atol=1e-6)
    np.testing.assert_allclose(plan.layers[0].scores[0, :5], [14 / 16, 15 / 16, 14 / 16, 15 / 16, 15 / 16], atol=1e-6)
    assert plan.layers[1].reached[0].tolist() == plan.layers[1].attempted[0].tolist() == [True]
    assert plan.layers[0].reached[0].tolist() == plan.layers[0].attempted[0].tolist() == [True] * 3 + [False] * 61


def test_three_layers_nest(line):
    plan = think(stacks.line_world(9, num_layers=3), 8, 1)
    assert tree(plan, 2) == [(0, 4), (0, 1)]
    assert tree(plan, 1) == [(0, 6), (0, 4), (1, 2), (1, 1)]
    assert tree(plan, 0) == [(0, 7), (0, 6), (1, 5), (1, 4), (2, 3), (2, 2), (3, 1)]
    assert plan.complete.tolist() == [True]


def test_nodes_come_in_time_order_and_first(line):
    plan = think(line, 0, 5)
    for layer in plan.layers:
        valid = layer.valid[0].tolist()
        assert valid == sorted(valid, reverse=True)
        parents = layer.parents[0][layer.valid[0]].tolist()
        assert parents == sorted(parents)


def test_who_is_there_already_needs_no_step(line):
    plan = think(line, 3, 3)
    assert tree(plan, 1) == tree(plan, 0) == []
    assert plan.complete.tolist() == [True]
    assert unreached(plan) == []
    assert plan.layers[1].reached[0].tolist() == [True]


def test_pairs_of_a_batch_do_not_mix(line):
    starts, goals = jnp.array([0, 3, 5, 2]), jnp.array([5, 3, 1, 3])
    model, state = line
    together = planning.think(model, state, starts, goals)
    for at in range(4):
        alone = think(line, int(starts[at]), int(goals[at]))
        assert [tree(together, layer, at) for layer in range(2)] == [tree(alone, layer) for layer in range(2)]
    assert together.complete.tolist() == [True] * 4


def test_thinking_and_reacting_take_the_same_way(line):
    model, state = line
    for start, goal in ((0, 5), (5, 0), (1, 4), (2, 3)):
        episode, here, way = acting.begin(model, 1), jnp.array([start]), []
        while int(here[0]) != goal:
            episode, reaction = acting.react(model, state, episode, here, jnp.array([goal]))
            here = reaction.action
            way.append(int(here[0]))
            assert len(way) < 10
        assert [node for _, node in tree(think((model, state), start, goal), 0)] == way


def test_a_sub_goal_that_nobody_knows_how_to_reach_is_named(line):
    # Below, all is known but what leads on from 3: the second sub-goal, 4, is not reached, and the third not tried.
    model, state = stacks.line_world(6)
    fresh = stacks.init(model)
    known = [
        (here, goal, here + (1 if goal > here else -1), 1 - abs(goal - here) / 16)
        for here in range(6)
        for goal in range(6)
        if here not in (3, goal)
    ]
    state = dataclasses.replace(state, kernels=(stacks.store(model, fresh, 0, known).kernels[0], state.kernels[1]))
    plan = think((model, state), 0, 5)
    assert plan.complete.tolist() == [False]
    assert unreached(plan) == [(0, 1)]
    assert tree(plan, 1) == [(0, 2), (0, 4), (0, 5)]
    # The steps end where nothing is known, and no step is made up.
    assert tree(plan, 0) == [(0, 1), (0, 2), (1, 3)]
    assert plan.layers[0].reached[0, :3].tolist() == [True, False, False]
    assert plan.layers[0].attempted[0, :3].tolist() == [True, True, False]


def test_sub_goals_are_specified_for_where_the_plan_is():
    # Above, nodes are blocks of two, and the way from 6 to 9, in the block of 8, is made to lead over 0 and 4. Below,
    # from 6 the nearest node of the block of 0 is 1, and from there that of 4 is 4; 8 stands for the user's goal.
    model, state = stacks.line_world(10)
    above = stacks.store(model, stacks.init(model), 1, [(6, 8, 0, 0.5), (0, 8, 4, 0.6), (4, 8, 8, 0.7)])
    state = dataclasses.replace(state, kernels=(state.kernels[0], above.kernels[1]), abstractions=(Blocks(2),) * 2)
    plan = think((model, state), 6, 9)
    assert tree(plan, 1) == [(0, 0), (0, 4), (0, 8)]
    assert [node for _, node in tree(plan, 0)] == [5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [parent for parent, _ in tree(plan, 0)] == [0] * 5 + [1] * 3 + [2] * 5
    assert plan.complete.tolist() == [True]
    # From 7, the same block, the upper layer asks for the same.
    assert tree(think((model, state), 7, 9), 1) == tree(plan, 1)


def test_a_plan_that_does_not_end_at_the_goal_is_not_complete():
    # 8 and 9 are one block: above there is nothing to ask for, and below nothing is done.
    model, state = stacks.line_world(10)
    plan = think((model, dataclasses.replace(state, abstractions=(Blocks(2),) * 2)), 8, 9)
    assert tree(plan, 0) == tree(plan, 1) == []
    assert plan.complete.tolist() == [False]


def test_a_goal_that_the_upper_layer_does_not_know_is_passed_on():
    model = stacks.table_stack(6, 2)
    state = stacks.store(model, stacks.init(model), 0, [(0, 2, 1, 0.5), (1, 2, 2, 0.5)])
    plan = think((model, state), 0, 2)
    assert tree(plan, 1) == [(0, 2)]
    assert plan.layers[1].scores[0, 0] == -jnp.inf
    assert tree(plan, 0) == [(0, 1), (0, 2)]
    assert plan.complete.tolist() == [True]


def test_nothing_is_known_of_anything():
    model = stacks.table_stack(6, 2)
    plan = think((model, stacks.init(model)), 0, 2)
    assert plan.complete.tolist() == [False]
    assert tree(plan, 0) == []
    assert unreached(plan) == [(0, 0)]


def test_going_round_in_circles_ends_at_the_bound():
    # 0 and 1 point at each other.
    model = stacks.table_stack(3, 1, max_sub_steps=4)
    state = stacks.store(model, stacks.init(model), 0, [(0, 2, 1, 0.5), (1, 2, 0, 0.5)])
    plan = think((model, state), 0, 2)
    assert tree(plan, 0) == [(0, 1), (0, 0), (0, 1), (0, 0)]
    assert plan.complete.tolist() == [False]
    assert unreached(plan) == [(0, 0)]


@pytest.mark.parametrize(("bound", "arrives"), [(5, True), (4, False)])
def test_the_bound_is_how_many_steps_a_goal_may_take(bound, arrives):
    model, state = stacks.line_world(6, num_layers=1, max_sub_steps=bound)
    plan = think((model, state), 0, 5)
    assert plan.complete.tolist() == [arrives]
    assert [node for _, node in tree(plan, 0)] == [1, 2, 3, 4, 5][:bound]


def test_the_bound_holds_for_each_goal_anew():
    model, state = stacks.line_world(6, max_sub_steps=3)
    assert think((model, state), 0, 5).complete.tolist() == [True]  # 3 above, and 2 + 2 + 1 below


@pytest.mark.parametrize(("room", "arrives"), [(5, True), (4, False)])
def test_a_plan_without_room_is_not_complete(room, arrives):
    model, state = stacks.line_world(6, max_nodes=room)
    plan = think((model, state), 0, 5)
    assert plan.complete.tolist() == [arrives]
    assert [node for _, node in tree(plan, 0)] == [1, 2, 3, 4, 5][:room]
    assert unreached(plan) == ([] if arrives else [(0, 2)])


def test_an_upper_layer_that_fails_makes_the_plan_incomplete():
    # Above there is room for one sub-goal only; it is reached below, and still the user's goal is not.
    model, state = stacks.line_world(6)
    upper = Layer(cortex=model.layers[1].cortex, max_nodes=1)
    model = Model(layers=(model.layers[0], upper), space=model.space, group_layers=False)
    plan = think((model, state), 0, 5)
    assert tree(plan, 1) == [(0, 2)]
    assert tree(plan, 0) == [(0, 1), (0, 2)]
    assert plan.complete.tolist() == [False]
    assert unreached(plan) == [(1, 0)]


def test_each_goal_starts_with_a_fresh_context():
    # With two states of context, everything is stored for contexts of the present state alone, so a layer knows only
    # its first step for each goal: with a step a goal, that is enough.
    model, state = stacks.line_world(6, context_length=2, stride=1)
    plan = think((model, state), 0, 1)
    assert tree(plan, 1) == tree(plan, 0) == [(0, 1)]
    assert plan.complete.tolist() == [True]
    # Two sub-goals, (0, 1) and then passed on, as above nothing is known for the context [0, 1].
    plan = think((model, state), 0, 2)
    assert tree(plan, 1) == [(0, 1), (0, 2)]
    assert tree(plan, 0) == [(0, 1), (1, 2)]
    assert plan.complete.tolist() == [True]


def test_plans_need_a_bottom_layer_that_answers_states():
    space = Discrete(3)
    kernel = TableConfig().build(space, Discrete(2))
    model = Model(layers=(Layer(Cortex(kernel, Linear(16))),), space=space)
    with pytest.raises(ValueError, match="the bottom layer answers actions; use react"):
        think((model, stacks.init(model)), 0, 1)


def test_thinking_again_does_not_recompile(line):
    model, state = line
    traced = []

    @jax.jit
    def plan_for(state, starts, goals):
        traced.append(True)
        return planning.think(model, state, starts, goals)

    for start in (0, 1, 2):
        plan_for(state, jnp.array([start, 3, 3]), jnp.array([5, 1, start]))
    assert len(traced) == 1


def test_layers_that_recall_plan_as_others_where_there_is_nothing_to_recall():
    """Each goal begins with a fresh memory, and the first answer reaches it: a probe answers the goal itself."""
    space = Discrete(8)
    plans = []
    for recall, capacity in [(None, 0), (Recall(num_recalled=2), 3)]:
        layer = Layer(Cortex(Probe(space, space), Linear(8)), recall=recall, recall_capacity=capacity)
        model = Model(layers=(layer, layer), space=space)
        state = model.init(jax.random.key(0), (Skip(2), Skip(2)))
        plans.append(planning.think(model, state, jnp.array([0, 3]), jnp.array([5, 3])))
    np.testing.assert_array_equal(plans[0].layers[0].states, plans[1].layers[0].states)
    np.testing.assert_array_equal(plans[1].complete, [True, True])


@pytest.fixture(scope="module")
def ladder():
    """Above 2.5 and then 7, which are no states below; there ways end at 2 and at 8."""
    below = Ascent((1.0, 2.0, 6.0, 8.0, 9.0), (False, True, False, True, False))
    above = Ascent((2.5, 7.0), (False, True))
    layers = tuple(Layer(Cortex(kernel, Linear(10)), max_nodes=8) for kernel in (below, above))
    model = Model(layers, Continuous(1))
    return model, model.init(jax.random.key(0), (ChunkMean(2), Skip(9)))


def climb(ladder, goal, **settings):
    model, state = ladder
    return planning.think(model, state, jnp.zeros((1, 1)), jnp.array([[goal]]), **settings)


def test_a_layer_goes_on_to_its_next_goal_where_it_says_that_the_way_ends(ladder):
    plan = climb(ladder, 8.0)
    assert values(plan, 1) == [(0, 2.5), (0, 7)]
    assert values(plan, 0) == [(0, 1), (0, 2), (1, 6), (1, 8)]
    assert plan.complete.tolist() == [True]


def test_a_plan_whose_ways_all_end_elsewhere_is_not_complete(ladder):
    plan = climb(ladder, 5.0)
    assert [layer.reached[0, 0].tolist() for layer in plan.layers] == [True, True]
    assert plan.complete.tolist() == [False]


def test_the_top_layer_begins_with_the_hypothesis_of_that_rank(ladder):
    plan = climb(ladder, 8.0, ranks=[1])
    assert values(plan, 1) == [(0, 7)]
    assert values(plan, 0) == [(0, 1), (0, 2)]
    np.testing.assert_array_equal(plan.layers[1].scores[0, :1], [0.25])
    # Rank 0 is what there is by default.
    jax.tree.map(np.testing.assert_array_equal, climb(ladder, 8.0, ranks=[0]), climb(ladder, 8.0))


def test_a_layer_that_hides_its_start_sets_out_from_nothing(ladder):
    model, state = ladder
    below, above = model.layers
    hiding = dataclasses.replace(model, layers=(dataclasses.replace(below, hide_start=True), above))
    plan = planning.think(hiding, state, jnp.full((1, 1), 6.0), jnp.array([[8.0]]))
    # From 6 the layer above goes to 7 at once; below, the way begins anew at 0, and ends at 2.
    assert values(plan, 1) == [(0, 7)]
    assert values(plan, 0) == [(0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ([2], "ranks must lie between 0 and 1, not 2"),
        ([-1], "ranks must lie between 0 and 1, not -1"),
        ([0, 0], r"ranks are int64\[2\], expected whole numbers \[1\]"),
        ([0.5], r"ranks are float64\[1\], expected whole numbers \[1\]"),
    ],
)
def test_ranks_that_there_are_not_are_refused(ladder, ranks, message):
    with pytest.raises(ValueError, match=message):
        climb(ladder, 8.0, ranks=ranks)


def values(plan, layer):
    """One layer's nodes as (goal's number in the layer above, the state's one number)."""
    nodes = plan.layers[layer]
    return [
        (int(parent), float(state[0]))
        for parent, state, valid in zip(nodes.parents[0], nodes.states[0], nodes.valid[0], strict=True)
        if valid
    ]
