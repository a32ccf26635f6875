"""A kernel without memory whose answers say where the way to a goal ends."""

import dataclasses

import jax
import jax.numpy as jnp

from humain.kernels.kernel import Metrics
from humain.spaces import Continuous
from humain.stopping import Stopping
from humain.types import Array, Context, Examples, Slots


@dataclasses.dataclass(frozen=True)
class Ascent:
    """Goes up a list of numbers, whatever the goal, and ends its way at some; its second hypothesis leaves one out.

    Attributes:
        numbers: in order.
        ends: whether the way ends at each of them.
        state_space: numbers.
        target_space: numbers that say whether the way ends with them.
        num_slots: always 2.
    """

    numbers: tuple[float, ...]
    ends: tuple[bool, ...]
    state_space: Continuous = Continuous(1)
    target_space: Stopping = Stopping(Continuous(1))
    num_slots: int = 2

    def init(self, key: jax.Array) -> Array:
        """Returns an empty state; the key is not used."""
        del key
        return jnp.zeros(())

    def recall(self, state: Array, context: Context, goals: Array) -> Slots:
        """Returns the first number above the present one, scored 0.5, and the one after it, scored 0.25."""
        del state, goals
        place = jnp.searchsorted(jnp.array(self.numbers), context.states[:, -1, 0], side="right")
        places = jnp.minimum(jnp.stack([place, place + 1], axis=1), len(self.numbers) - 1)
        values = jnp.stack([jnp.array(self.numbers)[places], jnp.array(self.ends)[places].astype(jnp.float32)], axis=-1)
        # The first hypothesis stands in the second slot.
        return Slots(values=values[:, ::-1], scores=jnp.broadcast_to(jnp.array([[0.25, 0.5]]), places.shape))

    def learn(self, state: Array, examples: Examples) -> tuple[Array, Metrics]:
        """Is not there: it knows all that it will ever know."""
        raise NotImplementedError("it knows all that it will ever know")
