"""One batch of sweeping, for the lowest layer for which something waits: what a layer goes by is then known below it.

Pairs wait where all steps cost the same (`replay.sweeping`, `replay.gates`), and goals where steps have costs of their
own (`replay.expected`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax

from humain.cortex.hindsight import Experience
from humain.kernels.kernel import Metrics
from humain.model import Model, ModelState
from humain.replay import expected, gates, sweeping
from humain.replay.expected import Regions
from humain.replay.steps import Steps
from humain.replay.sweeping import Predecessors, Queue
from humain.types import Array

_Swept: TypeAlias = tuple[ModelState, Any, Metrics]
"""What was learned, what still waits, and metrics."""


def sweep_pairs(
    model: Model,
    state: ModelState,
    *,
    experience: Experience,
    before: Predecessors,
    queues: tuple[Queue, ...],
    batch_size: int,
    resolution: float,
) -> tuple[ModelState, tuple[Queue, ...], Metrics]:
    """Learns from the next pairs of the lowest layer for which some wait.

    Args:
        model: the stack.
        state: what it has learned.
        experience: the steps.
        before: from `sweeping.predecessors` of that experience.
        queues: of all layers that are swept, bottom first.
        batch_size: pairs to take from the queue.
        resolution: as for `sweeping.sweep`.

    Returns:
        What the model has learned then, the queues, and the metrics of that layer's update.
    """

    def sweep(number: int, state: ModelState, queues: tuple[Queue, ...]) -> _Swept:
        given: dict[str, Any] = {
            "experience": experience,
            "before": before,
            "queue": queues[number],
            "batch_size": batch_size,
            "resolution": resolution,
        }
        if number == 0:
            examples, queue = sweeping.sweep(model, state, **given)
        else:
            examples, queue = gates.sweep_layer(model, state, number=number, **given)
        learned, values = model.learn(state, {number: examples})
        return learned, (*queues[:number], queue, *queues[number + 1 :]), values

    if len(queues) == 1:
        return sweep(0, state, queues)
    branches = [_unnamed(partial(sweep, number)) for number in range(len(queues))]
    return jax.lax.switch(gates.lowest_waiting(queues), branches, state, queues)


def sweep_steps(
    model: Model,
    state: ModelState,
    *,
    lowest: int,
    steps: Steps,
    regions: Sequence[Regions],
    waiting: tuple[Array, ...],
    batch_size: int,
    max_rounds: int,
) -> tuple[ModelState, tuple[Array, ...], Metrics]:
    """Learns some goals of the lowest layer for which some wait.

    Args:
        model: the stack.
        state: what it has learned.
        lowest: the number of the lowest layer that is swept, to which the steps belong.
        steps: with costs.
        regions: for each layer that is swept, the lowest one first, what it has to learn.
        waiting: for each of these layers, which goals wait, `[N]` bool.
        batch_size: goals to work through, about.
        max_rounds: bound on the rounds over all choices.

    Returns:
        What the model has learned then, the goals that still wait, and the metrics of that layer's update.
    """

    def sweep(at: int, state: ModelState, waiting: tuple[Array, ...]) -> _Swept:
        examples, left = expected.sweep(
            model,
            state,
            number=lowest + at,
            lowest=lowest,
            steps=steps,
            regions=regions[at],
            waiting=waiting[at],
            batch_size=batch_size,
            max_rounds=max_rounds,
        )
        learned, values = model.learn(state, {lowest + at: examples})
        return learned, (*waiting[:at], left, *waiting[at + 1 :]), values

    if len(waiting) == 1:
        return sweep(0, state, waiting)
    branches = [_unnamed(partial(sweep, at)) for at in range(len(waiting))]
    return jax.lax.switch(expected.lowest_waiting(waiting), branches, state, waiting)


def _unnamed(sweep: Callable[..., _Swept]) -> Callable[..., _Swept]:
    """A sweep of some layer whose metrics go by the same names, whichever layer it is."""

    def unnamed(*arguments: Any) -> _Swept:
        learned, left, values = sweep(*arguments)
        return learned, left, {name.partition("/")[2]: value for name, value in values.items()}

    return unnamed
