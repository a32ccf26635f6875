"""A moment's tree is what the layers answer one after the other, followed in the learned world."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.types import Context
from humain.viewing import plan_tree
from tasks.control import cart_pole, collection, learner, moment
from tasks.control.small_settings import SETTINGS

SPACE = Continuous(cart_pole.STATE_SIZE)
OBSERVATION = np.array([0.1, -0.2, 0.05, 0.1])
GOAL = jnp.array([4.0, 0.0, 0.0, 0.0])
FAR = 1e6
"""A width at which everything is close; its inverse makes everything far."""


def _leverage(knowledge, largest):
    """Knowledge in which what has more leverage than this is not known."""
    world = dataclasses.replace(knowledge.world, max_leverage=jnp.float32(largest))
    return dataclasses.replace(knowledge, world=world)


@pytest.fixture(scope="module")
def taught():
    """A model, what it has learned, and from what."""
    layers = (
        LinearConfig(num_slots=2, num_keys=8, relative=True, learning_rate=0.01).build(SPACE, target)
        for target in (Discrete(cart_pole.NUM_ACTIONS), SPACE)
    )
    model = Model(layers=tuple(Layer(Cortex(kernel, Geometric(0.9))) for kernel in layers), space=SPACE)
    knowledge = learner.know(SETTINGS, collection.collect_at_random(jax.random.key(0), num_steps=100), 100)
    # All is known, but for where the world ends.
    knowledge = _leverage(knowledge, FAR)
    return model, learner.begin(SETTINGS, model, knowledge, jax.random.key(1)).model, knowledge


def tree(taught, settings=SETTINGS, num_subgoals=3):
    model, state, knowledge = taught
    return moment.tree(
        model,
        settings,
        state=state,
        knowledge=knowledge,
        observation=OBSERVATION,
        goal=GOAL,
        goal_name="a place",
        num_subgoals=num_subgoals,
    )


def test_a_state_in_words_by_hand():
    # 0.1 rad are 5.7 degrees, -0.2 rad 11.5.
    assert moment.describe(np.array([0.5, -1.0, 0.1, -0.2])) == "x +0.50 m, -1.00 m/s; pole +5.7 deg, -11 deg/s"
    assert moment.describe(np.zeros(4)) == "x +0.00 m, +0.00 m/s; pole +0.0 deg, +0 deg/s"


@pytest.mark.parametrize(("num_subgoals", "subgoal_steps"), [(1, 1), (3, 2)])
def test_a_tree_has_the_goal_its_sub_goals_and_their_steps(taught, num_subgoals, subgoal_steps):
    root = tree(taught, dataclasses.replace(SETTINGS, subgoal_steps=subgoal_steps), num_subgoals)
    assert (root.state, root.layer, root.score) == ("a place", 2, None)
    assert [child.layer for child in root.children] == [1] * num_subgoals
    for child in root.children:
        assert [step.layer for step in child.children] == [0] * subgoal_steps
        assert all(step.score is not None and np.isfinite(step.score) for step in (child, *child.children))
    text = plan_tree.to_text("here", root)
    assert text.startswith("from here to a place  NOT REACHED\n")
    assert text.count(" left to x ") + text.count(" right to x ") == num_subgoals * subgoal_steps
    assert text.count("(sub-goal of layer 1, score ") == num_subgoals


def test_a_tree_is_what_the_layers_answer_in_the_learned_world(taught):
    model, state, knowledge = taught
    bottom, top = (layer.cortex for layer in model.layers)
    normalizer = knowledge.normalizer

    def words(here):
        return moment.describe(np.asarray(normalizer.restore(here)))

    def context(here):
        return Context(states=here[None, None], features=here[None, None], mask=jnp.ones((1, 1), bool))

    here = normalizer.normalize(jnp.asarray(OBSERVATION, jnp.float32))
    for child in tree(taught).children:
        goal = jnp.clip(GOAL, here - 2.5 * knowledge.spread, here + 2.5 * knowledge.spread)
        asked = top.answer(model.kernel_state(state, 1), context(here), goal[None])
        assert child.state == words(asked.value[0])
        assert child.score == pytest.approx(float(asked.score[0]), rel=1e-4, abs=1e-5)
        for step in child.children:
            answer = bottom.answer(model.kernel_state(state, 0), context(here), asked.value)
            action = int(answer.value[0])
            here = knowledge.world.dynamics.step(here, jnp.eye(2)[action])
            assert step.state == f"{('left', 'right')[action]} to {words(here)}"
            assert step.score == pytest.approx(float(answer.score[0]), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("width", "reached"), [(FAR, True), (1 / FAR, False)])
def test_a_sub_goal_is_reached_where_its_steps_end_near_it(taught, width, reached):
    root = tree(taught, dataclasses.replace(SETTINGS, closeness_width=width))
    assert [child.reached for child in root.children] == [reached] * 3
    assert root.reached is reached
    assert ("NOT REACHED" in plan_tree.to_text("here", root)) is not reached


def test_a_tree_ends_where_nothing_is_known(taught):
    model, state, knowledge = taught
    unknown = _leverage(knowledge, 0)
    root = tree((model, state, unknown), dataclasses.replace(SETTINGS, closeness_width=FAR))
    (child,) = root.children
    assert len(child.children) == 1
    assert not child.reached
    assert not root.reached
