"""`bridges`: the states at both ends of the steps that join communities, found from the steps of walks alone.

The *span* of a step is the length of the shortest other way between its ends. Within a community there is one close by;
where a step is the only link far around, the way about is long: such a step is a bridge. Without its bridges the steps
that were seen fall apart into communities, and whoever leaves one passes a gate, an end of a bridge. So a layer has to
learn only the goals of the community that a state lies in, and the layer above only the ways between gates. With a
greater span the communities are larger and contain those of a smaller one, for the next layer up.

Sources: Mark Granovetter, "The Strength of Weak Ties" (1973), for local bridges and their span, there of ties without a
direction; Andrew Moore, Leemon Baird and Leslie Kaelbling, "Multi-Value-Functions: Efficient Automatic Action
Hierarchies for Multiple Goal MDPs" (1999), for the use. Deviation: no pair of states has a landmark of its own; all
gates of a community stand for its states, and the best of them is chosen for each question.
"""

import collections
import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.types import Array, Trajectories


@struct.dataclass
class Bridges:
    """Gates are pivots, and the states of a community share its gates.

    Attributes:
        communities: `[N]` int32, the community of each state.
        is_gate: `[N]` bool.
        gate_ids: `[C, M]` int32, the gates of each community, M the largest number of them.
        gate_valid: `[C, M]` bool.
    """

    communities: Array
    is_gate: Array
    gate_ids: Array
    gate_valid: Array

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True for gates."""
        del previous, following, position
        return self.is_gate[state]

    def lift(self, state: Array) -> Array:
        """The state itself."""
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        """The goal itself."""
        del state
        return goal

    def community(self, states: Array) -> Array:
        """The number of each state's community."""
        return self.communities[states]

    def together(self, first: Array, second: Array) -> Array:
        """Whether both states lie in one community."""
        return self.communities[first] == self.communities[second]

    def gates(self, states: Array) -> tuple[Array, Array]:
        """The gates of each state's community."""
        own = self.communities[states]
        return self.gate_ids[own], self.gate_valid[own]


def find_bridges(trajectories: Trajectories, num_states: int, *, num_levels: int = 1) -> tuple[Bridges, ...]:
    """Nested abstractions, the smallest communities first. Not for jit: it looks at the steps.

    Of all spans that can be asked of the bridges of each level, those are taken with which the fewest pairs of state
    and goal have to be learned by all layers together.

    Args:
        trajectories: of ids `[W, T]`.
        num_states: size of the id space.
        num_levels: abstractions, 1 or more.

    Returns:
        `num_levels` of them; for a stack of one layer more.

    Raises:
        ValueError: if `num_levels` is below 1, the states are not ids or not below `num_states`, or the steps have too
            few different spans for as many levels.
    """
    if num_levels < 1:
        raise ValueError(f"num_levels must be 1 or more, not {num_levels}")
    steps = _steps(trajectories)
    if steps.size and (steps.min() < 0 or steps.max() >= num_states):
        wrong = steps.min() if steps.min() < 0 else steps.max()
        raise ValueError(
            f"ids of {num_states} states lie between 0 and {num_states - 1}, and the trajectories have {wrong}; raise "
            "num_states, or number the states from 0 on"
        )
    lengths = spans(steps)
    # Not more than the longest span: that would leave no bridge at all.
    choices = np.unique(lengths).tolist()
    levels = {least: _split(steps, lengths, least, num_states) for least in choices}
    if len(choices) < num_levels:
        raise ValueError(f"steps of {len(choices)} different spans make no {num_levels} levels; take fewer layers")
    best = min(
        itertools.combinations(choices, num_levels),
        key=lambda chosen: sum(num_pairs([levels[least] for least in chosen])),
    )
    return tuple(gate_table(*levels[least]) for least in best)


def spans(steps: np.ndarray) -> np.ndarray:
    """The length of the shortest other way between the ends of each step.

    Args:
        steps: `[E, 2]`, from and to, each once.

    Returns:
        `[E]` int64; E + 1, longer than any way, where there is no other.
    """
    after: dict[int, list[int]] = collections.defaultdict(list)
    before: dict[int, list[int]] = collections.defaultdict(list)
    for source, target in steps.tolist():
        after[source].append(target)
        before[target].append(source)
    none = len(steps) + 1
    return np.array([_detour(after, before, source, target, none) for source, target in steps.tolist()], np.int64)


def _detour(after: dict[int, list[int]], before: dict[int, list[int]], source: int, target: int, none: int) -> int:
    """Steps of the shortest way that doesn't take the step itself: searched from both ends, the smaller side first."""
    left, right = {source}, {target}
    front, back = [source], [target]
    length = 0
    while front and back:
        length += 1
        forward = len(front) <= len(back)
        ends, links, seen, others = (front, after, left, right) if forward else (back, before, right, left)
        found = []
        for state in ends:
            for other in links[state]:
                if {state, other} == {source, target} and (state == source) == forward:
                    continue
                if other in others:
                    return length
                if other not in seen:
                    seen.add(other)
                    found.append(other)
        ends[:] = found
    return none


def num_pairs(levels: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    """Pairs of state and goal that each layer of a stack has to learn, bottom first: one layer more than abstractions.

    Args:
        levels: of each abstraction, the lowest first, the community of each state `[N]` and whether it is a gate `[N]`.
    """
    counts = []
    learners = np.ones(len(levels[0][0]), bool)
    for communities, gates in levels:
        sizes = np.bincount(communities[learners])
        counts.append(int(np.sum(sizes * (sizes - 1))))
        learners = gates
    size = int(np.sum(learners))
    return [*counts, size * (size - 1)]


def _steps(trajectories: Trajectories) -> np.ndarray:
    """The different steps `[E, 2]`; one that stays is none."""
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    if states.ndim != 2 or states.dtype.kind not in "iu":
        raise ValueError(f"bridges are found between ids [W, T], not {states.dtype}{list(states.shape)}")
    there = np.arange(states.shape[1] - 1)[None] < lengths[:, None] - 1
    pairs = np.stack([states[:, :-1][there], states[:, 1:][there]], axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def _split(steps: np.ndarray, lengths: np.ndarray, least: int, num_states: int) -> tuple[np.ndarray, np.ndarray]:
    """The community of each state without the steps of at least a span, and whether it is a gate."""
    roots = np.arange(num_states)

    def root(state: int) -> int:
        while roots[state] != state:
            roots[state] = roots[roots[state]]
            state = int(roots[state])
        return state

    for source, target in steps[lengths < least].tolist():
        roots[root(source)] = root(target)
    _, communities = np.unique([root(state) for state in range(num_states)], return_inverse=True)
    # A long step within one community joins nothing.
    crossing = communities[steps[:, 0]] != communities[steps[:, 1]]
    gates = np.zeros(num_states, bool)
    gates[steps[crossing]] = True
    return communities, gates


def gate_table(communities: np.ndarray, gates: np.ndarray) -> Bridges:
    """The abstraction of communities, from the one of each state `[N]`, numbered from 0, and its gates `[N]` bool."""
    numbers = np.flatnonzero(gates)
    numbers = numbers[np.argsort(communities[numbers], kind="stable")]
    counts = np.bincount(communities[numbers], minlength=int(communities.max()) + 1)
    columns = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    ids = np.zeros((len(counts), max(1, int(counts.max()))), np.int32)
    valid = np.zeros(ids.shape, bool)
    ids[communities[numbers], columns] = numbers
    valid[communities[numbers], columns] = True
    return Bridges(
        communities=jnp.asarray(communities, jnp.int32),
        is_gate=jnp.asarray(gates),
        gate_ids=jnp.asarray(ids),
        gate_valid=jnp.asarray(valid),
    )
