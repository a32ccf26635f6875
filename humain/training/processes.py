"""What the processes of one run agree on. The engine is JAX's; this is the little that has to be asked in between.

Every process runs the same program on the same data. Where a decision hangs on something that only one of them knows,
a signal or a clock, they decide together, so that all of them do the same next: a computation over a mesh of all their
devices goes on only when all take part.
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
    """The processes of a run, as one of them sees them; by default there is but one.

    Attributes:
        index: of this process, from 0.
        count: of all.
    """

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes, and whose clock counts."""
        return self.index == 0

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """The largest of each number over all processes; waits until all have asked.

        Args:
            numbers: that fit into 32 bits with their sign; as many in each process.
        """
        if self.count == 1:
            return numbers
        everywhere = multihost_utils.process_allgather(np.array(numbers, np.int32))
        return tuple(everywhere.max(axis=0).tolist())

    def check_equal(self, tree: Any, what: str) -> None:
        """Refuses to go on where the processes have different data.

        Args:
            tree: arrays of this process, typed keys too.
            what: they are, for the error.

        Raises:
            UserError: in every process, if not all have the same bits.
        """
        if self.count == 1:
            return
        digest = 0
        for leaf in jax.tree.leaves(tree):
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                leaf = jax.random.key_data(leaf)
            digest = zlib.crc32(np.asarray(leaf).tobytes(), digest)
        # As large as a sign leaves room for: the largest and the smallest are equal only if all are.
        largest, smallest = self.agree(digest >> 1, -(digest >> 1))
        if largest != -smallest:
            raise errors.UserError(
                f"the {self.count} processes have different {what}; start all of them with the same command, software "
                "and kind of machine"
            )
