"""A moment as a plan tree: what the layers ask for from a state on, followed in the world as they have learned it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.training.ahead import Ahead
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
    goal: Array | np.ndarray,
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
    # On the host but for what is jitted: an operation of JAX by itself is a program of its own to compile.
    normalizer = jax.device_get(knowledge.normalizer)
    here = (np.asarray(observation, np.float32) - normalizer.mean) / normalizer.scale

    def in_words(normalized: np.ndarray) -> str:
        return describe(normalized * normalizer.scale + normalizer.mean)

    subgoals: list[Node] = []
    alive, near_goal = True, False
    while alive and len(subgoals) < num_subgoals:
        following = _follow(model, settings, state, knowledge, here, goal)
        outcome = _judge(settings, knowledge, following[-1], following[0], goal)
        subgoal, score, actions, scores, path = jax.device_get(following)
        known, near_subgoal, near = jax.device_get(outcome)
        alive = bool(known.all())
        length = len(known) if alive else int(np.argmin(known)) + 1
        here, near_goal = path[length - 1], bool(near[length - 1])
        steps = tuple(
            Node(
                f"{_ACTION_NAMES[int(action)]} to {in_words(there)}",
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
                in_words(subgoal),
                1,
                float(score),
                reached=alive and bool(near_subgoal[length - 1]),
                attempted=True,
                children=steps,
            )
        )
    return Node(goal_name, 2, None, reached=alive and near_goal, attempted=True, children=tuple(subgoals))


def compile_ahead(ahead: Ahead, model: Model, settings: Settings, *, state: ModelState, knowledge: Knowledge) -> None:
    """Begins to compile what `tree` runs, for states and knowledge with a leading axis of seeds."""
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (state, knowledge))
    place = jax.ShapeDtypeStruct(one[1].spread.shape, jnp.float32)
    ahead.begin_behind(_follow, model, settings, *one, place, place)


def wait(ahead: Ahead) -> None:
    """Waits for what `compile_ahead` has begun."""
    ahead.wait(_follow)


def describe(observation: np.ndarray) -> str:
    """A state in words, with units."""
    x, x_dot, theta, theta_dot = (float(value) for value in observation)
    return f"x {x:+.2f} m, {x_dot:+.2f} m/s; pole {np.degrees(theta):+.1f} deg, {np.degrees(theta_dot):+.0f} deg/s"


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


@partial(jax.jit, static_argnames=("settings",))
def _judge(
    settings: Settings, knowledge: Knowledge, path: Array, subgoal: Array, goal: Array
) -> tuple[Array, Array, Array]:
    """Of states `[T, D]`: whether they are known, near enough to a sub-goal `[D]`, and to a goal `[D]`; bool `[T]`."""
    near_subgoal, near_goal = (
        closeness(settings, knowledge, path, jnp.broadcast_to(there, path.shape)) >= 0.5 for there in (subgoal, goal)
    )
    return knowledge.world.known(path), near_subgoal, near_goal
