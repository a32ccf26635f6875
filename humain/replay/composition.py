"""Replay: learning from plans that the model composes itself out of what it has stored.

`compose` joins what is stored for s -> m and for m -> g into an example for s -> g, at the composed score. `imagine`
rolls the bottom layer from s to g; the path that it takes is a trajectory like any other, and the layers above learn
from it in hindsight. Nothing is learned from a roll that does not arrive.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from humain.abstraction.abstraction import lift_through
from humain.cortex import hindsight
from humain.cortex.hindsight import Experience
from humain.model import Model, ModelState
from humain.types import Array, Examples, Trajectories


def compose(
    model: Model, state: ModelState, *, experience: Experience, key: jax.Array, batch_size: int, pivot_share: float
) -> Examples:
    """Composed examples for the bottom layer.

    Args:
        model: the stack.
        state: what it has learned.
        experience: whose trajectories say which m lies behind which s, and which states can be goals.
        key: consumed.
        batch_size: B.
        pivot_share: in `[0, 1]`, share of the examples whose m is the next pivot, which stands for the states up to it
            (the reverse mask); for the others it is the next state. Pivots carry far with few compositions; single
            steps find what is missing between.

    Returns:
        Examples, masked where one of the parts is not stored.
    """
    place_key, goal_key, kind_key = jax.random.split(key, 3)
    walks, times = hindsight.sample_places(experience, place_key, batch_size)
    ends = experience.trajectories.lengths[walks] - 1
    by_pivot = jax.random.uniform(kind_key, (batch_size,)) < pivot_share
    pivots = jnp.minimum(experience.paths[1].following(walks, times), ends)
    middle_times = jnp.where(by_pivot, pivots, times + 1)
    goal_walks, goal_times = hindsight.sample_places(experience, goal_key, batch_size)
    # The place drawn is followed by a state, and that one can be a trajectory's last: any state met can be a goal.
    goals = experience.trajectories.states[goal_walks, goal_times + 1]
    fresh = partial(hindsight.fresh_contexts, experience, model.layers[0], number=0)
    starts, middles = fresh(walks=walks, times=times), fresh(walks=walks, times=middle_times)
    cortex, kernel = model.layers[0].cortex, model.kernel_state(state, 0)
    first = cortex.answer(kernel, starts, middles.states[:, -1])
    second = cortex.answer(kernel, middles, goals)
    scores = cortex.score_rule.compose(first.score, second.score)
    known = first.known & second.known & ~model.space.equal(starts.states[:, -1], goals)
    return Examples(
        context=starts,
        goals=goals,
        targets=first.value,
        scores=jnp.where(known, scores, 0),
        mask=known & (scores > 0),
    )


def imagine(
    model: Model, state: ModelState, *, experience: Experience, key: jax.Array, batch_size: int, max_steps: int
) -> dict[int, Examples]:
    """Examples for the layers above the bottom one, from imagined ways between states that were met.

    Args:
        model: the stack; its bottom layer must answer states.
        state: what it has learned.
        experience: whose states are starts and goals.
        key: consumed.
        batch_size: B.
        max_steps: length of the longest way that is followed.

    Returns:
        A batch for each layer but the bottom one, by its number, masked where the roll does not arrive.
    """
    start_key, goal_key = jax.random.split(key)
    start_walks, start_times = hindsight.sample_places(experience, start_key, batch_size)
    goal_walks, goal_times = hindsight.sample_places(experience, goal_key, batch_size)
    met = experience.trajectories.states
    trajectories, arrived = _roll(
        model, state, met[start_walks, start_times], met[goal_walks, goal_times + 1], max_steps
    )
    walks = jnp.arange(batch_size)
    times = jnp.zeros(batch_size, jnp.int32)
    states = lift_through(state.abstractions, trajectories.states)
    imagined = Experience(
        trajectories=trajectories,
        walks=walks,
        times=times,
        states=states,
        paths=hindsight.layer_paths(states, trajectories.lengths, state.abstractions),
        returns=None,
    )
    batches = {}
    for number, layer in enumerate(model.layers[1:], start=1):
        examples = hindsight.examples_between(
            imagined,
            layer,
            number=number,
            walks=walks,
            times=times,
            goal_times=trajectories.lengths - 1,
            kept=times,
        )
        batches[number] = dataclasses.replace(examples, mask=examples.mask & arrived)
    return batches


def _roll(model: Model, state: ModelState, starts: Array, goals: Array, max_steps: int) -> tuple[Trajectories, Array]:
    """Follows the bottom layer's answers; returns the ways and whether they arrived `[B]`."""
    layer = model.layers[0]
    kernel = model.kernel_state(state, 0)
    batch = starts.shape[0]
    blank = jnp.zeros((batch, max_steps + 1, *model.space.shape), model.space.dtype)

    def step(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        count, path, lengths, walking = carry
        here = path[:, count]
        answer = layer.cortex.answer(kernel, layer.context(layer.begin(batch), here, goals), goals)
        moves = walking & answer.known
        place = jnp.where(moves, count + 1, max_steps + 1)
        path = path.at[jnp.arange(batch), place].set(answer.value, mode="drop")
        return count + 1, path, lengths + moves, moves & ~model.space.equal(answer.value, goals)

    start = (
        jnp.int32(0),
        blank.at[:, 0].set(starts),
        jnp.ones(batch, jnp.int32),
        ~model.space.equal(starts, goals),
    )
    _, path, lengths, _ = jax.lax.while_loop(lambda c: (c[0] < max_steps) & jnp.any(c[3]), step, start)
    ends = path[jnp.arange(batch), lengths - 1]
    return Trajectories(states=path, lengths=lengths), model.space.equal(ends, goals)
