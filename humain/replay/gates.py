"""Sweeping above a gated abstraction: ways from gate to gate, composed of what the layer below has stored.

It is what `replay.sweeping` does at the bottom, with other steps. A step of an upper layer leads from a gate to another
gate of the same community, as far as the layer below knows the way, or over a bridge. Layers are swept from the bottom
up, each when nothing waits below it any more: what a step costs is then known.

A step that gets better below after the layer above was swept isn't passed up again: that layer keeps the ways it has
composed, which are then longer than they need be. With fixed data this is fine: all steps are there from the start, and
where nothing waits below, it has nothing left to gain.
"""

import jax
import jax.numpy as jnp

from humain import answering
from humain.abstraction.abstraction import GatedAbstraction
from humain.cortex.hindsight import Experience
from humain.model import Model, ModelState
from humain.replay import sweeping
from humain.replay.sweeping import Predecessors, Queue
from humain.types import Examples


def sweep_layer(
    model: Model,
    state: ModelState,
    *,
    number: int,
    experience: Experience,
    before: Predecessors,
    queue: Queue,
    batch_size: int,
    resolution: float,
) -> tuple[Examples, Queue]:
    """The next pairs of an upper layer's queue, joined with the steps of gates that lead to them.

    Args:
        model: over a discrete space.
        state: what it has learned; the abstraction below the layer is gated.
        number: of the layer, 1 or more.
        experience: the steps.
        before: from `sweeping.predecessors` of that experience.
        queue: of the layer, from `sweeping.begin` or the last call.
        batch_size: pairs to take from the queue, P.
        resolution: as for `sweeping.sweep`.

    Returns:
        Examples `[P * (M + D)]` for the layer, M gates of a community and D steps to a state at most, masked but for
        those that improve on what is stored; and the queue with those pairs in it.
    """
    layer, abstraction = model.layers[number], state.abstractions[number - 1]
    assert isinstance(abstraction, GatedAbstraction)
    rule = layer.cortex.score_rule
    middles, goals, waiting, rest = sweeping.take(queue, batch_size)
    # Steps within the community, at what the layer below has stored for them.
    near, valid = abstraction.gates(middles)
    to = jnp.broadcast_to(middles[:, None], near.shape)
    _, legs = answering.stored(model.layers[number - 1], model.kernel_state(state, number - 1), near, to)
    # Steps over a bridge, as they were seen.
    far = experience.trajectories.states[before.walks[middles], before.times[middles]]
    at = jnp.broadcast_to(middles[:, None], far.shape)
    crossing = before.valid[middles] & ~abstraction.together(far, at)
    single = jnp.broadcast_to(rule.score(jnp.ones((), jnp.int32), jnp.zeros(())), far.shape)
    sources = jnp.concatenate([near, far], axis=1)
    steps = jnp.concatenate([jnp.where(valid & (near != to), legs, -jnp.inf), single], axis=1)
    present = jnp.concatenate([valid & (near != to), crossing], axis=1) & waiting[:, None]
    # Join them with what the layer itself has stored for the rest.
    _, onward = answering.stored(layer, model.kernel_state(state, number), middles, goals)
    onward = jnp.broadcast_to(onward[:, None], steps.shape)
    known = present & (steps > -jnp.inf) & (onward > -jnp.inf)
    scores = jnp.where(known, rule.compose(steps, onward), 0).reshape(-1)
    starts, wanted = sources.reshape(-1), jnp.repeat(goals, sources.shape[1])
    examples = Examples(
        context=layer.context(layer.begin(starts.shape[0]), starts, wanted),
        goals=wanted,
        targets=jnp.repeat(middles, sources.shape[1]),
        scores=scores,
        mask=known.reshape(-1) & (scores > 0),
    )
    examples = sweeping.within_reach(state, number, examples)
    return sweeping.improvements(model, state, rest, examples, resolution=resolution, number=number)


def lowest_waiting(queues: tuple[Queue, ...]) -> jax.Array:
    """The number of the lowest layer for which pairs wait; the top one's where none does."""
    waiting = jnp.stack([queue.size > 0 for queue in queues])
    return jnp.where(jnp.any(waiting), jnp.argmax(waiting), len(queues) - 1)
