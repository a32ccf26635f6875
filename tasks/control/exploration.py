"""Exploring: how experience is collected by what has been learned so far."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from humain.model import Model, ModelState
from humain.types import Array
from humain.world import planner
from humain.world.config import ImaginationConfig
from humain.world.imagination import first_contexts
from humain.world.knowledge import Knowledge, nearer, origin
from humain.world.world import World


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
            raise ValueError(f"goal_steps must be at least 1, not {self.goal_steps}")


@struct.dataclass
class Learned:
    """What is acted by.

    Attributes:
        state: what the layers have learned; where there are none, the key that branches are drawn by.
        knowledge: what it was learned from.
    """

    state: ModelState | jax.Array
    knowledge: Knowledge


@dataclasses.dataclass(frozen=True)
class ToAndFro:
    """A policy of `humain.environments.collecting` that moves between the farthest goals that are known.

    It is given `Learned`, and carries its present goal `[D]`, normalised.

    Attributes:
        model: one layer or two; None to search the world at every step, without layers.
        config: that it learned by, or searches by.
        world: that it learned in, or searches.
        exploration: how to depart from what the model would do.
    """

    model: Model | None
    config: ImaginationConfig
    world: World
    exploration: Exploration

    def first_goal(self, given: Learned, key: jax.Array) -> Array:
        """Either end, `[D]`; `key` is consumed."""
        return jnp.where(jax.random.bernoulli(key), *self._far_goals(given.knowledge))

    def act(
        self, given: Learned, carry: Array, observation: Array, number: Array, key: jax.Array
    ) -> tuple[Array, Array]:
        """The goal of the next step, and the action of this one; see `humain.environments.collecting.Policy`."""
        knowledge = given.knowledge
        slot_key, which_key, action_key, random_key, search_key = jax.random.split(key, 5)
        here = knowledge.normalizer.normalize(observation)[None]
        wanted = nearer(self.config, knowledge, here, carry[None])
        # Search or the layers answer an action, or chance does.
        if self.model is None or not isinstance(given.state, ModelState):
            found, _ = planner.choose(self.config, self.world, knowledge, here, wanted, search_key)
        else:
            moved = origin(knowledge, here)
            found = self._answer(self.model, given.state, here - moved, wanted - moved, (slot_key, which_key))
        action = self.world.actions.clip(found[0])
        errs = jax.random.bernoulli(action_key, self.exploration.random_actions)
        action = jnp.where(errs, self.world.actions.draw(random_key), action)
        # To and fro, and not at random: with few goals in a stage, chance would leave out one side of the world.
        over = (number + 1) % self.exploration.goal_steps == 0
        return jnp.where(over, _other(self._far_goals(knowledge), carry), carry), action

    def _answer(
        self, model: Model, state: ModelState, here: Array, wanted: Array, keys: tuple[jax.Array, jax.Array]
    ) -> Array:
        """What the layers do in states `[1, D]` for goals `[1, D]`: actions `[1, *V]`."""
        bottom, top = model.layers[0], model.layers[-1]
        if len(model.layers) > 1:
            # The upper layer asks for a sub-goal: the best, or now and then any.
            slots = top.cortex.kernel.recall(model.kernel_state(state, 1), first_contexts(top, here, wanted), wanted)
            any_slot = jax.random.randint(keys[1], (), 0, top.cortex.kernel.num_slots)
            varies = jax.random.bernoulli(keys[0], self.exploration.random_slots)
            slot = jnp.where(varies, any_slot, jnp.argmax(slots.scores[0]))
            wanted = slots.values[:, slot]
        answer = bottom.cortex.answer(model.kernel_state(state, 0), first_contexts(bottom, here, wanted), wanted)
        return answer.value

    def _far_goals(self, knowledge: Knowledge) -> tuple[Array, Array]:
        """The ends of what is known in the coordinates that goals are drawn in, the target in others: `[D]` each."""
        drawn = jnp.zeros(knowledge.lowest.shape, bool).at[jnp.array(self.config.goal_coordinates, jnp.int32)].set(True)
        return (
            jnp.where(drawn, knowledge.lowest, knowledge.target),
            jnp.where(drawn, knowledge.highest, knowledge.target),
        )


def _other(goals: tuple[Array, Array], goal: Array) -> Array:
    """The one of two goals `[D]` that this one is not."""
    first, second = goals
    return jnp.where(jnp.array_equal(goal, first), second, first)
