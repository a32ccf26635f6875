"""`react`: from the present state and the goal, top to bottom, one action."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy.typing as npt
from flax import struct

from humain import answering, guards
from humain.abstraction.abstraction import (
    PathAbstraction,
    Track,
    begin_track,
    choose_pivot,
    lift_on,
    lift_through,
)
from humain.hippocampus import memory as memory_lib
from humain.hippocampus.memory import Memory
from humain.model import Model, ModelState
from humain.selection import select
from humain.stopping import Stopping
from humain.types import Array


@struct.dataclass
class Trail:
    """The newest two states of a layer's path, as far as they are needed to tell pivots.

    Attributes:
        newest: `[B, *S]`.
        before: `[B, *S]`, the one before it; equal to it where there is none.
        lifted: `[B, *S]` of the layer above, what the path so far lifts to; of the top layer's own, where there is no
            layer above, and without meaning.
        count: `[B]` int32, states on the path so far.
        track: `[B]`, what the layer's abstraction carries along the path, up to the state before the newest.
    """

    newest: Array
    before: Array
    lifted: Array
    count: Array
    track: Track


@struct.dataclass
class Episode:
    """What `B` agents remember of their present episodes.

    Attributes:
        memories: each layer's hippocampus, batched.
        trails: each layer's path, batched; unlike memories they are not refreshed with the goal.
        goals: `[B, *S]` for each layer, its goal at the last step, in the layer's own terms: of its own space.
        ends: `[B]` bool for each layer, whether the answer that it follows was said to end the way to its goal.
        scores: `[B]` for each layer, of that answer.
    """

    memories: tuple[Memory, ...]
    trails: tuple[Trail, ...]
    goals: tuple[Array, ...]
    ends: tuple[Array, ...]
    scores: tuple[Array, ...]


@struct.dataclass
class Reaction:
    """An action and why.

    Attributes:
        action: `[B, *V]`, the bottom layer's answer.
        goals: `[B, *S]` for each layer, bottom first: what it was asked to reach, in its own terms.
        scores: `[B]` for each layer, bottom first: how good its answer has proved.
    """

    action: Array
    goals: tuple[Array, ...]
    scores: tuple[Array, ...]


def begin(model: Model, batch_size: int) -> Episode:
    """The episodes before their first state."""
    blanks = [jnp.zeros((batch_size, *layer.space.shape), layer.space.dtype) for layer in model.layers]
    track, count = begin_track((batch_size,)), jnp.zeros(batch_size, jnp.int32)
    trails = [
        Trail(newest=blank, before=blank, lifted=lifted, count=count, track=track)
        for blank, lifted in zip(blanks, [*blanks[1:], blanks[-1]], strict=True)
    ]
    return Episode(
        memories=tuple(layer.begin(batch_size) for layer in model.layers),
        trails=tuple(trails),
        goals=tuple(blanks),
        ends=tuple(jnp.zeros(batch_size, bool) for _ in model.layers),
        scores=tuple(jnp.zeros(batch_size) for _ in model.layers),
    )


def react(
    model: Model, state: ModelState, episode: Episode, states: npt.ArrayLike, goals: npt.ArrayLike
) -> tuple[Episode, Reaction]:
    """One action for each of `B` agents.

    Args:
        model: the stack.
        state: what it has learned.
        episode: from `begin` or the last call.
        states: `[B, *S]`, where the agents are.
        goals: `[B, *S]`, where they shall go. Both may be lists or NumPy arrays, which are looked at before anything is
            computed. A JAX array is looked at where that costs no waiting: if it is on the CPU, computed already and
            not large.

    Returns:
        The episodes with this step in them, and the reaction. A layer that is at its goal, or knows no answer, passes
        its goal on unchanged. An agent at its goal whose actions are next states is told to stay there. A layer that
        says where the way to its goal ends (`Stopping`) keeps its goal until it has said so, and the layers below too.

    Raises:
        ValueError: naming ids outside the space, NaN, a wrong type or shape, or a state of another model.
    """
    guards.check_number(len(model.layers), len(state.abstractions))
    batch_size = episode.trails[0].count.shape[0]
    asked = guards.questions(model.space, states, goals, batch_size=batch_size, wait=False)
    return _react(model, state, episode, *asked)


@partial(jax.jit, static_argnames=("model",))
def _react(model: Model, state: ModelState, episode: Episode, states: Array, goals: Array) -> tuple[Episode, Reaction]:
    """As `react`, of what was checked."""
    # Of the space's own type, the episode comes out as it went in, whatever numbers these were made from.
    states, goals = (jnp.asarray(ids, model.space.dtype) for ids in (states, goals))
    first = episode.trails[0].count == 0
    # First what has become past, on all layers: every answer of this step is given in sight of it.
    before, episode = episode, _remember(model, state, episode, states)
    memories = list(episode.memories)
    present, wanted = _present(state, before, episode, states), lift_through(state.abstractions, goals)
    # No state is what a pivot of a path stands for, so that being at the goal shows at the bottom alone.
    there = jnp.zeros(states.shape[0], bool)
    if any(isinstance(abstraction, PathAbstraction) for abstraction in state.abstractions[:-1]):
        there = model.space.equal(states, goals)
    # The way to a goal is over where the answer that was followed ends it, and the way to that answer is over too.
    over = list(itertools.accumulate(episode.ends, jnp.logical_and))
    goes_on = ~first & ~there & model.layers[-1].space.equal(wanted[-1], episode.goals[-1])
    asked: list[Array] = list(wanted)
    scores, ends = list(episode.scores), list(episode.ends)
    # Down the stack: the answer of each layer is the goal of the one below, and the last one is the action.
    goal = wanted[-1]
    for number in reversed(range(len(model.layers))):
        layer, here = model.layers[number], present[number]
        changed = first
        if number < len(model.layers) - 1:
            specified = state.abstractions[number].specify(goal, here)
            goal = select(model.layers[number + 1].space.equal(goal, wanted[number + 1]), wanted[number], specified)
            if isinstance(layer.cortex.kernel.target_space, Stopping):
                # The goal stays until its way is over, and with it all that is known of the answer that it is.
                kept = goes_on & ~over[number]
                goal = select(kept, episode.goals[number], goal)
                scores[number + 1] = select(kept, episode.scores[number + 1], scores[number + 1])
                ends[number + 1] = select(kept, episode.ends[number + 1], ends[number + 1])
                changed |= over[number]
        asked[number] = goal
        if layer.refresh_on_new_goal:
            changed |= ~layer.space.equal(goal, episode.goals[number])
            memories[number] = jax.vmap(memory_lib.refresh)(memories[number], changed)
        context = layer.context(memories[number], here, goal)
        answer = answering.answerer(model, state, number)(context, goal, None)
        scores[number], ends[number] = answer.score, answer.ends
        if number > 0:
            goal = select(layer.space.equal(here, goal) | there | ~answer.known, goal, answer.value)
        elif layer.answers_states:
            goal = select(layer.space.equal(here, goal), goal, answer.value)
        else:
            goal = answer.value
    episode = dataclasses.replace(
        episode, memories=tuple(memories), goals=tuple(asked), ends=tuple(ends), scores=tuple(scores)
    )
    return episode, Reaction(action=goal, goals=tuple(asked), scores=tuple(scores))


def _present(state: ModelState, before: Episode, after: Episode, states: Array) -> tuple[Array, ...]:
    """States `[B, *S]` as each layer sees them, bottom first: as what its path would be if it ended here."""
    seen = [states]
    for number, abstraction in enumerate(state.abstractions[:-1]):
        # The present state is on the path of the bottom layer already; above, it may yet come up.
        trail = (before if number == 0 else after).trails[number]
        seen.append(lift_on(abstraction, trail.lifted, seen[-1], trail.count))
    return tuple(seen)


def _remember(model: Model, state: ModelState, episode: Episode, states: Array) -> Episode:
    """Stores, on each layer, what has become past by the arrival of `states`.

    Whether a state is a pivot can depend on the one after it; so a layer passes its newest state up when the next
    arrives.
    """
    memories, trails = [], []
    arrived = jnp.ones(states.shape[0], bool)
    arriving = states
    for number in range(len(model.layers)):
        trail = episode.trails[number]
        abstraction = state.abstractions[number]
        passed = arrived & (trail.count > 0)
        # On the bottom layer the past is every earlier state; above, the pivots that came up.
        stored, present = (trail.newest, passed) if number == 0 else (arriving, arrived)
        memories.append(model.layers[number].remember(episode.memories[number], stored, present))
        lifted = trail.lifted
        if number < len(model.layers) - 1:
            lifted = select(arrived, lift_on(abstraction, trail.lifted, arriving, trail.count), trail.lifted)
        pivot, track = choose_pivot(abstraction, trail.track, trail.before, trail.newest, arriving, trail.count - 1)
        trails.append(
            Trail(
                newest=select(arrived, arriving, trail.newest),
                before=select(arrived, select(trail.count > 0, trail.newest, arriving), trail.before),
                lifted=lifted,
                count=trail.count + arrived,
                track=jax.tree.map(partial(select, passed), track, trail.track),
            )
        )
        arrived, arriving = passed & pivot, trail.lifted
    return dataclasses.replace(episode, memories=tuple(memories), trails=tuple(trails))
