"""A moment as a plan tree: what the layers ask for from a state on, followed in the world as they have learned it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.types import Array
from humain.viewing.plan_tree import Node
from tasks.control.contexts import present
from tasks.control.learner import Knowledge, Settings, closeness, nearer

_ACTION_NAMES = ("left", "right")


def tree(
    model: Model,
    settings: Settings,
    *,
    state: ModelState,
    knowledge: Knowledge,
    observation: np.ndarray,
    goal: Array,
    goal_name: str,
    num_subgoals: int = 3,
) -> Node:
    """What would follow from an observation, as far as is known.

    Args:
        model: the two layers.
        settings: that they learned by.
        state: what they have learned.
        knowledge: that they learned from.
        observation: `[D]`, in its own units.
        goal: `[D]`, normalised.
        goal_name: the user's words for it.
        num_subgoals: how many sub-goals to follow, each for as many steps as it lies ahead.

    Returns:
        The user's goal, the sub-goals below it, and below these the actions with the states that they are expected to
        lead to. A goal counts as reached when the steps below it end near enough for a closeness of a half. The tree
        ends with the first step that leads to what is not known; no goal above it is reached.
    """
    here = knowledge.normalizer.normalize(jnp.asarray(observation, jnp.float32))
    subgoals: list[Node] = []
    alive = True
    while alive and len(subgoals) < num_subgoals:
        subgoal, score, actions, scores, path = _follow(model, settings, state, knowledge, here, goal)
        known = np.asarray(knowledge.world.known(path))
        alive = bool(known.all())
        length = len(known) if alive else int(np.argmin(known)) + 1
        here = path[length - 1]
        steps = tuple(
            Node(
                f"{_ACTION_NAMES[int(action)]} to {describe(np.asarray(knowledge.normalizer.restore(there)))}",
                0,
                float(value),
                reached=True,
                attempted=True,
                children=(),
            )
            for action, value, there in zip(actions[:length], scores[:length], path[:length], strict=True)
        )
        subgoals.append(
            Node(
                describe(np.asarray(knowledge.normalizer.restore(subgoal))),
                1,
                float(score),
                reached=alive and _near(settings, knowledge, here, subgoal),
                attempted=True,
                children=steps,
            )
        )
    reached = alive and _near(settings, knowledge, here, goal)
    return Node(goal_name, 2, None, reached=reached, attempted=True, children=tuple(subgoals))


def describe(observation: np.ndarray) -> str:
    """A state in words, with units."""
    x, x_dot, theta, theta_dot = (float(value) for value in observation)
    return f"x {x:+.2f} m, {x_dot:+.2f} m/s; pole {np.degrees(theta):+.1f} deg, {np.degrees(theta_dot):+.0f} deg/s"


def _near(settings: Settings, knowledge: Knowledge, state: Array, goal: Array) -> bool:
    return bool(closeness(settings, knowledge, state, goal) >= 0.5)


@partial(jax.jit, static_argnames=("model", "settings"))
def _follow(
    model: Model, settings: Settings, state: ModelState, knowledge: Knowledge, here: Array, goal: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """One sub-goal from a state `[D]` and its score; the actions under it `[T]`, their scores and states `[T, D]`."""
    bottom, top = (layer.cortex for layer in model.layers)
    wanted = nearer(settings, knowledge, here, goal)[None]
    asked = top.answer(model.kernel_state(state, 1), present(model, here[None]), wanted)

    def act(here: Array, _: None) -> tuple[Array, tuple[Array, Array, Array]]:
        answer = bottom.answer(model.kernel_state(state, 0), present(model, here[None]), asked.value)
        action = answer.value[0]
        num_actions = knowledge.world.dynamics.weights.shape[0] - here.shape[0] - 1
        there = knowledge.world.dynamics.step(here, jax.nn.one_hot(action, num_actions))
        return there, (action, answer.score[0], there)

    _, (actions, scores, path) = jax.lax.scan(act, here, length=settings.subgoal_steps)
    return asked.value[0], asked.score[0], actions, scores, path
