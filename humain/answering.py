"""What a layer of the stack answers: its cortex alone, or, above a gated abstraction, by way of the best gates.

Between gates a layer has learned. From any other state to any other goal the way leads to a gate of the state's
community, on to one of the goal's community, and from there to the goal; which two is decided anew at each question, by
the scores of all parts together. Where a layer below knows a way as good by itself, the goal is passed down unchanged.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp

from humain.abstraction.abstraction import Abstraction, GatedAbstraction
from humain.kernels.kernel import KernelState
from humain.kernels.table import Table
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.types import Answer, Array, Context

Answerer: TypeAlias = Callable[[Context, Array, Array | None], Answer]
"""A context of `B` episodes, goals `[B, *S]` and ranks `[B]` or None, to the answer; see `Cortex.answer`."""


def answerer(model: Model, state: ModelState, number: int) -> Answerer:
    """How one layer answers.

    Args:
        model: the stack.
        state: what it has learned.
        number: of the layer, 0 at the bottom.

    Returns:
        What its cortex answers, or above a gated abstraction the best way by gates, which takes no heed of ranks.

    Raises:
        ValueError: as `gated_below`. Kernels are checked before they learn, by `check_kernels`.
    """
    cortex, kernel = model.layers[number].cortex, model.kernel_state(state, number)
    gated = gated_below(state.abstractions, number)
    if not gated:
        return lambda context, goals, ranks: cortex.answer(kernel, context, goals, ranks)
    kernels = tuple(model.kernel_state(state, below) for below in range(number + 1))

    def through_gates(context: Context, goals: Array, ranks: Array | None) -> Answer:
        # There is no choice of hypotheses where the best gates are chosen: `think` refuses ranks that a user gives.
        del ranks
        return _through_gates(model, kernels, gated, context.states[:, -1], goals)

    return through_gates


def gated_below(abstractions: Sequence[Abstraction], number: int) -> tuple[GatedAbstraction, ...]:
    """The abstractions below a layer, bottom first, if they are gated; empty if they are not.

    Args:
        abstractions: one for each layer, bottom first.
        number: of the layer.

    Raises:
        ValueError: if some are and others are not: the best gates are sought from the bottom up, without a gap.
    """
    gated = tuple(each for each in abstractions[:number] if isinstance(each, GatedAbstraction))
    if gated and len(gated) < number:
        raise ValueError(
            f"{len(gated)} of the {number} abstractions below layer {number} have gates; all must have them, or none"
        )
    return gated


def check_kernels(layers: Sequence[Layer]) -> None:
    """Refuses kernels that can't say what they have not learned: gates are sought among pairs far out of reach.

    Args:
        layers: those below the gates and above them, bottom first.

    Raises:
        ValueError: naming the layer and its kernel.
    """
    for number, layer in enumerate(layers):
        if not isinstance(layer.cortex.kernel, Table):
            raise ValueError(
                "by way of gates only the table kernel answers, as it knows which pairs it has not learned, and layer "
                f"{number} has {type(layer.cortex.kernel).__name__}; take `TableConfig` for it, or abstractions "
                "without gates"
            )


def stored(layer: Layer, kernel: KernelState, states: Array, goals: Array) -> tuple[Array, Array]:
    """What one layer has stored for going from states to goals.

    Args:
        layer: that is asked, as right after a refresh.
        kernel: what it has learned.
        states: `[...]` ids.
        goals: `[...]` ids.

    Returns:
        Values `[...]` and scores `[...]`; where the state is the goal, that and the score of having arrived; `-inf`
        where nothing is stored.
    """
    here, wanted = states.reshape(-1), goals.reshape(-1)
    answer = layer.cortex.answer(kernel, layer.context(layer.begin(here.shape[0]), here, wanted), wanted)
    there = here == wanted
    arrived = layer.cortex.score_rule.score(jnp.zeros_like(here), jnp.zeros(here.shape))
    values, scores = jnp.where(there, wanted, answer.value), jnp.where(there, arrived, answer.score)
    return values.reshape(states.shape), scores.reshape(states.shape)


def _through_gates(
    model: Model,
    kernels: tuple[KernelState, ...],
    abstractions: tuple[GatedAbstraction, ...],
    states: Array,
    goals: Array,
) -> Answer:
    """The answers of the layer above the last of the abstractions to states and goals `[B]`."""
    # From its first node on, a plan of this layer is at gates: then there is one to set out from, and not a choice.
    position = jnp.zeros(states.shape, jnp.int32)
    at_gates = abstractions[-1].is_pivot(states, states, states, position) | (states == goals)
    choose = partial(_best_gates, model, kernels, abstractions)
    value, score = jax.lax.cond(
        jnp.all(at_gates),
        partial(choose, all_at_gates=True),
        partial(choose, all_at_gates=False),
        states,
        goals,
        at_gates,
    )
    return Answer(value=value, score=score, known=score > -jnp.inf, ends=jnp.zeros(score.shape, bool))


def _best_gates(
    model: Model,
    kernels: tuple[KernelState, ...],
    abstractions: tuple[GatedAbstraction, ...],
    states: Array,
    goals: Array,
    at_gates: Array,
    *,
    all_at_gates: bool,
) -> tuple[Array, Array]:
    """Values and scores `[B]`, `-inf` where no way is known; `at_gates` `[B]` are gates, or at their goals.

    With `all_at_gates` it is known beforehand that all of them are, which saves most of the work.
    """

    def score(number: int, starts: Array, ends: Array) -> tuple[Array, Array]:
        starts, ends = jnp.broadcast_arrays(starts, ends)
        return stored(model.layers[number], kernels[number], starts, ends)

    def join(number: int, first: Array, second: Array) -> Array:
        joined = model.layers[number].cortex.score_rule.compose(first, second)
        # As far as the rule counts, a way that scores 0 is none.
        return jnp.where((first > -jnp.inf) & (second > -jnp.inf) & (joined > 0), joined, -jnp.inf)

    # Straight on: what the bottom layer knows without any gate.
    _, best = score(0, states, goals)
    values = goals
    starts, ends = states[:, None], goals[:, None]
    arrived = score(0, starts, starts)[1]
    to_starts = from_ends = arrived
    for number, abstraction in enumerate(abstractions, start=1):
        # Up to the gates of the next larger community on both sides, by the best of those of the one before.
        if not all_at_gates:
            exits, out = abstraction.gates(states)
            _, legs = score(number - 1, starts[:, :, None], exits[:, None, :])
            reached = jnp.max(join(number, to_starts[:, :, None], legs), axis=1)
            # Who is at a gate sets out from it alone, whoever else is in the batch.
            alone = jnp.where(jnp.arange(exits.shape[1]) == 0, arrived, -jnp.inf)
            to_starts = jnp.where(at_gates[:, None], alone, jnp.where(out, reached, -jnp.inf))
            starts = jnp.where(at_gates[:, None], states[:, None], exits)
        entries, into = abstraction.gates(goals)
        _, legs = score(number - 1, entries[:, :, None], ends[:, None, :])
        reached = jnp.max(join(number, legs, from_ends[:, None, :]), axis=2)
        from_ends, ends = jnp.where(into, reached, -jnp.inf), entries
        # From gate to gate, all of one side with all of the other.
        nexts, ways = score(number, starts[:, :, None], ends[:, None, :])
        totals = join(number, join(number, to_starts[:, :, None], ways), from_ends[:, None, :])
        flat = totals.reshape(totals.shape[0], -1)
        chosen = jnp.argmax(flat, axis=1)
        total, onward = (
            jnp.take_along_axis(table.reshape(flat.shape), chosen[:, None], axis=1)[:, 0] for table in (flat, nexts)
        )
        gate = jnp.take_along_axis(starts, (chosen // ends.shape[1])[:, None], axis=1)[:, 0]
        last = jnp.take_along_axis(ends, (chosen % ends.shape[1])[:, None], axis=1)[:, 0]
        # First to the gate, then from gate to gate, then to the goal. What a layer below knows is left to it.
        better = total > best
        if number == len(abstractions):
            node = jnp.where(gate != states, gate, jnp.where(gate != last, onward, goals))
            values = jnp.where(better, node, goals)
        best = jnp.where(better, total, best)
    return values, best
