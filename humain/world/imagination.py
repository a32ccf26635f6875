"""Imagination: what might follow, judged, and made into examples to learn from.

Every branch of a learned world is a trajectory, and hindsight holds for it as for one that was lived: what it came to
was reached by its actions. What is not known counts as an end; see `humain.world.linear`.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from humain.layer import Layer
from humain.types import Array, Context, Examples
from humain.world.world import Branches, Coordinates, World, WorldState

Value: TypeAlias = Callable[[Coordinates], Array]
"""What states are worth, by coordinates of `[B, J]` each: `[B, J]`."""


class Judgement(NamedTuple):
    """What branches are worth, `[B, J]` each.

    Attributes:
        along: the discounted value of the states along the way, as far as they are known.
        final: the value at the end, 0 where that is not known.
        alive: bool, whether the branch is known all the way to there.
    """

    along: Array
    final: Array
    alive: Array


def judge(world: World, state: WorldState, branches: Branches, value: Value, *, discount: float) -> Judgement:
    """Discounted value of the states to come on every branch, for as long as they are known.

    Args:
        world: the kind.
        state: what was learned of it.
        branches: of it.
        value: of states; may be anything, not a number included, where the world is not known.
        discount: in `(0, 1)`.

    Returns:
        Along the way the sum of `(1 - discount) * discount ** t * value` from `t = 0` after the first step on, to which
        what is not known adds nothing; and how it ends.
    """

    def go_on(before: Judgement, at: tuple[Array, Array, Array]) -> tuple[Judgement, None]:
        values, known, weight = at
        # Once unknown, always: what comes after is as if the world had ended.
        alive = before.alive & known
        # Chosen, not multiplied: see `value`.
        present = jnp.where(alive, values, 0)
        return Judgement(before.along + weight * present, present, alive), None

    num_sequences, num_steps = branches.actions.shape[:2]
    shape = (branches.num_states, num_sequences)
    weights = (1 - discount) * discount ** jnp.arange(num_steps)
    begin = Judgement(jnp.zeros(shape), jnp.zeros(shape), jnp.ones(shape, bool))
    judged, _ = jax.lax.scan(go_on, begin, (*world.survey(state, branches, value), weights))
    return judged


Origin: TypeAlias = Callable[[Array], Array]
"""From present states `[B, D]` to what is taken from them, and from goals and targets, before a layer sees any."""


def first_contexts(layer: Layer, states: Array, goals: Array) -> Context:
    """What a layer sees of `B` episodes that begin in states `[B, D]`, asked for goals `[B, D]`."""
    return layer.context(layer.begin(states.shape[0]), states, goals)


class ActionDraws(NamedTuple):
    """Which times of which branches the bottom layer learns from, `[B, N]` int32 each.

    Attributes:
        sequences: of each state's branches.
        times: of the action.
        distances: from there to the goal, in steps, at least 1.
    """

    sequences: Array
    times: Array
    distances: Array


def draw_actions(
    keys: tuple[jax.Array, jax.Array, jax.Array],
    shape: tuple[int, int],
    *,
    num_sequences: int,
    num_times: int,
    max_distance: int,
) -> ActionDraws:
    """Times drawn uniformly.

    Args:
        keys: consumed, for each field of `ActionDraws`.
        shape: B and N.
        num_sequences: J.
        num_times: actions are those before this time; with the distance they must stay within the branches.
        max_distance: how far ahead goals lie.
    """
    return ActionDraws(
        sequences=jax.random.randint(keys[0], shape, 0, num_sequences),
        times=jax.random.randint(keys[1], shape, 0, num_times),
        distances=jax.random.randint(keys[2], shape, 1, max_distance + 1),
    )


def action_examples(
    layer: Layer, branches: Branches, draws: ActionDraws, *, origin: Origin = jnp.zeros_like
) -> Examples:
    """Hindsight for the layer that acts: what lies some steps ahead on any branch was reached by what was done.

    Args:
        layer: the bottom one.
        branches: good or bad.
        draws: N times for each of B states.
        origin: see `Origin`.

    Returns:
        `B * N` examples, from the state at a time to a later one of the same branch; the target is the action that
        was taken, and the score that of the distance.
    """
    rows = jnp.arange(branches.num_states)[:, None]
    sequences, times, distances = draws
    goals = as_rows(branches.states(rows, sequences, times + distances))
    states = as_rows(branches.states(rows, sequences, times))
    moved = origin(states)
    states, goals = states - moved, goals - moved
    actions = branches.actions[sequences, times]
    return Examples(
        context=first_contexts(layer, states, goals),
        goals=goals,
        targets=actions.reshape(-1, *actions.shape[2:]),
        scores=layer.cortex.score_rule.score(distances.reshape(-1)),
        mask=jnp.ones(draws.times.shape, bool).reshape(-1),
    )


def subgoal_examples(
    layer: Layer,
    branches: Branches,
    *,
    states: Array,
    goals: Array,
    best: Array,
    returns: Array,
    distance: int,
    origin: Origin = jnp.zeros_like,
) -> Examples:
    """Examples for a layer that asks for sub-goals: it should have asked for where the best branch leads.

    Args:
        layer: above the bottom one.
        branches: from the states.
        states: `[B, D]`.
        goals: `[B, D]`, what was asked for.
        best: `[B]` int32, the best sequence for each.
        returns: `[B]`, how good it is: the scores.
        distance: how many steps ahead the sub-goal lies.
        origin: see `Origin`.
    """
    rows = jnp.arange(branches.num_states)
    moved = origin(states)
    states, goals = states - moved, goals - moved
    return Examples(
        context=first_contexts(layer, states, goals),
        goals=goals,
        targets=branches.states(rows, best, distance) - moved,
        scores=returns,
        mask=jnp.ones(branches.num_states, bool),
    )


def best_push_examples(
    layer: Layer,
    branches: Branches,
    *,
    goals: Array,
    best: Array,
    returns: Array,
    value: Callable[[Array, Array], Array],
    known: Callable[[Array], Array],
    discount: float,
    num_times: int,
    origin: Origin = jnp.zeros_like,
) -> Examples:
    """Examples for a layer that is alone: it should do what the best branch begins with.

    Args:
        layer: answers actions.
        branches: from B states.
        goals: `[B, D]`, what was asked for.
        best: `[B]` int32, the best sequence for each.
        returns: `[B]`, how good it is, as `judge` counts it.
        value: of states `[B, D]` for goals `[B, D]`: `[B]`, finite.
        known: bool `[B]` of states `[B, D]`.
        discount: in `(0, 1)`, as it was judged by.
        num_times: N, how many actions to take from the front of each; at most T.
        origin: see `Origin`.

    Returns:
        `B * N` examples, each from a state on the best branch with the action that was taken there. The score is what
        that branch is worth from there on; an example counts where the branch is known as far as its state.
    """
    rows = jnp.arange(branches.num_states)
    there, worth, alive = branches.states(rows, best, 0), returns, jnp.ones(branches.num_states, bool)
    found = []
    for time in range(num_times):
        found.append((there, branches.actions[best, time], worth, alive))
        there = branches.states(rows, best, time + 1)
        alive = alive & known(there)
        # What a state is worth is the value of the next one and, discounted, what that is worth, solved for the latter.
        worth = (worth - (1 - discount) * jnp.where(alive, value(there, goals), 0)) / discount
    states, actions, scores, mask = (jnp.concatenate(parts) for parts in zip(*found, strict=True))
    moved = origin(states)
    states, wanted = states - moved, jnp.concatenate([goals] * num_times) - moved
    return Examples(
        context=first_contexts(layer, states, wanted), goals=wanted, targets=actions, scores=scores, mask=mask
    )


def best_branches(
    judgement: Judgement, beyond: Callable[[Array], Array], *, num_judged: int, far: float
) -> tuple[Array, Array]:
    """The best branch of each state, as far as it is known and by what lies beyond its end.

    To ask what lies beyond is dear. So it is asked of the most promising branch of each of some groups alone: the one
    that is best if all goes on as it ends.

    Args:
        judgement: of all branches.
        beyond: values `[B, num_judged]` in `[0, 1]` of what follows the branches whose numbers it is given,
            `[B, num_judged]`.
        num_judged: groups, a divisor of J.
        far: weight of what lies beyond, the discount to the power of T.

    Returns:
        The branches' numbers `[B]`, and what they are worth, `[B]`.
    """
    along, final, alive = judgement
    num_states, num_sequences = along.shape
    # Choose the branch to ask about in each group.
    promise = (along + far * final).reshape(num_states, num_judged, -1)
    group_size = num_sequences // num_judged
    judged = jnp.argmax(promise, axis=2) + (group_size * jnp.arange(num_judged))[None]
    # Add what lies beyond, for those that live to see it.
    rows = jnp.arange(num_states)
    column = rows[:, None]
    returns = along[column, judged] + far * jnp.where(alive[column, judged], jnp.clip(beyond(judged), 0, 1), 0)
    return judged[rows, jnp.argmax(returns, axis=1)], jnp.max(returns, axis=1)


def as_rows(vectors: Array) -> Array:
    """`[A, B, D]` as `[A * B, D]`."""
    return vectors.reshape(-1, vectors.shape[-1])
