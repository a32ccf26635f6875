"""Layers learn from imagining what might follow.

From each of a pool of imagined states many sequences of random actions branch off. The best one says what the upper
layer should have asked for (the state some steps along it), and how good that is: the average value of the states to
come, the upper layer's own scores standing for all beyond the branch. Every branch, good or bad, is an example for the
bottom layer: whatever it came to was reached by its actions. This is hindsight, on trajectories that were imagined.

A model of one layer has nobody to ask for a sub-goal. It learns what the best branch does for the goal itself, from
equally many examples.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction.skip import Skip
from humain.kernels.network import NetworkState
from humain.model import Model, ModelState
from humain.training import sharding
from humain.training.loop import Update
from humain.types import Array
from humain.world import imagination
from humain.world.config import ImaginationConfig
from humain.world.knowledge import Knowledge, closeness, closeness_by_coordinates, draw_starts, origin
from humain.world.world import World


@struct.dataclass
class ImaginationState:
    """What training carries.

    Attributes:
        model: what the layers have learned.
        slow: a slow average of the top layer's parameters.
        states: `[B, D]`, the pool of imagined states.
        goals: `[B, D]`, what is asked for in each.
        key: root of all randomness.
    """

    model: ModelState
    slow: Any
    states: Array
    goals: Array
    key: jax.Array


def begin(config: ImaginationConfig, model: Model, knowledge: Knowledge, key: jax.Array) -> ImaginationState:
    """The state before the first update.

    Args:
        config: how the layers learn.
        model: one layer or two.
        knowledge: of all that was experienced so far.
        key: consumed.
    """
    model_key, pool_key, root_key = jax.random.split(key, 3)
    skip = Skip(config.subgoal_steps)
    state = model.init(model_key, tuple(skip for _ in model.layers))
    states, goals = draw_starts(config, knowledge, pool_key)
    return ImaginationState(model=state, slow=_top(model, state).params, states=states, goals=goals, key=root_key)


def go_on(model: Model, begun: ImaginationState, before: ModelState) -> ImaginationState:
    """The state before a later stage's first update; nothing is computed.

    Args:
        model: one layer or two.
        begun: the state before a first update; its optimisers begin anew.
        before: what the layers have learned in the stages before, to go on from.
    """
    state = dataclasses.replace(
        begun.model,
        kernels=tuple(
            dataclasses.replace(new, params=old.params)
            for new, old in zip(begun.model.kernels, before.kernels, strict=True)
        ),
    )
    return dataclasses.replace(begun, model=state, slow=_top(model, state).params)


def check(config: ImaginationConfig, num_layers: int) -> None:
    """Whether imagination can teach as many layers.

    Raises:
        ValueError: for more than two layers, and for a branch that is too short for the examples of a layer by itself.
    """
    if num_layers > 2:
        raise ValueError(f"the model has {num_layers} layers; imagination teaches 1 or 2")
    if num_layers == 1 and config.action_examples >= config.branch_steps:
        raise ValueError(
            f"action_examples must be less than branch_steps ({config.branch_steps}) for a layer by itself, which "
            f"learns as many steps of a branch and one more, not {config.action_examples}"
        )


def build_update(config: ImaginationConfig, model: Model, world: World) -> Update:
    """One update of all layers from one step of imagination.

    Args:
        config: how the layers learn.
        model: one layer or two.
        world: to imagine in.

    Raises:
        ValueError: as `check` does.
    """
    check(config, len(model.layers))
    bottom, top = model.layers[0], model.layers[-1]
    pool, ahead, behind = config.pool_size, config.subgoal_steps, config.branch_steps - config.subgoal_steps

    def update(
        learner: ImaginationState, knowledge: Knowledge, step: jax.Array
    ) -> tuple[ImaginationState, Mapping[str, jax.Array]]:
        keys = jax.random.split(jax.random.fold_in(learner.key, step), 8)
        learner = dataclasses.replace(
            learner, states=sharding.split_batch(learner.states), goals=sharding.split_batch(learner.goals)
        )
        # Imagine: the same random sequences from every state of the pool.
        sequences = world.actions.draw_sequences(
            keys[0],
            keys[1],
            num_sequences=config.num_branches,
            num_steps=config.branch_steps,
            num_parts=config.num_pushes,
        )
        branches = world.branch(knowledge.world, learner.states, sequences)
        # Judge: how close the states along each branch are to the goal, and what the top layer expects beyond.
        goals = tuple(learner.goals[:, at, None] for at in range(learner.goals.shape[1]))
        value = partial(closeness_by_coordinates, config, knowledge, goals=goals)
        judgement = imagination.judge(world, knowledge.world, branches, value, discount=config.discount)
        moved = partial(origin, knowledge)
        slow = dataclasses.replace(_top(model, learner.model), params=learner.slow)

        def beyond(judged: Array) -> Array:
            ends = branches.states(jnp.arange(pool)[:, None], judged, config.branch_steps)
            there = imagination.as_rows(ends)
            wanted = imagination.as_rows(jnp.broadcast_to(learner.goals[:, None], ends.shape)) - moved(there)
            context = imagination.first_contexts(top, there - moved(there), wanted)
            return top.cortex.answer(slow, context, wanted).score.reshape(judged.shape)

        best, best_return = imagination.best_branches(
            judgement, beyond, num_judged=config.num_judged, far=config.discount**config.branch_steps
        )
        # Learn: the upper layer from the best branches, the bottom one from all of them; one by itself from the best.
        if len(model.layers) == 1:
            pushes = imagination.best_push_examples(
                bottom,
                branches,
                goals=learner.goals,
                best=best,
                returns=best_return,
                value=lambda states, goals: closeness(config, knowledge, states, goals),
                known=partial(world.known, knowledge.world),
                discount=config.discount,
                num_times=1 + config.action_examples,
                origin=moved,
            )
            state, metrics = model.learn(learner.model, {0: pushes})
        else:
            wanted = imagination.subgoal_examples(
                top,
                branches,
                states=learner.states,
                goals=learner.goals,
                best=best,
                returns=best_return,
                distance=ahead,
                origin=moved,
            )
            draws = imagination.draw_actions(
                (keys[2], keys[3], keys[4]),
                (pool, config.action_examples),
                num_sequences=config.num_branches,
                num_times=behind,
                max_distance=ahead,
            )
            done = imagination.action_examples(bottom, branches, draws, origin=moved)
            state, metrics = model.learn(learner.model, {0: done, 1: wanted})
        params = jax.tree.map(
            lambda old, new: old + config.averaging * (new - old), learner.slow, _top(model, state).params
        )
        # Go on: the pool follows its branches, those that left the known world or are to restart begin anew.
        explores, restarts = (
            jax.random.bernoulli(key, share, (pool,))
            for key, share in ((keys[5], config.explore), (keys[6], config.restart))
        )
        rows = jnp.arange(pool)
        # The sequences are drawn anew each time: any will do.
        followed = jnp.where(explores, 0, best)
        passed = branches.states(rows[:, None], followed[:, None], jnp.arange(1, ahead + 1))
        alive = jnp.all(world.known(knowledge.world, passed), axis=1)
        new_states, new_goals = draw_starts(config, knowledge, keys[7])
        anew = (restarts | ~alive)[:, None]
        metrics |= {"return": jnp.mean(best_return), "alive": jnp.mean(alive)}
        return ImaginationState(
            model=state,
            slow=params,
            states=jnp.where(anew, new_states, branches.states(rows, followed, ahead)),
            goals=jnp.where(anew, new_goals, learner.goals),
            key=learner.key,
        ), metrics

    return update


def _top(model: Model, state: ModelState) -> NetworkState:
    """What judges: the top layer's part of what was learned."""
    top = model.kernel_state(state, len(model.layers) - 1)
    assert isinstance(top, NetworkState)
    return top
