"""A learned world: what the layers imagine in, behind one Protocol.

A world is a frozen description (sizes, thresholds; a static argument), and what it has learned is a pytree: seeds and
members of an ensemble are further axes of that. States are normalised vectors, actions are the environment's own.

What another world needs to know: `branch` may return any pytree with the methods of `Branches`. A linear world keeps
`B + J` paths for `B * J` branches; one whose steps are not linear follows every branch, and keeps with each state
whether it is known, as disagreement between the members of an ensemble says; `humain.world.paths` does that for any
one-step model. `fit` is given a key, for first weights and batches, and is traced: it may scan over thousands of
updates.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import jax

from humain.environments.actions import ActionSpace
from humain.environments.transitions import Transitions
from humain.types import Array

WorldState: TypeAlias = Any
"""What was learned of a world: a pytree that the world defines."""

Coordinates: TypeAlias = Sequence[Array]
"""States, one array for each of their D coordinates."""

Seen = TypeVar("Seen")

Look: TypeAlias = Callable[[Coordinates], Seen]
"""From states, by coordinates, to a pytree of arrays."""


class Branches(Protocol):
    """What each of J sequences of T actions makes of each of B states."""

    @property
    def actions(self) -> Array:
        """`[J, T, *V]`."""

    @property
    def num_states(self) -> int:
        """B."""

    def states(self, rows: Array, sequences: Array, times: Array | int) -> Array:
        """Where sequences `[...]` lead from rows `[...]` after steps `[...]`, or one number of them: `[..., D]`."""


class World(Protocol):
    """A kind of world that can be learned, and imagined in."""

    @property
    def actions(self) -> ActionSpace:
        """The environment's."""

    def fit(self, transitions: Transitions, key: jax.Array) -> WorldState:
        """The world of experienced transitions.

        Args:
            transitions: with normalised states; only those that `mask` names count. Where they have terminated says
                which states are not survived.
            key: consumed, where fitting is random.
        """

    def step(self, state: WorldState, states: Array, actions: Array) -> Array:
        """The next states `[..., D]` after actions `[..., *V]` in states `[..., D]`."""

    def known(self, state: WorldState, states: Array) -> Array:
        """Bool `[...]`, whether states `[..., D]` are survived, and near enough to what was experienced."""

    def extent(self, state: WorldState) -> tuple[Array, Array]:
        """How far the known region reaches from the middle (0), down and up one coordinate at a time: `[D]` each."""

    def free(self, state: WorldState) -> Array:
        """Bool `[D]`, coordinates on which no change of a state depends; False throughout where that can't be told."""

    def branch(self, state: WorldState, states: Array, sequences: Array) -> Branches:
        """Follows each of the sequences of actions `[J, T, *V]` from each of the states `[B, D]`."""

    def survey(self, state: WorldState, branches: Any, look: Look[Seen]) -> tuple[Seen, Array]:
        """Looks at the states of all branches, the present ones left out.

        Args:
            state: that the branches were made with.
            branches: from `branch`.
            look: what to make of the states of one time, from their coordinates of `[B, J]` each.

        Returns:
            What it makes of them, with a leading axis of T; and bool `[T, B, J]`, whether each state is known by
            itself, whatever came before it.
        """
