"""A kernel without memory, to see what a cortex is shown."""

import dataclasses

import jax
import jax.numpy as jnp

from humain.kernels.kernel import Metrics
from humain.spaces import Space
from humain.types import Array, Context, Examples, Slots


@dataclasses.dataclass(frozen=True)
class Probe:
    """Answers the goal itself, at a score that tells contexts and goals apart: a fixed random projection of them.

    Attributes:
        state_space: of contexts and goals.
        target_space: the same.
        num_slots: 1.
    """

    state_space: Space
    target_space: Space
    num_slots: int = 1

    def init(self, key: jax.Array) -> Array:
        """Nothing; the key is not used."""
        del key
        return jnp.zeros(())

    def recall(self, state: Array, context: Context, goals: Array) -> Slots:
        """The goals, and a number for each question."""
        del state
        seen = jnp.where(context.mask[..., None], context.features, -1.0)
        seen = jnp.concatenate([seen, self.state_space.encode(goals)[:, None]], axis=1)
        weights = jax.random.normal(jax.random.key(7), seen.shape[1:])
        return Slots(values=jnp.expand_dims(goals, 1), scores=jnp.einsum("bcf,cf->b", seen, weights)[:, None])

    def learn(self, state: Array, examples: Examples) -> tuple[Array, Metrics]:
        """Nothing."""
        del examples
        return state, {}
