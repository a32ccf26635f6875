"""Branches that are followed one by one: what a world needs whose steps are no linear function.

They take `B * J * T` states of memory. They are also what the branches of a linear world are tested against.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array
from humain.world.world import Look

Seen = TypeVar("Seen")


@struct.dataclass
class PathBranches:
    """What each of J sequences of T actions makes of each of B states, state by state.

    Attributes:
        paths: `[B, J, T + 1, D]`, the present states first.
        known: `[B, J, T]` bool, whether each state after the first step is known.
        actions: `[J, T, *V]`.
    """

    paths: Array
    known: Array
    actions: Array

    @property
    def num_states(self) -> int:
        """B."""
        return int(self.paths.shape[0])

    def states(self, rows: Array, sequences: Array, times: Array | int) -> Array:
        """Where sequences `[...]` lead from rows `[...]` after steps `[...]`, or one number of them: `[..., D]`."""
        return self.paths[rows, sequences, times]


def follow(
    step: Callable[[Array, Array], Array], known: Callable[[Array], Array], states: Array, sequences: Array
) -> PathBranches:
    """Follows each of the sequences of actions from each of the states.

    Args:
        step: from states `[B, J, D]` and actions `[B, J, *V]` to the next states.
        known: from states `[B, J, D]` to bool `[B, J]`.
        states: `[B, D]`.
        sequences: `[J, T, *V]`.
    """
    shape = (states.shape[0], sequences.shape[0])

    def go_on(here: Array, actions: Array) -> tuple[Array, tuple[Array, Array]]:
        there = step(here, jnp.broadcast_to(actions, (*shape, *actions.shape[1:])))
        return there, (there, known(there))

    begin = jnp.broadcast_to(states[:, None], (*shape, states.shape[-1]))
    _, (path, lives) = jax.lax.scan(go_on, begin, jnp.moveaxis(sequences, 1, 0))
    paths = jnp.moveaxis(jnp.concatenate([begin[None], path]), 0, 2)
    return PathBranches(paths=paths, known=jnp.moveaxis(lives, 0, 2), actions=sequences)


def survey(branches: PathBranches, look: Look[Seen]) -> tuple[Seen, Array]:
    """Looks at the states of all branches; see `humain.world.world.World.survey`."""
    coordinates = list(jnp.moveaxis(branches.paths[:, :, 1:], (2, 3), (1, 0)))
    return jax.vmap(look)(coordinates), jnp.moveaxis(branches.known, 2, 0)
