"""A plan in a learned world: what the layers ask for from a state on, and where it is expected to lead."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.training.ahead import Ahead
from humain.types import Array
from humain.viewing.plan_tree import PlanNode
from humain.world.config import ImaginationConfig
from humain.world.imagination import first_contexts
from humain.world.knowledge import Knowledge, closeness, nearer, origin
from humain.world.world import World


def imagine(
    model: Model,
    config: ImaginationConfig,
    world: World,
    *,
    state: ModelState,
    knowledge: Knowledge,
    observation: np.ndarray,
    goal: Array | np.ndarray,
    goal_name: str,
    name: Callable[[np.ndarray], str] = str,
    action_name: Callable[[np.ndarray], str] = str,
    num_subgoals: int = 3,
) -> PlanNode:
    """What would follow from an observation, as far as is known.

    Args:
        model: the two layers.
        config: that they learned by.
        world: in which they learned.
        state: what they have learned.
        knowledge: that they learned from.
        observation: `[D]`, in its own units.
        goal: `[D]`, normalised.
        goal_name: the user's words for it.
        name: writes observations `[D]`.
        action_name: writes actions `[*V]`.
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
        return name(normalized * normalizer.scale + normalizer.mean)

    subgoals: list[PlanNode] = []
    alive, near_goal = True, False
    while alive and len(subgoals) < num_subgoals:
        # Ask for one sub-goal, and act on it for as long as it lies ahead.
        following = _follow(model, config, world, state, knowledge, here, goal)
        outcome = _judge(config, world, knowledge, following[-1], following[0], goal)
        subgoal, score, actions, scores, path = jax.device_get(following)
        known, near_subgoal, near = jax.device_get(outcome)
        # Keep what is known, and the first step that is not.
        alive = bool(known.all())
        length = len(known) if alive else int(np.argmin(known)) + 1
        here, near_goal = path[length - 1], bool(near[length - 1])
        steps = tuple(
            PlanNode(
                f"{action_name(action)} to {in_words(there)}",
                0,
                float(value),
                reached=True,
                attempted=True,
                children=(),
            )
            for action, value, there in zip(actions[:length], scores[:length], path[:length], strict=True)
        )
        subgoals.append(
            PlanNode(
                in_words(subgoal),
                1,
                float(score),
                reached=alive and bool(near_subgoal[length - 1]),
                attempted=True,
                children=steps,
            )
        )
    return PlanNode(goal_name, 2, None, reached=alive and near_goal, attempted=True, children=tuple(subgoals))


def compile_ahead(
    ahead: Ahead, model: Model, config: ImaginationConfig, world: World, *, state: ModelState, knowledge: Knowledge
) -> None:
    """Begins to compile what `imagine` runs, for states and knowledge with a leading axis of seeds."""
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (state, knowledge))
    place = jax.ShapeDtypeStruct(one[1].spread.shape, jnp.float32)
    ahead.begin_behind(_follow, model, config, world, *one, place, place)


def wait(ahead: Ahead) -> None:
    """Waits for what `compile_ahead` has begun."""
    ahead.wait(_follow)


@partial(jax.jit, static_argnames=("model", "config", "world"))
def _follow(
    model: Model,
    config: ImaginationConfig,
    world: World,
    state: ModelState,
    knowledge: Knowledge,
    here: Array,
    goal: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """One sub-goal from a state `[D]` and its score; the actions under it `[T, *V]`, their scores, states `[T, D]`."""
    bottom, top = model.layers
    moved = origin(knowledge, here)
    wanted = (nearer(config, knowledge, here, goal) - moved)[None]
    asked = top.cortex.answer(model.kernel_state(state, 1), first_contexts(top, (here - moved)[None], wanted), wanted)
    subgoal = asked.value[0] + moved

    def act(here: Array, _: None) -> tuple[Array, tuple[Array, Array, Array]]:
        moved = origin(knowledge, here)
        wanted = (subgoal - moved)[None]
        context = first_contexts(bottom, (here - moved)[None], wanted)
        answer = bottom.cortex.answer(model.kernel_state(state, 0), context, wanted)
        action = world.actions.clip(answer.value[0])
        there = world.step(knowledge.world, here, action)
        return there, (action, answer.score[0], there)

    _, (actions, scores, path) = jax.lax.scan(act, here, length=config.subgoal_steps)
    return subgoal, asked.score[0], actions, scores, path


@partial(jax.jit, static_argnames=("config", "world"))
def _judge(
    config: ImaginationConfig, world: World, knowledge: Knowledge, path: Array, subgoal: Array, goal: Array
) -> tuple[Array, Array, Array]:
    """Of states `[T, D]`: whether they are known, near enough to a sub-goal `[D]`, and to a goal `[D]`; bool `[T]`."""
    near_subgoal, near_goal = (
        closeness(config, knowledge, path, jnp.broadcast_to(there, path.shape)) >= 0.5 for there in (subgoal, goal)
    )
    return world.known(knowledge.world, path), near_subgoal, near_goal
