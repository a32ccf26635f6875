"""Collecting: steps of a cart pole that acts at random, or as the model does so far, with some exploration."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import struct

from humain.model import Model, ModelState
from humain.types import Array
from tasks.control import cart_pole
from tasks.control.contexts import present
from tasks.control.learner import Knowledge, Settings, nearer
from tasks.control.steps import Steps


@dataclasses.dataclass(frozen=True)
class Exploration:
    """How collecting departs from what the model would do.

    Attributes:
        random_actions: share of steps at which a random action is taken.
        random_slots: share of steps at which the upper layer answers by any of its slots in place of the best.
        goal_steps: how long a goal is kept; then the farthest known one on the other side is asked for.
    """

    random_actions: float
    random_slots: float
    goal_steps: int

    def __post_init__(self) -> None:
        for name in ("random_actions", "random_slots"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if self.goal_steps < 1:
            raise ValueError(f"goal_steps must be 1 or more, not {self.goal_steps}")


@struct.dataclass
class _Progress:
    """Where collecting is: the state, the goal (normalised), and the steps so far, of this episode and of all."""

    state: Array
    goal: Array
    age: Array
    time: Array


_Act: TypeAlias = Callable[[_Progress, jax.Array], tuple[Array, Array]]
"""From where collecting is, and a key, to the action and the goal of the next step."""


@partial(jax.jit, static_argnames=("num_steps",))
def collect_at_random(key: jax.Array, *, num_steps: int) -> Steps:
    """Steps `[num_steps]` of a cart pole pushed at random; `key` is consumed."""

    def act(progress: _Progress, action_key: jax.Array) -> tuple[Array, Array]:
        return jax.random.randint(action_key, (), 0, cart_pole.NUM_ACTIONS), progress.goal

    return _collect(key, act, jnp.zeros(cart_pole.STATE_SIZE), num_steps)


@partial(jax.jit, static_argnames=("model", "settings", "exploration", "num_steps"))
def collect(
    model: Model,
    state: ModelState,
    *,
    knowledge: Knowledge,
    key: jax.Array,
    settings: Settings,
    exploration: Exploration,
    num_steps: int,
) -> Steps:
    """Steps `[num_steps]` of a cart pole that the model moves between the farthest goals that it knows.

    Args:
        model: the stack of two layers.
        state: what it has learned.
        knowledge: that it learned from.
        key: consumed.
        settings: that it learned by.
        exploration: how to depart from what it would do.
        num_steps: to collect; the last of them cuts its episode off.
    """

    def act(progress: _Progress, key: jax.Array) -> tuple[Array, Array]:
        slot_key, which_key, action_key, random_key, goal_key = jax.random.split(key, 5)
        here = knowledge.normalizer.normalize(progress.state)[None]
        context = present(model, here)
        bottom, top = (layer.cortex for layer in model.layers)
        slots = top.kernel.recall(
            model.kernel_state(state, 1), context, nearer(settings, knowledge, here, progress.goal[None])
        )
        any_slot = jax.random.randint(which_key, (), 0, top.kernel.num_slots)
        varies = jax.random.bernoulli(slot_key, exploration.random_slots)
        slot = jnp.where(varies, any_slot, jnp.argmax(slots.scores[0]))
        action = bottom.answer(model.kernel_state(state, 0), context, slots.values[:, slot]).value[0]
        errs = jax.random.bernoulli(action_key, exploration.random_actions)
        action = jnp.where(errs, jax.random.randint(random_key, (), 0, cart_pole.NUM_ACTIONS), action)
        # To and fro, and not at random: with few goals in a course, chance would leave out one side of the world.
        over = (progress.time + 1) % exploration.goal_steps == 0
        return action, jnp.where(over, _other(far, progress.goal), progress.goal)

    side_key, key = jax.random.split(key)
    far = _far_goals(settings, knowledge)
    return _collect(key, act, jnp.where(jax.random.bernoulli(side_key), *far), num_steps)


def _far_goals(settings: Settings, knowledge: Knowledge) -> tuple[Array, Array]:
    """The two ends of what is known in the coordinates that goals are drawn in, the middle in others: `[D]` each."""
    drawn = jnp.zeros_like(knowledge.lowest).at[jnp.array(settings.goal_coordinates, jnp.int32)].set(1)
    return drawn * knowledge.lowest, drawn * knowledge.highest


def _other(goals: tuple[Array, Array], goal: Array) -> Array:
    """The one of two goals `[D]` that this one is not."""
    first, second = goals
    return jnp.where(jnp.array_equal(goal, first), second, first)


def _collect(key: jax.Array, act: _Act, first_goal: Array, num_steps: int) -> Steps:
    def step(progress: _Progress, number: Array) -> tuple[_Progress, tuple[Array, ...]]:
        act_key, begin_key = jax.random.split(jax.random.fold_in(key, number))
        action, goal = act(progress, act_key)
        following, terminated = cart_pole.step(progress.state, action)
        truncated = ~terminated & (progress.age + 1 >= cart_pole.MAX_STEPS)
        ended = terminated | truncated
        after = _Progress(
            state=jnp.where(ended, cart_pole.initial(begin_key), following),
            goal=goal,
            age=jnp.where(ended, 0, progress.age + 1),
            time=progress.time + 1,
        )
        return after, (progress.state, action.astype(jnp.int32), following, terminated, truncated)

    begin_key, key = jax.random.split(key)
    start = _Progress(state=cart_pole.initial(begin_key), goal=first_goal, age=jnp.int32(0), time=jnp.int32(0))
    _, (states, actions, following, terminated, truncated) = jax.lax.scan(step, start, jnp.arange(num_steps))
    return Steps(
        states=states,
        actions=actions,
        next_states=following,
        terminated=terminated,
        truncated=truncated.at[-1].set(~terminated[-1]),
        count=jnp.int32(num_steps),
    )
