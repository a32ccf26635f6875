"""Acting by search alone, without anything that learns but the world: model-predictive control by random shooting.

At each step random sequences of actions branch off from where the agent is, as in learning; it does what the best of
them begins with. What lies beyond the branches is not known to it. Source: A. Nagabandi et al., Neural Network
Dynamics for Model-Based Deep Reinforcement Learning with Model-Free Fine-Tuning (2018), section IV.C; here what is not
known counts as an end, and the sequences keep a tendency for a while.
"""

from functools import partial

import jax
import jax.numpy as jnp

from humain.types import Array
from humain.world import imagination
from humain.world.config import ImaginationConfig
from humain.world.knowledge import Knowledge, closeness_by_coordinates
from humain.world.world import World


def choose(
    config: ImaginationConfig, world: World, knowledge: Knowledge, states: Array, goals: Array, key: jax.Array
) -> tuple[Array, Array]:
    """The first action of the best branch from each state.

    Args:
        config: how many branches there are, how long they are and of how many parts, the discount, what counts as
            close, and how far ahead the states lie that are returned; nothing else of it is used.
        world: the kind.
        knowledge: of it; a branch is over where it is not known.
        states: `[B, D]`, normalised.
        goals: `[B, D]`, normalised.
        key: consumed.

    Returns:
        Actions `[B, *V]`, and for people the states `[B, D]` where the best branches are after `subgoal_steps`.
    """
    tendency_key, action_key = jax.random.split(key)
    sequences = world.actions.draw_sequences(
        tendency_key,
        action_key,
        num_sequences=config.num_branches,
        num_steps=config.branch_steps,
        num_parts=config.num_pushes,
    )
    branches = world.branch(knowledge.world, states, sequences)
    wanted = tuple(goals[:, at, None] for at in range(goals.shape[1]))
    value = partial(closeness_by_coordinates, config, knowledge, goals=wanted)
    along, final, _ = imagination.judge(world, knowledge.world, branches, value, discount=config.discount)
    # All goes on as it ends: the value at the end stands for all that comes later.
    best = jnp.argmax(along + config.discount**config.branch_steps * final, axis=1)
    return sequences[best, 0], branches.states(jnp.arange(states.shape[0]), best, config.subgoal_steps)
