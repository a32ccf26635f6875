"""A plan is what the layers answer one after the other, followed in the learned world."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments import collecting, transitions
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous
from humain.testing.imagining import SMALL
from humain.testing.point import PointWorld
from humain.types import Context
from humain.viewing import plan_tree
from humain.world import knowledge as knowledge_lib
from humain.world import learning, plans
from humain.world.linear import LinearWorld

POINT = PointWorld()
CONFIG = dataclasses.replace(SMALL, goal_weights=(1.0, 0.3))
WORLD = LinearWorld(POINT.actions, max_leverage=0.2)
SPACE = Continuous(2)
OBSERVATION = np.array([0.1, -0.2])
GOAL = jnp.array([4.0, 0.0])
FAR = 1e6
"""A width at which everything is close; its inverse makes everything far."""


def _known(knowledge, largest):
    """Knowledge in which what has more leverage than this is not known."""
    world = dataclasses.replace(knowledge.world, max_leverage=jnp.float32(largest))
    return dataclasses.replace(knowledge, world=world)


@pytest.fixture(scope="module")
def trained():
    """A model, what it has learned, and from what."""
    layers = (
        LinearConfig(num_slots=2, num_keys=8, relative=True, learning_rate=0.01).build(SPACE, target)
        for target in (POINT.actions.space, SPACE)
    )
    model = Model(layers=tuple(Layer(Cortex(kernel, Geometric(0.9))) for kernel in layers), space=SPACE)
    store = transitions.from_trajectories(collecting.collect(POINT, jax.random.key(0), num_steps=100))
    knowledge = knowledge_lib.fit(CONFIG, WORLD, store, 100, jax.random.key(2))
    # All is known, but for where the world ends.
    knowledge = _known(knowledge, FAR)
    return model, learning.begin(CONFIG, model, knowledge, jax.random.key(1)).model, knowledge


def words(observation):
    return "at " + " ".join(f"{value:.3f}" for value in observation)


def tree(trained, config=CONFIG, num_subgoals=3):
    model, state, knowledge = trained
    return plans.imagine(
        model,
        config,
        WORLD,
        state=state,
        knowledge=knowledge,
        observation=OBSERVATION,
        goal=GOAL,
        goal_name="a place",
        name=words,
        action_name=lambda action: f"push {int(action)}",
        num_subgoals=num_subgoals,
    )


@pytest.mark.parametrize(("num_subgoals", "subgoal_steps"), [(1, 1), (3, 2)])
def test_a_tree_has_the_goal_its_sub_goals_and_their_steps(trained, num_subgoals, subgoal_steps):
    root = tree(trained, dataclasses.replace(CONFIG, subgoal_steps=subgoal_steps), num_subgoals)
    assert (root.state, root.layer, root.score) == ("a place", 2, None)
    assert [child.layer for child in root.children] == [1] * num_subgoals
    for child in root.children:
        assert [step.layer for step in child.children] == [0] * subgoal_steps
        assert all(step.score is not None and np.isfinite(step.score) for step in (child, *child.children))
    text = plan_tree.to_text("here", root)
    assert text.startswith("from here to a place  NOT REACHED\n")
    assert sum(text.count(f" push {action} to at ") for action in range(3)) == num_subgoals * subgoal_steps
    assert text.count("(sub-goal of layer 1, score ") == num_subgoals


def test_a_tree_is_what_the_layers_answer_in_the_learned_world(trained):
    model, state, knowledge = trained
    bottom, top = (layer.cortex for layer in model.layers)
    normalizer = knowledge.normalizer

    def in_words(here):
        return words(np.asarray(normalizer.restore(here)))

    def context(here):
        return Context(states=here[None, None], features=here[None, None], mask=jnp.ones((1, 1), bool))

    here = normalizer.normalize(jnp.asarray(OBSERVATION, jnp.float32))
    # Nothing depends on the place: it is counted from where the point is.
    np.testing.assert_array_equal(knowledge.free, [True, False])
    place = jnp.array([1.0, 0.0])
    for child in tree(trained).children:
        goal = jnp.clip(GOAL, here - 2.5 * knowledge.spread, here + 2.5 * knowledge.spread)
        asked = top.answer(model.kernel_state(state, 1), context(here - place * here), (goal - place * here)[None])
        subgoal = asked.value[0] + place * here
        assert child.state == in_words(subgoal)
        assert child.score == pytest.approx(float(asked.score[0]), rel=1e-4, abs=1e-5)
        for step in child.children:
            shown = context(here - place * here)
            answer = bottom.answer(model.kernel_state(state, 0), shown, (subgoal - place * here)[None])
            action = int(answer.value[0])
            here = WORLD.step(knowledge.world, here, jnp.int32(action))
            assert step.state == f"push {action} to {in_words(here)}"
            assert step.score == pytest.approx(float(answer.score[0]), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("width", "reached"), [(FAR, True), (1 / FAR, False)])
def test_a_sub_goal_is_reached_where_its_steps_end_near_it(trained, width, reached):
    root = tree(trained, dataclasses.replace(CONFIG, closeness_width=width))
    assert [child.reached for child in root.children] == [reached] * 3
    assert root.reached is reached
    assert ("NOT REACHED" in plan_tree.to_text("here", root)) is not reached


def test_a_tree_ends_where_nothing_is_known(trained):
    model, state, knowledge = trained
    unknown = _known(knowledge, 0)
    root = tree((model, state, unknown), dataclasses.replace(CONFIG, closeness_width=FAR))
    (child,) = root.children
    assert len(child.children) == 1
    assert not child.reached
    assert not root.reached


def test_three_sub_goals_are_followed_by_default():
    defaults = dict(plans.imagine.__kwdefaults__ or {})
    assert (defaults["num_subgoals"], defaults["name"], defaults["action_name"]) == (3, str, str)
