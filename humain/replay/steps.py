"""Steps: what can be tried in each place, what it costs, and where it leads with which probability.

`find_steps` learns them from experience. A choice is to go from place i to a place j; it exists where a path went that
way, or the other way by a step that may be undone. Where paths jumped out of i (a teleporter, a fall), no choice in i
is safe: with the share of departures from i that were jumps it ends where those jumps ended. A jump is nobody's choice,
so none is made of it, and a path is taken up anew behind it.
"""

from collections.abc import Sequence
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.types import Array

_Numbers: TypeAlias = np.ndarray | Array | Sequence[int] | Sequence[float]


@struct.dataclass
class Steps:
    """The choices of each place, padded to D, and their possible successors, padded to S.

    Attributes:
        aims: `[N, D]` int32, the place that a choice is meant to lead to: what a layer answers.
        costs: `[N, D]` float32, above 0, in the unit of the score rule's distances; infinite where there is no choice.
        successors: `[N, D, S]` int32, places.
        probabilities: `[N, D, S]` float32, of the successors; 0 where there is none. They sum to 1 for each choice.
    """

    aims: Array
    costs: Array
    successors: Array
    probabilities: Array

    @property
    def num_places(self) -> int:
        """N."""
        return self.aims.shape[0]

    @property
    def valid(self) -> Array:
        """Bool `[N, D]`, where there is a choice."""
        return jnp.isfinite(self.costs)


def make_steps(
    num_places: int,
    sources: _Numbers,
    aims: _Numbers,
    costs: _Numbers,
    *,
    successors: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
) -> Steps:
    """Steps out of a list of choices. Not for jit.

    Args:
        num_places: N.
        sources: `[C]`, place of each choice.
        aims: `[C]`, where it is meant to lead.
        costs: `[C]`, above 0.
        successors: `[C, S]`, where it may lead; None where each leads to its aim.
        probabilities: `[C, S]`, how often it leads there; needed with successors. They sum to 1 for each choice.

    Raises:
        ValueError: naming what does not fit: a shape, a place that does not exist, a cost that is not above 0 and
            finite, or probabilities that do not sum to 1.
    """
    starts, wanted = np.asarray(sources, np.int64), np.asarray(aims, np.int64)
    price = np.asarray(costs, np.float64)
    if starts.ndim != 1 or wanted.shape != starts.shape or price.shape != starts.shape:
        raise ValueError(
            f"sources, aims and costs must be of one shape [C], not {list(starts.shape)}, {list(wanted.shape)} and "
            f"{list(price.shape)}"
        )
    if (successors is None) != (probabilities is None):
        raise ValueError("successors and probabilities go together; give both or neither")
    ends = wanted[:, None] if successors is None else np.asarray(successors, np.int64)
    shares = np.ones(ends.shape) if probabilities is None else np.asarray(probabilities, np.float64)
    if ends.ndim != 2 or len(ends) != len(starts) or shares.shape != ends.shape or not ends.shape[1]:
        raise ValueError(
            f"successors and probabilities must both be [{len(starts)}, S], not {list(ends.shape)} and "
            f"{list(shares.shape)}"
        )
    for name, ids in (("sources", starts), ("aims", wanted), ("successors", ends)):
        if ids.size and not (ids.min() >= 0 and ids.max() < num_places):
            raise ValueError(f"{name} must lie between 0 and {num_places - 1}, not {ids.min()} to {ids.max()}")
    if not np.all((price > 0) & np.isfinite(price)):
        wrong = price[~((price > 0) & np.isfinite(price))][0]
        raise ValueError(f"a step must cost more than 0, and a finite amount, not {wrong}; a free one would be no step")
    if not (np.all(shares >= 0) and np.allclose(shares.sum(axis=1), 1, atol=1e-5)):
        raise ValueError("the probabilities of a choice must be 0 or more and sum to 1")

    # Choices of one place side by side, in the order given.
    order = np.argsort(starts, kind="stable")
    counts = np.bincount(starts, minlength=num_places)
    columns = np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = starts[order]
    shape = (num_places, max(1, int(counts.max(initial=0))))
    table_aims = np.zeros(shape, np.int32)
    table_costs = np.full(shape, np.inf, np.float32)
    table_ends = np.zeros((*shape, ends.shape[1]), np.int32)
    table_shares = np.zeros((*shape, ends.shape[1]), np.float32)
    table_aims[rows, columns], table_costs[rows, columns] = wanted[order], price[order]
    table_ends[rows, columns], table_shares[rows, columns] = ends[order], shares[order]
    return Steps(
        aims=jnp.asarray(table_aims),
        costs=jnp.asarray(table_costs),
        successors=jnp.asarray(table_ends),
        probabilities=jnp.asarray(table_shares),
    )


def find_steps(
    places: np.ndarray,
    lengths: np.ndarray,
    num_places: int,
    *,
    jumps: np.ndarray | None = None,
    undoable: np.ndarray | None = None,
    centers: np.ndarray | None = None,
    speed: float | None = None,
    least_seen: int = 1,
) -> Steps:
    """Steps from paths through places.

    Args:
        places: `[W, T]` ids, where each path was at each time.
        lengths: `[W]`.
        num_places: N.
        jumps: `[W, T]` or `[W, T - 1]` bool, True where the step from a time to the next was a jump; by default, none.
        undoable: as `jumps`, True where the step could be taken back: then the choice exists the other way round too.
            By default, none.
        centers: `[N, D]`, where each place lies. With them a choice costs the time that its length takes at `speed`;
            without, the time of the faster stays: the lower quartile of how long paths were in i before they were in j.
        speed: length a time step, above 0; needed with centers. See `free_speed`.
        least_seen: choices that were seen fewer times, both ways together where they may be undone, are left out.

    Returns:
        Steps whose costs are in time steps.

    Raises:
        ValueError: if shapes do not fit together, ids are not those of places, or centers come without a speed.
    """
    ids, there, jumped, backward = _checked(places, lengths, num_places, jumps, undoable)
    if (centers is None) != (speed is None):
        raise ValueError("centers and speed go together; give both or neither")
    if speed is not None and not (np.isfinite(speed) and speed > 0):
        raise ValueError(f"the speed must be above 0, not {speed}")
    sources, targets = ids[:, :-1], ids[:, 1:]
    jumped &= there
    moved = there & ~jumped & (sources != targets)

    # Choices: what was seen, and what may be undone the other way round, each with how long the path had stayed.
    stays, whole = (stay[moved] for stay in _stays(ids, jumped))
    starts, ends = sources[moved], targets[moved]
    back = backward[moved]
    firsts, seconds = np.concatenate([starts, ends[back]]), np.concatenate([ends, starts[back]])
    pairs, numbers, counts = np.unique(firsts * num_places + seconds, return_inverse=True, return_counts=True)
    kept = counts >= least_seen
    first, second = pairs // num_places, pairs % num_places
    if centers is not None and speed is not None:
        positions = np.asarray(centers, np.float64)
        if positions.ndim != 2 or len(positions) != num_places:
            raise ValueError(f"centers must be [{num_places}, D], not {list(positions.shape)}")
        apart = np.linalg.norm(positions[first] - positions[second], axis=1)
        costs = np.maximum(apart / speed, np.finfo(np.float32).tiny)
    else:
        costs = _fast_stays(pairs, num_places, starts * num_places + ends, stays, whole)

    # Hazards: of all departures from a place, the share that were jumps, and where those ended.
    jump_starts, jump_ends = sources[jumped], targets[jumped]
    departures = np.bincount(starts, minlength=num_places) + np.bincount(jump_starts, minlength=num_places)
    jump_pairs, jump_counts = np.unique(jump_starts * num_places + jump_ends, return_counts=True)
    jump_first, jump_second = jump_pairs // num_places, jump_pairs % num_places
    columns = np.arange(len(jump_pairs)) - np.searchsorted(jump_first, jump_first)
    width = int(columns.max(initial=-1)) + 1
    jump_to, share = np.zeros((num_places, width), np.int64), np.zeros((num_places, width))
    jump_to[jump_first, columns] = jump_second
    share[jump_first, columns] = jump_counts / departures[jump_first]
    # Of the rest, by counts: 1 less a sum of shares could be a little below 0. Where no path left, nothing jumped.
    safe = (departures - np.bincount(jump_starts, minlength=num_places)) / np.maximum(departures, 1)
    safe[departures == 0] = 1
    return make_steps(
        num_places,
        first[kept],
        second[kept],
        costs[kept],
        successors=np.concatenate([second[:, None], jump_to[first]], axis=1)[kept],
        probabilities=np.concatenate([safe[first][:, None], share[first]], axis=1)[kept],
    )


def step_graph(steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """The graph of steps, and what chance joins. Not for jit.

    Returns:
        Pairs of places `[E, 2]` that a choice may lead from and to, each once; and pairs `[P, 2]` that must lie in one
        community (`abstraction.communities`), as a choice with more than one successor leads from the one to the other.
    """
    ends, there = np.asarray(steps.successors), np.asarray(steps.probabilities) > 0
    sources, choices, _ = np.nonzero(there)
    pairs = np.stack([sources, ends[there]], axis=1)
    unsure = there.sum(axis=2) > 1
    places, numbers = np.nonzero(unsure)
    aimed = np.stack([places, np.asarray(steps.aims)[places, numbers]], axis=1)
    apart = np.concatenate([pairs[unsure[sources, choices]], aimed])
    return np.unique(pairs, axis=0), np.unique(apart, axis=0)


def free_speed(states: np.ndarray, lengths: np.ndarray, free: np.ndarray) -> float:
    """The median length of a free step, one that nothing held back.

    Args:
        states: `[W, T, D]` vectors.
        lengths: `[W]`.
        free: `[W, T]` or `[W, T - 1]` bool, True for the steps to count.

    Raises:
        ValueError: if no step counts.
    """
    moves = np.linalg.norm(np.diff(np.asarray(states), axis=1), axis=2)
    there = np.arange(moves.shape[1]) < np.asarray(lengths)[:, None] - 1
    chosen = moves[there & np.asarray(free, bool)[:, : moves.shape[1]]]
    if not chosen.size:
        raise ValueError("no step is free, so that no speed can be learned; check what tells free steps")
    return float(np.median(chosen))


def _checked(
    places: np.ndarray, lengths: np.ndarray, num_places: int, jumps: np.ndarray | None, undoable: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ids `[W, T]` int64, and `[W, T - 1]` bool: which steps there are, which are jumps, and which may be undone."""
    ids, counts = np.asarray(places), np.asarray(lengths)
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or counts.shape != ids.shape[:1]:
        raise ValueError(
            f"places must be ids [W, T] and lengths [W], not {ids.dtype}{list(ids.shape)} and {list(counts.shape)}"
        )
    num_steps = max(ids.shape[1] - 1, 0)
    inside = np.arange(ids.shape[1]) < counts[:, None]
    if np.any((ids[inside] < 0) | (ids[inside] >= num_places)):
        raise ValueError(
            f"places must lie between 0 and {num_places - 1}, not {ids[inside].min()} to {ids[inside].max()}"
        )
    marks = []
    for name, mark in (("jumps", jumps), ("undoable", undoable)):
        full = np.zeros((len(ids), num_steps), bool) if mark is None else np.asarray(mark, bool)
        if full.shape not in (ids.shape, (len(ids), num_steps)):
            raise ValueError(f"{name} must be {list(ids.shape)} or {[len(ids), num_steps]}, not {list(full.shape)}")
        marks.append(full[:, :num_steps].copy())
    ids = np.where(inside, ids, 0).astype(np.int64)
    return ids, np.arange(num_steps) < counts[:, None] - 1, marks[0], marks[1]


def _stays(ids: np.ndarray, jumped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How long each path had been in its place without a break when it took each step, `[W, T - 1]`, 1 or more.

    And whether that was the whole stay: not where it began with the path or with a jump.
    """
    times = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    begins = np.ones(ids.shape, bool)
    begins[:, 1:] = (ids[:, 1:] != ids[:, :-1]) | jumped
    since = np.maximum.accumulate(np.where(begins, times, 0), axis=1)
    entered = np.zeros(ids.shape, bool)
    entered[:, 1:] = ~jumped
    entered[:, :1] = False
    return (times - since + 1)[:, :-1], np.take_along_axis(entered, since, axis=1)[:, :-1]


def _fast_stays(
    pairs: np.ndarray, num_places: int, seen: np.ndarray, stays: np.ndarray, whole: np.ndarray
) -> np.ndarray:
    """What each pair of places `[C]` costs, by the stays before the steps that were seen `[M]`.

    Whole stays count before broken ones, and those of the pair itself before those of the same step the other way.
    """
    other = pairs % num_places * num_places + pairs // num_places
    costs = np.full(len(pairs), np.nan)
    for chosen in (whole, ~whole):
        for wanted in (pairs, other):
            costs = np.where(np.isnan(costs), _lower_quartiles(wanted, seen[chosen], stays[chosen]), costs)
    return costs


def _lower_quartiles(wanted: np.ndarray, groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The lower quartile of the values of each wanted group; NaN for one that has none."""
    order = np.lexsort((values, groups))
    values, groups = values[order], groups[order]
    first, last = (np.searchsorted(groups, wanted, side=side) for side in ("left", "right"))
    quartiles = np.full(len(wanted), np.nan)
    some = last > first
    quartiles[some] = values[(first + (last - first - 1) // 4)[some]]
    return quartiles
