"""Stretches: what a layer's paths have between one pivot and the next, listed once.

Drawn from such a list, where each of equal ones stands once, what is rare is learned as often as what is common.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.layer import Layer
from humain.types import Array


@struct.dataclass
class Stretches:
    """Places from which a path goes on to its next pivot.

    Attributes:
        walks: `[N]` int32, trajectory.
        times: `[N]` int32, of the present state.
        goal_times: `[N]` int32, of the next pivot, or of the trajectory's end where that comes first.
        kept: `[N]` int32, states of the layer's path before the present one, as far back as the pivot before.
        target_times: `[N]` int32, of the path's next state, or of the goal where that comes first.
        context_times: `[N, C]` int32, of the states that are stored, the present one last; -1 where there is none.
    """

    walks: Array
    times: Array
    goal_times: Array
    kept: Array
    target_times: Array
    context_times: Array


def find(
    layer: Layer,
    *,
    states: Array,
    goals: Array,
    actions: Array | None,
    returns: Array | None,
    lengths: Array,
    path: Array,
    pivots: Array,
) -> Stretches:
    """The places of all trajectories. Not for jit.

    Of those with equal states in the context, equal goals and equal targets, the first one with the best score is kept.

    Args:
        layer: whose contexts and scores count.
        states: `[W, T, *S]`, as the layer sees them.
        goals: `[W, T, *S]`, as it is asked for them.
        actions: `[W, T, *V]` that it is to answer; None where it answers states.
        returns: `[W, T + 1]`, sum of the rewards before each time, or None.
        lengths: `[W]` int32, of the trajectories.
        path: `[W, T]` bool, True for the states on the layer's path.
        pivots: `[W, T]` bool, those that the layer above sees.
    """
    # On the host: what is equal to what decides how many there are.
    on_path, is_pivot = np.asarray(path), np.asarray(pivots)
    state_ids, goal_ids = _number(states), _number(goals)
    action_ids = None if actions is None else _number(actions)
    found: list[tuple[int, ...]] = []
    questions: list[tuple[object, ...]] = []
    for walk, length in enumerate(np.asarray(lengths).tolist()):
        times = np.flatnonzero(on_path[walk, :length]).tolist()
        pivot_times = np.flatnonzero(is_pivot[walk, :length])
        # The trajectory's end stands for the pivot after the last one.
        later = np.append(pivot_times, length - 1)[np.searchsorted(pivot_times, times, side="right")].tolist()
        begin = 0
        for place, time in enumerate(times):
            if is_pivot[walk, time]:
                begin = place
            if time >= length - 1:
                break
            goal_time = later[place]
            target_time = min(times[place + 1] if place + 1 < len(times) else goal_time, goal_time)
            oldest = max(begin, place + 1 - layer.stored_length)
            context = times[oldest : place + 1]
            # One start is like the other where it is hidden.
            hidden = layer.hide_start and oldest == begin
            shown = (hidden, *state_ids[walk, times[oldest + hidden : place + 1]].tolist())
            target = state_ids[walk, target_time] if action_ids is None else action_ids[walk, time]
            padding = [-1] * (layer.stored_length - len(context))
            found.append((walk, time, goal_time, place - begin, target_time, *padding, *context))
            ends = target_time == goal_time
            questions.append((shown, goal_ids[walk, goal_time], target, ends))
    columns = np.array(found, np.int32).reshape(-1, 5 + layer.stored_length)
    walks, starts, goal_times, kept, target_times = columns[:, :5].T
    collected = None
    if returns is not None:
        sums = np.asarray(returns)
        collected = sums[walks, goal_times] - sums[walks, starts]
    # Compiled as a whole, which takes less time than its operations one by one.
    scores = np.asarray(jax.jit(layer.cortex.score_rule.score)(goal_times - starts, collected))

    best: dict[tuple[object, ...], int] = {}
    for place, question in enumerate(questions):
        if question not in best or scores[place] > scores[best[question]]:
            best[question] = place
    chosen = np.array(sorted(best.values()), np.int32)
    listed = (walks, starts, goal_times, kept, target_times, columns[:, 5:])
    return Stretches(*(jnp.asarray(column[chosen]) for column in listed))


def _number(elements: Array) -> np.ndarray:
    """Int `[W, T]`: the same number for equal elements of `[W, T, *S]`."""
    numbers: dict[bytes, int] = {}
    rows = np.asarray(elements)
    flat = rows.reshape(rows.shape[0] * rows.shape[1], -1)
    named = [numbers.setdefault(row.tobytes(), len(numbers)) for row in flat]
    return np.array(named).reshape(rows.shape[:2])
