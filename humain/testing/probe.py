"""A kernel without memory, to test what a cortex passes to its kernel."""

import dataclasses

import jax
import jax.numpy as jnp

from humain.kernels.kernel import Metrics
from humain.spaces import Space
from humain.types import Array, Context, Examples, Slots


@dataclasses.dataclass(frozen=True)
class Probe:
    """Answers the goal itself, with a score that depends on context and goal: a fixed random projection of both.

    Attributes:
        state_space: the space of contexts and goals.
        target_space: the same space.
        num_slots: always 1.
    """

    state_space: Space
    target_space: Space
    num_slots: int = 1

    def init(self, key: jax.Array) -> Array:
        """Returns an empty state; the key is not used."""
        del key
        return jnp.zeros(())

    def recall(self, state: Array, context: Context, goals: Array) -> Slots:
        """Returns the goals as values, and a score for each query."""
        del state
        seen = jnp.where(context.mask[..., None], context.features, -1.0)
        seen = jnp.concatenate([seen, self.state_space.encode(goals)[:, None]], axis=1)
        weights = jax.random.normal(jax.random.key(7), seen.shape[1:])
        return Slots(values=jnp.expand_dims(goals, 1), scores=jnp.einsum("bcf,cf->b", seen, weights)[:, None])

    def learn(self, state: Array, examples: Examples) -> tuple[Array, Metrics]:
        """Returns the state unchanged."""
        del examples
        return state, {}
