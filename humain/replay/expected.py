"""Sweeping with steps that cost, and that may lead elsewhere: the best expected scores that the steps allow.

What a choice is worth for a goal is its cost, composed with the expectation of what is stored for going on from where
it may lead; what is not stored counts 0. Costs differ, so that first in, first out is not the order of distance, and a
queue of pairs would work on most pairs several times. So goals wait instead, and a few of them are worked through
together: all their pairs, in rounds over all choices of the places concerned, from what the table has stored until
nothing gets better. The table then learns what improved. When no goal waits, the scores solve Bellman's optimality
equation, from below, where a layer learns one region, without gates, or all steps are certain. With gates and chance
they may stay below its solution: gates are chosen before chance has had its say.

With the rule `Linear`, whose scores fall by equal amounts with the cost, the expectation of scores is that of costs, up
to the longest. The product of `Geometric` gives the expected discount, as is usual for Markov decision processes.

Above a gated abstraction a layer's choices are those of `replay.gates`: to the other gates of a community at what the
layer below has stored, and the steps from one community to another. Only what a layer has to learn is worked through:
region by region, each of a layer's own communities. A choice that may lead to several places must not lead out of a
community: `steps.step_graph` says what is to lie together.

Source: Richard Bellman, Dynamic Programming (1957); value iteration by Jacobi's rounds. Andrew Moore and Christopher
Atkeson, Prioritized Sweeping: Reinforcement Learning with Less Data and Less Time (1993), for working on what improved.
Deviation: what waits is a goal, with all places at once, which has no order to get wrong, and no queue to overflow.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain import answering
from humain.abstraction.abstraction import Abstraction, GatedAbstraction
from humain.cortex.scores import Return, ScoreRule
from humain.kernels.table import Table
from humain.model import Model, ModelState
from humain.replay.steps import Steps
from humain.spaces import Discrete
from humain.types import Array, Examples

_Round: TypeAlias = tuple[Array, Array, Array, Array, Array]
"""Scores, the best choice's score and its number, which goals moved, and the number of rounds."""


@struct.dataclass
class Regions:
    """The pairs that a layer has to learn: all that lie in one region.

    Attributes:
        members: `[C, R]` int32, the places of each region, R the largest number of them.
        member_valid: `[C, R]` bool.
        regions: `[N]` int32, the region of each place; C where it lies in none.
        positions: `[N]` int32, where a place stands among its region's members.
    """

    members: Array
    member_valid: Array
    regions: Array
    positions: Array


def find_regions(abstractions: Sequence[Abstraction], number: int, size: int) -> Regions:
    """The regions of a layer. Not for jit.

    Args:
        abstractions: one for each layer, bottom first.
        number: of the layer.
        size: of its id space, N.
    """
    learned = np.asarray(_learned(abstractions, number, jnp.arange(size)))
    labels = np.zeros(size, np.int64)
    if number < len(abstractions) - 1 and isinstance(own := abstractions[number], GatedAbstraction):
        labels = np.asarray(own.community(jnp.arange(size)), np.int64)
    inside = np.flatnonzero(learned)
    _, numbers = np.unique(labels[inside], return_inverse=True)
    inside, numbers = inside[np.argsort(numbers, kind="stable")], np.sort(numbers)
    counts = np.bincount(numbers, minlength=1)
    columns = np.arange(len(inside)) - np.repeat(np.cumsum(counts) - counts, counts)
    members = np.zeros((len(counts), max(1, int(counts.max()))), np.int32)
    valid = np.zeros(members.shape, bool)
    members[numbers, columns], valid[numbers, columns] = inside, True
    regions, positions = np.full(size, len(counts), np.int32), np.zeros(size, np.int32)
    regions[inside], positions[inside] = numbers, columns
    return Regions(
        members=jnp.asarray(members),
        member_valid=jnp.asarray(valid),
        regions=jnp.asarray(regions),
        positions=jnp.asarray(positions),
    )


def swept_layers(abstractions: Sequence[Abstraction], lowest: int) -> tuple[int, ...]:
    """The numbers of the layers that are swept: the lowest one, and those above it as far as there are gates between.

    Args:
        abstractions: one for each layer, bottom first; empty where they are not known yet.
        lowest: the layer that steps belong to.
    """
    numbers = [lowest]
    for abstraction in abstractions[lowest:-1]:
        if not isinstance(abstraction, GatedAbstraction):
            break
        numbers.append(numbers[-1] + 1)
    return tuple(numbers)


def num_places(model: Model, number: int) -> int:
    """The size of the id space of a layer that was checked."""
    space = model.layers[number].space
    assert isinstance(space, Discrete)
    return space.num_elements


def begin(model: Model, abstractions: Sequence[Abstraction], number: int) -> Array:
    """Which goals of a layer wait at the start, bool `[N]`: all that it has to learn."""
    ids = jnp.arange(num_places(model, number))
    return _learned(abstractions, number, ids)


def _learned(abstractions: Sequence[Abstraction], number: int, ids: Array) -> Array:
    """Which places of all ids `[N]` a layer learns: above gates, these."""
    if number > 0 and isinstance(below := abstractions[number - 1], GatedAbstraction):
        return below.is_pivot(ids, ids, ids, jnp.zeros_like(ids))
    return jnp.ones(ids.shape, bool)


def check(model: Model, number: int) -> None:
    """Refuses a layer that can't be swept by steps.

    Raises:
        ValueError: naming what does not go, and the remedy.
    """
    if not 0 <= number < len(model.layers):
        raise ValueError(f"there is no layer {number} to sweep; there are {len(model.layers)}")
    layer = model.layers[number]
    if not isinstance(layer.cortex.kernel, Table) or not layer.answers_states:
        raise ValueError(
            f"sweeping by steps needs the table kernel with answers that are places, and layer {number} has "
            f"{layer.cortex.kernel}; take `TableConfig` for it"
        )
    if isinstance(layer.cortex.score_rule, Return):
        raise ValueError(
            f"steps have costs, and layer {number} scores by returns; take the linear or geometric rule for it"
        )
    if layer.shown_length > 1:
        raise ValueError(f"steps are taken from the present place alone; set the context_length of layer {number} to 1")


def sweep(
    model: Model,
    state: ModelState,
    *,
    number: int,
    lowest: int = 0,
    steps: Steps,
    regions: Regions,
    waiting: Array,
    batch_size: int,
    max_rounds: int,
) -> tuple[Examples, Array]:
    """Works through the next goals that wait.

    Args:
        model: the stack.
        state: what it has learned.
        number: of the layer that learns; a table over places.
        lowest: the lowest layer over these places, to which the steps belong. Layers above it are swept by way of their
            gates.
        steps: of the places.
        regions: from `find_regions` for the layer.
        waiting: `[N]` bool, from `begin` or the last call.
        batch_size: goals to work through, about: whole regions where these are smaller.
        max_rounds: bound on the rounds of one call. A goal that is not through then waits for the next one.

    Returns:
        Examples for the layer, masked but for those that improve on what is stored by more than the table's resolution;
        and the goals that still wait.
    """
    layer, kernel = model.layers[number], model.kernel_state(state, number)
    rule = layer.cortex.score_rule
    num_regions, num_members = regions.members.shape
    num_goals = min(num_members, batch_size)
    num_worked = min(num_regions, max(1, batch_size // num_goals))

    # Choose: regions in which goals wait, and of each the first ones that do.
    waits = waiting[regions.members] & regions.member_valid
    worked = jnp.argsort(~jnp.any(waits, axis=1), stable=True)[:num_worked]
    columns = jnp.argsort(~waits[worked], axis=1, stable=True)[:, :num_goals]
    rows, row_valid = regions.members[worked], regions.member_valid[worked]
    goals = jnp.take_along_axis(rows, columns, axis=1)
    chosen = jnp.take_along_axis(waits[worked], columns, axis=1)

    # What is stored, where a goal itself has been reached already.
    pairs = (num_worked, num_members, num_goals)
    here = jnp.broadcast_to(rows[:, :, None], pairs)
    wanted = jnp.broadcast_to(goals[:, None, :], pairs)
    _, stored = answering.stored(layer, kernel, here, wanted)
    # What has a score of its own but no row in the table gets no example: a goal that is reached already.
    counted = row_valid[:, :, None] & chosen[:, None, :]
    before = jnp.where(counted & (stored > -jnp.inf), stored, 0)

    # What can be chosen in each row: `[U, R, D]` and its successors among the rows.
    choices = _step_choices(model, state, steps, rows, number=number, lowest=lowest)
    ends, shares = choices.successors, choices.probabilities
    within = regions.regions[ends] == worked[:, None, None, None]
    # Rows of all regions one below the other, and last of all one for what lies outside and counts 0.
    outside = num_worked * num_members
    at = jnp.where(within, jnp.arange(num_worked)[:, None, None, None] * num_members + regions.positions[ends], outside)
    at, shares = (table.reshape(outside, *table.shape[2:]) for table in (at, shares))
    prices = jnp.where(row_valid[:, :, None], choices.scores, 0).reshape(outside, -1)
    by_choice = jax.tree.map(lambda table: jnp.swapaxes(table, 0, 1), (prices, at, shares))

    def improve(carry: _Round) -> _Round:
        values, _, _, _, count = carry
        none = jnp.zeros((outside, num_goals))
        start = (none, none.astype(jnp.int32), jnp.int32(0))
        (best, which, _), _ = jax.lax.scan(partial(_compare, rule, values), start, by_choice)
        better = jnp.maximum(values[:-1], best)
        return values.at[:-1].set(better), best, which, jnp.any(better > values[:-1], axis=0), count + 1

    begin_values = jnp.pad(before.reshape(outside, num_goals), ((0, 1), (0, 0)))
    none = jnp.zeros((outside, num_goals))
    start = (begin_values, none, none.astype(jnp.int32), jnp.ones(num_goals, bool), jnp.int32(0))
    _, scores, which, moving, _ = jax.lax.while_loop(
        lambda carry: jnp.any(carry[3]) & (carry[4] < max_rounds), improve, start
    )

    # Learn what improved, by the choice that was best in the last round.
    picked = jnp.take_along_axis(choices.aims.reshape(outside, -1), which, axis=1)
    scores = scores.reshape(pairs)
    better = counted & (here != wanted) & (scores > before + _resolution(model, number))
    examples = _examples(model, number, here, wanted, picked.reshape(pairs), scores, better)
    if number == lowest and num_regions > 1:
        crosses = (regions.regions[choices.aims] != worked[:, None, None]) & row_valid[:, :, None]
        examples = _with_crossings(model, state, number, examples, choices, rows, crosses)
    # A round that changed less than a table can store would be the same the next time.
    improved = jnp.any(better, axis=1) & moving[None]
    done = chosen & ~improved
    left = waiting.at[jnp.where(done, goals, waiting.shape[0])].set(False, mode="drop")
    return examples, left


def _compare(
    rule: ScoreRule, values: Array, carry: tuple[Array, Array, Array], choice: tuple[Array, Array, Array]
) -> tuple[tuple[Array, Array, Array], None]:
    """Takes one more choice of each row into account.

    Args:
        rule: composes scores.
        values: `[N + 1, G]`, score of each row and goal.
        carry: best score so far and its choice, both `[N, G]`, and the number of the present choice.
        choice: of each row, score of the step `[N]`, rows that it may lead to `[N, S]`, and their probabilities.
    """
    best, which, number = carry
    price, to, share = choice
    onward = jnp.zeros_like(best)
    for end in range(to.shape[1]):
        onward += share[:, end, None] * values[to[:, end]]
    offer = rule.compose(price[:, None], onward)
    return (jnp.maximum(best, offer), jnp.where(offer > best, number, which), number + 1), None


@struct.dataclass
class _Choices:
    """What can be chosen in places `[U, R]`, up to D each.

    Attributes:
        aims: `[U, R, D]` int32.
        scores: `[U, R, D]`, of the step alone; 0 where there is no choice.
        successors: `[U, R, D, S]` int32.
        probabilities: `[U, R, D, S]`.
    """

    aims: Array
    scores: Array
    successors: Array
    probabilities: Array


def _step_choices(model: Model, state: ModelState, steps: Steps, rows: Array, *, number: int, lowest: int) -> _Choices:
    """The choices of a layer in places `[U, R]`."""
    rule = model.layers[number].cortex.score_rule
    costs = steps.costs[rows]
    scores = jnp.where(jnp.isfinite(costs), rule.score(jnp.where(jnp.isfinite(costs), costs, 0)), 0)
    own = _Choices(
        aims=steps.aims[rows],
        scores=scores,
        successors=steps.successors[rows],
        probabilities=steps.probabilities[rows],
    )
    if number == lowest:
        return own
    # Above gates: steps that stay in a community are left to the layer below, and its gates are choices instead.
    abstraction = state.abstractions[number - 1]
    assert isinstance(abstraction, GatedAbstraction)
    near, valid = abstraction.gates(rows)
    at = jnp.broadcast_to(rows[..., None], near.shape)
    _, legs = answering.stored(model.layers[number - 1], model.kernel_state(state, number - 1), at, near)
    legs = jnp.where(valid & (near != at) & (legs > -jnp.inf), legs, 0)
    crosses = ~abstraction.together(jnp.broadcast_to(rows[..., None], own.aims.shape), own.aims)
    num_ends = own.successors.shape[-1]
    certain = jnp.arange(num_ends) == 0
    return _Choices(
        aims=jnp.concatenate([near, own.aims], axis=-1),
        scores=jnp.concatenate([legs, jnp.where(crosses, own.scores, 0)], axis=-1),
        successors=jnp.concatenate(
            [jnp.broadcast_to(near[..., None], (*near.shape, num_ends)), own.successors], axis=-2
        ),
        probabilities=jnp.concatenate(
            [jnp.broadcast_to(certain.astype(jnp.float32), (*near.shape, num_ends)), own.probabilities], axis=-2
        ),
    )


def _with_crossings(
    model: Model,
    state: ModelState,
    number: int,
    examples: Examples,
    choices: _Choices,
    rows: Array,
    crosses: Array,
) -> Examples:
    """Examples of the lowest layer and those of the single steps out of its regions, which it learns as well."""
    here = jnp.broadcast_to(rows[..., None], choices.aims.shape)
    layer, kernel = model.layers[number], model.kernel_state(state, number)
    _, stored = answering.stored(layer, kernel, here, choices.aims)
    better = choices.scores > jnp.where(stored > -jnp.inf, stored, 0) + _resolution(model, number)
    crossings = _examples(
        model,
        number,
        here,
        choices.aims,
        choices.aims,
        choices.scores,
        better & crosses & (choices.probabilities[..., 0] == 1) & (choices.successors[..., 0] == choices.aims),
    )
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), examples, crossings)


def _examples(
    model: Model, number: int, here: Array, goals: Array, targets: Array, scores: Array, mask: Array
) -> Examples:
    """Examples `[B]` for a layer, of arrays of any one shape."""
    layer = model.layers[number]
    states, wanted = here.reshape(-1), goals.reshape(-1)
    return Examples(
        context=layer.context(layer.begin(states.shape[0]), states, wanted),
        goals=wanted,
        targets=targets.reshape(-1),
        scores=scores.reshape(-1),
        mask=mask.reshape(-1),
    )


def _resolution(model: Model, number: int) -> float:
    """Differences of scores that the layer's table can't store."""
    kernel = model.layers[number].cortex.kernel
    assert isinstance(kernel, Table)
    return 1 / (kernel.num_levels - 1)


def lowest_waiting(waiting: Sequence[Array]) -> Array:
    """The index of the lowest layer for which goals wait; the top one's where none does."""
    some = jnp.stack([jnp.any(each) for each in waiting])
    return jnp.where(jnp.any(some), jnp.argmax(some), len(waiting) - 1)
