"""`think`: from a state and a goal, top to bottom, the whole plan.

Each layer works through its goals in order, starting each where the last one ended, until all are reached or one is not
within its bound. A plan is laid out in time order and without gaps, so a layer costs as many answers as the plan has
nodes there.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy.typing as npt
from flax import struct

from humain import answering, guards
from humain.abstraction.abstraction import lift_through
from humain.answering import Answerer
from humain.hippocampus import memory as memory_lib
from humain.hippocampus.memory import Memory
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.selection import select
from humain.types import Array, Plan, PlanLayer

_Specify: TypeAlias = Callable[[Array, Array], Array]
"""A goal as it was asked for and where the plan is, to the goal in the layer's own terms."""


@struct.dataclass
class _Progress:
    """How far a layer has come with its goals.

    Attributes:
        layer: the nodes so far.
        states: `[B, *S]`, where the plans are, in the layer's own terms.
        goal_index: `[B]` int32, the goal that is worked on.
        num_nodes: `[B]` int32.
        sub_steps: `[B]` int32, answers for the present goal so far.
        working: `[B]` bool.
        memory: the layer's hippocampus, batched.
    """

    layer: PlanLayer
    states: Array
    goal_index: Array
    num_nodes: Array
    sub_steps: Array
    working: Array
    memory: Memory


def think(
    model: Model,
    state: ModelState,
    states: npt.ArrayLike,
    goals: npt.ArrayLike,
    ranks: npt.ArrayLike | None = None,
) -> Plan:
    """Whole plans for `B` pairs of state and goal.

    Args:
        model: the stack; its bottom layer must answer states.
        state: what it has learned.
        states: `[B, *S]`; a list or a NumPy array will do, as it will for the goals.
        goals: `[B, *S]`.
        ranks: `[B]` int32, which of its hypotheses the top layer begins with, the best one first; from 0 to its
            kernel's number of slots less 1. By default with the best one. Not above a gated abstraction.

    Raises:
        ValueError: if the bottom layer answers actions: the model has not learned where they lead. Or naming ids
            outside the space, NaN, a wrong type or shape, ranks that there are not, ranks above a gated abstraction, or
            a state of another model.
    """
    if not model.layers[0].answers_states:
        raise ValueError(
            "plans are made of states, and the bottom layer answers actions; use react, or plan with the layers above "
            "it: model.above(1) and model.state_above(state, 1)"
        )
    guards.check_number(len(model.layers), len(state.abstractions))
    begins, asked = guards.questions(model.space, states, goals)
    numbers = None
    if ranks is not None:
        gated = answering.gated_below(state.abstractions, len(model.layers) - 1)
        if gated:
            raise ValueError(
                f"ranks are given, and the top layer stands above gates ({type(gated[-1]).__name__}), where it answers "
                "with the best of them and has no other hypotheses; leave ranks out"
            )
        num_slots = model.layers[-1].cortex.kernel.num_slots
        numbers = jnp.asarray(guards.numbers("ranks", ranks, size=begins.shape[0], limit=num_slots))
    return _think(model, state, begins, asked, numbers)


@partial(jax.jit, static_argnames=("model",))
def _think(model: Model, state: ModelState, states: Array, goals: Array, ranks: Array | None) -> Plan:
    """As `think`, of what was checked."""
    states, goals = (jnp.asarray(ids, model.space.dtype) for ids in (states, goals))
    starts, wanted = lift_through(state.abstractions, states), lift_through(state.abstractions, goals)
    # Down the stack: the user's goal is all that the top layer is asked for; each layer below works through the nodes
    # of the one above.
    layers: list[PlanLayer] = []
    asked = jnp.expand_dims(wanted[-1], 1)
    asked_valid = jnp.ones((states.shape[0], 1), bool)
    complete = jnp.ones(states.shape[0], bool)
    ends = states
    for number in reversed(range(len(model.layers))):
        specify: _Specify = _as_asked
        if layers:
            asked, asked_valid = layers[-1].states, layers[-1].valid
            specify = _specify_below(model, state, number, wanted)
        layer, ends = _work(
            model.layers[number],
            answering.answerer(model, state, number),
            starts[number],
            asked,
            asked_valid,
            specify=specify,
            bottom=number == 0,
            ranks=ranks if number == len(model.layers) - 1 else None,
        )
        complete &= jnp.all(layer.reached | ~asked_valid, axis=1)
        layers.append(layer)
    # Where upper layers merge states, all can be reached and the user's goal still not.
    complete &= model.space.equal(ends, goals)
    return Plan(starts=states, goals=goals, layers=tuple(layers[::-1]), complete=complete)


def _as_asked(goal: Array, here: Array) -> Array:
    """The top layer's goal needs no specifying."""
    del here
    return goal


def _specify_below(model: Model, state: ModelState, number: int, wanted: tuple[Array, ...]) -> _Specify:
    """How goals of the layer above come down to a layer; `wanted` is the user's goal as each layer sees it."""

    def specify(goal: Array, here: Array) -> Array:
        specified = state.abstractions[number].specify(goal, here)
        return select(model.layers[number + 1].space.equal(goal, wanted[number + 1]), wanted[number], specified)

    return specify


def _work(
    layer: Layer,
    ask: Answerer,
    states: Array,
    goals: Array,
    valid: Array,
    *,
    specify: _Specify,
    bottom: bool,
    ranks: Array | None,
) -> tuple[PlanLayer, Array]:
    """One layer's nodes for goals `[B, G, *S]`, of which the valid ones `[B, G]` come first; and where they end."""
    # All plans of the batch take a step at a time, each at a goal of its own; one that is through, or stuck, stands
    # still until the others are. Invariant: the first `num_nodes` places of a plan's layer are filled, in time order,
    # and `states` is where they have come to.
    batch, num_goals = valid.shape
    num_valid = jnp.sum(valid, axis=1)
    rows = jnp.arange(batch)

    def step(progress: _Progress) -> _Progress:
        # Ask for the present goal, in the layer's own terms.
        goal = specify(goals[rows, jnp.minimum(progress.goal_index, num_goals - 1)], progress.states)
        context = layer.context(progress.memory, progress.states, goal)
        first_ranks = None if ranks is None else jnp.where(progress.num_nodes == 0, ranks, 0)
        answer = ask(context, goal, first_ranks)
        # What an upper layer does not know it passes on; the bottom layer has no layer below to pass it to.
        value = answer.value if bottom else select(answer.known, answer.value, goal)
        # Decide who moves: not where the goal is reached already, or there is no room, or no answer to go by.
        there_already = layer.space.equal(progress.states, goal)
        moves = progress.working & ~there_already & (progress.num_nodes < layer.max_nodes)
        if bottom:
            moves &= answer.known
        # Write: a node for each who moves; whose goal was worked on, and reached, whether by a node or by being there.
        place = jnp.where(moves, progress.num_nodes, layer.max_nodes)
        nodes = progress.layer
        arrived = progress.working & (there_already | (moves & (answer.ends | layer.space.equal(value, goal))))
        nodes = dataclasses.replace(
            nodes,
            states=nodes.states.at[rows, place].set(value, mode="drop"),
            parents=nodes.parents.at[rows, place].set(progress.goal_index, mode="drop"),
            scores=nodes.scores.at[rows, place].set(answer.score, mode="drop"),
            valid=nodes.valid.at[rows, place].set(True, mode="drop"),
            reached=nodes.reached.at[rows, _where_or_out(arrived, progress.goal_index, num_goals)].set(
                True, mode="drop"
            ),
            attempted=nodes.attempted.at[rows, _where_or_out(progress.working, progress.goal_index, num_goals)].set(
                True, mode="drop"
            ),
        )
        # Go on: to the next goal from where the last one ended, with nothing remembered of it. A goal that is out of
        # reach ends the plan: what would follow it would not begin where the plan is.
        sub_steps = jnp.where(arrived, 0, progress.sub_steps + moves)
        goal_index = progress.goal_index + arrived
        exhausted = ~arrived & ((sub_steps >= layer.max_sub_steps) | ~moves)
        memory = layer.remember(progress.memory, progress.states, moves)
        return _Progress(
            layer=nodes,
            states=select(moves, value, progress.states),
            goal_index=goal_index,
            num_nodes=progress.num_nodes + moves,
            sub_steps=sub_steps,
            working=progress.working & ~exhausted & (goal_index < num_valid),
            memory=jax.vmap(memory_lib.refresh)(memory, arrived),
        )

    # Begin with no nodes, at the first goal.
    blank = jnp.zeros((batch, layer.max_nodes, *layer.space.shape), layer.space.dtype)
    numbers = jnp.zeros((batch, layer.max_nodes), jnp.int32)
    none_yet = jnp.zeros((batch, num_goals), bool)
    zero = jnp.zeros(batch, jnp.int32)
    start = _Progress(
        layer=PlanLayer(
            states=blank,
            parents=numbers,
            scores=numbers.astype(jnp.float32),
            valid=numbers.astype(bool),
            reached=none_yet,
            attempted=none_yet,
        ),
        states=states,
        goal_index=zero,
        num_nodes=zero,
        sub_steps=zero,
        working=num_valid > 0,
        memory=layer.begin(batch),
    )
    done = jax.lax.while_loop(lambda progress: jnp.any(progress.working), step, start)
    return done.layer, done.states


def _where_or_out(condition: Array, index: Array, size: int) -> Array:
    """`index` where the condition holds, else `size`, which a scatter drops."""
    return jnp.where(condition, index, size)
