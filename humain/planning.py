"""`think`: from a state and a goal, top to bottom, the whole plan.

Each layer works through its goals in order, starting each where the last one ended, until all are reached or one is not
within its bound. A plan is laid out in time order and without gaps, so a layer costs as many answers as the plan has
nodes there.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
from flax import struct

from humain.hippocampus import memory as memory_lib
from humain.hippocampus.memory import Memory
from humain.kernels.kernel import KernelState
from humain.model import Layer, Model, ModelState
from humain.selection import select
from humain.types import Array, Plan, PlanLayer


@struct.dataclass
class _Progress:
    """How far a layer has come with its goals.

    Attributes:
        layer: the nodes so far.
        states: `[B, *S]`, where the plans are.
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


@partial(jax.jit, static_argnames=("model",))
def think(model: Model, state: ModelState, states: Array, goals: Array) -> Plan:
    """Whole plans for `B` pairs of state and goal.

    Args:
        model: the stack; its bottom layer must answer states.
        state: what it has learned.
        states: `[B, *S]`.
        goals: `[B, *S]`.

    Raises:
        ValueError: if the bottom layer answers actions, of which nobody says where they lead.
    """
    if model.layers[0].cortex.kernel.target_space != model.space:
        raise ValueError("plans are made of states, and the bottom layer answers actions; use react")
    layers: list[PlanLayer] = []
    asked = jnp.expand_dims(goals, 1)
    asked_valid = jnp.ones((states.shape[0], 1), bool)
    complete = jnp.ones(states.shape[0], bool)
    for number in reversed(range(len(model.layers))):
        if layers:
            abstraction = state.abstractions[number]
            asked = jax.vmap(abstraction.specify, in_axes=(1, None), out_axes=1)(layers[-1].states, states)
            asked_valid = layers[-1].valid
        layer = _work(
            model,
            model.layers[number],
            model.kernel_state(state, number),
            states,
            asked,
            asked_valid,
            bottom=number == 0,
        )
        complete &= jnp.all(layer.reached | ~asked_valid, axis=1)
        layers.append(layer)
    return Plan(starts=states, goals=goals, layers=tuple(layers[::-1]), complete=complete)


def _work(
    model: Model, layer: Layer, kernel_state: KernelState, states: Array, goals: Array, valid: Array, *, bottom: bool
) -> PlanLayer:
    """One layer's nodes for goals `[B, G, *S]`, of which the valid ones `[B, G]` come first."""
    batch, num_goals = valid.shape
    num_valid = jnp.sum(valid, axis=1)
    rows = jnp.arange(batch)

    def step(progress: _Progress) -> _Progress:
        goal = goals[rows, jnp.minimum(progress.goal_index, num_goals - 1)]
        answer = layer.cortex.answer(kernel_state, layer.context(progress.memory, progress.states), goal)
        # What an upper layer does not know it passes on; at the bottom nobody is left to ask.
        value = answer.value if bottom else select(answer.known, answer.value, goal)
        there_already = model.space.equal(progress.states, goal)
        moves = progress.working & ~there_already & (progress.num_nodes < layer.max_nodes)
        if bottom:
            moves &= answer.known
        place = jnp.where(moves, progress.num_nodes, layer.max_nodes)
        nodes = progress.layer
        arrived = progress.working & (there_already | (moves & model.space.equal(value, goal)))
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
        sub_steps = jnp.where(arrived, 0, progress.sub_steps + moves)
        goal_index = progress.goal_index + arrived
        exhausted = ~arrived & ((sub_steps >= layer.max_sub_steps) | ~moves)
        memory = jax.vmap(memory_lib.append)(progress.memory, progress.states, moves)
        return _Progress(
            layer=nodes,
            states=select(moves, value, progress.states),
            goal_index=goal_index,
            num_nodes=progress.num_nodes + moves,
            sub_steps=sub_steps,
            working=progress.working & ~exhausted & (goal_index < num_valid),
            memory=jax.vmap(memory_lib.refresh)(memory, arrived),
        )

    blank = jnp.zeros((batch, layer.max_nodes, *model.space.shape), model.space.dtype)
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
    return jax.lax.while_loop(lambda progress: jnp.any(progress.working), step, start).layer


def _where_or_out(condition: Array, index: Array, size: int) -> Array:
    """`index` where the condition holds, else `size`, which a scatter drops."""
    return jnp.where(condition, index, size)
