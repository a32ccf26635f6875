"""Decisions that the processes of one run take together, beside the computation that JAX distributes over them.

Every process runs the same program on the same data. Where a decision depends on something that only one of them knows,
a signal or a clock, they decide together, so that all of them do the same next: a computation over a mesh of all their
devices proceeds only if all take part.
"""

import dataclasses
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from humain import errors


@dataclasses.dataclass(frozen=True)
class Processes:
    """The number of processes in a run, and the index of this one; by default there is only one.

    Attributes:
        index: the index of this process, from 0.
        count: the number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes the results and whose clock decides when to save."""
        return self.index == 0

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """Returns the maximum of each number over all processes; waits until all have called it.

        Args:
            numbers: this process's numbers, which must fit in int32; every process passes equally many.
        """
        if self.count == 1:
            return numbers
        everywhere = multihost_utils.process_allgather(np.array(numbers, np.int32))
        return tuple(everywhere.max(axis=0).tolist())

    def check_equal(self, tree: Any, what: str) -> None:
        """Checks that all processes have the same data.

        Args:
            tree: a pytree of this process's arrays, typed keys too.
            what: the name of the data in the error message.

        Raises:
            UserError: in every process, unless all have the same bits.
        """
        if self.count == 1:
            return
        digest = 0
        for leaf in jax.tree.leaves(tree):
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                leaf = jax.random.key_data(leaf)
            digest = zlib.crc32(np.asarray(leaf).tobytes(), digest)
        # Shifted by one bit to fit in int32. The maximum and the negated maximum of the negated digest, which is the
        # minimum, are equal only if all digests are.
        largest, smallest = self.agree(digest >> 1, -(digest >> 1))
        if largest != -smallest:
            raise errors.UserError(
                f"the {self.count} processes have different {what}; start all of them with the same command, software "
                "and kind of machine"
            )
