"""Prioritized sweeping: replay for states that can be counted, in the order in which it pays.

When what is stored for m -> g gets better, only what leads to m can gain from it. So the improved pairs wait in a
queue; each is joined with every step s -> m that was experienced, and where s -> g gets better by it, that pair joins
the queue. First in, first out, starting from the goals themselves, short ways are found before long ones, and each pair
is worked on about once; sampled composition (`replay.compose`) draws most of its pairs in vain. When the queue is
empty, the bottom layer's scores are the best that the steps experienced allow.

Source: Moore and Atkeson, Prioritized Sweeping: Reinforcement Learning with Less Data and Less Time (1993). Here the
order is that of arrival, not of a priority: all steps cost the same, so that is the order of distance.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.abstraction.abstraction import is_gated, learns
from humain.cortex import hindsight
from humain.cortex.hindsight import Experience
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Examples


@struct.dataclass
class Predecessors:
    """For each state the different steps that were seen to lead to it, by one place where each was taken.

    Attributes:
        walks: `[N, D]` int32, D the largest number of predecessors of a state.
        times: `[N, D]` int32, of the step's first state.
        valid: `[N, D]` bool.
    """

    walks: Array
    times: Array
    valid: Array


@struct.dataclass
class Queue:
    """Pairs (state, goal) whose score improved and that have not been passed on yet; a ring buffer.

    Attributes:
        states: `[Q]` int32.
        goals: `[Q]` int32.
        first: `[]` int32, place of the pair that has waited longest.
        size: `[]` int32, pairs that wait.
        dropped: `[]` int32, pairs that found the queue full so far.
    """

    states: Array
    goals: Array
    first: Array
    size: Array
    dropped: Array


def predecessors(experience: Experience, space: Discrete) -> Predecessors:
    """All different steps of an experience, by where they lead. Not for jit."""
    walks, times = np.asarray(experience.walks), np.asarray(experience.times)
    states = np.asarray(experience.trajectories.states)
    sources, targets = states[walks, times], states[walks, times + 1]
    steps = targets.astype(np.int64) * space.num_elements + sources
    _, places = np.unique(steps, return_index=True)
    places = places[sources[places] != targets[places]]
    # `unique` sorts by target, so the steps to one state stand together.
    counts = np.bincount(targets[places], minlength=space.num_elements)
    columns = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (space.num_elements, max(1, counts.max(initial=0)))
    table = np.zeros((3, *shape), np.int32)
    table[:, targets[places], columns] = np.stack([walks[places], times[places], np.ones_like(places)])
    return Predecessors(walks=jnp.asarray(table[0]), times=jnp.asarray(table[1]), valid=jnp.asarray(table[2] > 0))


def begin(space: Discrete, capacity: int) -> Queue:
    """The queue at the start: every goal is reached from itself.

    Args:
        space: of states and goals.
        capacity: pairs that can wait.

    Raises:
        ValueError: if the capacity does not hold all goals.
    """
    if capacity < space.num_elements:
        raise ValueError(f"a queue of {capacity} does not hold {space.num_elements} goals; raise its capacity")
    ids = jnp.zeros(capacity, jnp.int32).at[: space.num_elements].set(jnp.arange(space.num_elements))
    return Queue(
        states=ids, goals=jnp.copy(ids), first=jnp.int32(0), size=jnp.int32(space.num_elements), dropped=jnp.int32(0)
    )


def sweep(
    model: Model,
    state: ModelState,
    *,
    experience: Experience,
    before: Predecessors,
    queue: Queue,
    batch_size: int,
    resolution: float,
) -> tuple[Examples, Queue]:
    """The next pairs of the queue, joined with the steps that lead to them.

    Args:
        model: over a discrete space; its bottom layer learns from the examples.
        state: what it has learned.
        experience: the steps.
        before: from `predecessors` of that experience.
        queue: from `begin` or the last call.
        batch_size: pairs to take from the queue, P.
        resolution: differences of scores that the kernel can't store; without it rounding would look like improvement,
            and pairs would chase each other in circles.

    Returns:
        Examples `[P * D]` for the bottom layer, masked but for those that improve on what is stored, and the queue with
        those pairs in it.
    """
    cortex, kernel, layer = model.layers[0].cortex, model.kernel_state(state, 0), model.layers[0]
    # Take the pairs m -> g that have waited longest, and for each all steps s -> m that were seen.
    middles, goals, waiting, rest = take(queue, batch_size)
    num_steps = before.walks.shape[1]
    walks, times = before.walks[middles].reshape(-1), before.times[middles].reshape(-1)
    step_valid = (before.valid[middles] & waiting[:, None]).reshape(-1)
    goals_each = jnp.repeat(goals, num_steps)

    # Join: the step as hindsight scores it, with what is stored for the rest of the way.
    steps = hindsight.examples_between(
        experience, layer, number=0, walks=walks, times=times, goal_times=times + 1, kept=jnp.zeros_like(times)
    )
    # Every step to a state knows the same context of it: the present state alone. Its first one serves.
    there = hindsight.fresh_contexts(
        experience, layer, number=0, walks=before.walks[middles, 0], times=before.times[middles, 0] + 1
    )
    onward = cortex.answer(kernel, there, goals)
    arrived = cortex.score_rule.score(jnp.zeros_like(middles), jnp.zeros(middles.shape))
    onward_score = jnp.where(middles == goals, arrived, onward.score)
    scores = cortex.score_rule.compose(steps.scores, jnp.repeat(onward_score, num_steps))
    examples = dataclasses.replace(steps, goals=goals_each, scores=scores, mask=step_valid & (scores > 0))
    examples = within_reach(state, 0, examples)
    return improvements(model, state, rest, examples, resolution=resolution)


def take(queue: Queue, batch_size: int) -> tuple[Array, Array, Array, Queue]:
    """The pairs that have waited longest: states and goals `[P]`, which of them exist `[P]`; and the rest."""
    capacity = queue.states.shape[0]
    waiting = jnp.arange(batch_size) < queue.size
    places = (queue.first + jnp.arange(batch_size)) % capacity
    taken = jnp.sum(waiting, dtype=jnp.int32)
    rest = dataclasses.replace(queue, first=(queue.first + taken) % capacity, size=queue.size - taken)
    return queue.states[places], queue.goals[places], waiting, rest


def improvements(
    model: Model, state: ModelState, queue: Queue, examples: Examples, *, resolution: float, number: int = 0
) -> tuple[Examples, Queue]:
    """The examples without those that do not improve on what is stored, so that a queue runs empty; and the queue.

    Args: as for `enqueue_improvements`.
    """
    better, queue = enqueue_improvements(model, state, queue, examples, resolution=resolution, number=number)
    return dataclasses.replace(examples, mask=better), queue


def within_reach(state: ModelState, number: int, examples: Examples) -> Examples:
    """The examples without those that a layer does not have to learn, below a gated abstraction or above it.

    The bottom layer learns every single step: those between communities are what its gates are for.

    Args:
        state: whose abstractions bound what is learned.
        number: of the layer, 0 at the bottom.
        examples: for it.
    """
    if not is_gated(state.abstractions):
        return examples
    learned = learns(state.abstractions, number, examples.context.states[:, -1], examples.goals)
    if number == 0:
        learned |= examples.targets == examples.goals
    return dataclasses.replace(examples, mask=examples.mask & learned)


def enqueue_improvements(
    model: Model, state: ModelState, queue: Queue, examples: Examples, *, resolution: float, number: int = 0
) -> tuple[Array, Queue]:
    """Lets the pairs wait that a layer is about to know better.

    To be called with everything that it learns, before it learns it: a pair that got better without anybody noticing
    would never be passed on to what leads to it.

    Args:
        model: over a discrete space.
        state: before learning from the examples.
        queue: to join.
        examples: for the layer, `[B]`; what it does not have to learn (`within_reach`) is masked already.
        resolution: as for `sweep`.
        number: of the layer, 0 at the bottom.

    Returns:
        Which examples improve on what is stored `[B]`, and the queue with their pairs.
    """
    sources = examples.context.states[:, -1]
    stored = model.layers[number].cortex.answer(model.kernel_state(state, number), examples.context, examples.goals)
    threshold = jnp.where(stored.known, stored.score + resolution, -jnp.inf)
    better = examples.mask & (sources != examples.goals) & (examples.scores > threshold)
    return better, _push(queue, sources, examples.goals, better)


def _push(queue: Queue, states: Array, goals: Array, mask: Array) -> Queue:
    """Lets the unmasked pairs wait, as far as there is room."""
    capacity = queue.states.shape[0]
    order = jnp.cumsum(mask) - 1
    fits = mask & (queue.size + order < capacity)
    places = jnp.where(fits, (queue.first + queue.size + order) % capacity, capacity)
    pushed = jnp.sum(fits, dtype=jnp.int32)
    return dataclasses.replace(
        queue,
        states=queue.states.at[places].set(states, mode="drop"),
        goals=queue.goals.at[places].set(goals, mode="drop"),
        size=queue.size + pushed,
        dropped=queue.dropped + jnp.sum(mask, dtype=jnp.int32) - pushed,
    )
