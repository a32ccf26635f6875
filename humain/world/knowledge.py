"""What experience says: a fitted world, units of distance, and how far goals may lie.

A goal is a state. The value of a state is its closeness to the goal, in units of how much states varied before anything
was learned.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.environments.transitions import Transitions
from humain.types import Array
from humain.world import normalization
from humain.world.config import ImaginationConfig
from humain.world.world import Coordinates, World, WorldState

_ROUNDING = 0.5
"""Distance below which closeness is rounded off."""


@struct.dataclass
class Knowledge:
    """What experience says, all in normalised units but the normaliser itself.

    Attributes:
        world: fitted to all transitions.
        normalizer: of states.
        spread: `[D]`, how much states varied before anything was learned.
        starts: `[N, D]`, experienced states.
        num_starts: `[]` int32, how many of these there are, from the front.
        lowest: `[D]`, the farthest goals below the middle that are known well enough.
        highest: `[D]`, those above it.
        target: `[D]`, the goal where none is named.
        free: `[D]` bool, coordinates that nothing depends on, as the place of a cart on a long track.
    """

    world: WorldState
    normalizer: normalization.Normalizer
    spread: Array
    starts: Array
    num_starts: Array
    lowest: Array
    highest: Array
    target: Array
    free: Array


def fit(
    config: ImaginationConfig, world: World, transitions: Transitions, num_first: int | Array, key: jax.Array
) -> Knowledge:
    """What transitions say.

    Args:
        config: how the layers learn.
        world: the kind to fit.
        transitions: all that was experienced.
        num_first: how many of them, from the front, were made before anything was learned. They give the units of
            distances: afterwards an agent that stands still would make every movement look large.
        key: consumed, where the world's fit is random.
    """
    # Units.
    first = normalization.fit(
        transitions.states, transitions.mask & (jnp.arange(transitions.states.shape[0]) < num_first)
    )
    whole = normalization.fit(transitions.states, transitions.mask)
    normalizer = normalization.Normalizer(mean=first.mean, scale=jnp.maximum(first.scale, whole.scale))
    # The world, in these units.
    states = normalizer.normalize(transitions.states)
    fitted = world.fit(
        dataclasses.replace(transitions, states=states, next_states=normalizer.normalize(transitions.next_states)), key
    )
    # Where goals lie: beyond what was experienced by a little more each time, within what is known.
    there = transitions.mask[:, None]
    lowest = config.stretch * jnp.min(jnp.where(there, states, jnp.inf), axis=0)
    highest = config.stretch * jnp.max(jnp.where(there, states, -jnp.inf), axis=0)
    down, up = world.extent(fitted)
    target = jnp.zeros_like(normalizer.mean)
    for coordinate, value in config.target:
        target = target.at[coordinate].set((value - normalizer.mean[coordinate]) / normalizer.scale[coordinate])
    return Knowledge(
        world=fitted,
        normalizer=normalizer,
        spread=first.scale / normalizer.scale,
        starts=states,
        num_starts=transitions.count,
        lowest=jnp.maximum(lowest, config.reach * down),
        highest=jnp.minimum(highest, config.reach * up),
        target=target,
        free=world.free(fitted),
    )


def goal_state(config: ImaginationConfig, normalizer: normalization.Normalizer, wanted: dict[int, float]) -> np.ndarray:
    """A goal `[D]`, normalised: what is wanted by coordinate, in its own unit, and the target in the others."""
    # On the host: an operation of JAX by itself is a program of its own to compile.
    mean, scale = np.asarray(normalizer.mean), np.asarray(normalizer.scale)
    goal = np.zeros_like(mean)
    for coordinate, value in {**dict(config.target), **wanted}.items():
        goal[coordinate] = (np.float32(value) - mean[coordinate]) / scale[coordinate]
    return goal


def nearer(config: ImaginationConfig, knowledge: Knowledge, states: Array, goals: Array) -> Array:
    """Goals `[..., D]`, those that are far from the states `[..., D]` moved near, coordinate by coordinate."""
    away = goals - states
    farthest = jnp.broadcast_to(config.goal_distance * knowledge.spread, away.shape)
    return states + jnp.clip(away, -farthest, farthest)


def origin(knowledge: Knowledge, states: Array) -> Array:
    """Where layers count from in states `[..., D]`: `[..., D]`, to be taken from these and from goals alike.

    It is the present state in coordinates that nothing depends on, and 0 in the others. What is done at one place is
    right at every other then, and need not be learned for each: a goal may lie far from all that was experienced.
    """
    return jnp.where(jnp.broadcast_to(knowledge.free, states.shape), states, 0)


def closeness(config: ImaginationConfig, knowledge: Knowledge, states: Array, goals: Array) -> Array:
    """Values `[...]` in `(0, 1]` of states `[..., D]` for goals `[..., D]`: 1 at the goal, a half at the width."""
    size = knowledge.spread.shape[0]
    split = (tuple(vectors[..., at] for at in range(size)) for vectors in (states, goals))
    return closeness_by_coordinates(config, knowledge, *split)


def closeness_by_coordinates(
    config: ImaginationConfig, knowledge: Knowledge, states: Coordinates, goals: Coordinates
) -> Array:
    """The same of states and goals that are given coordinate by coordinate."""
    distance: Array = jnp.float32(0)
    for state, goal, weight, spread in zip(states, goals, config.goal_weights, knowledge.spread, strict=True):
        away = weight / spread * jnp.abs(state - goal)
        # Rounded off at the goal, so that what is near enough is as good.
        distance += jnp.where(away < _ROUNDING, jnp.square(away) / (2 * _ROUNDING), away - _ROUNDING / 2)
    return 1 / (1 + distance / config.closeness_width)


def draw_starts(config: ImaginationConfig, knowledge: Knowledge, key: jax.Array) -> tuple[Array, Array]:
    """States that were experienced, half of them moved to where goals may lie, and goals for them: `[B, D]` each.

    Args:
        config: how the layers learn.
        knowledge: where states and goals come from.
        key: consumed.
    """
    start_key, move_key, place_key, share_key, goal_key = jax.random.split(key, 5)
    pool = config.pool_size
    states = knowledge.starts[jax.random.randint(start_key, (pool,), 0, knowledge.num_starts)]
    coordinates = jnp.zeros(states.shape[1], bool).at[jnp.array(config.goal_coordinates, jnp.int32)].set(True)
    drawn, low, high, farthest, target = (
        jnp.broadcast_to(row, states.shape)
        for row in (
            coordinates,
            knowledge.lowest,
            knowledge.highest,
            config.goal_distance * knowledge.spread,
            knowledge.target,
        )
    )
    # States.
    places = jnp.where(drawn, low + (high - low) * jax.random.uniform(place_key, states.shape), states)
    states = jnp.where(jax.random.bernoulli(move_key, 0.5, (pool, 1)), places, states)
    # Goals: near the state or the target, and the target in coordinates that are never drawn.
    near = states + farthest * jax.random.uniform(goal_key, states.shape, minval=-1.0)
    some = jax.random.bernoulli(share_key, config.goal_share, (pool, 1))
    goals = jnp.where(drawn & some, near, nearer(config, knowledge, states, target))
    return states, jnp.where(drawn, jnp.clip(goals, jnp.where(drawn, low, 0), jnp.where(drawn, high, 0)), target)


def of_seed(stacked: Any, seed: int) -> Any:
    """One seed's part of a pytree with a leading axis of seeds, on the host."""
    return jax.tree.map(lambda leaf: leaf[seed], jax.device_get(stacked))
